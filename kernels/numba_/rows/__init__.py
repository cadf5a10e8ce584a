"""Rows of the flat arrays that kernels work on, one module for each kind.

A module is an ordered list of names; each is the offset of a row in the array.  Kernels import the
modules as ``LANE`` and ``SLOT`` and read ``w[LANE.pick + lane]``; Numba takes what it finds in a
module for a constant, and looks it up faster than a field of a tuple.
"""
