"""Numba kernels: the same modules and names as the reference, compiled for lanes of trials."""
