"""Plain NumPy and Python kernels: slow, obviously right, the oracle of every test."""
