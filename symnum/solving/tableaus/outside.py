"""Methods of other programs, which `solve` runs like its own."""

from __future__ import annotations

from symnum.solving.method import OutsideMethod

__all__ = ["CVODE", "IDA"]

_CITE = "Hindmarsh and others, SUNDIALS, ACM Trans. Math. Softw. 31:363 (2005)"

# variable-order BDF, up to order 5
CVODE = OutsideMethod(name="CVODE", order=5, embedded=4, dense=5, cite=_CITE)
IDA = OutsideMethod(name="IDA", order=5, embedded=4, dense=5, dae=5, cite=_CITE)
