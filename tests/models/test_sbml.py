"""SBML: own small models against closed forms; the semantic suite and BioModels where they are."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError
from symnum.models.chemistry.sbml_model import SBMLModel
from symnum.models.chemistry.sbml_suite import cases_in, main, run_case, trajectories

pytest.importorskip("libsbml")

Load = Callable[..., SBMLModel]


@pytest.fixture(name="load")
def _load(tmp_path: Path) -> Load:
    """A model from the inside of its <model> element; formulas in braces are infix text made MathML."""
    import libsbml

    def math(text: str) -> str:
        tree = libsbml.parseL3Formula(text)
        assert tree is not None, libsbml.getLastParseL3Error()
        return str(libsbml.writeMathMLToString(tree)).partition("?>")[2]

    def load(inside: str, *, head: str = "", version: str = "2") -> SBMLModel:
        parts = inside.split("{")
        text = parts[0] + "".join(math(p.partition("}")[0]) + p.partition("}")[2] for p in parts[1:])
        path = tmp_path / "model.xml"
        path.write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<sbml xmlns="http://www.sbml.org/sbml/level3/version{version}/core" level="3"'
            f' version="{version}">'
            f"<model id='m' {head}>{text}</model></sbml>"
        )
        return sn.read(path)  # type: ignore[return-value]

    return load


def solved(model: SBMLModel, end: float, **options: float) -> sn.Solution:
    problem = sn.Problem(model.system(), span=(0, end))
    return sn.solve(problem, rtol=1e-10, atol=1e-12, **options)


DECAY = """
<listOfCompartments><compartment id="c" size="2" constant="true" spatialDimensions="3"/></listOfCompartments>
<listOfSpecies>
  <species id="A" compartment="c" initialConcentration="3" hasOnlySubstanceUnits="false"
    boundaryCondition="false" constant="false"/>
  <species id="B" compartment="c" initialAmount="0" hasOnlySubstanceUnits="true"
    boundaryCondition="false" constant="false"/>
</listOfSpecies>
<listOfParameters><parameter id="k" value="0.5" constant="true"/></listOfParameters>
<listOfReactions><reaction id="J" reversible="false">
  <listOfReactants><speciesReference species="A" stoichiometry="1" constant="true"/></listOfReactants>
  <listOfProducts><speciesReference species="B" stoichiometry="2" constant="true"/></listOfProducts>
  <kineticLaw>{c * k * A}</kineticLaw>
</reaction></listOfReactions>
"""


def test_amounts_and_concentrations_of_a_decay(load: Load) -> None:
    model = load(DECAY)
    sol = solved(model, 4)
    decay = np.exp(-0.5 * sol.t)
    np.testing.assert_allclose(sol[model["A"]], 3 * decay, rtol=1e-8)
    np.testing.assert_allclose(sol[model.amount("A")], 6 * decay, rtol=1e-8)
    np.testing.assert_allclose(sol[model["B"]], 12 * (1 - decay), atol=1e-8)
    np.testing.assert_allclose(sol[model.concentration("B")], 6 * (1 - decay), atol=1e-8)
    np.testing.assert_allclose(sol[model["J"]], 3 * decay, rtol=1e-8)
    assert model.network is not None
    assert model.network.n_reactions == 1
    assert model.network.conserved().tolist() == [[2, 1]]


def test_a_start_follows_a_parameter(load: Load) -> None:
    model = load(
        DECAY
        + """<listOfInitialAssignments><initialAssignment symbol="A">{k * 10}
        </initialAssignment></listOfInitialAssignments>"""
    )
    problem = sn.Problem(model.system(), span=(0, 1), parameters={"k": 0.7})
    sol = sn.solve(problem)
    assert sol[model["A"]][0] == pytest.approx(7)
    assert sol[model.amount("A")][0] == pytest.approx(14)


RULES = """
<listOfParameters>
  <parameter id="x" value="1" constant="false"/><parameter id="y" constant="false"/>
  <parameter id="z" constant="false"/><parameter id="r" constant="false"/>
