"""One entry of the reactions of a Cantera file: its equation and its rate law."""

from __future__ import annotations

import re

from symnum.models.chemistry.cantera_units import FileUnits
from symnum.models.chemistry.gas_reaction import Arrhenius, GasReaction, ThirdBody
from symnum.models.chemistry.yaml_nodes import Node

__all__ = ["read_reaction"]

_KINDS = {
    "elementary": "elementary",
    "Arrhenius": "elementary",
    "three-body": "three-body",
    "falloff": "falloff",
    "chemically-activated": "chemically-activated",
    "pressure-dependent-Arrhenius": "pressure-dependent-Arrhenius",
}
_BROADENING = {  # constants of the broadening factor: needed ones, optional ones with their defaults
    "Troe": (("A", "T3", "T1"), {"T2": 1e30}),  # without T2 the term exp(-T2/T) is zero
    "SRI": (("A", "B", "C"), {"D": 1.0, "E": 0.0}),
    "Tsang": (("A",), {"B": 0.0}),
}
_ALWAYS = {"equation", "type", "note", "id", "units", "duplicate", "orders", "negative-A"}
_THIRD_BODY = {"efficiencies", "default-efficiency"}
_COLLIDER = re.compile(r"\(\s*\+\s*(\S+)\s*\)")
_ARROW = re.compile(r"\s(<=>|=>|=)\s")


def read_reaction(
    node: Node, units: FileUnits, species: set[str], *, skip_undeclared: bool = False
) -> GasReaction | None:
    """The reaction in an entry; None where it holds other species and these are to be skipped."""
    fields = node.mapping()
    if "equation" not in fields:
        node.fail("a reaction needs an equation; is the file cut off?")
    equation = fields["equation"].text()
    node.what = f"the reaction {equation!r}"
    units = units.changed(fields["units"]) if "units" in fields else units
    left, right, reversible, collider = _sides(fields["equation"], equation)
    given = fields["type"].text() if "type" in fields else ("three-body" if collider == "M" else "elementary")
    if given not in _KINDS:
        fields["type"].fail(
            f"the reaction {equation!r} is of unknown type {given!r}; known: {', '.join(_KINDS)}"
        )
    kind = _KINDS[given]
    unknown = [name for name in {**left, **right} if name not in species]
    if unknown and skip_undeclared:
        return None
    if unknown:
        fields["equation"].fail(
            f"the reaction {equation!r} holds {unknown[0]}, which is no species of the phase"
        )
    third_body = _third_body(node, fields, equation, kind, collider, species)
    if kind == "three-body" and collider is None:
        third_body = _explicit_collider(node, equation, left, right, third_body)
    orders = _orders(fields, left, species, reversible)
    order = sum(orders.values())
    allowed = set(_ALWAYS)
    low: Arrhenius | None = None
    levels: tuple[tuple[float, tuple[Arrhenius, ...]], ...] = ()
    broadening: tuple[str, tuple[float, ...]] = ("Lindemann", ())
    if kind in ("falloff", "chemically-activated"):
        allowed |= _THIRD_BODY | {"low-P-rate-constant", "high-P-rate-constant", *_BROADENING}
        # k_low of a chemically activated reaction has the dimension of k_high of a falloff reaction
        extra = 0.0 if kind == "falloff" else -1.0
        high = _arrhenius(node, fields, "high-P-rate-constant", units, order + extra)
        low = _arrhenius(node, fields, "low-P-rate-constant", units, order + 1.0 + extra)
        broadening = _broadening(fields, units)
    elif kind == "pressure-dependent-Arrhenius":
        allowed |= {"rate-constants"}
        levels = _levels(node, fields, units, order)
        high = levels[0][1][0]
    else:
        allowed |= {"rate-constant"} | (_THIRD_BODY if kind == "three-body" else set())
        high = _arrhenius(node, fields, "rate-constant", units, order + (kind == "three-body"))
    for key, entry in fields.items():
        if key not in allowed:
            entry.fail(f"the reaction {equation!r} of type {kind} has {key!r}, which is not supported")
    for constant in (high, low, *(law for _, laws in levels for law in laws)):
        if constant is not None and constant.A < 0 and not _true(fields, "negative-A"):
            node.fail(f"the reaction {equation!r} has a negative A; if it is meant, add 'negative-A: true'")
    return GasReaction(
        equation, node.line, left, right, orders, reversible, kind, high, low, broadening, third_body,
        _true(fields, "duplicate"), levels,
    )  # fmt: skip


