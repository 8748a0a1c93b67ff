"""What a Cantera file says: its phase, species and reactions, checked.

Read are: units, one ideal-gas phase, its species with NASA polynomials of seven coefficients, and its
reactions: elementary, three-body, falloff and chemically activated ones (Lindemann, Troe, SRI, Tsang),
pressure-dependent Arrhenius laws.
Everything else is refused by name. The format: Cantera documentation, "YAML Input File Reference".
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from symnum.errors import ModelError
from symnum.models.chemistry.cantera_reactions import read_reaction
from symnum.models.chemistry.cantera_units import FileUnits
from symnum.models.chemistry.elements import ATOMIC_WEIGHTS
from symnum.models.chemistry.gas_reaction import ATMOSPHERE, GasReaction, GasSpecies
from symnum.models.chemistry.yaml_nodes import Node, parsed

__all__ = ["read_file"]


def read_file(
    where: Path, text: str, phase: str | None
) -> tuple[str, tuple[GasSpecies, ...], tuple[GasReaction, ...]]:
    """Name, species and reactions of the mechanism in a file with this text."""
    root = parsed(where, text)
    sections = root.mapping()
    units = FileUnits.of(sections.get("units"))
    chosen = _phase(where, sections, phase)
    species = _species(where, sections, chosen, units)
    reactions = _reactions(where, sections, chosen, units, {entry.name for entry in species})
    _check_balance(where, species, reactions)
    _check_duplicates(where, reactions)
    return chosen["name"].text(), tuple(species), tuple(reactions)


def _phase(where: Path, sections: dict[str, Node], wanted: str | None) -> dict[str, Node]:
    if "phases" not in sections:
        raise ModelError(f"{where}: there is no section 'phases'; is this a Cantera file?")
    phases = [entry.mapping() for entry in sections["phases"].members()]
    for entry, node in zip(phases, sections["phases"].members(), strict=True):
        if "name" not in entry:
            node.fail("a phase needs a name")
    named = {entry["name"].text(): entry for entry in phases}
    if wanted is not None and wanted not in named:
        raise ModelError(f"{where}: there is no phase {wanted!r}; the file has {', '.join(named)}")
    if not named:
        sections["phases"].fail("there is no phase")
    found = next(iter(named.values())) if wanted is None else named[wanted]
    for key, fitting in (("thermo", "ideal-gas"), ("kinetics", "gas")):
        model = found[key].text() if key in found else fitting
        if model != fitting:
            found[key].fail(f"{key} of kind {model!r} is not supported; known: {fitting}")
    return found


# ---- species --------------------------------------------------------------------------------------
def _species(
    where: Path, sections: dict[str, Node], phase: dict[str, Node], units: FileUnits
) -> list[GasSpecies]:
    weights = dict(ATOMIC_WEIGHTS)
    for entry in sections["elements"].members() if "elements" in sections else ():
        fields = entry.mapping()
        weights[_needed(entry, fields, "symbol").text()] = _needed(entry, fields, "atomic-weight").number()
    declared = _declared(phase["species"]) if "species" in phase else [("species", None)]
    found: dict[str, GasSpecies] = {}
    tables: dict[str, dict[str, Node]] = {}
    for section, names in declared:
        if section not in sections:
            line = f", line {phase['species'].line}" if "species" in phase else ""
            raise ModelError(
                f"{where}{line}: there is no section {section!r} with species; is the file cut off?"
            )
        if section not in tables:
            tables[section] = {}
            for entry in sections[section].members():
                name = _needed(entry, entry.mapping(), "name").text()
                if name in tables[section]:
                    entry.fail(f"the species {name} is already defined in line {tables[section][name].line}")
                tables[section][name] = entry
        wanted = [(name, None) for name in tables[section]] if names is None else names
        for name, node in wanted:
            if name not in tables[section]:
                assert node is not None  # names without a node come from the table itself
                node.fail(f"the species {name} is declared, but the section {section!r} does not define it")
            if name in found:
                (node or tables[section][name]).fail(f"the species {name} is declared twice")
            found[name] = _one_species(name, tables[section][name], weights, units)
    if not found:
        raise ModelError(f"{where}: the phase {phase['name'].text()} has no species")
    return list(found.values())


def _declared(node: Node) -> list[tuple[str, list[tuple[str, Node | None]] | None]]:
    """(section, names with their places; None for all) as a phase lists its species."""
    if node.kind == "scalar":
        if node.text() != "all":
            node.fail(f"{node.what} is {node.text()!r}; write all, or a list of names")
        return [("species", None)]
    plain: list[tuple[str, Node | None]] = []
    result: list[tuple[str, list[tuple[str, Node | None]] | None]] = []
    for entry in node.members():
        if entry.kind == "scalar":
            plain.append((entry.text(), entry))
            continue
        for section, names in entry.items():
            if "/" in section or section.endswith((".yaml", ".yml")):
                entry.fail(f"species of another file ({section}) are not supported; copy them into this one")
            everything = names.kind == "scalar" and names.text() == "all"
            result.append((section, None if everything else [(n.text(), n) for n in names.members()]))
    return [("species", plain), *result] if plain or not result else result


def _one_species(name: str, node: Node, weights: dict[str, float], units: FileUnits) -> GasSpecies:
    fields = node.mapping()
    node.what = f"the species {name}"
    composition = {}
    for element, count in _needed(node, fields, "composition").items():
        if element not in weights:
            count.fail(f"the species {name} contains {element!r}, which is no element with a known weight")
        composition[element] = count.number()
    weight = sum(count * weights[element] for element, count in composition.items())
    if not weight > 0:
        fields["composition"].fail(f"the species {name} weighs nothing; what is it composed of?")
    if "thermo" not in fields:
        node.fail(f"the species {name} has no thermo data; add 'thermo:' with a NASA7 polynomial")
    thermo = fields["thermo"].mapping()
    model = _needed(fields["thermo"], thermo, "model")
    if model.text() != "NASA7":
        model.fail(f"thermo of the species {name} is of kind {model.text()!r}; supported is NASA7")
    limits = [units.temperature(entry) for entry in _needed(model, thermo, "temperature-ranges").members()]
    rows = [
        tuple(entry.number() for entry in row.members()) for row in _needed(model, thermo, "data").members()
    ]
    ranges = thermo["temperature-ranges"]
    if len(limits) not in (2, 3) or any(b <= a for a, b in pairwise(limits)):
        ranges.fail(f"temperature ranges of {name} are two or three increasing temperatures, not {limits}")
    if len(rows) != len(limits) - 1 or any(len(row) != 7 for row in rows):
        thermo["data"].fail(
            f"thermo data of {name}: {len(limits) - 1} rows of 7 coefficients belong to these temperature "
            f"ranges, not rows of {', '.join(str(len(row)) for row in rows) or 'nothing'}"
        )
    reference = ATMOSPHERE
    if "reference-pressure" in thermo:
        reference = units.pressure(thermo["reference-pressure"])
    return GasSpecies(
        name, composition, weight, (limits[0], limits[-1]), limits[1], rows[0], rows[-1], reference, node.line
    )


# ---- reactions ------------------------------------------------------------------------------------
def _reactions(
    where: Path, sections: dict[str, Node], phase: dict[str, Node], units: FileUnits, species: set[str]
) -> list[GasReaction]:
    if "kinetics" not in phase and "reactions" not in phase:
        return []
    wanted = _wanted_reactions(phase)
    found = []
    for section, everything in wanted:
        if section not in sections:
            raise ModelError(f"{where}: there is no section {section!r} with reactions; is the file cut off?")
        for entry in sections[section].members():
            reaction = read_reaction(entry, units, species, skip_undeclared=not everything)
            if reaction is not None:
                found.append(reaction)
    return found


def _wanted_reactions(phase: dict[str, Node]) -> list[tuple[str, bool]]:
    """(section, whether all its reactions must fit the species of the phase)."""
    if "reactions" not in phase:
        return [("reactions", True)]
    node = phase["reactions"]
    if node.kind == "scalar":
        if node.text() not in ("all", "none", "declared-species"):
            node.fail(f"{node.what} is {node.text()!r}; known: all, none, declared-species, or sections")
        return [] if node.text() == "none" else [("reactions", node.text() == "all")]
    result = []
    for entry in node.members():
        if entry.kind == "scalar":
            result.append((entry.text(), True))
            continue
        for section, which in entry.items():
            result.append((section, which.text() == "all"))
    return result


def _check_balance(where: Path, species: list[GasSpecies], reactions: list[GasReaction]) -> None:
    """Every element, electrons included, stands as often on one side as on the other."""
    composition = {entry.name: entry.composition for entry in species}
    for reaction in reactions:
        sides: list[dict[str, float]] = []
        for side in (reaction.reactants, reaction.products):
            total: dict[str, float] = {}
            for name, count in side.items():
                for element, atoms in composition[name].items():
                    total[element] = total.get(element, 0.0) + count * atoms
            sides.append(total)
        left, right = sides
        for element in {**left, **right}:
            a, b = left.get(element, 0.0), right.get(element, 0.0)
            if abs(a - b) > 1e-4 * max(abs(a), abs(b)):
                what = "charge (electrons E)" if element == "E" else element
                raise ModelError(
                    f"{where}, line {reaction.line}: the reaction {reaction.equation!r} is not balanced in "
                    f"{what}: {a:g} on the left, {b:g} on the right"
                )


def _check_duplicates(where: Path, reactions: list[GasReaction]) -> None:
    """Reactions between the same species must both say that they are duplicates."""
    seen: dict[tuple[object, ...], list[GasReaction]] = {}
    for reaction in reactions:
        left, right = frozenset(reaction.reactants.items()), frozenset(reaction.products.items())
        kind = {"elementary": 0, "three-body": 1}.get(reaction.kind, 2)
        for key in {(left, right, kind), (right, left, kind)}:
            for other in seen.get(key, ()):
                forwards = key == (left, right, kind)
                same = forwards or reaction.reversible or other.reversible
                if same and _overlap(reaction, other) and not (reaction.duplicate and other.duplicate):
                    raise ModelError(
                        f"{where}, line {reaction.line}: the reaction {reaction.equation!r} stands already "
                        f"in line {other.line}; if both are meant, give each 'duplicate: true'"
                    )
        seen.setdefault((left, right, kind), []).append(reaction)


def _overlap(a: GasReaction, b: GasReaction) -> bool:
    """Whether some third body acts in both reactions."""
    if a.third_body is None or b.third_body is None:
        return True
    one, two = a.third_body, b.third_body
    names = {*one.efficiencies, *two.efficiencies}
    if any(one.efficiencies.get(n, one.default) and two.efficiencies.get(n, two.default) for n in names):
        return True
    return bool(one.default and two.default)


def _needed(node: Node, fields: dict[str, Node], key: str) -> Node:
    if key not in fields:
        node.fail(f"{node.what} has no {key!r}; is the file cut off?")
    return fields[key]
