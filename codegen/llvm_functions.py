"""Elementary functions as LLVM text that loops can be vectorized over; a call of the C library stops that.

exp: x = n ln 2 + r with |r| <= ln(2)/2, the reduction in two parts of ln 2 (Cody and Waite, Software Manual
for the Elementary Functions, 1980), the Taylor polynomial of degree 13 for exp(r), whose remainder is below
4e-18, and a scaling by 2^n in two factors, so that results may be subnormal. Errors stay below 1.1 ulp.
tanh: t/(t + 2) with t = exp(2|x|) - 1 = 2^n (exp(r) - 1) + (2^n - 1), which keeps the digits near zero;
errors stay below 3 ulp. Infinities and NaN come out as from the C library.
"""

from __future__ import annotations

import math
import struct
from fractions import Fraction

__all__ = ["DECLARED", "VECTORIZABLE"]

_DEGREE = 13
_LN2_HIGH, _LN2_LOW = 0.693145751953125, 1.42860682030941723212e-6  # their sum is ln 2; the first has 20 bits
_LARGEST, _SMALLEST = 710.0, -746.0  # beyond: infinity, zero
_ONE_FROM = 44.0  # twice an argument whose tanh rounds to 1


def _literal(value: float) -> str:
    return f"0x{struct.pack('>d', value).hex().upper()}"


def _reduced(of: str) -> list[str]:
    """Lines for n = %n with ``of`` = n ln 2 + r, and for %q = exp(r) - 1."""
    lines = [
        f"%scaled = fmul double {of}, {_literal(1 / math.log(2))}",
        "%whole = call double @llvm.rint.f64(double %scaled)",
        "%nan = fcmp uno double %x, 0.0",
        "%safe = select i1 %nan, double 0.0, double %whole",
        "%n = fptosi double %safe to i32",
        f"%r1 = call double @llvm.fmuladd.f64(double %whole, double {_literal(-_LN2_HIGH)}, double {of})",
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
    return [*lines, f"%q = call double @llvm.fmuladd.f64(double {terms[0]}, double %rr, double %r)"]


def _defined(name: str, lines: list[str]) -> str:
    head = f"define internal double @{name}(double %x) #5 {{"
    return "\n".join([head, *(f"  {line}" for line in lines), "}"])


def _exponential() -> str:
    return _defined("symnum_exp", [
        f"%above = fcmp ogt double %x, {_literal(_LARGEST)}",
        f"%below = fcmp olt double %x, {_literal(_SMALLEST)}",
        f"%x1 = select i1 %above, double {_literal(_LARGEST)}, double %x",
        f"%x2 = select i1 %below, double {_literal(_SMALLEST)}, double %x1",
        *_reduced("%x2"),
        "%half = ashr i32 %n, 1", "%rest = sub i32 %n, %half",
        "%b1 = add i32 %half, 1023", "%b2 = add i32 %rest, 1023",
        "%w1 = zext i32 %b1 to i64", "%w2 = zext i32 %b2 to i64",
        "%s1 = shl i64 %w1, 52", "%s2 = shl i64 %w2, 52",
        "%f1 = bitcast i64 %s1 to double", "%f2 = bitcast i64 %s2 to double",
        "%z = fadd double %q, 1.0",  # last, so that what was lost before is small beside the result
        "%y1 = fmul double %z, %f1", "%y = fmul double %y1, %f2", "ret double %y",
    ])  # fmt: skip


def _hyperbolic_tangent() -> str:
    return _defined("symnum_tanh", [
        "%size = call double @llvm.fabs.f64(double %x)", "%twice = fadd double %size, %size",
        f"%above = fcmp ogt double %twice, {_literal(_ONE_FROM)}",
        f"%y = select i1 %above, double {_literal(_ONE_FROM)}, double %twice",
        *_reduced("%y"),
        "%b = add i32 %n, 1023", "%w = zext i32 %b to i64", "%s = shl i64 %w, 52",
        "%f = bitcast i64 %s to double", "%f1 = fsub double %f, 1.0",
        "%t = call double @llvm.fmuladd.f64(double %f, double %q, double %f1)",
        "%t2 = fadd double %t, 2.0", "%z = fdiv double %t, %t2",
        "%signed = call double @llvm.copysign.f64(double %z, double %x)", "ret double %signed",
    ])  # fmt: skip


VECTORIZABLE: dict[str, tuple[str, str]] = {
    "exp": ("symnum_exp", _exponential()),
    "tanh": ("symnum_tanh", _hyperbolic_tangent()),
}
"""Operator -> (name of the function, its text); attribute group #5 is that of functions to be inlined."""

DECLARED = (
    "declare double @llvm.rint.f64(double)",
    "declare double @llvm.fmuladd.f64(double, double, double)",
    "declare double @llvm.fabs.f64(double)",
    "declare double @llvm.copysign.f64(double, double)",
)
"""What they call."""
