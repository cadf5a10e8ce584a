"""Every elementwise formula of the package, once for all backends.

A formula is a plain function of numbers, written over ``+ - * /``, comparisons, ``& |`` and the
names of :mod:`.names`; not ``~``, because ``~True`` is -2.  The reference calls it with floats,
Numba compiles it into its loops over lanes (:mod:`..numba_.formulas`), JAX traces it with arrays,
and NumPy runs it over whole tables: the operations and their order are the same, so the results are
the same to the bit; only what uses ``exp`` and ``log`` may differ in the last one.

Formulas do not loop, but for a fixed number of steps, do not branch (``where`` chooses) and know no
backend.
"""

from fastroute.kernels.formulas.names import (
    exp,
    frexp,
    log,
    maximum,
    minimum,
    quotient,
    rounded,
    sqrt,
    where,
)

__all__ = ["exp", "frexp", "log", "maximum", "minimum", "quotient", "rounded", "sqrt", "where"]
