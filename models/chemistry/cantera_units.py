"""Units of a Cantera file: numbers are in the units of its ``units:``, or carry their own."""

from __future__ import annotations

from fractions import Fraction

from symnum.errors import UnitError
from symnum.language.units import Dimension, parse
from symnum.models.chemistry.gas_reaction import GAS_CONSTANT
from symnum.models.chemistry.yaml_nodes import Node
from symnum.record import record, replace

__all__ = ["FileUnits"]

_AVOGADRO = 6.02214076e26  # molecules in a kmol, exact
_EXPECTED = {
    "length": "m", "mass": "kg", "time": "s", "quantity": "mol", "pressure": "Pa", "energy": "J",
    "temperature": "K", "current": "A",
}  # fmt: skip


@record
class FileUnits:
    """What one unit of each kind is in m, s, kmol, Pa and, for activation energies, J/kmol."""

    length: float = 1.0
    time: float = 1.0
    quantity: float = 1.0
    pressure_unit: float = 1.0
    activation_energy: float = 1.0

    @classmethod
    def of(cls, node: Node | None) -> FileUnits:
        """From the mapping ``units:`` of a file; without one all is in m, s, kmol, Pa, J/kmol."""
        return cls() if node is None else cls().changed(node)

    def changed(self, node: Node) -> FileUnits:
        """These units with those of another ``units:``, as a reaction may have it, over them."""
        fields = node.mapping()
        scales: dict[str, float] = {}
        for key, entry in fields.items():
            if key == "activation-energy":
                continue
            if key not in _EXPECTED:
                entry.fail(f"there is no unit of {key!r}; known: {', '.join(_EXPECTED)}, activation-energy")
            found = _parsed(entry, entry.text())
            if not found.same(parse(_EXPECTED[key])):
                entry.fail(f"{entry.text()!r} is no unit of {key}")
            scales[key] = found.scale
        quantity = scales["quantity"] / 1000.0 if "quantity" in scales else self.quantity
        result = replace(
            self,
            length=scales.get("length", self.length),
            time=scales.get("time", self.time),
            quantity=quantity,
            pressure_unit=scales.get("pressure", self.pressure_unit),
        )
        if "activation-energy" in fields:
            entry = fields["activation-energy"]
            return replace(result, activation_energy=_energy_scale(entry, entry.text()))
        if "energy" in scales or "quantity" in scales:
            return replace(result, activation_energy=scales.get("energy", 1.0) / quantity)
        return result

    def temperature(self, node: Node) -> float:
        """A temperature in K."""
        return _with_unit(node, "K", 1.0)

    def pressure(self, node: Node) -> float:
        """A pressure in Pa."""
        return _with_unit(node, "Pa", self.pressure_unit)

    def energy(self, node: Node) -> float:
        """An activation energy in J/kmol."""
        value, unit = _split(node)
        return value * (self.activation_energy if unit is None else _energy_scale(node, unit))

    def factor(self, node: Node, order: float) -> float:
        """The factor A of a rate constant of this order, in (kmol/m^3)^(1 - order)/s."""
        value, unit = _split(node)
        if unit is None:
            return value * float((self.length**3 / self.quantity) ** (order - 1.0)) / self.time
        found = _parsed(node, unit)
        power = Fraction(order - 1.0).limit_denominator(1000)
        expected = (parse("m^3") / parse("mol")) ** power / parse("s")
        if not found.same(expected):
            node.fail(f"{unit!r} is no unit of a rate constant of order {order:g}; that would be {expected}")
        return value * found.scale * float(1000.0 ** (order - 1.0))


def _split(node: Node) -> tuple[float, str | None]:
    """Number and unit of a scalar such as ``12.5 kcal/mol``."""
    number, _, unit = node.text().strip().partition(" ")
    try:
        return float(number), unit.strip() or None
    except ValueError:
        node.fail(f"{node.what} is {node.text()!r}, not a number with or without a unit")


def _with_unit(node: Node, expected: str, default: float) -> float:
    value, unit = _split(node)
    if unit is None:
        return value * default
    found = _parsed(node, unit)
    if not found.same(parse(expected)):
        node.fail(f"{node.what}: {unit!r} is no unit that could stand for {expected}")
    return value * found.scale


def _parsed(node: Node, text: str) -> Dimension:
    try:
        return parse(text)
    except UnitError as error:
        node.fail(str(error))


def _energy_scale(node: Node, text: str) -> float:
    """One unit of an activation energy in J/kmol: per amount, per molecule (eV), or as a temperature (K)."""
    found = _parsed(node, text)
    if found.same(parse("J/mol")):
        return found.scale * 1000.0
    if found.same(parse("K")):
        return found.scale * GAS_CONSTANT
    if found.same(parse("J")):
        return found.scale * _AVOGADRO
    node.fail(f"{text!r} is no unit of an activation energy; known: energy per amount, energy, K")
