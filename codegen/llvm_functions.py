"""Elementary functions as LLVM text that loops can be vectorized over; a call of the C library stops that.

exp: x = n ln 2 + r with |r| <= ln(2)/2, the reduction in two parts of ln 2 (Cody and Waite, Software Manual
for the Elementary Functions, 1980), the Taylor polynomial of degree 13 for exp(r), whose remainder is below
4e-18, and a scaling by 2^n in two factors, so that results may be subnormal. Errors stay below 1.1 ulp.
Infinities and NaN come out as from the C library.
"""

from __future__ import annotations

import math
import struct
from fractions import Fraction

__all__ = ["VECTORIZABLE"]

_DEGREE = 13
_LN2_HIGH, _LN2_LOW = 0.693145751953125, 1.42860682030941723212e-6  # their sum is ln 2; the first has 20 bits
_LARGEST, _SMALLEST = 710.0, -746.0  # beyond: infinity, zero


def _literal(value: float) -> str:
    return f"0x{struct.pack('>d', value).hex().upper()}"


def _exponential() -> str:
    lines = [
        f"%above = fcmp ogt double %x, {_literal(_LARGEST)}",
        f"%below = fcmp olt double %x, {_literal(_SMALLEST)}",
        f"%x1 = select i1 %above, double {_literal(_LARGEST)}, double %x",
        f"%x2 = select i1 %below, double {_literal(_SMALLEST)}, double %x1",
        f"%scaled = fmul double %x2, {_literal(1 / math.log(2))}",
        "%whole = call double @llvm.rint.f64(double %scaled)",
        "%nan = fcmp uno double %x, 0.0",
        "%safe = select i1 %nan, double 0.0, double %whole",
        "%n = fptosi double %safe to i32",
        f"%r1 = call double @llvm.fmuladd.f64(double %whole, double {_literal(-_LN2_HIGH)}, double %x2)",
        f"%r = call double @llvm.fmuladd.f64(double %whole, double {_literal(-_LN2_LOW)}, double %r1)",
    ]
    # Estrin's scheme: pairs, then pairs of pairs with the squares of r; short chains keep the units busy
    terms = [_literal(float(Fraction(1, math.factorial(k)))) for k in range(2, _DEGREE + 1)]
    lines.append("%rr = fmul double %r, %r")
    power, level = "%r", 0
    while len(terms) > 1:
        joined = []
        for k in range(0, len(terms) - 1, 2):
            name = f"%e{level}.{k}"
            lines.append(
                f"{name} = call double @llvm.fmuladd.f64"
                f"(double {terms[k + 1]}, double {power}, double {terms[k]})"
            )
            joined.append(name)
        if len(terms) % 2:
            joined.append(terms[-1])
        terms = joined
        if len(terms) > 1:
            lines.append(f"%p{level} = fmul double {power}, {power}")
            power = f"%p{level}"
        level += 1
    lines += [
        "%half = ashr i32 %n, 1", "%rest = sub i32 %n, %half",
        "%b1 = add i32 %half, 1023", "%b2 = add i32 %rest, 1023",
        "%w1 = zext i32 %b1 to i64", "%w2 = zext i32 %b2 to i64",
        "%s1 = shl i64 %w1, 52", "%s2 = shl i64 %w2, 52",
        "%f1 = bitcast i64 %s1 to double", "%f2 = bitcast i64 %s2 to double",
        f"%q = call double @llvm.fmuladd.f64(double {terms[0]}, double %rr, double %r)",
        "%z = fadd double %q, 1.0",  # last, so that what was lost before is small beside the result
        "%y1 = fmul double %z, %f1", "%y = fmul double %y1, %f2", "ret double %y",
    ]  # fmt: skip
    head = "define internal double @symnum_exp(double %x) #5 {"
    declared = (
        "declare double @llvm.rint.f64(double)\n"
        "declare double @llvm.fmuladd.f64(double, double, double)"
    )
    return "\n".join([declared, head, *(f"  {line}" for line in lines), "}"])


VECTORIZABLE: dict[str, tuple[str, str]] = {"exp": ("symnum_exp", _exponential())}
"""Operator -> (name of the function, its text); attribute group #5 is that of functions to be inlined."""
