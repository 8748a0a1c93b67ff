"""Values that copies share are computed once, and come out the same."""

import numpy as np
import pytest

from symnum.codegen.function import Column, Function, Loop, Output
from symnum.codegen.model import build_model
from symnum.codegen.passes import lowered
from symnum.codegen.repeated import evaluated_once
from symnum.rewriting.expr import Expr, add, slot
from symnum.rewriting.operators import cos, exp, sin
from symnum.rewriting.walk import postorder

N = 12


def pairs() -> Function:
    """All differences of N angles, one machine a copy, its partners in columns of their own."""
    own, strength = slot("u", 0), slot("p", 1)
    root = add(
        slot("p", 2 * k + 1) * sin(own - slot("u", 2 * k)) + strength * cos(slot("u", 2 * k) - own)
        for k in range(1, N)
    )
    copies = np.arange(N)
    columns = [Column("u", copies), Column("p", copies)]
    for k in range(1, N):
        columns += [Column("u", (copies + k) % N), Column("p", (copies + 3 * k) % N)]
    return Function("pairs", (Loop("machines", N, (root,), tuple(columns), (Output("out", copies),)),), N, 0)


def functions_evaluated(function: Function, names: tuple[str, ...]) -> int:
    """Evaluations of these operators in one call."""
    loops = [item for item in function.items if isinstance(item, Loop)]
    return sum(item.count * sum(node.op in names for node in postorder(item.roots)) for item in loops)


def unchanged(roots: tuple[Expr, ...], copies: int) -> None:
    """A rewriter for which nothing pays."""


def test_all_pairs_need_the_functions_of_their_angles_only() -> None:
    before = pairs()
    assert functions_evaluated(before, ("sin", "cos")) == 2 * N * (N - 1)
    after = evaluated_once(before, split_angles=True)
    assert functions_evaluated(after, ("sin", "cos")) == 2 * N
    first = after.items[0]
    assert isinstance(first, Loop)
    assert first.count == N
    assert len(first.roots) == 2  # sine and cosine of an angle stand together


def test_values_and_derivatives_stay() -> None:
    random = np.random.default_rng(4)
    u, p = random.normal(size=N), random.normal(size=N)
    plain, shared = (
        build_model(
            pairs(), mass=np.ones(N), n_parameters=N, backend="numpy",
            simplify=simplify, simplify_tag=str(split), reassociate=split,
        )
        for simplify, split in ((None, False), (unchanged, True))
    )  # fmt: skip
    np.testing.assert_allclose(shared.rhs(0.0, u, p), plain.rhs(0.0, u, p), rtol=1e-13, atol=1e-13)
    expected, found = (model.jacobian(0.0, u, p).toarray() for model in (plain, shared))
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)


def test_without_splitting_only_equal_arguments_are_shared() -> None:
    """sin(a - b) of an ordered pair is needed once: nothing to share, and no rounding moves."""
    function = pairs()
    assert evaluated_once(function, split_angles=False) is function


def test_what_many_copies_read_from_few_places_is_evaluated_once() -> None:
    """Two thousand branches at forty nodes: forty exponentials."""
    random = np.random.default_rng(1)
    node, branch = random.integers(0, 40, 2000).astype(np.int64), np.arange(2000)
    root = slot("p", 1) * exp(slot("u", 0) * slot("p", 2))
    columns = (Column("u", node), Column("p", branch), Column("p", 2000 + node))
    function = Function("branches", (Loop("b", 2000, (root,), columns, (Output("out", branch),)),), 2000, 0)
    after = evaluated_once(function, split_angles=False)
    assert functions_evaluated(after, ("exp",)) == len(np.unique(node))
    plan = lowered(function, None, 2000, unchanged)
    assert functions_evaluated(plan.functions["jacobian"], ("exp",)) == len(np.unique(node))


@pytest.mark.parametrize("count", [8, 3000])
def test_what_is_needed_once_stays_where_it_is(count: int) -> None:
    copies = np.arange(count)
    loop = Loop("l", count, (exp(slot("u", 0)),), (Column("u", copies),), (Output("out", copies),))
    function = Function("f", (loop,), count, 0)
    assert evaluated_once(function, split_angles=True) is function


def test_one_copy_has_nothing_twice_but_may_share_with_another_loop() -> None:
    """Two hundred sines in one loop of one copy, alone and with a family that reads the same places."""
    n = 200
    places = np.arange(n)
    roots = tuple(sin(slot("u", k)) * slot("u", (k + 1) % n) for k in range(n))
    columns = tuple(Column("u", places[k : k + 1]) for k in range(n))
    outputs = tuple(Output("out", places[k : k + 1]) for k in range(n))
    written = Loop("written out", 1, roots, columns, outputs)
    assert evaluated_once(alone := Function("f", (written,), n, 0), split_angles=True) is alone
    family = Loop("family", n, (sin(slot("u", 0)),), (Column("u", places),), (Output("out", places + n),))
    after = evaluated_once(Function("f", (written, family), 2 * n, 0), split_angles=True)
    assert functions_evaluated(after, ("sin",)) == n
