"""Physical units as metadata: read a unit's text, multiply and compare units, print them again.

A unit is a `Dimension`: exact exponents of the seven SI base units and a scale to the coherent SI unit.
Angles (rad), per-unit quantities (pu), percentages and counts have no dimension. Values are never converted:
the check tells the user that two quantities do not belong in one sum, and the user writes the conversion.

Definitions follow the SI Brochure, 9th edition (BIPM 2019), tables 2, 4, 7 and 8.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import NamedTuple

from symnum.errors import UnitError

__all__ = ["DIMENSIONLESS", "Dimension", "parse"]

_BASE = ("kg", "m", "s", "A", "K", "mol", "cd")

# Two scales are one when they agree to this: products of powers of ten differ in the last bits.
_SCALE_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Dimension:
    """A unit: exponents of (kg, m, s, A, K, mol, cd), and how many coherent SI units it is.

    Compare with `same` and `same_scale`; `==` also compares the scale bit by bit, which products of powers of
    ten do not survive. ``str()`` gives a text that `parse` reads back as the same unit.

    >>> print(parse("V") * parse("A"), parse("mV") / parse("kohm"), parse("m^2")**Fraction(1, 2))
    W uA m
    """

    exponents: tuple[Fraction, ...]
    scale: float = 1.0

    def __post_init__(self) -> None:
        if len(self.exponents) != len(_BASE):
            raise UnitError(f"a dimension has one exponent for each of {_BASE}, not {self.exponents}")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise UnitError(f"the scale of a unit is a positive finite number, not {self.scale}")

    def __mul__(self, other: "Dimension") -> "Dimension":
        exponents = tuple(a + b for a, b in zip(self.exponents, other.exponents, strict=True))
        return Dimension(exponents, self.scale * other.scale)

    def __truediv__(self, other: "Dimension") -> "Dimension":
        return self * other**-1

    def __pow__(self, power: Fraction | int) -> "Dimension":
        exact = Fraction(power)
        try:
            scale = self.scale ** float(exact)
        except OverflowError:
            raise UnitError(f"the power {power} of the unit {self} is beyond the range of numbers") from None
        return Dimension(tuple(exponent * exact for exponent in self.exponents), scale)

    @property
    def dimensionless(self) -> bool:
        """Whether all exponents are zero, as for rad, pu, % and plain numbers."""
        return not any(self.exponents)

    def same(self, other: "Dimension") -> bool:
        """Whether both have one dimension, whatever the scale: mV and V are the same, V and A are not."""
        return self.exponents == other.exponents

    def same_scale(self, other: "Dimension") -> bool:
        """Whether, given one dimension, a number means as much in both: not in mV and V, but in W and J/s."""
        return math.isclose(self.scale, other.scale, rel_tol=_SCALE_TOLERANCE)

    def __str__(self) -> str:
        """A symbol if there is one (mV), else the one that explains most (J/(K*mol)), else base units."""
        best: tuple[int, str, _Powers] | None = None
        involved = sum(1 for exponent in self.exponents if exponent)
        for symbol in _PRINTED:
            rest = _powers(self / _definitions()[symbol])
            helps = not rest or (involved - len(rest) >= 2 and all(e in (-3, -2, -1, 1, 2) for _, e in rest))
            if helps and (best is None or len(rest) < best[0]):
                best = (len(rest), symbol, rest)
        if best is not None:
            _, symbol, rest = best
            return _scaled(symbol, self.scale / _definitions()[symbol].scale) + _products(rest, first="")
        text = _products(_powers(self), first="1")
        if math.isclose(self.scale, 1.0, rel_tol=_SCALE_TOLERANCE):
            return text
        return f"{self.scale:.12g}" + (text.removeprefix("1") if text[0] == "1" else f"*{text}")


_Powers = list[tuple[str, Fraction]]


def _powers(unit: Dimension) -> _Powers:
    return [(name, exponent) for name, exponent in zip(_BASE, unit.exponents, strict=True) if exponent]


def _scaled(symbol: str, scale: float) -> str:
    """The symbol with the prefix or, where there is none, the number that stands for the scale."""
    for prefix in _PRINTED_PREFIXES:
        if math.isclose(scale, _PREFIXES[prefix], rel_tol=_SCALE_TOLERANCE):
            return prefix + symbol
    return f"{scale:.12g}*{symbol}" if symbol != "g" else f"{scale / 1e3:.12g}*kg"


def _products(powers: _Powers, first: str) -> str:
    """Base units as a text that continues first, as in "*m/s^2" for "N", or begins one, for first = "1"."""
    above = "".join(f"*{_power(name, e)}" for name, e in powers if e > 0)
    below = [_power(name, -e) for name, e in powers if e < 0]
    if first:
        above = above[1:] or first
    if not below:
        return above
    return above + "/" + (below[0] if len(below) == 1 else f"({'*'.join(below)})")


def _power(name: str, exponent: Fraction) -> str:
    if exponent == 1:
        return name
    return f"{name}^{exponent}" if exponent.denominator == 1 else f"{name}^({exponent})"


DIMENSIONLESS = Dimension((Fraction(0),) * len(_BASE))


def _number(scale: float) -> Dimension:
    return Dimension(DIMENSIONLESS.exponents, scale)


@lru_cache(maxsize=4096)
def parse(text: str) -> Dimension:
    """Read a unit such as ``"mV"``, ``"kg*m^2/s^3"``, ``"1/min"``, ``"V/Hz^(1/2)"``, ``"pu"``, ``"%"``.

    Products and quotients are written with ``*`` and ``/`` and read from left to right; powers with ``^`` or
    ``**`` and an integer, a decimal, or a fraction in parentheses. Symbols take SI prefixes; numbers are
    factors. Raises UnitError, with near matches where a symbol is unknown.

    >>> parse("kV*A").same_scale(parse("kW")), parse("N*m").same(parse("J")), str(parse("Wb/A"))
    (True, True, 'H')
    """
    return _Reader(text, _named).whole()


_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)|(?P<name>p\.u\.|%|°C?|[^\W\d]\w*)"
    r"|(?P<sign>\*\*|[*·/^()+-]))"
)
_LONGEST = 200  # characters; bounds the depth of nested parentheses


class _Reader:
    """Recursive descent over one unit text:  quotient = power {(*|/) power};  power = atom [^ exponent]."""

    def __init__(self, text: str, named: Callable[[str, str], Dimension]) -> None:
        self.text = text
        self.named = named  # (symbol, whole text for messages) -> its unit
        self.tokens: list[tuple[str, str]] = []
        self.next = 0
        if not text.strip():
            raise UnitError('a unit is empty; write "1" for a quantity without dimension')
        if len(text) > _LONGEST:
            raise UnitError(f"the unit {text[:40]!r}... has more than {_LONGEST} characters")
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise self.wrong(f"{text[position:].strip()[0]!r} has no meaning here")
            kind = match.lastgroup or ""
            self.tokens.append((kind, match[kind]))
            position = match.end()

    def wrong(self, why: str) -> UnitError:
        return UnitError(f"the unit {self.text!r} cannot be read: {why}. Write it like m/s^2 or V/Hz^(1/2).")

    def take(self, *values: str) -> str:
        """The next sign if it is one of values, else an empty string and nothing is taken."""
        if self.next < len(self.tokens):
            kind, value = self.tokens[self.next]
            if kind == "sign" and value in values:
                self.next += 1
                return value
        return ""

    def shown(self) -> str:
        return repr(self.tokens[self.next][1]) if self.next < len(self.tokens) else "the end"

    def whole(self) -> Dimension:
        unit = self.quotient()
        if self.next == len(self.tokens):
            return unit
        if self.tokens[self.next][0] == "sign":
            raise self.wrong(f"{self.shown()} is out of place")
        raise self.wrong(f"'*' or '/' is missing before {self.shown()}")

    def quotient(self) -> Dimension:
        unit = self.power()
        while sign := self.take("*", "·", "/"):
            factor = self.power()
            unit = unit / factor if sign == "/" else unit * factor
        return unit

    def power(self) -> Dimension:
        unit = self.atom()
        return unit ** self.exponent() if self.take("^", "**") else unit

    def atom(self) -> Dimension:
        if self.take("("):
            unit = self.quotient()
            if not self.take(")"):
                raise self.wrong("a closing parenthesis is missing")
            return unit
        kind, value = self.tokens[self.next] if self.next < len(self.tokens) else ("", "")
        if kind not in ("name", "number"):
            raise self.wrong(f"a unit is expected before {self.shown()}")
        self.next += 1
        if kind == "name":
            return self.named(value, self.text)
        if not 0 < float(value) < math.inf:
            raise self.wrong(f"the factor {value} is not a positive finite number")
        return _number(float(value))

    def exponent(self) -> Fraction:
        inside = self.take("(")
        sign = -1 if self.take("+", "-") == "-" else 1
        value = sign * self.number()
        if inside:
            if self.take("/"):
                below = self.number()
                if not below:
                    raise self.wrong("an exponent divides by zero")
                value /= below
            if not self.take(")"):
                raise self.wrong("a closing parenthesis is missing after an exponent")
        return value

    def number(self) -> Fraction:
        kind, value = self.tokens[self.next] if self.next < len(self.tokens) else ("", "")
        if kind != "number":
            raise self.wrong(f"an exponent needs a number before {self.shown()}")
        self.next += 1
        exact = Fraction(value)
        if abs(exact) > _LARGEST_EXPONENT:
            raise self.wrong(f"the exponent {value} is larger than {_LARGEST_EXPONENT}")
        return exact


_LARGEST_EXPONENT = 100

_PREFIXES = {
    "": 1.0, "Q": 1e30, "R": 1e27, "Y": 1e24, "Z": 1e21, "E": 1e18, "P": 1e15, "T": 1e12, "G": 1e9, "M": 1e6,
    "k": 1e3, "h": 1e2, "da": 1e1, "d": 1e-1, "c": 1e-2, "m": 1e-3, "u": 1e-6, "\u00b5": 1e-6, "\u03bc": 1e-6,
    "n": 1e-9, "p": 1e-12, "f": 1e-15, "a": 1e-18, "z": 1e-21, "y": 1e-24, "r": 1e-27, "q": 1e-30,
}  # fmt: skip


class _Row(NamedTuple):
    """A unit of the table: full name, definition by earlier rows ("" for a base unit), prefixes allowed."""

    name: str
    definition: str = ""
    prefixes: bool = True


_TABLE = {
    # base units; the gram stands for the kilogram, whose prefix is part of its name
    "m": _Row("metre"),
    "g": _Row("gram"),
    "s": _Row("second"),
    "A": _Row("ampere"),
    "K": _Row("kelvin"),
    "mol": _Row("mole"),
    "cd": _Row("candela"),
    # numbers and angles
    "pu": _Row("per unit", "1", prefixes=False),
    "p.u.": _Row("per unit", "1", prefixes=False),
    "%": _Row("percent", "0.01", prefixes=False),
    "ppm": _Row("parts per million", "1e-6", prefixes=False),
    "rad": _Row("radian", "1"),
    "sr": _Row("steradian", "1"),
    "deg": _Row("degree", f"{math.pi / 180!r}", prefixes=False),
    "°": _Row("degree", f"{math.pi / 180!r}", prefixes=False),
    "rev": _Row("revolution", f"{2 * math.pi!r}", prefixes=False),
    # time
    "min": _Row("minute", "60*s", prefixes=False),
    "h": _Row("hour", "3600*s", prefixes=False),
    "d": _Row("day", "86400*s", prefixes=False),
    "day": _Row("day", "86400*s", prefixes=False),
    "yr": _Row("year", "31557600*s", prefixes=False),  # Julian year of 365.25 days
    "Hz": _Row("hertz", "1/s"),
    "rpm": _Row("revolutions per minute", "rev/min", prefixes=False),
    "Bq": _Row("becquerel", "1/s"),
    # mechanics and heat
    "N": _Row("newton", "1000*g*m/s^2"),
    "Pa": _Row("pascal", "N/m^2"),
    "bar": _Row("bar", "1e5*Pa"),
    "atm": _Row("atmosphere", "101325*Pa", prefixes=False),
    "Torr": _Row("torr", f"{101325 / 760!r}*Pa", prefixes=False),
    "dyn": _Row("dyne", "1e-5*N", prefixes=False),
    "J": _Row("joule", "N*m"),
    "erg": _Row("erg", "1e-7*J", prefixes=False),
    "cal": _Row("calorie", "4.184*J"),  # thermochemical
    "eV": _Row("electronvolt", "1.602176634e-19*J"),
    "W": _Row("watt", "J/s"),
    "Wh": _Row("watt hour", "3600*J"),
    "L": _Row("litre", "1e-3*m^3"),
    "l": _Row("litre", "1e-3*m^3"),
    "t": _Row("tonne", "1e6*g", prefixes=False),
    "Gy": _Row("gray", "m^2/s^2"),
    "Sv": _Row("sievert", "m^2/s^2"),
    # electricity
    "C": _Row("coulomb", "A*s"),
    "Ah": _Row("ampere hour", "3600*C"),
    "V": _Row("volt", "W/A"),
    "VA": _Row("volt-ampere", "W"),
    "var": _Row("volt-ampere reactive", "W"),
    "VAr": _Row("volt-ampere reactive", "W"),
    "ohm": _Row("ohm", "V/A"),
    "Ohm": _Row("ohm", "V/A"),
    "Ω": _Row("ohm", "V/A"),  # Greek capital omega
    "\u2126": _Row("ohm", "V/A"),  # the ohm sign, which looks the same
    "S": _Row("siemens", "A/V"),
    "F": _Row("farad", "C/V"),
    "Wb": _Row("weber", "V*s"),
    "T": _Row("tesla", "Wb/m^2"),
    "H": _Row("henry", "Wb/A"),
    # light
    "lm": _Row("lumen", "cd*sr"),
    "lx": _Row("lux", "lm/m^2"),
    # chemistry
    "M": _Row("molar", "mol/L"),
    "molec": _Row("molecule", f"{1 / 6.02214076e23!r}*mol", prefixes=False),
    "Da": _Row("dalton", "1.66053906660e-24*g"),
    "kat": _Row("katal", "mol/s"),
}

# Symbols that str() chooses for a dimension, with the prefixes it may put before them.
_PRINTED = (
    *("g", "m", "s", "A", "K", "mol", "cd"),
    *("V", "W", "J", "N", "Pa", "C", "F", "ohm", "S", "Wb", "T", "H", "M"),
)
_PRINTED_PREFIXES = ("", "G", "M", "k", "m", "u", "n", "p")

# Scales with an offset cannot take part in products, so they are refused with their own message.
_OFFSET = {"degC": "K", "°C": "K", "degF": "K", "celsius": "K", "fahrenheit": "K"}


@cache
def _definitions() -> dict[str, Dimension]:
    """Every symbol of the table with its unit, without prefixes."""
    units: dict[str, Dimension] = {}
    for symbol, row in _TABLE.items():
        if row.definition:
            units[symbol] = _Reader(row.definition, lambda name, _: units[name]).whole()
        else:
            base = "kg" if symbol == "g" else symbol
            exponents = tuple(Fraction(int(base == name)) for name in _BASE)
            units[symbol] = Dimension(exponents, 1e-3 if symbol == "g" else 1.0)
    return units


def _named(name: str, text: str) -> Dimension:
    """The unit of a symbol with or without prefix; a symbol of the table wins over a prefix and a shorter."""
    units = _definitions()
    if name in units:
        return units[name]
    for symbol, row in _TABLE.items():
        if row.prefixes and name.endswith(symbol) and name[: -len(symbol)] in _PREFIXES:
            return units[symbol] * _number(_PREFIXES[name[: -len(symbol)]])
    if name in _OFFSET:
        raise UnitError(f"the unit {name!r} in {text!r} has an offset; give temperatures in {_OFFSET[name]}")
    near = _near(name)
    hint = f"Did you mean {' or '.join(near)}?" if near else "Use SI units, their prefixes, pu, %, deg or M."
    raise UnitError(f"unknown unit {name!r} in {text!r}. {hint}")


def _near(name: str) -> list[str]:
    """Up to three symbols that the user may have meant: missing ^, other case, full name, or a slip."""
    if match := re.fullmatch(r"([^\W\d]+)(\d+)", name):
        return [f"{match[1]}^{match[2]}"]
    prefixed = [p + symbol for symbol, row in _TABLE.items() for p in (_PREFIXES if row.prefixes else ("",))]
    lowered = name.lower()
    if other_case := [symbol for symbol in prefixed if symbol.lower() == lowered]:
        return other_case[:3]
    by_name: dict[str, str] = {}
    for symbol, row in _TABLE.items():
        by_name.setdefault(row.name, symbol)
    from difflib import get_close_matches

    if full := get_close_matches(lowered.removesuffix("s"), by_name, n=1, cutoff=0.8):
        return [by_name[full[0]]]
    # short symbols are all alike: only longer ones can be recognised through a slip
    return get_close_matches(name, [symbol for symbol in prefixed if len(symbol) > 2], n=3, cutoff=0.75)
