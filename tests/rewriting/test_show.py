"""Text that reads well and evaluates back; LaTeX."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symnum.rewriting import operators
from symnum.rewriting.expr import TIME, Symbol, add, node, number, slot, symbol
from symnum.rewriting.operators import atan2, cos, equal, ifelse, maximum, minimum, sin, sqrt
from symnum.rewriting.show import latex, name_latex, number_text, text

x, y, z, x2, x10, omega = (symbol(Symbol(n, "variable")) for n in ("x", "y", "z", "x2", "x10", "g1.omega"))
k, s = (symbol(Symbol(n, "parameter")) for n in "ks")


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (s * (y - x), "s*(y - x)"),
        (x * (k - z) - y, "x*(k - z) - y"),
        (1 - x, "1 - x"),
        (x + 1, "x + 1"),
        (-x - y, "-x - y"),
        (-x - 1, "-x - 1"),
        (x + x**2 + 1, "x**2 + x + 1"),
        (x10 + x2, "x2 + x10"),
        (x * k * 2, "2*k*x"),
        (sin(y) * x * (1 + y), "x*sin(y)*(y + 1)"),
        (k * x**2 / (1 + y) - sqrt(z), "k*x**2/(y + 1) - sqrt(z)"),
        (2 * x / (3 * y), "2*x/(3*y)"),
        (x / 3, "x/3"),
        (x / 4, "0.25*x"),
        (-x / (y * z), "-x/(y*z)"),
        (1 / (x * y), "1/(x*y)"),
        (2 * ((x + y) * z), "2*z*(x + y)"),
        (2 * ((x + y) / z), "2*((x + y)/z)"),
        (-((x + y) / z), "-((x + y)/z)"),
        (z - 3 * ((x + y) * (y + z)), "z - 3*((x + y)*(y + z))"),
        (1 / (x + y) / 3, "1/(x + y)/3"),
        (1 / (x + y), "1/(x + y)"),
        (0.1 * x + 1e-8, "0.1*x + 1e-08"),
        (x + Fraction(1, 3), "x + 1/3"),
        (10**20 * x, "1e+20*x"),
        (1 / sqrt(x), "1/sqrt(x)"),
        (sqrt(x) ** 3, "x**1.5"),
        (x ** Fraction(1, 3), "x**(1/3)"),
        ((x + y) ** 2, "(x + y)**2"),
        (sqrt(-2 * x), "sqrt(-2*x)"),
        (2**x, "2**x"),
        ((-2) ** x, "(-2)**x"),
        (x ** (-y), "x**(-y)"),
        ((x**y) ** z, "(x**y)**z"),
        (x ** (y**z), "x**(y**z)"),
        (-(x**2), "-x**2"),
        (abs(x) ** 2, "abs(x)**2"),
        (ifelse((x < y) & (y <= 2), x, 0), "ifelse((x < y) & (y <= 2), x, 0)"),
        (~(x < 1) | (y < 0), "~(x < 1) | (y < 0)"),
        ((x < y) * 3, "3*(x < y)"),
        (minimum(x, y, 3), "minimum(minimum(x, y), 3)"),
        (maximum(x, -y), "maximum(x, -y)"),
        (equal(x, y), "equal(x, y)"),
        (atan2(x, y), "atan2(x, y)"),
        (node("D", (omega,)) - TIME, "D(g1.omega) - t"),
        (slot("u", 0) * slot("p", 2), "p[2]*u[0]"),
        (number(-3), "-3"),
    ],
    ids=str,
)
def test_reads_well(expr, expected):
    assert text(expr) == expected
    assert repr(expr) == expected


def _scope():
    names = {name: getattr(operators, name) for name in dir(operators) if not name.startswith("_")}
    return names | {"x": x, "y": y, "z": z, "k": k, "t": TIME, "abs": abs, "number": number}


@given(data=st.data())
def test_evaluates_back(broken, data):
    e = data.draw(broken)
    exact = _with_exact_integers(text(e))
    assert eval(exact, _scope()) == e


def _with_exact_integers(source):
    """1/3 between numbers would be rounded by Python."""
    import re

    return re.sub(r"(?<![\w.])(\d+(?:\.\d+)?(?:e[-+]?\d+)?)(?![\w.])", r"number(\1)", source)


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_shown_as_the_shortest_decimal(value):
    shown = number_text(number(value).value)
    assert float(shown) == value
    assert len(shown) <= len(repr(value))


@given(value=st.fractions())
def test_rationals_are_shown_exactly(value):
    assert Fraction(number_text(value)) == value


def test_shared_graphs_are_cut_off():
    e = x
    for _ in range(300):
        e = sin(e) * cos(e)
    assert len(repr(e)) < 30_000
    assert text(e, limit=50).endswith("…")
    assert len(text(e, limit=50)) == 51


def test_long_and_deep_text():
    deep = x
    for _ in range(5_000):
        deep = 1 / (deep + 1)
    assert text(deep).count("(") == 5_000
    assert text(add(symbol(Symbol(f"u{n}", "variable")) for n in range(300))).startswith("u0 + u1 + u2 + ")


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (omega, r"\omega_{\mathrm{g1}}"),
        (node("D", (omega,)), r"\dot{\omega_{\mathrm{g1}}}"),
        (sqrt(x) / y, r"\frac{\sqrt{x}}{y}"),
        (0.001 * x, "0.001 x"),
        (x / 3, r"\frac{x}{3}"),
        (slot("u", 3), "u_{3}"),
        (ifelse(x < 0, 0, x), r"\begin{cases} 0 & \text{for}\: x < 0 \\x & \text{otherwise} \end{cases}"),
    ],
    ids=str,
)
def test_latex(expr, expected):
    assert latex(expr) == expected
    assert expr._repr_latex_() == f"${expected}$"


def test_equations_in_latex_and_in_sympy():
    equation = x == sqrt(y) / 2
    assert equation._repr_latex_() == r"$x = \frac{\sqrt{y}}{2}$"
    both = equation.to_sympy()
    assert both.lhs == x.to_sympy()
    assert both.rhs == (sqrt(y) / 2).to_sympy()
    assert str((x == x).to_sympy()) == "Eq(x, x)"  # nothing is evaluated


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("delta", r"\delta"),
        ("δ", r"\delta"),
        ("Ω", r"\Omega"),
        ("v_d", "v_{d}"),
        ("x12", "x_{12}"),
        ("omega_ref", r"\omega_{\mathrm{ref}}"),
        ("T_d0_p", r"T_{\mathrm{d0},p}"),
        ("grid.g1.omega", r"\omega_{\mathrm{grid.g1}}"),
        ("bus", r"\mathrm{bus}"),
        ("_", r"\mathrm{\_}"),
    ],
)
def test_names_in_latex(name, expected):
    assert name_latex(name) == expected
