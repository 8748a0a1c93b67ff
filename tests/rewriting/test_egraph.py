"""Soundness of the e-graph: every e-node of every class has the value of its class."""

import threading
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symnum.rewriting.egraph as egraph_module
from symnum.rewriting.binary import Binary, BinaryNode, raised
from symnum.rewriting.derivative import gradient
from symnum.rewriting.egraph import Classes, EGraphFailed, Limits, Session, saturate
from symnum.rewriting.expr import TIME, Expr, Symbol, apply, number, power, symbol
from symnum.rewriting.operators import (
    absolute,
    cos,
    cosh,
    exp,
    hypot,
    ifelse,
    log,
    maximum,
    minimum,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
)
from symnum.rewriting.rules.rule import LEVELS, Level
from symnum.rewriting.walk import evaluate_arrays

Array = np.ndarray

x, y, z, w = VARIABLES = [symbol(Symbol(name, "variable")) for name in "xyzw"]
p, q = PARAMETERS = [symbol(Symbol(name, "parameter")) for name in "pq"]
ARGUMENTS = [symbol(Symbol(f"argument {k}", "variable")) for k in range(3)]
POINTS = 9
BASIC = {
    "Add": lambda a, b: a + b,
    "Mul": lambda a, b: a * b,
    "Neg": lambda a: -a,
    "Inv": lambda a: 1 / a,
    "Sqrt": np.sqrt,
}


def value_of(node: BinaryNode, args: list[Array], leaves: list[Array]) -> Array:
    """One e-node from the values of its arguments, without any of the code under test."""
    if node.op == "Num":
        value = Fraction(node.payload)
        return np.full(POINTS, np.longdouble(value.numerator) / np.longdouble(value.denominator))
    if node.op == "Leaf":
        return leaves[int(node.payload)]
    if node.op in BASIC:
        return BASIC[node.op](*args)
    used = ARGUMENTS[: len(args)]
    return evaluate_arrays(apply(node.op, *used), dict(zip(used, args, strict=True)))


def unsound(classes: Classes, leaves: list[Array]) -> list[str]:
    """The e-nodes whose value differs from that of their class at a point where both are finite."""
    owner = {k: c for c, members in enumerate(classes.members) for k in members}
    of_class: dict[int, Array] = {}
    waiting = list(range(len(classes.nodes)))
    bad: list[str] = []
    with np.errstate(all="ignore"):
        while waiting:
            later: list[int] = []
            for k in waiting:
                node = classes.nodes[k]
                if any(arg not in of_class for arg in node.args):
                    later.append(k)
                    continue
                value = value_of(node, [of_class[arg] for arg in node.args], leaves)
                expected = of_class.setdefault(owner[k], value)
                size = max([1.0, *(np.abs(of_class[arg]) for arg in node.args)], key=np.nanmax)
                both = np.isfinite(value) & np.isfinite(expected)
                if np.any(both & (np.abs(value - expected) > 1e-12 * (size + np.abs(expected)))):
                    bad.append(f"{node}: {value}, its class: {expected}")
            assert len(later) < len(waiting), "some classes have no finite term"
            waiting = later
    return bad


def check(roots: list[Expr], level: Level, *, points: str = "both signs", iterations: int = 4) -> None:
    random = np.random.default_rng(3)
    binary = Binary(roots, PARAMETERS)
    leaves = []
    for _ in binary.leaves:
        drawn = random.uniform(0.3, 1.7, POINTS).astype(np.longdouble)
        leaves.append(drawn if points == "positive" else drawn * random.choice([-1, 1], POINTS))
    # every checkpoint, for classes that merge later would hide what was wrong before
    for classes in saturate(binary, level, Limits(10.0, 4000, iterations)):
        bad = unsound(classes, leaves)
        assert not bad, "\n".join(bad[:5])


