"""`simplify` as a whole: what it finds, the structure it keeps, its bounds, and that it never fails."""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import sympy

import symnum as sn
import symnum.rewriting.rewriter as rewriter
import symnum.rewriting.schedule as schedule
from symnum.errors import ModelError
from symnum.rewriting.cost import dag_cost
from symnum.rewriting.egraph import Session
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr, Symbol, add, apply, number, symbol
from symnum.rewriting.factor import factored
from symnum.rewriting.operators import absolute, cos, exp, ifelse, log, sin, sqrt
from symnum.rewriting.opportunity import worth_rewriting
from symnum.rewriting.rewriter import EGraph
from symnum.rewriting.schedule import simplify
from symnum.rewriting.walk import evaluate, evaluate_arrays, leaves, postorder

LONG = 30.0  # seconds: enough for every test on any machine, so that results do not depend on its speed


def variable(name: str) -> Expr:
    return symbol(Symbol(name, "variable"))


def parameter(name: str) -> Expr:
    return symbol(Symbol(name, "parameter"))


x, y, z, w = (variable(name) for name in "xyzw")
p, q = parameter("p"), parameter("q")


def sines(n: int) -> list[Expr]:
    """Sums of products with the sines and cosines of all differences of n angles."""
    angles = [variable(f"angle{k}") for k in range(n)]
    return [add(p * sin(a - b) + q * cos(a - b) for b in angles if b is not a) for a in angles]


def agree(old: list[Expr], new: list[Expr]) -> None:
    """In extended precision at points of their own, independently of `verify`."""
    random = np.random.default_rng(11)
    values = {leaf: random.uniform(0.4, 1.6, 20).astype(np.longdouble) for leaf in leaves([*old, *new])}
    for before, after in zip(evaluate_arrays(old, values), evaluate_arrays(new, values), strict=True):
        both = np.isfinite(before)
        assert both.any()
        np.testing.assert_allclose(after[both], before[both], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([sin(x) ** 2 + cos(x) ** 2], [number(1)]),
        ([x / y + z / y], [(x + z) / y]),
        ([(x - 1) / (x**2 - 1)], [1 / (x + 1)]),
        ([sqrt(x**2 + 1) ** 2 * x / (x**2 + 1)], [x]),
        ([absolute(exp(x)) + absolute(-y)], [exp(x) + absolute(y)]),
        ([log(exp(x) * exp(y)) + log(exp(x))], [2 * x + y]),
        ([ifelse(x < y, x * z, y * z)], [z * ifelse(x < y, x, y)]),
        ([exp(x), exp(-x)], [exp(x), 1 / exp(x)]),
        ([x * y + x * z + x * w], [x * (y + z + w)]),
    ],
)
def test_small_things(before: list[Expr], after: list[Expr]) -> None:
    assert simplify(before, "fast", budget=LONG) == after


def test_parameters_are_gathered_because_they_are_free() -> None:
    product = x * (p * y + q * y)
    assert dag_cost(simplify([product], free=[p, q]), [p, q]) < 2.1  # x*y*(p + q)
    assert dag_cost([product], [p, q]) == 4


def test_strict_changes_no_rounding() -> None:
    assert simplify(x * y + x * z, "strict") is x * y + x * z
    assert simplify(sin(x - y) + z * sin(y - x), "strict").op in ("+", "*")
    before = [p * sin(x - y), q * sin(y - x)]
    after = simplify(before, "strict")
    assert sum(e.op == "sin" for e in postorder(after)) == 1
    points = np.random.default_rng(5).normal(size=(4, 100))
    values = dict(zip((x, y, p, q), points, strict=True))
    for old, new in zip(evaluate_arrays(before, values), evaluate_arrays(after, values), strict=True):
        np.testing.assert_array_equal(old, new)


def test_no_singularity_is_brought_in_from_a_branch() -> None:
    """Sharing y/x + z with the guarded branch would be cheaper, and wrong at x = 0."""
    guarded = [ifelse(absolute(x) > 0, x * (y / x + z), 0), ifelse(absolute(x) > 0, y / x + z, 0), y + z * x]
    found = simplify(guarded, "fast", budget=LONG)
    assert evaluate(found[2], {x: 0.0, y: 3.0, z: 5.0}) == 3.0


# ---- structure ------------------------------------------------------------------------------------
def test_the_structure_comes_back() -> None:
    term, simple = x * y + x * z, x * (y + z)
    assert simplify(term) is simple
    assert simplify([term, [term, (term, 2)]]) == [simple, [simple, (simple, number(2))]]
    equation = simplify(Equation(term, w))
    assert isinstance(equation, Equation)
    assert equation.lhs is simple
    assert simplify([]) == []


def test_sympy_comes_back_as_expressions() -> None:
    a, b, c = sympy.symbols("a b c")
    found = simplify(sympy.Matrix([[a * b + a * c, sympy.sin(a)]]))
    (first, second) = found[0]
    assert first.op == "*"
    assert first.to_sympy().equals(a * b + a * c)
    assert second.op == "sin"


def test_a_system_comes_back() -> None:
    x, y = sn.variables("x y")
    a, b = sn.parameters(a=1, b=2)
    system = sn.System("pair", [sn.D(x) == x * y * a + x * b * y**2, sn.D(y) == x - y])
    found = simplify(system)
    assert isinstance(found, sn.System)
    sides = [side for e in found.equations for side in (e.lhs, e.rhs)]
    assert sides[0].op == "D"
    assert sides[1] is x * y * (a + b * y)


@pytest.mark.parametrize("bad", ["x + y", None, object()])
def test_what_is_no_expression_is_refused(bad: object) -> None:
    with pytest.raises(TypeError, match="cannot be used in an expression"):
        simplify([x, bad])


