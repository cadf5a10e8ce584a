"""Compiled and reference kernels: arrays in, arrays out."""
