"""Units: reading, arithmetic, comparison, printing, and the messages for what cannot be read."""

import math
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symnum.errors import ModelError, UnitError
from symnum.language import units
from symnum.language.units import DIMENSIONLESS, Dimension, parse

# (kg, m, s, A, K, mol, cd) and scale, written down by hand from the SI Brochure
KNOWN = {
    "1": ((0, 0, 0, 0, 0, 0, 0), 1.0),
    "pu": ((0, 0, 0, 0, 0, 0, 0), 1.0),
    "p.u.": ((0, 0, 0, 0, 0, 0, 0), 1.0),
    "rad": ((0, 0, 0, 0, 0, 0, 0), 1.0),
    "%": ((0, 0, 0, 0, 0, 0, 0), 0.01),
    "deg": ((0, 0, 0, 0, 0, 0, 0), 0.017453292519943295),
    "kg": ((1, 0, 0, 0, 0, 0, 0), 1.0),
    "mg": ((1, 0, 0, 0, 0, 0, 0), 1e-6),
    "Hz": ((0, 0, -1, 0, 0, 0, 0), 1.0),
    "rpm": ((0, 0, -1, 0, 0, 0, 0), 0.10471975511965977),
    "N": ((1, 1, -2, 0, 0, 0, 0), 1.0),
    "Pa": ((1, -1, -2, 0, 0, 0, 0), 1.0),
    "J": ((1, 2, -2, 0, 0, 0, 0), 1.0),
    "kWh": ((1, 2, -2, 0, 0, 0, 0), 3.6e6),
    "MW": ((1, 2, -3, 0, 0, 0, 0), 1e6),
    "Mvar": ((1, 2, -3, 0, 0, 0, 0), 1e6),
    "MVA": ((1, 2, -3, 0, 0, 0, 0), 1e6),
    "C": ((0, 0, 1, 1, 0, 0, 0), 1.0),
    "kV": ((1, 2, -3, -1, 0, 0, 0), 1e3),
    "ohm": ((1, 2, -3, -2, 0, 0, 0), 1.0),
    "Ω": ((1, 2, -3, -2, 0, 0, 0), 1.0),
    "S": ((-1, -2, 3, 2, 0, 0, 0), 1.0),
    "µF": ((-1, -2, 4, 2, 0, 0, 0), 1e-6),
    "Wb": ((1, 2, -2, -1, 0, 0, 0), 1.0),
    "T": ((1, 0, -2, -1, 0, 0, 0), 1.0),
    "H": ((1, 2, -2, -2, 0, 0, 0), 1.0),
    "lx": ((0, -2, 0, 0, 0, 0, 1), 1.0),
    "Gy": ((0, 2, -2, 0, 0, 0, 0), 1.0),
    "uM": ((0, -3, 0, 0, 0, 1, 0), 1e-3),
    "J/(mol*K)": ((1, 2, -2, 0, -1, -1, 0), 1.0),
    "J/mol/K": ((1, 2, -2, 0, -1, -1, 0), 1.0),
    "km/h": ((0, 1, -1, 0, 0, 0, 0), 1 / 3.6),
    "m**3 / (mol * s)": ((0, 3, -1, 0, 0, -1, 0), 1.0),
    "kg·m^2": ((1, 2, 0, 0, 0, 0, 0), 1.0),
    "V/Hz^(1/2)": ((1, 2, Fraction(-5, 2), -1, 0, 0, 0), 1.0),
    "m^-0.5": ((0, Fraction(-1, 2), 0, 0, 0, 0, 0), 1.0),
    "(cm/s)^(-2)": ((0, -2, 2, 0, 0, 0, 0), 1e4),
    "1e-3*V": ((1, 2, -3, -1, 0, 0, 0), 1e-3),
}