def test_an_unknown_level_is_named() -> None:
    with pytest.raises(ModelError, match=r"no level 'turbo'\. Choose one of strict, default, fast"):
        simplify(x, "turbo")


# ---- bounds and failures --------------------------------------------------------------------------
@pytest.fixture
def messages(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    with caplog.at_level(logging.INFO, logger="symnum"):
        yield lambda: caplog.text


def test_a_failing_egraph_leaves_the_factored_form(
    monkeypatch: pytest.MonkeyPatch, messages: Callable[[], str]
) -> None:
    def fail(session: Session) -> bool:
        raise BaseException("panicked at src/lib.rs")

    monkeypatch.setattr(Session, "step", fail)
    assert simplify(x * y + x * z) is x * (y + z)
    assert "the e-graph failed and is left out" in messages()
    assert "panicked" in messages()


def test_a_wrong_rewriting_is_rejected(monkeypatch: pytest.MonkeyPatch, messages: Callable[[], str]) -> None:
    wrong = lambda forms, *rest: [tuple(number(0) for _ in forms[0])]  # noqa: E731
    monkeypatch.setattr(rewriter, "candidates", wrong)
    assert simplify([x * y + x * z, sin(x)]) == [x * (y + z), sin(x)]
    assert "rejected by the numerical check" in messages()


def test_a_wrong_factoring_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewriter, "factored", lambda roots, **choice: tuple(number(0) for _ in roots))
    assert simplify(x * y + x * z) is x * (y + z)


def test_no_time_and_no_room(messages: Callable[[], str]) -> None:
    equations = sines(5)
    assert dag_cost(simplify(equations, budget=0.0)) <= dag_cost(equations)
    assert "out of time" in messages()
    simplify(equations, nodes=10)
    assert "too many for the e-graph" in messages()


def test_many_roots_are_rewritten_in_groups() -> None:
    equations = sines(6)
    found = simplify(equations, budget=LONG, using=[EGraph(group_size=30)])
    assert dag_cost(found) < dag_cost(equations)
    agree(equations, found)


def test_ten_thousand_terms_are_no_problem() -> None:
    chain = x
    for k in range(3000):
        chain = sin(chain) + k
    terms = [variable(f"x{k}") * variable(f"x{k + 1}") * variable(f"y{k}") for k in range(3000)]
    found = simplify([chain, add(terms)], budget=1.0)
    assert dag_cost(found) <= dag_cost([chain, add(terms)])


# ---- nothing to win -------------------------------------------------------------------------------
NOTHING_TO_WIN = [
    [p * (y - x), x * (q - z) - y, x * y - p * z],
    [exp(-x) * y, sin(x) + cos(x), sqrt(x) / y],
    [ifelse(x < y, 1, 0), x / (1 + y**2)],
]
SOMETHING_TO_WIN = [
    [x * y + x * z],
    [-p * x + q * y * z, p * x - 10**4 * y * z - 3 * w**2],
    [x / y + z / y],
    [x - y, z * (y - x)],
    [2 * x + 2 * y, z * (x + y)],
    [sin(x - y), cos(y - w)],
    [sin(x) ** 2 + z],
    [exp(x), exp(-x)],
    [log(exp(x))],
    [sqrt(x) * sqrt(y)],
    [sqrt(x**2 * y)],
    [absolute(x)],
    [ifelse(x < y, x, y) + ifelse(x < y, z, w)],
    [(x + y) / (x + z)],
    [apply("tan", x), sin(x)],
]


@pytest.mark.parametrize("roots", NOTHING_TO_WIN)
def test_nothing_to_win_is_seen(roots: list[Expr]) -> None:
    assert not worth_rewriting(roots)
    # and it is true: the e-graph finds nothing either
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule, "worth_rewriting", lambda roots: True)
        patch.setattr(schedule, "needs_egraph", lambda roots: True)
        found = simplify(roots, budget=LONG)
    assert dag_cost(found) == dag_cost(roots)


@pytest.mark.parametrize("roots", SOMETHING_TO_WIN)
def test_something_to_win_is_seen(roots: list[Expr]) -> None:
    assert worth_rewriting(roots)


def test_egglog_is_not_imported_when_nothing_can_be_won() -> None:
    program = (
        "import sys, symnum as sn\n"
        "from symnum.rewriting.expr import Symbol, symbol\n"
        "x, y, z = (symbol(Symbol(n, 'variable')) for n in 'xyz')\n"
        "lorenz = [10 * (y - x), x * (28 - z) - y, x * y - z]\n"
        "assert sn.simplify(lorenz) == lorenz\n"
        "assert not {'egglog', 'sympy', 'scipy', 'numba'} & set(sys.modules)\n"
        "assert sn.simplify(x * y + x * z) is x * (y + z)\n"
        "assert 'egglog' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).resolve().parents[2])


# ---- factoring ------------------------------------------------------------------------------------
def test_factoring_takes_the_most_frequent_factor_first() -> None:
    (found,) = factored([x * y + x * z + y * z * 3 - 2 * x])
    assert found is x * (y + z - 2) + 3 * y * z
    assert factored([x**2 * y + x**3 * z]) == (x**2 * (y + x * z),)
    assert factored([x / p + y / p + z]) == ((x + y) / p + z,)


def test_factoring_a_polynomial_of_high_degree() -> None:
    polynomial = add((k + 2) * x**k for k in range(1, 1500))
    (found,) = factored([polynomial])
    assert dag_cost([found]) < dag_cost([polynomial])
    at = {x: 0.8}
    assert evaluate(found, at) == pytest.approx(evaluate(polynomial, at), rel=1e-12)


def test_factoring_leaves_products_that_are_needed_anyway() -> None:
    roots = [p * x * y + p * x, p * x * y, p * x]
    assert factored(roots) == tuple(roots)


