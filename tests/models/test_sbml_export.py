"""Written SBML is valid by libSBML's own checks, and reads back as the same model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError
from symnum.models.chemistry.sbml_model import SBMLModel
from symnum.models.chemistry.sbml_suite import cases_in, trajectories
from symnum.rewriting.operators import OPERATORS, equal, sign

libsbml = pytest.importorskip("libsbml")


def written(model: Any, path: Path) -> SBMLModel:
    """The model after a trip to a file that libSBML finds no errors in."""
    document = libsbml.readSBMLFromFile(str(sn.write(model, path)))
    document.checkConsistency()
    errors = [document.getError(k) for k in range(document.getNumErrors())]
    assert [e.getMessage() for e in errors if e.isError() or e.isFatal()] == []
    found = sn.read(path)
    assert isinstance(found, SBMLModel)
    return found


def compare(system: sn.System, model: SBMLModel, names: Sequence[str], end: float) -> sn.Solution:
    before = sn.solve(sn.Problem(system, span=(0, end)), "Rodas5P", rtol=1e-10, atol=1e-12)
    after = sn.solve(model.problem((0, end)), "Rodas5P", rtol=1e-10, atol=1e-12)
    times = np.linspace(0, end, 37)
    for name in names:
        np.testing.assert_allclose(after(times)[model[name]], before(times)[name], rtol=1e-7, atol=1e-8)
    return before


def test_a_network_with_compartments_and_laws(tmp_path: Path) -> None:
    a, b, c, d = sn.species(a=2, b=1, c=0, d=3)
    k, v, half = sn.parameters(k=0.3, v=0.7, half=2)
    (total,) = sn.variables("total")
    network = sn.ReactionNetwork(
        "cell",
        [
            sn.Reaction(k, a + 2 * b >> c, name="binding"),
            sn.Reaction(sn.MichaelisMenten(a, v, half), a >> d),
            sn.Reaction(0.1 * d * c, c >> a, law="rate"),
            sn.Reaction(k * 0.1, 0 >> b),
        ],
        compartments=[sn.Compartment("plasma", 2, [a, b, c, d])],
        equations=[total == a + c],
    )
    model = written(network, tmp_path / "cell.xml")
    assert model.network is not None
    assert model.network.reaction_names[0] == "binding"
    compare(network.system(), model, ["a", "b", "c", "d", "total"], 5)


def test_a_network_of_a_file_with_observables(tmp_path: Path) -> None:
    lines = ["begin parameters", "1 k 0.5", "2 f 2*k", "end parameters", "begin species", "1 A(b!1) 10",
             "2 B 1", "end species", "begin reactions", "1 1,2 2 0.5*k", "2 2 1 f", "end reactions",
             "begin groups", "1 both 1,2*2", "end groups"]  # fmt: skip
    (tmp_path / "n.net").write_text("\n".join(lines))
    network = sn.read(tmp_path / "n.net")
    model = written(network, tmp_path / "n.xml")
    before = sn.solve(sn.Problem(network.system(), span=(0, 2)), rtol=1e-9, atol=1e-11)
    after = sn.solve(model.problem((0, 2)), rtol=1e-9, atol=1e-11)
    assert after[model["A_b_1_"]][-1] == pytest.approx(before["A(b!1)"][-1])
    assert after[model["both"]][-1] == pytest.approx(before["both"][-1])


def test_a_system_with_everything(tmp_path: Path) -> None:
    x, y, z, w = sn.variables("x y z w")
    a, b = sn.parameters(a=0.0, b=2)
    D = sn.D
    system = sn.System("all", [
        D(x) == -x + a + 0.1 * sn.delay(x, 0.5, 2 - sn.t), y == x**2 / (1 + sn.exp(-b * x)), z**3 + z == y,
        D(w) == sn.ifelse(sn.sin(3 * sn.t) > 0.2, 1, -1),
    ], events=[
        sn.Event(at=[0, 1.5], then={x: x + 1}, name="dose"),
        sn.Event(when=x - 1.2, crossing="down", then={a: a + 0.5}),
        sn.Event(trigger=(x > 1.4) & (sn.t > 1), delay=0.3, priority=b, then={w: 0}, persistent=False,
                 values="trigger"),
    ], defaults={x: 2 * b / 4, w: 0.5})  # fmt: skip
    sol = compare(system, written(system, tmp_path / "all.xml"), ["x", "y", "z", "w", "a"], 4)
    assert len(sol.events) >= 4


@pytest.mark.parametrize("name", sorted(set(OPERATORS) - {"erf", "atan2"}))
def test_every_operator_reads_back(name: str, tmp_path: Path) -> None:
    from symnum.rewriting.expr import node

    x, y = sn.variables("x y")
    expr = node(name, (0.3 * x + 0.2, 0.5 * x, x**2)[: OPERATORS[name].arity])
    if name == "acosh":
        expr = sn.acosh(1.5 + x)
    system = sn.System(
        "s", [sn.D(x) == 0.1, y == expr + 0.25 * sign(x - 0.55) + equal(x, 1)], defaults={x: 0.5}
    )
    compare(system, written(system, tmp_path / "s.xml"), ["x", "y"], 1)


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (x,) = sn.variables("x")
    with pytest.raises(ModelError, match="no function erf"):
        sn.write(sn.System("s", [sn.D(x) == sn.erf(x)]), tmp_path / "s.xml")
    with pytest.raises(ModelError, match="hard limits and states"):
        sn.write(sn.System("s", [sn.D(x) == 1, sn.Limit(x, high=2)]), tmp_path / "s.xml")
    ends = sn.Event(at=1, terminal=True)
    with pytest.raises(ModelError, match="no event that ends the run"):
        sn.write(sn.System("s", [sn.D(x) == 1], events=[ends]), tmp_path / "s.xml")
    with pytest.raises(ModelError, match=r"known: \.xml"):
        sn.write(sn.System("s", [sn.D(x) == 1]), tmp_path / "s.doc")


def round_trips(cases: Sequence[Any], path: Path) -> int:
    count = 0
    for case in cases:
        if not case.settings.get("duration"):
            continue
        model = sn.read(case.model)
        assert isinstance(model, SBMLModel)
        if model.fast:
            with pytest.raises(ModelError, match="no fast reactions"):
                sn.write(model, path)
            continue
        other = written(model, path)
        start, duration, steps = case.numbers()
        times = np.linspace(start, start + duration, steps + 1)
        names = [name for name in model if name in set(other)]
        # written are the unknowns: amounts, but for species whose concentration is given by a rule
        amounts = {name: model.amount(name) for name in model.species}
        known = {name: amount for name, amount in amounts.items() if amount.op == "symbol"}
        own = [known.get(name, model[name]) for name in names]
        found = trajectories(other, [other[name] for name in names], times, rtol=1e-8, atol=1e-10)
        wanted = trajectories(model, own, times, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7, err_msg=case.name)
        count += 1
    return count


def test_cases_of_the_semantic_suite_go_round(shared_data: Path, tmp_path: Path) -> None:
    assert round_trips(cases_in(shared_data / "sbml_semantic")[::13], tmp_path / "m.xml") > 12


@pytest.mark.slow
def test_all_cases_go_round(shared_data: Path, tmp_path: Path) -> None:
    assert round_trips(cases_in(shared_data / "sbml_semantic"), tmp_path / "m.xml") > 180
