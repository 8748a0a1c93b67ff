"""Random expressions, values in any precision by mpmath, and the published reference expressions."""

import importlib.util
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import pytest
from hypothesis import strategies as st

from symnum.rewriting import operators as sn
from symnum.rewriting.expr import TIME, Expr, Symbol, apply, number, symbol
from symnum.rewriting.walk import postorder

VARIABLES = tuple(symbol(Symbol(name, "variable")) for name in "xyz")
PARAMETER = symbol(Symbol("k", "parameter"))
SMOOTH = ("sin", "cos", "atan", "sinh", "tanh", "asinh", "exp", "erf", "sqrt", "log")


def _mp_power(base: Any, exponent: Any) -> Any:
    result = mpmath.mpf(base) ** exponent
    return result if isinstance(result, mpmath.mpf) else mpmath.nan


_MP: dict[str, Callable[..., Any]] = {
    "pow": _mp_power,
    "group": lambda a: a,
    "abs": abs,
    "erf": mpmath.erf,
    "sign": mpmath.sign,
    "min": min,
    "max": max,
    "<": lambda a, b: mpmath.mpf(a < b),
    "<=": lambda a, b: mpmath.mpf(a <= b),
    "equal": lambda a, b: mpmath.mpf(a == b),
    "and": lambda a, b: mpmath.mpf(bool(a) and bool(b)),
    "or": lambda a, b: mpmath.mpf(bool(a) or bool(b)),
    "not": lambda a: mpmath.mpf(not a),
    "ifelse": lambda c, a, b: a if c else b,
    "log10": mpmath.log10,
}


def _mp_value(expr: Expr, values: Mapping[Expr, Any]) -> Any:
    """The value by mpmath, in its working precision; nan where it is not real."""
    found: dict[Expr, Any] = {leaf: mpmath.mpf(value) for leaf, value in values.items()}
    for node in postorder(expr):
        if node in found:
            continue
        args = [found[arg] for arg in node.args]
        if node.op == "number":
            value = mpmath.mpf(node.data.numerator) / node.data.denominator
        elif node.op == "+":
            constant, coefficients = (mpmath.mpf(0) + _mpf(node.data[0])), node.data[1]
            value = constant + sum(_mpf(c) * a for c, a in zip(coefficients, args, strict=True))
        elif node.op == "*":
            value = mpmath.mpf(1)
            for arg, exponent in zip(args, node.data, strict=True):
                value *= _mp_power(arg, _mpf(exponent) if isinstance(exponent, Fraction) else exponent)
        else:
            value = (_MP.get(node.op) or getattr(mpmath, node.op))(*args)
        found[node] = mpmath.nan if isinstance(value, mpmath.mpc) else value
    return found[expr]


def _mpf(value: int | Fraction) -> Any:
    return mpmath.mpf(value.numerator) / value.denominator


@pytest.fixture(scope="session")
def mp_value() -> Callable[[Expr, Mapping[Expr, Any]], Any]:
    """``mp_value(expr, {leaf: value})``: the value in mpmath's working precision."""
    return _mp_value


# ---- random expressions ---------------------------------------------------------------------------
def _combined(children: st.SearchStrategy[Expr], functions: tuple[str, ...]) -> st.SearchStrategy[Expr]:
    def unary(name: str, a: Expr) -> Expr:
        if name == "sqrt":
            return sn.sqrt(a**2 + Fraction(1, 3))  # real everywhere
        return sn.log(a**2 + Fraction(1, 2)) if name == "log" else apply(name, a)

    return st.one_of(
        st.builds(lambda a, b: a + b, children, children),
        st.builds(lambda a, b: a - b, children, children),
        st.builds(lambda a, b: a * b, children, children),
        st.builds(lambda a, b: a / (b**2 + 1), children, children),
        st.builds(lambda a, n: a**n, children, st.sampled_from([2, 3])),
        st.builds(unary, st.sampled_from(functions), children),
    )


def _leaf() -> st.SearchStrategy[Expr]:
    rationals = st.fractions(-4, 4, max_denominator=12).map(number)
    return st.one_of(st.sampled_from((*VARIABLES, PARAMETER, TIME)), rationals)


@pytest.fixture(scope="session")
def smooth() -> st.SearchStrategy[Expr]:
    """Random expressions in x, y, z, k, t, defined and differentiable for all real values."""
    return st.recursive(_leaf(), lambda children: _combined(children, SMOOTH), max_leaves=8)


@pytest.fixture(scope="session")
def broken() -> st.SearchStrategy[Expr]:
    """The same with choices, limits and comparisons in it."""

    def grown(children: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
        condition = st.one_of(
            st.builds(lambda a, b: a < b, children, children),
            st.builds(lambda a, b, c: (a <= b) & ~(b < c), children, children, children),
            st.builds(lambda a, b: (a <= 0) | (b > 1), children, children),
        )
        return st.one_of(
            _combined(children, (*SMOOTH, "abs", "sign", "floor", "ceil")),
            st.builds(lambda a, b: apply("min", a, b), children, children),
            st.builds(lambda a, b: apply("max", a, b), children, children),
            st.builds(lambda c, a, b: apply("ifelse", c, a, b), condition, children, children),
        )

    return st.recursive(_leaf(), grown, max_leaves=8)


@pytest.fixture(scope="session")
def point() -> st.SearchStrategy[dict[Expr, float]]:
    """Values of x, y, z, k and t."""
    values = st.floats(-2, 2).filter(lambda v: abs(v) > 1e-3)
    return st.fixed_dictionaries(dict.fromkeys((*VARIABLES, PARAMETER, TIME), values))


# ---- published expressions ------------------------------------------------------------------------
@pytest.fixture(scope="session")
def published(shared_data: Path) -> list[tuple[dict[str, Any], Expr, dict[str, Expr]]]:
    """(record, its expression, the leaf of each name), from FPBench and the Feynman lectures."""
    path = Path(__file__).with_name("reference_expressions.py")  # tests are no package: load it by its place
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    reader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reader)
    found = []
    for record in reader.load(shared_data):
        leaves = {name: symbol(Symbol(name, "variable")) for name in record["vars"]}
        found.append((record, reader.expression(record), leaves))
    return found
