"""Blocks: equations born as tables, their names, their sums, and what they share with other equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError, UnbalancedSystem
from symnum.language.block import (
    Block,
    Column,
    GridNames,
    IndexedEquation,
    IndexedSums,
    Quantities,
    References,
)
from symnum.lowering.functions import functions_of
from symnum.lowering.lower import lower
from symnum.rewriting.expr import slot


def label(text: str) -> Any:
    return lambda copy: f"{text} {copy}"


def decay(count: int, kind: str = "variable") -> tuple[Quantities, Quantities, Block]:
    """D(x_i) == -k_i * c_i * x_i, with k parameters and c = 1, 2, ... numbers of the copies."""
    x = Quantities(kind, GridNames("x", (count,)), np.arange(1.0, count + 1))
    k = Quantities("parameter", [f"k{i}" for i in range(count)], np.linspace(1, 2, count))
    every = np.arange(count)
    root = slot("u", 0) + slot("p", 1) * slot("c", 2) * slot("u", 3)
    numbers = Column(None, np.array(every + 1, float))
    columns = (Column(x, every, derivative=True), Column(k, every), numbers, Column(x, every))
    return x, k, Block((x, k), (IndexedEquation(root, columns, label("decay")),))


def slopes(system: sn.System, p: Any = None) -> dict[str, float]:
    problem = sn.Problem(system, parameters=p)
    values = sn.compile(system).rhs(0.0, problem.u, problem.p)
    return dict(zip(problem.flat.state_names, values.tolist(), strict=True))


def sums_of(of: tuple[Any, ...], rows: list[dict[int, float]]) -> IndexedSums:
    indptr = np.cumsum([0, *(len(row) for row in rows)])
    return IndexedSums(
        of, indptr, np.array([i for row in rows for i in row], np.int64),
        np.array([c for row in rows for c in row.values()], float), label("sum"),
    )  # fmt: skip


def test_copies_read_their_own_parameters_numbers_and_starts() -> None:
    found = slopes(sn.System("s", [decay(5)[2]]))
    expected = {f"x[{i}]": -(1 + i / 4) * (i + 1) * (i + 1) for i in range(5)}
    assert found == pytest.approx(expected, rel=1e-14)


def test_a_block_is_one_loop_of_any_size() -> None:
    for count in (10, 3000):
        items = functions_of(lower(sn.System("s", [decay(count)[2]]))).rhs.items
        assert [item.count for item in items] == [count]  # type: ignore[union-attr]


def test_names_of_blocks_are_found() -> None:
    system = sn.System("s", [decay(5)[2]])
    solution = sn.solve(sn.Problem(system, {"x[1]": 7.0}, parameters={"k3": 9.0}))
    assert solution["x[1]"][0] == 7.0
    assert solution["k3"][0] == 9.0
    assert solution["x[4]"][-1] == pytest.approx(5 * np.exp(-2 * 5 * 1.0), rel=1e-4)
    for name in ("x[5]", "x[-1]", "x[a]", "x[0,0]", "y[0]", "x"):
        with pytest.raises(ModelError, match="has no variable called"):
            solution[name]


def test_grid_names_of_two_dimensions() -> None:
    names = GridNames("u", (2, 3))
    assert list(names) == ["u[0,0]", "u[0,1]", "u[0,2]", "u[1,0]", "u[1,1]", "u[1,2]"]
    assert [names.find(name) for name in names] == list(range(6))
    assert names[1:3] == ["u[0,1]", "u[0,2]"]
    assert names[-1] == "u[1,2]"
    assert names.find("u[2,0]") is None


def test_a_name_of_a_block_may_not_be_taken() -> None:
    k0 = sn.parameter(1.0, name="k0")
    x = sn.variable("y", start=1)
    taken = Quantities("variable", ["k0"], np.ones(1))
    with pytest.raises(ModelError, match="k0 is used twice"):
        lower(sn.System("s", [decay(2)[2], Block((taken,), ())]))
    # a symbol of an equation of that name is the block's own quantity
    found = slopes(sn.System("s", [decay(2)[2], sn.D(x) == k0 * 2]), {"k0": 3.0})
    assert found["y"] == 6.0
    assert found["x[0]"] == -3.0


def test_scalar_equations_and_blocks_share_symbols() -> None:
    """D(a) from the block reads b, which a scalar equation gives from a; the rate constant is the user's."""
    a, b = sn.variable("a", start=2.0), sn.variable("b")
    k = sn.parameter(0.5, name="k")
    both, constants = References((a, b)), References((k,))
    zero, one = np.array([0]), np.array([1])
    root = slot("u", 0) + slot("p", 1) * slot("u", 2)
    columns = (Column(both, zero, derivative=True), Column(constants, zero), Column(both, one))
    block = Block((both, constants), (IndexedEquation(root, columns, label("row")),))
    system = sn.System("s", [block, b == 3 * a])
    assert system.a is a
    assert slopes(system) == {"a": -3.0}
    solution = sn.solve(sn.Problem(system), rtol=1e-9, atol=1e-12)
    assert solution[b][-1] == pytest.approx(6 * np.exp(-1.5), rel=1e-7)