@pytest.mark.parametrize("text", KNOWN)
def test_known_units(text: str) -> None:
    exponents, scale = KNOWN[text]
    unit = parse(text)
    assert unit.exponents == exponents
    assert unit.scale == pytest.approx(scale, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("volt", "Did you mean V?"),
        ("Volts", "Did you mean V?"),
        ("kw", "Did you mean kW?"),
        ("hz", "Did you mean Hz?"),
        ("seconds", "Did you mean s?"),
        ("m2", "m^2"),
        ("mol/litre", "unknown unit 'litre' in 'mol/litre'. Did you mean L?"),
        ("furlong", "unknown unit 'furlong'"),
        ("degC", "K"),
        ("N m", "missing before 'm'"),
        ("", 'write "1"'),
        ("  ", 'write "1"'),
        ("m^", "an exponent needs a number before the end"),
        ("m^(1/0)", "zero"),
        ("m^1e9", "larger than"),
        ("(m", "closing parenthesis"),
        ("m)", "out of place"),
        ("m//s", "expected before '/'"),
        ("m*", "expected before the end"),
        ("0*m", "not a positive"),
        ("1e999*m", "not a positive"),
        ("€", "no meaning"),
        ("(" * 300 + "m" + ")" * 300, "more than"),
        ("km^100*km^100", "finite"),
    ],
)
def test_unreadable_units_say_why(text: str, message: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert isinstance(caught.value, ModelError)


def test_no_symbol_has_two_readings() -> None:
    """Where two prefixed symbols spell the same text, one of them has no prefix and so wins."""
    readings: dict[str, list[str]] = {}
    for symbol, row in units._TABLE.items():
        for prefix in units._PREFIXES if row.prefixes else ("",):
            readings.setdefault(prefix + symbol, []).append(prefix)
    doubtful = {text for text, prefixes in readings.items() if len(prefixes) > 1}
    # candela, pascal, minute, day and so on win over centi-day: their readings contain the empty prefix
    assert all("" in readings[text] for text in doubtful), doubtful


def test_a_symbol_wins_over_a_prefix() -> None:
    assert parse("min").same(parse("s"))
    assert parse("mol").same(parse("M*m^3"))
    assert not parse("Pa").same(parse("yr"))


def test_arithmetic_is_exact_in_the_exponents() -> None:
    metre = parse("m")
    assert (metre ** Fraction(1, 3) * metre ** Fraction(2, 3)).exponents == metre.exponents
    assert (metre / metre).exponents == DIMENSIONLESS.exponents
    assert (metre / metre).dimensionless
    assert not metre.dimensionless


def test_scales_follow_products() -> None:
    assert (parse("kV") * parse("mA")).same_scale(parse("W"))
    assert (parse("mm") ** 2).scale == pytest.approx(1e-6, rel=1e-12)
    assert not parse("mV").same_scale(parse("V"))


def test_pu_percent_and_degrees_are_not_mixed_silently() -> None:
    for one, other in combinations(("pu", "%", "deg", "ppm"), 2):
        assert parse(one).same(parse(other))
        assert not parse(one).same_scale(parse(other))


exponents = st.fractions(min_value=-6, max_value=6, max_denominator=4)


@given(st.tuples(*[exponents] * 7), st.sampled_from([1.0, 1e-3, 1e3, 60.0, 0.01, math.pi / 180, 3.6e6]))
def test_printing_reads_back(exponents: tuple[Fraction, ...], scale: float) -> None:
    unit = Dimension(exponents, scale)
    again = parse(str(unit))
    assert again.same(unit)
    assert again.same_scale(unit)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("N*m", "J"),
        ("kV*A", "kW"),
        ("Wb/A", "H"),
        ("mol/L", "M"),
        ("1e-3*V/s", "mV/s"),
        ("Pa*s", "Pa*s"),
        ("m/s^2", "m/s^2"),
        ("J/(mol*K)", "J/(K*mol)"),
        ("60*kg", "60*kg"),
        ("h", "3600*s"),
        ("1/h", "0.000277777777778/s"),
        ("rad/s", "1/s"),
        ("%", "0.01"),
    ],
)
def test_printed_forms(text: str, printed: str) -> None:
    assert str(parse(text)) == printed


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        unit = parse(text)
    except UnitError:
        return
    assert unit.scale > 0
