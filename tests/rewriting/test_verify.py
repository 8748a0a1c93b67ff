"""The numerical check: it lets rounding pass, and nothing else."""

import pytest

from symnum.rewriting.expr import Expr, Symbol, symbol
from symnum.rewriting.operators import absolute, acos, cos, exp, ifelse, log, sin, sqrt
from symnum.rewriting.verify import mismatch

x, y, z = (symbol(Symbol(name, "variable")) for name in "xyz")
narrow = symbol(Symbol("narrow", "parameter", default=1e6))

EQUAL = {
    "distributed": (x * y + x * z, x * (y + z)),
    "cancelling": ((x + y) ** 3 - x**3 - 3 * x**2 * y - 3 * x * y**2, y**3),
    "small difference": (sqrt(x + 1) - sqrt(x), 1 / (sqrt(x + 1) + sqrt(x))),
    "angle": (sin(x - y), sin(x) * cos(y) - cos(x) * sin(y)),
    "far from one": (log(x - 40) * 2, 2 * log(x - 40)),
    "removable singularity": ((x**2 - 1) / (x - 1), x + 1),
    "narrow domain": (acos(x) + acos(y) * acos(z), acos(y) * acos(z) + acos(x)),
    "scaled away": (exp(-narrow / 1e6) * x, x / exp(narrow / 1e6)),
}
DIFFERENT = {
    "sign": (x - y, y - x, "differ"),
    "one part in a hundred million": (x, x * (1 + 1e-8), "differ"),
    "root of a square": (sqrt(x**2), x, "differ"),
    "logarithm of a square": (log(x**2), 2 * log(x), "lost"),
    "new singularity": (x + y * z, y * (x / y + z), "lost"),
    "other branch": (ifelse(x < y, x, z), ifelse(x < y, x, y), "differ"),
    "only for negative": (absolute(x), x, "differ"),
    "no value at all": (log(-(x**2)), log(-(x**2)) * 2, "no point"),
}  # fmt: skip


@pytest.mark.parametrize("name", EQUAL)
def test_equal(name: str) -> None:
    old, new = EQUAL[name]
    assert old is not new or name in ("far from one", "narrow domain")
    assert mismatch([z, old], [z, new]) is None
    assert mismatch([z, old], [z, new], seed=7) is None


@pytest.mark.parametrize("name", DIFFERENT)
def test_different(name: str) -> None:
    old, new, reason = DIFFERENT[name]
    found = mismatch([z, old], [z, new])
    assert found is not None
    assert found.root == 1
    assert reason in found.reason
    assert "expression 1" in str(found)


def test_expressions_without_leaves() -> None:
    constant: Expr = sqrt(x**0 + 1)
    assert mismatch([constant * 2], [constant * 2 + 0]) is None
    assert mismatch([constant * 2], [constant * 3]) is not None
