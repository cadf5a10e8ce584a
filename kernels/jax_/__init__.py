"""JAX kernels: the same modules and names as the reference, for lanes of trials on any device."""