def test_a_referenced_symbol_may_have_dots_in_its_name() -> None:
    a = sn.variable("mol.a", start=1.0)
    of = References((a,))
    sums = sums_of((of,), [{1: -1.0, 0: -2.0}])  # D(a) == -2 a
    assert slopes(sn.System("s", [Block((of,), (), (sums,))])) == {"mol.a": -2.0}


@pytest.mark.parametrize(
    "row",
    [
        {4: -1.0},                                  # D(x0) == 0
        {4: -1.0, 1: 3.0},                          # two terms, a factor that is no sign
        {4: 2.0, 1: -3.0},                          # D(x0) == 1.5 x1
        {4: -1.0, 1: 0.25, 2: -7.0},
        {4: -4.0, 0: 1.0, 1: 1.0, 2: 1.0, 3: 0.5},
    ],
)  # fmt: skip
def test_sums_of_any_length_and_factor_give_derivatives(row: dict[int, float]) -> None:
    values = np.array([1.0, 2.0, 3.0, 5.0])
    x = Quantities("variable", ["x0", "x1", "x2", "x3"], values)
    idle = [{4 + i: 1.0} for i in (1, 2, 3)]
    system = sn.System("s", [Block((x,), (), (sums_of((x,), [row, *idle]),))])
    expected = -sum(c * values[i] for i, c in row.items() if i < 4) / row[4]
    assert slopes(system) == pytest.approx({"x0": expected, "x1": 0, "x2": 0, "x3": 0}, rel=1e-15)
    problem = sn.Problem(system)
    jacobian = sn.compile(system).jacobian(0.0, problem.u, problem.p).toarray()
    assert jacobian[0] == pytest.approx([-row.get(i, 0.0) / row[4] for i in range(4)], rel=1e-15)


@pytest.mark.parametrize("width", [2, 5, 12, 13, 40])
def test_sums_that_name_a_total(width: int) -> None:
    """0 == -total + sum of w_i x_i, read by nothing, and read by the equation of one more state."""
    count = width
    x, _, block = decay(count)
    total = sn.variable("total")
    y = sn.variable("y", start=0.0)
    symbols = References((total,))
    weights = {1 + i: 1.0 + (i % 2) / 2 for i in range(count)}
    sums = sums_of((symbols, x), [{0: -1.0, **weights}])
    with_total = Block((*block.quantities, symbols), block.equations, (sums,))
    expected = sum(w * i for i, w in weights.items())  # x_i starts at i + 1
    for equations in ([], [sn.D(y) == total**2]):
        system = sn.System("s", [with_total, *equations])
        solution = sn.solve(sn.Problem(system, span=(0, 1e-3)), rtol=1e-8, atol=1e-10)
        assert solution[total][0] == pytest.approx(expected, rel=1e-12)
        if equations:
            assert solution[sn.D(y)][0] == pytest.approx(expected**2, rel=1e-12)


def test_a_row_without_an_equation_is_named() -> None:
    x = Quantities("variable", ["x0", "x1"], np.ones(2))
    sums = sums_of((x,), [{2: -1.0, 0: 1.0}])
    with pytest.raises(UnbalancedSystem, match="x1"):
        lower(sn.System("s", [Block((x,), (), (sums,))]))


def test_two_equations_for_one_derivative_are_named() -> None:
    x, _, block = decay(3)
    sums = sums_of((x,), [{3: -1.0, 0: 1.0, 1: 1.0}])
    with pytest.raises(UnbalancedSystem, match=r"decay 0|sum 0"):
        lower(sn.System("s", [Block(block.quantities, block.equations, (sums,))]))


def test_a_start_that_is_missing_is_named() -> None:
    x = Quantities("variable", GridNames("u", (2,)), np.array([1.0, np.nan]))
    sums = sums_of((x,), [{2: -1.0, 0: 1.0}, {3: -1.0, 1: 1.0}])
    with pytest.raises(ModelError, match=r"no start for u\[1\]"):
        sn.Problem(sn.System("s", [Block((x,), (), (sums,))]))
