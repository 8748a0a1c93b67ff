"""What an ensemble is made from: arrays, tables, named fields, products, seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas
import pytest

import symnum as sn
from symnum.errors import ModelError

x, y = sn.variables("x y")
k, gain = sn.parameters(k=1.0, gain=2.0)
D = sn.D


def decay() -> sn.Problem:
    """x = x0 exp(-k t), y' = gain x."""
    return sn.Problem(sn.System("decay", [D(x) == -k * x, D(y) == gain * x]), {x: 1, y: 0}, (0, 2))


def births() -> sn.Problem:
    A, B = sn.species(A=50, B=0)
    (rate,) = sn.parameters(rate=0.5)
    return sn.Problem(sn.ReactionNetwork("births", [sn.Reaction(rate, A >> B)]).jumps(), span=(0, 1))


RATES, STARTS = np.linspace(0.1, 2.0, 12), np.linspace(1.0, -5.0, 12)
STRUCTURED = np.zeros(12, [("k", float), ("x", float)])
STRUCTURED["k"], STRUCTURED["x"] = RATES, STARTS


@pytest.mark.parametrize("changes", [
    {k: RATES, x: STARTS}, {"k": RATES.tolist(), "x": STARTS}, STRUCTURED,
    pandas.DataFrame({"k": RATES, "x": STARTS}, index=np.arange(100, 112)),
    {"k": pandas.Series(RATES), x: STARTS},
], ids=["expressions", "names", "fields", "table", "series"])  # fmt: skip
def test_all_forms_say_the_same(changes: Any) -> None:
    runs = sn.solve(sn.Ensemble(decay(), changes), rtol=1e-9, atol=1e-12, saveat=0.5)
    exact = STARTS[:, None] * np.exp(-RATES[:, None] * runs.t)
    assert runs[x] == pytest.approx(exact, rel=1e-7, abs=1e-9)
    assert runs.changes["k"].tolist() == RATES.tolist()
    assert list(runs.changes) == ["k"]


def test_a_product_has_an_axis_for_each() -> None:
    rates, gains, starts = [0.5, 1.0, 1.5], [1.0, 3.0], [1.0, 2.0, 3.0, 4.0]
    ensemble = sn.Ensemble.product(decay(), {k: rates, gain: gains, x: starts})
    runs = sn.solve(ensemble, rtol=1e-9, saveat=[0, 1, 2])
    found = runs[y].reshape(3, 2, 4, -1)
    a, b, c, t = np.meshgrid(rates, gains, starts, runs.t, indexing="ij", sparse=True)
    assert found == pytest.approx(b * c * (1 - np.exp(-a * t)) / a, rel=1e-6, abs=1e-9)


def test_tables_and_datasets_of_a_solution() -> None:
    runs = sn.solve(sn.Ensemble(decay(), {k: RATES, x: STARTS}), saveat=[0.0, 1.0, 2.0])
    table = runs.to_dataframe()
    assert list(table.columns) == ["k", "x", "y"]
    assert table.loc[(7, 1.0), "x"] == runs[x][7, 1]
    assert table["k"].groupby("member").first().tolist() == RATES.tolist()
    assert list(runs.to_dataframe(x + y, "k").columns) == [str(x + y), "k"]
    data = runs.to_xarray(x, x * k)
    assert data[str(x * k)].dims == ("member", "t")
    assert data["x"].where(data.k > 1.5, drop=True).values.tolist() == runs[x][RATES > 1.5].tolist()
    assert (data.status == "done").all()
    assert runs[[x, y]].shape == (2, 12, 3)


def test_fields_of_members_lie_on_their_grid() -> None:
    place = sn.coordinate("place", 0, 1)
    u = sn.field("u", place)
    (spread,) = sn.parameters(spread=0.1)
    ends = [D(u, place).at(place, 0) == 0, D(u, place).at(place, 1) == 0]
    pde = sn.PDE("heat", [D(u) == spread * D(u, place, 2)], boundary=ends, initial={u: sn.cos(np.pi * place)})
    rod = sn.discretize(pde, {place: sn.Central(points=40)})
    values = np.array([0.05, 0.1, 0.2])
    ensemble = sn.Ensemble(sn.Problem(rod, span=(0, 1)), {spread: values})
    runs = sn.solve(ensemble, rtol=1e-8, saveat=[0.0, 0.5, 1.0])
    points = runs.to_xarray(u)["u"].place.values
    assert runs[u].shape == (3, 3, len(points))
    decayed = np.exp(-np.pi**2 * values[:, None, None] * runs.t[None, :, None])
    assert runs[u] == pytest.approx(decayed * np.cos(np.pi * points), abs=2e-3)
    with pytest.raises(ModelError, match="to_xarray has axes"):
        runs.to_dataframe(u)


def test_a_seed_for_each_member_is_that_of_a_single_solve() -> None:
    problem = births()
    seeds = np.array([3, 0, 11, 3])
    runs = sn.solve(sn.Ensemble(problem, {"seed": seeds}), saveat=0.25)
    for member, seed in enumerate(seeds.tolist()):
        assert runs.y[member].tolist() == sn.solve(problem, seed=seed, saveat=0.25).y.tolist()
    assert runs.changes["seed"].tolist() == seeds.tolist()
    product = sn.solve(sn.Ensemble.product(problem, {"rate": [0.1, 2.0], "seed": range(50)}), saveat=[1.0])
    lost = product["B"].reshape(2, 50).mean(axis=1)
    assert lost == pytest.approx(50 * (1 - np.exp([-0.1, -2.0])), rel=0.2)


def test_numbers_are_made_once() -> None:
    ensemble = sn.Ensemble(decay(), {k: RATES})
    assert ensemble.numbers() is ensemble.numbers()
    runs = sn.solve(ensemble)
    runs.p[:] = 0  # a solution is the user's own
    assert sn.solve(ensemble).p[:, 0].tolist() == RATES.tolist()


def test_what_a_model_says_about_its_parameters_is_asked_for_every_member() -> None:
    def positive(values: Any) -> str | None:
        return None if values["k"] > 0 else f"k = {values['k']:g} must be positive"

    problem = sn.Problem(sn.System("guarded", [D(x) == -k * x], guards=[positive]), {x: 1})
    with pytest.raises(ModelError, match=r"member 2 of the ensemble: k = -1 must be positive"):
        sn.solve(sn.Ensemble(problem, {k: [1.0, 2.0, -1.0]}))


@pytest.mark.parametrize(("changes", "message"), [
    (np.zeros(3), "an array without names"), (7, "not a int"), ({k: [1.0], "k": [2.0]}, "k is given twice"),
    ({"seed": [1, 2]}, "no random process"), (pandas.DataFrame({"k": [1.0, np.nan]}), "member 1 has k"),
    (pandas.DataFrame({"kk": [1.0]}), "no parameter or variable called kk"),
])  # fmt: skip
def test_what_does_not_say_what_changes_is_refused(changes: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        sn.solve(sn.Ensemble(decay(), changes))


def test_bad_seeds_and_products_are_refused() -> None:
    for seeds in ([1.5], [-1], [[1]]):
        with pytest.raises(ModelError, match="integers from 0"):
            sn.Ensemble(births(), {"seed": seeds})
    with pytest.raises(ModelError, match="one or the other"):
        sn.solve(sn.Ensemble(births(), {"seed": [1]}), seed=3)
    with pytest.raises(ModelError, match="k has shape"):
        sn.Ensemble.product(decay(), {k: 1.0})