MACHINE = [
    (p * (x - q) - sqrt(y**2 + z**2) * p * q) / (p - q),
    sin(x - y) * z * p + cos(x - y) * z * q,
    (y * cos(x) - z * sin(x)) / (y**2 + z**2),
    (y * sin(x) + z * cos(x)) / (y**2 + z**2),
    ifelse(sqrt(y**2 + z**2) < q, 0, p * (sqrt(y**2 + z**2) - q) ** 2 / sqrt(y**2 + z**2)) * y,
]
FIXED: dict[str, list[Expr]] = {
    "machine with its Jacobian": [*MACHINE, *(d for r in gradient(MACHINE, VARIABLES) for d in r.values())],
    "angles": [sin(x - y), cos(x - y), sin(y - x), sin(x + y), cos(2 * x), sin(2 * x), sin(x) ** 2, tan(x)],
    "exponentials": [exp(x) * exp(-x - y), exp(2 * x) / exp(y), 1 / (1 + exp(-x)), log(exp(x) * y**2)],
    "roots": [sqrt(x**2), sqrt(x**2 * y), sqrt(x) * sqrt(y), absolute(-x) * absolute(y), 1 / sqrt(x**2 + 1)],
    "quotients": [
        x / y + z / y,
        x / (y * z) + 1 / z,
        (x**2 - y**2) / (x - y),
        (x * y + x * z) / (x * w),
        1 / (1 / x + 1 / y),
    ],
    "branches": [
        ifelse(x < y, x * z, y * z),
        ifelse(~(x < y), x / y, y / x) + ifelse(x < y, z, w),
        minimum(x, maximum(y, z)) * maximum(y**2, 1),
        ifelse(x < 0, sqrt(-x) * sqrt(-x), sqrt(x) * log(x) / log(x)),
    ],
    "numbers": [2 * x - 4 * y, x - 2 * y, (2 * x - 4 * y) / 3, Fraction(1, 3) * x * (y - 1) * (1 - y), -x],
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", FIXED)
def test_every_enode_has_the_value_of_its_class(name: str, level: Level) -> None:
    check(FIXED[name], level)
    check(FIXED[name], level, points="positive")


def expressions() -> st.SearchStrategy[Expr]:
    leaf = st.sampled_from([*VARIABLES, *PARAMETERS, number(2), number(Fraction(-1, 3)), TIME])
    unary = st.sampled_from([sin, cos, tan, exp, sqrt, absolute, tanh, lambda a: log(a**2 + 1), lambda a: -a])
    binary = st.sampled_from(
        [
            lambda a, b: a + b,
            lambda a, b: a - b,
            lambda a, b: a * b,
            lambda a, b: a / (b + 3),
            lambda a, b: a * b + a,
            lambda a, b: power(a * a + 1, b),
            hypot,
            minimum,
            maximum,
            lambda a, b: ifelse(a < b, a * b, b),
        ]
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(lambda f, a: f(a), unary, inner),
            st.builds(lambda f, a, b: f(a, b), binary, inner, inner),
        ),
        max_leaves=12,
    )


@settings(max_examples=40)
@given(st.lists(expressions(), min_size=1, max_size=3))
def test_every_enode_of_random_expressions_has_the_value_of_its_class(roots: list[Expr]) -> None:
    check(roots, "fast", iterations=3)


@settings(max_examples=60)
@given(st.lists(expressions(), min_size=1, max_size=3))
def test_the_binary_form_gives_the_same_expressions_back(roots: list[Expr]) -> None:
    binary = Binary(roots, PARAMETERS)
    back = raised(enumerate(binary.nodes), binary.leaves)
    assert all(back[k] is root for k, root in zip(binary.roots, roots, strict=True))


def test_what_is_divided_by_in_a_branch_may_be_zero_elsewhere() -> None:
    """Outside of branches x*(y + 1/x) is x*y + 1; a branch proves nothing about x."""
    product, polynomial = x * (y + 1 / x), x * y + 1
    limits = Limits(5.0, 4000, 6)
    *_, plain = saturate(Binary([product, polynomial]), "default", limits)
    *_, guarded = saturate(Binary([ifelse(x > 0, product, z), polynomial, product - w]), "default", limits)
    *_, hidden = saturate(Binary([ifelse(x > 0, product, z), polynomial]), "default", limits)
    assert plain.roots[0] == plain.roots[1]
    assert len(set(guarded.roots)) == 3
    # in the second graph product is evaluated unconditionally as well, in the third it is not
    assert equal_branch(guarded)
    assert not equal_branch(hidden)


