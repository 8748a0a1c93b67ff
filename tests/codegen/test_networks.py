"""Sums and derivatives of networks written in fewer terms: the same numbers, and fewer of them read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.codegen.affine import affine_rows
from symnum.codegen.function import Column, Function, Gather, Item, Loop, Output, reads
from symnum.codegen.model import build_model
from symnum.codegen.netted import netted
from symnum.codegen.proportional import proportional
from symnum.codegen.sums import signed
from symnum.errors import CodegenError
from symnum.record import replace
from symnum.rewriting.expr import Expr, slot


def unchanged(roots: tuple[Expr, ...], copies: int) -> None:
    """A rewriter for which nothing pays."""


def network(kind: str, seed: int, n: int = 60) -> Function:
    """Random mass action with what the passes look for.

    reversible: pairs of opposite reactions; enzymes: one conversion by many; mixed: both, and reactions that
    double or halve, first-order ones and ones of an unknown with itself.
    """
    draw = np.random.default_rng(seed)
    columns: list[dict[int, float]] = []
    laws: list[tuple[int, ...]] = []

    def react(law: tuple[int, ...], change: dict[int, float]) -> None:
        laws.append(law)
        columns.append({s: c for s, c in change.items() if c})

    for _ in range(150):
        a, b, c = (int(k) for k in draw.choice(n, 3, replace=False))
        if kind != "enzymes":
            size = float(draw.choice([1, 2, 0.5])) if kind == "mixed" else 1.0
            react((a, b), {a: -size, b: -size, c: size})
            react((c,), {a: size, b: size, c: -size})
        if kind != "reversible":
            for enzyme in draw.choice(n, 5, replace=False):
                react((a, int(enzyme)), {a: -1.0, b: 1.0})
            react((a, a), {a: -2.0, c: 1.0})
            react((a,), {a: -1.0, b: 1.0})
    items: list[Item] = []
    place = np.zeros(len(laws), np.int64)
    used = 0
    for order in (1, 2):
        for squared in (False, True):
            kinds = [(len(law) == order, len(set(law)) < order) for law in laws]
            mine = [k for k, found in enumerate(kinds) if found == (True, squared)]
            if not mine:
                continue
            place[mine] = used + np.arange(len(mine))
            rate = Column("p", draw.integers(0, 8, len(mine)))
            unknowns = [Column("u", np.array([laws[k][j] for k in mine])) for j in range(order)]
            unknowns = unknowns[:1] if squared else unknowns
            root = slot("p", 0) * slot("u", 1)
            root = root * slot("u", 1) if squared else root if order == 1 else root * slot("u", 2)
            output = Output("w", place[mine])
            items.append(Loop(f"rates {order}", len(mine), (root,), (rate, *unknowns), (output,)))
            used += len(mine)
    entries = sorted((s, int(place[k]), c) for k, column in enumerate(columns) for s, c in column.items())
    row = np.array([e[0] for e in entries])
    indptr = np.append(0, np.cumsum(np.bincount(row, minlength=n)))
    first, coefficient = np.array([e[1] for e in entries]), np.array([e[2] for e in entries])
    items.append(Gather("sums", Output("out", np.arange(n)), indptr, "w", first, None, coefficient))
    return Function("network", tuple(items), n, used)


def values_read(function: Function) -> int:
    """Numbers of u, w and p that one call reads."""
    return sum(len(index) for item in function.items for _, index in reads(item))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["reversible", "enzymes", "mixed"])
def test_the_numbers_stay_the_same(kind: str, seed: int) -> None:
    function = network(kind, seed)
    n = function.n_out
    random = np.random.default_rng(seed)
    u, p = random.uniform(0.5, 1.5, n), random.uniform(0.5, 1.5, 8)
    plain, ours = (
        build_model(
            function, mass=np.ones(n), n_parameters=8, backend="numpy",
            simplify=simplify, simplify_tag=str(split), reassociate=split,
        )
        for simplify, split in ((None, False), (unchanged, True))
    )  # fmt: skip
    np.testing.assert_allclose(ours.rhs(0.0, u, p), plain.rhs(0.0, u, p), rtol=1e-12, atol=1e-11)
    expected, found = (model.jacobian(0.0, u, p).toarray() for model in (plain, ours))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-11)


def test_terms_of_zero_change_nothing() -> None:
    """A stoichiometric table may hold zeros, whole rows of them too; nothing is divided by them."""
    function = network("reversible", 4)
    *loops, sums = function.items
    assert isinstance(sums, Gather)
    coefficient = sums.coefficient.copy()
    coefficient[sums.indptr[3] : sums.indptr[4]] = 0.0
    coefficient[::7] = 0.0
    function = replace(function, items=(*loops, replace(sums, coefficient=coefficient)))
    random = np.random.default_rng(1)
    u, p = random.uniform(0.5, 1.5, 60), random.uniform(0.5, 1.5, 8)
    found = []
    for f in (function, netted(function)):
        model = build_model(f, mass=np.ones(60), n_parameters=8, backend="numpy")
        found.append(model.rhs(0.0, u, p))
    assert found[0][3] == 0.0
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12, atol=1e-11)
    with pytest.raises(CodegenError, match="coefficients of 0"):
        proportional(np.array([0, 2]), np.array([0, 1]), np.array([1.0, 0.0]))


@pytest.mark.parametrize(("kind", "share"), [("reversible", 0.8), ("enzymes", 0.8), ("mixed", 0.9)])
def test_fewer_numbers_are_read(kind: str, share: float) -> None:
    function = network(kind, 0)
    assert values_read(netted(function)) < share * values_read(function)


def test_what_shares_nothing_stays_as_it_is() -> None:
    """Every value in a sum of its own: nothing is proportional."""
    copies = np.arange(100)
    loop = Loop(
        "rates", 100, (slot("p", 0) * slot("u", 1),),
        (Column("p", copies), Column("u", copies)), (Output("w", copies),),
    )  # fmt: skip
    sums = Gather("sums", Output("out", copies), np.arange(101), "w", copies, None, np.ones(100))
    function = Function("f", (loop, sums), 100, 100)
    assert netted(function) is function


def test_rows_that_are_not_affine_stay() -> None:
    """Products of three unknowns have quadratic derivatives."""
    copies = np.arange(100)
    root = slot("p", 0) * slot("u", 1) ** 2
    loop = Loop("d", 100, (root,), (Column("p", copies), Column("u", copies)), (Output("out", copies),))
    function = Function("f", (loop,), 100, 0)
    assert affine_rows(function) is function


def test_proportional_rows() -> None:
    column = np.array([0, 1, 0, 1, 2, 0, 1, 0, 1, 0])
    coefficient = np.array([1.0, -2.0, -0.5, 1.0, 3.0, 1.0, 2.0, 4.0, -8.0, 7.0])
    start = np.array([0, 2, 4, 5, 7, 9, 10])
    group, lead = proportional(start, column, coefficient)
    assert group[0] == group[1] == group[4]
    assert len({group[0], group[2], group[3], group[5]}) == 4
    np.testing.assert_array_equal(lead, [1.0, -0.5, 3.0, 1.0, 4.0, 7.0])


def test_whole_coefficients_become_repeated_terms() -> None:
    first, ones = np.arange(10), np.where(np.arange(10) == 3, -2.0, 1.0)
    gather = Gather("g", Output("out", np.arange(2)), np.array([0, 5, 10]), "w", first, None, ones)
    found = signed(gather)
    assert found.indptr.tolist() == [0, 6, 11]
    assert found.first.tolist() == [0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9]
    assert found.coefficient.tolist() == [1, 1, 1, -1, -1, 1, 1, 1, 1, 1, 1]
    half = Gather("g", Output("out", np.arange(2)), np.array([0, 5, 10]), "w", first, None, ones / 2)
    assert signed(half) is half


@pytest.mark.parametrize("name", ["egfr_net", "bcr"])
def test_published_networks_keep_their_values(shared_data: Path, name: str) -> None:
    net: Any = sn.read(shared_data / "bng_net" / name / f"{name}.net")
    plain, ours = (sn.compile(net.system(), simplify=level) for level in (None, "default"))
    random = np.random.default_rng(0)
    n, n_parameters = plain.model.functions.n, plain.model.functions.n_parameters
    u, p = random.uniform(0.5, 1.5, n), random.uniform(0.5, 1.5, n_parameters)
    expected, found = plain.model.rhs(0.0, u, p), ours.model.rhs(0.0, u, p)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())
    before, after = (m.model.jacobian(0.0, u, p).tocsc() for m in (plain, ours))
    np.testing.assert_array_equal(after.indices, before.indices)
    np.testing.assert_allclose(after.data, before.data, rtol=1e-10, atol=1e-10 * np.abs(before.data).max())
