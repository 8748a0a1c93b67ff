"""Cantera files that are wrong: each gives one clear error with its line or reaction."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

import symnum as sn

GOOD = """\
units: {length: cm, quantity: mol, activation-energy: cal/mol}
phases:
- name: gas
  thermo: ideal-gas
  species: [H2, H, M1]
  kinetics: gas
species:
- name: H2
  composition: {H: 2}
  thermo: &poly
    model: NASA7
    temperature-ranges: [200.0, 1000.0, 3500.0]
    data:
    - [2.5, 0, 0, 0, 0, -1000.0, 1.0]
    - [2.5, 0, 0, 0, 0, -1000.0, 1.0]
- {name: H, composition: {H: 1}, thermo: *poly}
- {name: M1, composition: {H: 1, E: -1}, thermo: *poly}
reactions:
- equation: 2 H + H2 <=> 2 H2
  rate-constant: {A: 9.0e+16, b: -0.6, Ea: 0.0}
"""
ARRHENIUS = "rate-constant: {A: 9.0e+16, b: -0.6, Ea: 0.0}"
PRESSURES = "type: pressure-dependent-Arrhenius"
FALLOFF = "low-P-rate-constant: {A: 1, b: 0, Ea: 0}\n  high-P-rate-constant: {A: 1, b: 0, Ea: 0}"


def read(folder: Path, text: str) -> Any:
    path = folder / "gas.yaml"
    path.write_text(text)
    return sn.read(path)


def test_the_good_file_is_read(tmp_path: Path) -> None:
    assert "3 species, 1 reactions" in str(read(tmp_path, GOOD))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<=> 2 H2", "<=> 3 H2", r"line 19: .* is not balanced in H: 4 on the left, 6"),
        ("2 H + H2 <=> 2 H2", "H <=> M1", "line 19: .*not balanced in charge"),
        ("2 H + H2 <=> 2 H2", "2 H + O2 <=> 2 H2", "line 19: .*holds O2, which is no species"),
        (ARRHENIUS, "type: Arrhenious\n  " + ARRHENIUS, "line 20: .*unknown type 'Arrhenious'; known"),
        (ARRHENIUS, "type: Blowers-Masel\n  " + ARRHENIUS, "unknown type 'Blowers-Masel'"),
        (ARRHENIUS, "rate-constant: {A: 9.0e+16, b: -0.6}", "line 20: .*lacks Ea"),
        (ARRHENIUS, "rate-constant: {A: 9 cm^3/mol/s, b: 0, Ea: 0}", "no unit of a rate constant of order 3"),
        (ARRHENIUS, "rate-constant: {A: 1, b: 0, Ea: 1 m}", "'m' is no unit of an activation energy"),
        (ARRHENIUS, "rate-constant: {A: 1, b: x, Ea: 1}", "line 20: 'b' of .* is 'x', not a number"),
        (ARRHENIUS, "rate-constant: {A: .inf, b: 0, Ea: 1}", "line 20: "),
        (ARRHENIUS, "rate-constant: {A: -1, b: 0, Ea: 1}", "negative A"),
        (ARRHENIUS, ARRHENIUS + "\n  coverage: 1", "line 21: .*'coverage', which is not supported"),
        (ARRHENIUS, FALLOFF, "has no 'rate-constant'"),
        (ARRHENIUS, PRESSURES, "line 19: .*has no .rate-constants."),
        (ARRHENIUS, PRESSURES + "\n  rate-constants: [{A: 1, b: 0, Ea: 0}]", "lacks the pressure P"),
        (ARRHENIUS, "type: falloff\n  " + FALLOFF, r"needs \(\+M\) on both sides"),
        (ARRHENIUS, "type: three-body\n  " + ARRHENIUS + "\n  efficiencies: {Q: 1}", "Q among"),
        (ARRHENIUS, ARRHENIUS + "\n- equation: 2 H2 <=> H2 + 2 H\n  " + ARRHENIUS, "already in line 19"),
        ("2 H + H2 <=> 2 H2", "2 H + H2 > 2 H2", "is no reaction; write it as"),
        ("2 H + H2 <=> 2 H2", "2 H + M <=> H2", "third body on one side only"),
        ("2 H + H2 <=> 2 H2", "2 H + + H2 <=> 2 H2", "is no species with a count"),
        ("2 H + H2 <=> 2 H2", "-2 H + H2 <=> 2 H2", "is no species with a count"),
        ("species: [H2, H, M1]", "species: [H2, H, M1, CH4]", "line 5: the species CH4 is declared, but"),
        ("species: [H2, H, M1]", "species: [H2, H, M1, H]", "line 5: the species H is declared twice"),
        ("composition: {H: 2}", "composition: {Hx: 2}", "line 9: the species H2 contains 'Hx'"),
        (", thermo: *poly}\nreactions", "}\nreactions", "line 17: the species M1 has no thermo data"),
        ("model: NASA7", "model: Shomate", "line 11: thermo of the species H2 is of kind 'Shomate'"),
        ("[200.0, 1000.0, 3500.0]", "[200.0, 3500.0, 1000.0]", "line 12: temperature ranges of H2"),
        ("    - [2.5, 0, 0, 0, 0, -1000.0, 1.0]\n- {", "    - [2.5, 0, 0]\n- {", "2 rows of 7 coefficients"),
        ("thermo: ideal-gas", "thermo: plasma", "line 4: thermo of kind 'plasma' is not supported"),
        ("length: cm", "length: s", "line 1: 's' is no unit of length"),
        ("length: cm", "breadth: cm", "line 1: there is no unit of 'breadth'"),
        ("activation-energy: cal/mol", "activation-energy: cal/mole", "line 1: unknown unit 'mole'"),
        ("reactions:\n", "reaction:\n", "no section 'reactions' with reactions; is the file cut off"),
        ("phases:\n", "phase:\n", "no section 'phases'; is this a Cantera file"),
        ("  kinetics: gas", "  kinetics: gas\n  reactions: [main]", "no section 'main' with reactions"),
        ("- name: H2\n", "- name: H2\n  name: H2\n", "has 'name' twice"),
    ],
)  # fmt: skip
def test_bad_files(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert GOOD.count(old) == 1 or old in ("2 H + H2 <=> 2 H2", "length: cm")
    with pytest.raises(sn.ModelError, match=message) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert "gas.yaml" in str(caught.value)


def test_a_truncated_file_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    """Cut behind every character: an error with the file's name, or a file that is whole without the rest."""
    whole = 0
    for end in range(len(GOOD) - 1):
        try:
            read(tmp_path, GOOD[:end])
        except sn.ModelError as error:
            assert "gas.yaml" in str(error)  # noqa: PT017 - some cuts are no errors
        else:
            whole += 1
            assert GOOD[end:] == "\n" or GOOD[:end].endswith("}")
    assert whole <= 1