def _true(fields: dict[str, Node], key: str) -> bool:
    return key in fields and fields[key].truth()


# ---- the equation ---------------------------------------------------------------------------------
def _sides(node: Node, equation: str) -> tuple[dict[str, float], dict[str, float], bool, str | None]:
    """(reactants, products, reversible, third body: M, a species, or None)."""
    parts = _ARROW.split(equation)
    if len(parts) != 3:
        node.fail(f"{equation!r} is no reaction; write it as 'A + B <=> C' or 'A + B => C', with blanks")
    colliders = []
    sides = []
    for text in (parts[0], parts[2]):
        falloff = _COLLIDER.findall(text)
        names = _terms(node, equation, _COLLIDER.sub(" ", text))
        plain = names.pop("M", 0.0)
        if len(falloff) > 1 or plain > 1 or (falloff and plain):
            node.fail(f"{equation!r} has more than one third body on a side")
        colliders.append(f"(+{falloff[0]})" if falloff else "M" if plain else None)
        sides.append(names)
    if colliders[0] != colliders[1]:
        node.fail(f"{equation!r} has the third body on one side only")
    return sides[0], sides[1], parts[1] != "=>", colliders[0]


def _terms(node: Node, equation: str, text: str) -> dict[str, float]:
    """{species: count} of one side; blanks stand around every plus."""
    found: dict[str, float] = {}
    for term in re.split(r"\s\+\s", f" {text.strip()} "):
        words = term.split()
        if len(words) == 1:
            words = ["1", *words]
        try:
            count, name = float(words[0]), words[1]
        except (ValueError, IndexError):
            count, name = 0.0, ""
        if len(words) != 2 or not count > 0:
            node.fail(f"{term.strip()!r} in the reaction {equation!r} is no species with a count before it")
        found[name] = found.get(name, 0.0) + count
    return found


def _third_body(
    node: Node, fields: dict[str, Node], equation: str, kind: str, collider: str | None, species: set[str]
) -> ThirdBody | None:
    bracketed = collider is not None and collider != "M"
    if bracketed != (kind in ("falloff", "chemically-activated")):
        if bracketed:
            node.fail(f"the reaction {equation!r} has a third body in brackets, but is of type {kind}")
        node.fail(f"the reaction {equation!r} of type {kind} needs (+M) on both sides")
    if kind in ("elementary", "pressure-dependent-Arrhenius"):
        if collider is not None:
            node.fail(f"the reaction {equation!r} holds the third body M, but is of type {kind}")
        return None
    default = fields["default-efficiency"].number() if "default-efficiency" in fields else 1.0
    efficiencies = {}
    if "efficiencies" in fields:
        for name, value in fields["efficiencies"].items():
            if name not in species:
                value.fail(f"{name} among the efficiencies of {equation!r} is no species of the phase")
            efficiencies[name] = value.number()
    if bracketed and collider != "(+M)":
        name = str(collider)[2:-1]
        if name not in species:
            node.fail(f"the third body {name} of {equation!r} is no species of the phase")
        return ThirdBody(0.0, {name: efficiencies.get(name, 1.0)})
    return ThirdBody(default, efficiencies)


def _explicit_collider(
    node: Node, equation: str, left: dict[str, float], right: dict[str, float], given: ThirdBody | None
) -> ThirdBody:
    """``H + O2 + AR <=> HO2 + AR`` as a three-body reaction: AR leaves both sides."""
    common = [name for name in left if name in right]
    listed = [name for name in common if given is not None and name in given.efficiencies]
    if len(listed or common) != 1:
        node.fail(f"the three-body reaction {equation!r} has no third body: write + M on both sides")
    name = (listed or common)[0]
    for side in (left, right):
        side[name] -= 1.0
        if side[name] == 0.0:
            del side[name]
    return ThirdBody(0.0, {name: 1.0 if given is None else given.efficiencies.get(name, 1.0)})