def equal_branch(classes: Classes) -> bool:
    """Whether a branch of the first root, an ifelse, is in the class of the second root."""
    first = [classes.nodes[k] for k in classes.members[classes.roots[0]]]
    return any(node.op == "ifelse" and classes.roots[1] in node.args[1:] for node in first)


def test_limits_end_the_saturation() -> None:
    wide = [sin(sum(VARIABLES[1:], x) * k + p) * (y + k) for k in range(1, 8)]
    sizes = [len(c.nodes) for c in saturate(Binary(wide), "fast", Limits(10.0, 1500, 30))]
    assert all(size < 1500 for size in sizes[:-1])
    assert len(list(saturate(Binary(wide), "fast", Limits(0.0, 10**6, 30)))) == 1
    assert len(list(saturate(Binary(wide), "fast", Limits(10.0, 10**6, 2)))) == 2


def test_any_failure_of_egglog_is_an_ordinary_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Panic(BaseException):
        """What a Rust panic looks like from Python."""

    def panic(session: Session) -> bool:
        raise Panic("index out of bounds")

    with monkeypatch.context() as patch:
        patch.setattr(Session, "step", panic)
        with pytest.raises(EGraphFailed, match="Panic: index out of bounds"):
            list(saturate(Binary([x + y]), "default", Limits(1.0, 100)))
    # the broken graph is not used again
    assert list(saturate(Binary([x + y]), "default", Limits(1.0, 100)))


def test_an_interrupt_goes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(session: Session) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(saturate(Binary([x + y]), "default", Limits(1.0, 100)))


def test_a_prepared_graph_starts_every_problem_empty() -> None:
    def sizes() -> list[int]:
        return [len(c.nodes) for c in saturate(Binary(MACHINE), "default", Limits(10.0, 3000, 3))]

    first = sizes()
    list(saturate(Binary(FIXED["angles"]), "default", Limits(10.0, 3000, 3)))
    assert sizes() == first


def test_each_thread_has_its_own_graph() -> None:
    found: list[object] = []

    def work() -> None:
        try:
            found.append([len(c.nodes) for c in saturate(Binary(MACHINE), "default", Limits(10.0, 3000, 2))])
        except EGraphFailed as error:
            found.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work()
    assert len(found) == 4
    assert all(sizes == found[0] for sizes in found)


def test_large_numbers_survive() -> None:
    big = Fraction(3**90, 7**50)
    binary = Binary([x * big + y, x * -big])
    *_, classes = saturate(binary, "strict", Limits(5.0, 1000, 3))
    assert {abs(node.payload) for node in classes.nodes if node.op == "Num"} >= {big}


def test_the_program_declares_every_operator() -> None:
    program = egraph_module.program_text((), exact=True)
    for op in egraph_module.ARITY:
        assert f"({egraph_module._name(op)} M" in program


def test_a_hundred_thousand_enodes_have_the_value_of_their_class() -> None:
    """Larger graphs than above, over every rule set."""
    hyperbolic = [cosh(x) ** 2 - sinh(x) ** 2, exp(x) + exp(-x), tanh(y) * cosh(y), sinh(2 * x), cosh(-y)]
    powers = [power(exp(x), y + 1), power(exp(x), y) * power(exp(x), z), log(power(exp(x), y))]
    everything = [*hyperbolic, *powers, exp(y * log(exp(z))), *(e for part in FIXED.values() for e in part)]
    random = np.random.default_rng(4)
    binary = Binary(everything, PARAMETERS)
    leaves = [random.uniform(0.3, 1.7, POINTS).astype(np.longdouble) for _ in binary.leaves]
    counted = 0
    for level in LEVELS:
        for classes in saturate(binary, level, Limits(20.0, 60_000, 6, growth=10.0)):
            counted += len(classes.nodes)
            bad = unsound(classes, leaves)
            assert not bad, "\n".join(bad[:5])
    assert counted >= 100_000