def test_names_that_yaml_takes_for_something_else(tmp_path: Path) -> None:
    """NO is nitric oxide and no truth value; 1.0e+17 and 1e17 are numbers."""
    text = GOOD.replace("M1, composition: {H: 1, E: -1}", "NO, composition: {N: 1, O: 1}").replace("M1", "NO")
    gas = read(tmp_path, text)
    assert gas.species_names == ("H2", "H", "NO")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "not a mapping"), ("- a\n- b", "not a mapping"), ("a: [1, 2", "this is no YAML"), ("\0", "no YAML"),
     ("[" * 100_000, "without end|no YAML"), ("phases: []", "there is no phase")],
)  # fmt: skip
def test_other_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(sn.ModelError, match=message):
        read(tmp_path, text)


def test_the_phase_is_chosen_by_name(tmp_path: Path) -> None:
    from symnum.models.chemistry.cantera import read_cantera

    path = tmp_path / "gas.yaml"
    path.write_text(
        GOOD.replace("phases:\n", "phases:\n- name: none\n  thermo: ideal-gas\n  species: [H2]\n")
    )
    assert len(read_cantera(path).species) == 1
    assert len(read_cantera(path, "gas").reactions) == 1
    with pytest.raises(sn.ModelError, match="no phase 'liquid'; the file has none, gas"):
        read_cantera(path, "liquid")
    with pytest.raises(sn.ModelError, match="has no reactions"):
        read_cantera(path).reactor()


def test_a_file_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMNUM_CACHE", str(tmp_path / "cache"))
    first = read(tmp_path, GOOD)

    def refuse(*_: object) -> None:
        raise AssertionError("parsed again")

    with monkeypatch.context() as patch:
        patch.setattr("symnum.models.chemistry.cantera_file.parsed", refuse)
        again = read(tmp_path, GOOD)
        assert repr(again.species) == repr(first.species)
        assert repr(again.reactions) == repr(first.reactions)
        with pytest.raises(AssertionError, match="parsed again"):
            read(tmp_path, GOOD.replace("b: -0.6", "b: -0.5"))
    assert read(tmp_path, GOOD.replace("b: -0.6", "b: -0.5")).reactions[0].rate.b == -0.5


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeff" + GOOD).species_names == ("H2", "H", "M1")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"T": "hot"}, "T='hot' is not a number"),
        ({"T": [900.0, 1000.0]}, r"T=\[900.0, 1000.0\] is not a number"),
        ({"P": sn.parameters("P0")[0]}, "P=P0 is not a number"),
        ({"X": "H2:1, H:1, H2:3"}, "X='H2:1, H:1, H2:3' names a species twice"),
        ({"X": {"H2": "much"}}, r"X\['H2'\]='much' is not a number"),
        ({"X": ["a", "b", "c"]}, r"X=\['a', 'b', 'c'\] is not made of numbers"),
    ],
)
def test_starts_that_are_no_numbers(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    start = {"T": 1000.0, "P": 1e5, "X": "H2:1"} | given
    with pytest.raises(sn.ModelError, match=f"gas: {message}"):
        read(tmp_path, GOOD).reactor(**start)


def test_mechanisms_can_be_pickled_after_use(tmp_path: Path) -> None:
    gas = read(tmp_path, GOOD)
    state = {"T": 1000.0, "P": 1e5, "X": "H2:1, H:0.1"}
    before = gas.at(**state)
    after = pickle.loads(pickle.dumps(gas)).at(**state)
    assert after.density == before.density > 0