def _orders(
    fields: dict[str, Node], reactants: dict[str, float], species: set[str], reversible: bool
) -> dict[str, float]:
    orders = dict(reactants)
    if "orders" in fields:
        if reversible:
            fields["orders"].fail(
                "orders of a reversible reaction are not supported; make it irreversible (=>)"
            )
        for name, value in fields["orders"].items():
            if name not in species:
                value.fail(f"{name} among the orders is no species of the phase")
            if name not in reactants:
                value.fail(f"{name} among the orders is no reactant; this is not supported")
            orders[name] = value.number()
            if orders[name] < 0:
                value.fail(f"the order of {name} is negative; this is not supported")
    return {name: order for name, order in orders.items() if order}


# ---- the rate law ---------------------------------------------------------------------------------
def _arrhenius(node: Node, fields: dict[str, Node], key: str, units: FileUnits, order: float) -> Arrhenius:
    if key not in fields:
        node.fail(f"{node.what} has no {key!r}; is the file cut off?")
    return _law(fields[key], units, order)


def _levels(
    node: Node, fields: dict[str, Node], units: FileUnits, order: float
) -> tuple[tuple[float, tuple[Arrhenius, ...]], ...]:
    """The laws of each pressure, by increasing pressure."""
    if "rate-constants" not in fields:
        node.fail(f"{node.what} has no 'rate-constants'; is the file cut off?")
    found: dict[float, list[Arrhenius]] = {}
    for entry in fields["rate-constants"].members():
        constants = entry.mapping()
        if "P" not in constants:
            entry.fail(f"{entry.what} lacks the pressure P")
        pressure = units.pressure(constants.pop("P"))
        if not pressure > 0:
            entry.fail(f"the pressure of {entry.what} is not positive")
        found.setdefault(pressure, []).append(_constants(entry, constants, units, order))
    if not found:
        fields["rate-constants"].fail(f"{node.what} has no rate constant")
    return tuple((pressure, tuple(found[pressure])) for pressure in sorted(found))


def _law(entry: Node, units: FileUnits, order: float) -> Arrhenius:
    if entry.kind == "sequence":
        members = entry.members()
        if len(members) != 3:
            entry.fail(f"{entry.what} has {len(members)} numbers; it takes A, b and Ea")
        constants = dict(zip(("A", "b", "Ea"), members, strict=True))
    else:
        constants = entry.mapping()
    return _constants(entry, constants, units, order)


def _constants(entry: Node, constants: dict[str, Node], units: FileUnits, order: float) -> Arrhenius:
    for name in ("A", "b", "Ea"):
        if name not in constants:
            entry.fail(f"{entry.what} lacks {name}; it takes A, b and Ea")
    for name, value in constants.items():
        if name not in ("A", "b", "Ea"):
            value.fail(f"{name!r} in {entry.what} is not supported")
    return Arrhenius(
        units.factor(constants["A"], order), constants["b"].number(), units.energy(constants["Ea"])
    )


def _broadening(fields: dict[str, Node], units: FileUnits) -> tuple[str, tuple[float, ...]]:
    given = [name for name in _BROADENING if name in fields]
    if len(given) > 1:
        fields[given[1]].fail(f"{given[0]} and {given[1]} exclude each other")
    if not given:
        return "Lindemann", ()
    (name,) = given
    needed, optional = _BROADENING[name]
    constants = fields[name].mapping()
    for key, value in constants.items():
        if key not in (*needed, *optional):
            value.fail(f"{name} has no constant {key!r}; it takes {', '.join((*needed, *optional))}")
    for key in needed:
        if key not in constants:
            fields[name].fail(f"{name} lacks the constant {key}")
    numbers = [
        units.temperature(constants[key]) if key.startswith("T") else constants[key].number()
        for key in needed
    ]
    for key, default in optional.items():
        if key in constants:
            entry = constants[key]
            numbers.append(units.temperature(entry) if key.startswith("T") else entry.number())
        else:
            numbers.append(default)
    return name, tuple(numbers)