</listOfParameters>
<listOfRules>
  <rateRule variable="x">{-2 * x}</rateRule>
  <assignmentRule variable="y">{piecewise(x, x > 0.5, 1 - x)}</assignmentRule>
  <algebraicRule>{z + x - 3}</algebraicRule>
  <assignmentRule variable="r">{rateOf(x) + time}</assignmentRule>
</listOfRules>
"""


def test_rules_of_all_kinds_and_csymbols(load: Load) -> None:
    sol = solved(load(RULES), 2)
    x = np.exp(-2 * sol.t)
    np.testing.assert_allclose(sol["x"], x, rtol=1e-8)
    np.testing.assert_allclose(sol["y"], np.where(x > 0.5, x, 1 - x), rtol=1e-8)
    np.testing.assert_allclose(sol["z"], 3 - x, rtol=1e-8)
    np.testing.assert_allclose(sol["r"], -2 * x + sol.t, rtol=1e-8)


def test_a_concentration_rule_in_a_growing_compartment(load: Load) -> None:
    model = load("""
    <listOfCompartments><compartment id="c" size="1" constant="false"/></listOfCompartments>
    <listOfSpecies>
      <species id="S" compartment="c" initialConcentration="2" hasOnlySubstanceUnits="false"
        boundaryCondition="true" constant="false"/>
      <species id="F" compartment="c" initialConcentration="2" hasOnlySubstanceUnits="false"
        boundaryCondition="false" constant="false"/>
    </listOfSpecies>
    <listOfRules><rateRule variable="c">{0.5}</rateRule><rateRule variable="S">{-S}</rateRule></listOfRules>
    """)
    sol = solved(model, 3)
    np.testing.assert_allclose(sol[model["S"]], 2 * np.exp(-sol.t), rtol=1e-8)
    np.testing.assert_allclose(sol[model["F"]], 2 / (1 + 0.5 * sol.t), rtol=1e-8)


def test_a_stoichiometry_that_changes(load: Load) -> None:
    text = DECAY.replace(
        'species="B" stoichiometry="2" constant="true"', 'species="B" id="n" constant="false"'
    )
    model = load(text + '<listOfRules><assignmentRule variable="n">{time}</assignmentRule></listOfRules>')
    sol = solved(model, 4)
    t = sol.t  # dB/dt = t * 3 exp(-t/2)
    np.testing.assert_allclose(sol[model["B"]], 12 - 6 * (t + 2) * np.exp(-t / 2), atol=1e-7)


def event(inside: str, *, more: str = "", trigger: str = "") -> str:
    return f"""<listOfEvents><event useValuesFromTriggerTime="true" {more}>
    <trigger initialValue="true" persistent="true" {trigger}>{inside}</event></listOfEvents>"""


def test_an_event_with_a_delay_uses_the_values_of_its_trigger(load: Load) -> None:
    model = load(
        '<listOfParameters><parameter id="x" value="0" constant="false"/>'
        '<parameter id="y" value="0" constant="false"/></listOfParameters>'
        '<listOfRules><rateRule variable="x">{1}</rateRule></listOfRules>'
        + event("""{x > 1}</trigger><delay>{0.5}</delay><listOfEventAssignments>
        <eventAssignment variable="y">{x}</eventAssignment></listOfEventAssignments>""")
    )
    sol = solved(model, 3)
    assert [h.t for h in sol.events] == pytest.approx([1.5])
    assert sol["y"][-1] == pytest.approx(1.0)


def test_a_delay_in_a_law_looks_up_the_initial_assignment_before_the_start(load: Load) -> None:
    model = load(
        DECAY.replace("c * k * A", "c * k * delay(A, 1)")
        + '<listOfInitialAssignments><initialAssignment symbol="A">{3 - time}</initialAssignment>'
        "</listOfInitialAssignments>"
    )
    sol = solved(model, 1)
    # A' = -(3 - (t - 1))/2 = t/2 - 2
    np.testing.assert_allclose(sol[model["A"]], 3 - 2 * sol.t + sol.t**2 / 4, rtol=1e-8)


def test_a_fast_reaction_keeps_its_equilibrium(load: Load) -> None:
    species = "".join(
        f'<species id="{n}" compartment="c" initialAmount="{a}" hasOnlySubstanceUnits="true"'
        ' boundaryCondition="false" constant="false"/>'
        for n, a in (("A", 9), ("B", 0), ("C", 0))
    )

    def reaction(name: str, left: str, right: str, fast: str, law: str) -> str:
        reference = '<speciesReference species="{}" stoichiometry="1" constant="true"/>'.format
        return (
            f'<reaction id="{name}" reversible="true" fast="{fast}">'
            f"<listOfReactants>{reference(left)}</listOfReactants>"
            f"<listOfProducts>{reference(right)}</listOfProducts><kineticLaw>{law}</kineticLaw></reaction>"
        )

    model = load(
        '<listOfCompartments><compartment id="c" size="1" constant="true"/></listOfCompartments>'
        f"<listOfSpecies>{species}</listOfSpecies><listOfReactions>"
        + reaction("J", "A", "B", "true", "{2 * A - 1 * B}")
        + reaction("K", "B", "C", "false", "{0.3 * B}")
        + "</listOfReactions>",
        version="1",
    )
    sol = sn.solve(model.problem((0, 5)), rtol=1e-9, atol=1e-12)
    both = 9 * np.exp(-0.3 * 2 / 3 * sol.t)  # B is two thirds of A + B
    np.testing.assert_allclose(sol["A"], both / 3, rtol=1e-7)
    np.testing.assert_allclose(sol["B"], both * 2 / 3, rtol=1e-7)
    np.testing.assert_allclose(sol["C"], 9 - both, atol=1e-7)


# ---- bad files ------------------------------------------------------------------------------------
def test_bad_files_say_where(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "bad.xml"

    def refused(text: str, says: str) -> None:
        path.write_text(text)
        with pytest.raises(ModelError, match=says):
            sn.read(path)

    bomb = '<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><sbml>&b;</sbml>'
    refused(bomb, r"bad.xml, line 1: document type declarations")
    refused("<sbml>\n<model>", r"line 2: this is no well-formed XML .* cut off")
    refused("<html/>", "the outermost element is <html>")
    refused("", "no well-formed XML")
    refused("<sbml>" + "<a>" * 2000 + "</a>" * 2000 + "</sbml>", "nested more than 1000 deep")
    with pytest.raises(ModelError, match="cannot be read"):
        sn.read(tmp_path / "none.xml")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('species="B"', 'species="Q"', r"line \d+: reaction J: there is no species 'Q'"),
        ("c * k * A", "c * kk * A", "reaction J: there is nothing called 'kk'"),
        ('value="0.5"', "", "parameter k: k has no value"),
        ('stoichiometry="2"', 'stoichiometry="-2"', "reaction J: the stoichiometry of B is -2"),
        ("<kineticLaw>{c * k * A}</kineticLaw>", "", "reaction J: J has no kinetic law"),
        ('id="k"', 'id="A"', "valid SBML|the id A is used twice"),
        ("c * k * A", "c * f(A)", "no function definition 'f'"),
        ('compartment="c" initialA', 'compartment="d" initialA', "there is no compartment 'd'"),
        (
            "<listOfReactions>",
            '<listOfRules><assignmentRule variable="k">{A}</assignmentRule></listOfRules><listOfReactions>',
            "k is constant",
        ),
    ],
)
def test_a_mistake_is_named(load: Load, old: str, new: str, says: str) -> None:
    assert old in DECAY
    with pytest.raises(ModelError, match=says):
        load(DECAY.replace(old, new))


@pytest.mark.parametrize(
    ("math", "says"),
    [
        ("<apply><divide/><ci>A</ci><ci>A</ci><ci>A</ci></apply>", "divide with 3 arguments|valid SBML"),
        ("<apply><lt/><ci>A</ci></apply>", "takes two|valid SBML"),
        ("<apply><divide/><ci>A</ci><cn>0</cn></apply>", "it divides by zero"),
        ("<piecewise><piece><ci>A</ci><true/></piece></piecewise>", "piecewise without otherwise"),
        ("<apply><factorial/><ci>A</ci></apply>", "only of whole numbers from 0 to 170, not of A"),
        ("<infinity/>", "the number inf in a formula is not supported"),
    ],
)
def test_a_formula_that_cannot_be_read_is_named(load: Load, math: str, says: str) -> None:
    whole = f'<math xmlns="http://www.w3.org/1998/Math/MathML">{math}</math>'
    with pytest.raises(ModelError, match=says):
        load(DECAY.replace("{c * k * A}", whole))


def test_rules_in_a_circle(load: Load) -> None:
    parameters = "".join(f'<parameter id="{n}" constant="false"/>' for n in "xyz")
    rules = "".join(
        f'<assignmentRule variable="{n}">{{{of} + 1}}</assignmentRule>' for n, of in ("xy", "yz", "zx")
    )
    with pytest.raises(
        ModelError, match=r"line \d+: assignmentRule of x: x is defined by itself: x -> y -> z -> x"
    ):
        load(f"<listOfParameters>{parameters}</listOfParameters><listOfRules>{rules}</listOfRules>")


# ---- the suite ------------------------------------------------------------------------------------
def test_a_selection_of_the_semantic_suite(shared_data: Path) -> None:
    cases = cases_in(shared_data / "sbml_semantic")
    chosen = [case for case in cases if case.labels[0] in ("reactions", "rules", "event", "event_delay")][::6]
    outcomes = [run_case(case) for case in chosen]
    assert len(outcomes) > 20
    assert [(o.case.name, o.message) for o in outcomes if o.status != "passed"] == []


@pytest.mark.slow
def test_the_whole_semantic_suite(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = [run_case(case) for case in cases_in(shared_data / "sbml_semantic")]
    assert [(o.case.name, o.message) for o in outcomes if o.status == "wrong"] == []
    for name, least in (("reactions", 0.95), ("rules", 0.95), ("event", 0.95), ("event_delay", 0.95),
                        ("algebraic", 0.8), ("comp", 0.8), ("fast", 0.75), ("dde", 0.75)):  # fmt: skip
        found = [o.status == "passed" for o in outcomes if o.case.labels[0] == name]
        assert np.mean(found) >= least, name


def test_the_command_prints_a_table(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(shared_data / "sbml_semantic"), "--only", "00056,00103"]) == 0
    assert "reactions" in capsys.readouterr().out


def deviation(folder: Path, name: str) -> tuple[float, float]:
    """(largest relative deviation of a column, what the set allows)."""
    with (folder / name / "expected.csv").open() as stream:
        rows = list(csv.reader(stream))
    table = np.array([[float(cell) for cell in row] for row in rows[1:]])
    model = sn.read(folder / name / "model.xml")
    assert isinstance(model, SBMLModel)
    wanted = [
        model.concentration(c[1:-1])
        if c.startswith("[")
        else model.amount(c)
        if c in model.species
        else model[c]
        for c in rows[0][1:]
    ]
    found = trajectories(model, wanted, table[:, 0], rtol=1e-9, atol=1e-14)
    reference = table[:, 1:].T
    size = np.maximum(np.abs(reference).max(axis=1), 1e-9)
    copasi = json.loads((folder / "index.json").read_text())["models"][name]["copasi"]["max_scaled_diff"]
    return float((np.abs(found - reference).max(axis=1) / size).max()), max(1e-5, 10 * copasi)


@pytest.mark.parametrize("name", ["BIOMD0000000005", "BIOMD0000000016", "BIOMD0000000098"])
def test_biomodels(shared_data: Path, name: str) -> None:
    found, allowed = deviation(shared_data / "biomodels", name)
    assert found <= allowed


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["biomodels", "petab_sbml"])
def test_every_model(shared_data: Path, kind: str) -> None:
    folder = shared_data / kind
    for name in json.loads((folder / "index.json").read_text())["models"]:
        found, allowed = deviation(folder, name)
        assert found <= allowed, name
