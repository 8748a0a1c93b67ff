"""Functions of a model that first ask C functions of other code, without the interpreter in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from symnum.codegen.machine import compile_text, load_object
from symnum.record import record

__all__ = ["OutsideCall", "OutsideCalls", "OutsidePart", "asking_functions"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_WARNING = 1  # the largest status with which values may be used
_AHEAD = 1e-6  # relative: the step of differences in time
_SIGNATURE = "double %t, ptr %out, ptr %u, ptr %p, ptr %work"


@record
class OutsideCall:
    """``int address(...)``, which gives a status. arguments: pointers and sizes; None: the time."""

    name: str
    address: int
    arguments: tuple[int | None, ...]


@record
class OutsideCalls:
    """What the calls read and write: one after the other they take ``point`` to ``result``.

    point: (columns,) states, then inputs. result: (rows + indicators,) derivatives, outputs, indicators.
    slopes: (columns, rows) their derivatives, made by ``slope_calls`` behind ``calls``; None: by other means.
    owners: what must live as long.
    """

    point: FloatArray
    result: FloatArray
    slopes: FloatArray
    calls: tuple[OutsideCall, ...]
    slope_calls: tuple[OutsideCall, ...] | None
    owners: tuple[object, ...]


@record
class OutsidePart:
    """The same with places: of the point in u, with signs; of point, result and slope entries in p."""

    outside: OutsideCalls
    places: IntArray
    signs: FloatArray
    points: IntArray
    values: IntArray
    slopes: IntArray
    reads: IntArray  # (slopes, 2) row and column of each slope


def asking_functions(
    parts: Sequence[OutsidePart],
    functions: dict[str, tuple[int, int, bool]],
    setup: int,
    constants: FloatArray,
    fresh: IntArray,
    begin: int,
    status: IntArray,
) -> dict[str, int]:
    """Addresses of functions that ask all parts, write what they say into p, call setup, then the function.

    functions: {name: (address, size of its output, whether it reads slopes)}, ``rhs`` among them; from it
    ``time_gradient`` is made, by differences ahead of second order. constants: where setup writes to where
    the output is none. fresh: (1,) not 0 where ``begin`` has to be called first, which sets it to 0.
    status: (2,) is set to the number of the call that failed, from 1 on, and its status; outputs are then
    not a number.
    """
    size = functions["rhs"][1]
    rows = np.zeros((3, size))
    text = [_asking("ask_values", parts, False, status)]
    if any(slopes for _, _, slopes in functions.values()):
        text.append(_asking("ask_slopes", parts, True, status))
    for name, (address, count, slopes) in functions.items():
        text.append(_function(name, address, count, slopes, setup, constants, fresh, begin))
    text.append(_time_gradient(rows))
    text.append("declare double @llvm.fabs.f64(double)\ndeclare double @llvm.maxnum.f64(double, double)")
    # addresses of this process are part of the text: it goes past the cache
    loaded = load_object(compile_text("\n\n".join(text)))
    _OWNERS.append((rows, constants, fresh, status, [part.outside for part in parts]))
    return {name: loaded.address(name) for name in (*functions, "time_gradient")}


_OWNERS: list[Any] = []  # loaded code lives as long as the process


def _at(array: npt.NDArray[Any], k: int = 0) -> str:
    return f"inttoptr (i64 {array.ctypes.data + k * array.itemsize} to ptr)"


def _asking(name: str, parts: Sequence[OutsidePart], slopes: bool, status: IntArray) -> str:
    lines = [f"define internal i32 @{name}(double %t, ptr %u, ptr %p) {{"]
    count = called = 0

    def moved(source: str, k: int, target: str, at: int, negative: bool = False) -> None:
        """One number from an array to another; those with a name are arguments, the others addresses."""
        nonlocal count
        count += 1
        for letter, base, place in (("a", source, k), ("b", target, at)):
            lines.append(f"  %{letter}{count} = getelementptr double, ptr {base}, i64 {place}")
        lines.append(f"  %v{count} = load double, ptr %a{count}")
        value = f"%v{count}"
        if negative:
            lines.append(f"  %n{count} = fneg double %v{count}")
            value = f"%n{count}"
        lines.append(f"  store double {value}, ptr %b{count}")

    for part in parts:
        outside = part.outside
        for k, (place, sign) in enumerate(zip(part.places.tolist(), part.signs.tolist(), strict=True)):
            moved("%u", place, _at(outside.point), k, sign < 0)
        for call in (*outside.calls, *(outside.slope_calls or ())):
            called += 1
            if call not in outside.calls and not slopes:
                continue
            arguments = ", ".join("double %t" if a is None else f"i64 {a}" for a in call.arguments)
            lines += [
                f"  %s{called} = call i32 inttoptr (i64 {call.address} to ptr)({arguments})",
                f"  %bad{called} = icmp sgt i32 %s{called}, {_WARNING}",
                f"  br i1 %bad{called}, label %failed{called}, label %fine{called}",
                f"failed{called}:",
                f"  %long{called} = sext i32 %s{called} to i64",
                f"  store i64 {called}, ptr {_at(status)}",
                f"  store i64 %long{called}, ptr {_at(status, 1)}",
                "  ret i32 1",
                f"fine{called}:",
            ]
        for k, at in enumerate(part.values.tolist()):
            moved(_at(outside.result), k, "%p", at)
        for k, at in enumerate(part.points.tolist()):
            moved(_at(outside.point), k, "%p", at)
        if slopes:
            n_rows = outside.slopes.shape[1]
            for (row, column), at in zip(part.reads.tolist(), part.slopes.tolist(), strict=True):
                moved(_at(outside.slopes), column * n_rows + row, "%p", at)
    return "\n".join([*lines, "  ret i32 0", "}"])


def _function(
    name: str, address: int, size: int, slopes: bool, setup: int, constants: FloatArray, fresh: IntArray,
    begin: int,
) -> str:  # fmt: skip
    ask = "ask_slopes" if slopes else "ask_values"
    into = "%out" if slopes else _at(constants)
    return f"""define void @{name}({_SIGNATURE}) {{
entry:
  %fresh = load i64, ptr {_at(fresh)}
  %is_fresh = icmp ne i64 %fresh, 0
  br i1 %is_fresh, label %begin, label %ask
begin:
  call void inttoptr (i64 {begin} to ptr)(double %t, ptr %out, ptr %u, ptr %p, ptr %work)
  %still = load i64, ptr {_at(fresh)}
  %is_still = icmp ne i64 %still, 0
  br i1 %is_still, label %fill, label %ask
ask:
  %failed = call i32 @{ask}(double %t, ptr %u, ptr %p)
  %is_failed = icmp ne i32 %failed, 0
  br i1 %is_failed, label %fill, label %call
call:
  call void inttoptr (i64 {setup} to ptr)(double %t, ptr {into}, ptr %u, ptr %p, ptr %work)
  call void inttoptr (i64 {address} to ptr)(double %t, ptr %out, ptr %u, ptr %p, ptr %work)
  ret void
fill:
  br label %next
next:
  %k = phi i64 [ 0, %fill ], [ %after, %body ]
  %more = icmp slt i64 %k, {size}
  br i1 %more, label %body, label %end
body:
  %place = getelementptr double, ptr %out, i64 %k
  store double 0x7FF8000000000000, ptr %place
  %after = add i64 %k, 1
  br label %next
end:
  ret void
}}"""


def _time_gradient(rows: FloatArray) -> str:
    base = [_at(row) for row in rows]
    return f"""define void @time_gradient({_SIGNATURE}) {{
entry:
  %size = call double @llvm.fabs.f64(double %t)
  %scale = call double @llvm.maxnum.f64(double %size, double 1.0)
  %h = fmul double %scale, {_literal(_AHEAD)}
  %t1 = fadd double %t, %h
  %t2 = fadd double %t1, %h
  call void @rhs(double %t, ptr {base[0]}, ptr %u, ptr %p, ptr %work)
  call void @rhs(double %t1, ptr {base[1]}, ptr %u, ptr %p, ptr %work)
  call void @rhs(double %t2, ptr {base[2]}, ptr %u, ptr %p, ptr %work)
  %h2 = fmul double %h, 2.0
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %after, %body ]
  %more = icmp slt i64 %k, {rows.shape[1]}
  br i1 %more, label %body, label %end
body:
  %p0 = getelementptr double, ptr {base[0]}, i64 %k
  %p1 = getelementptr double, ptr {base[1]}, i64 %k
  %p2 = getelementptr double, ptr {base[2]}, i64 %k
  %f0 = load double, ptr %p0
  %f1 = load double, ptr %p1
  %f2 = load double, ptr %p2
  %three = fmul double %f0, -3.0
  %four = fmul double %f1, 4.0
  %sum = fadd double %three, %four
  %difference = fsub double %sum, %f2
  %slope = fdiv double %difference, %h2
  %place = getelementptr double, ptr %out, i64 %k
  store double %slope, ptr %place
  %after = add i64 %k, 1
  br label %next
end:
  %again = call i32 @ask_values(double %t, ptr %u, ptr %p)
  ret void
}}"""


def _literal(value: float) -> str:
    return f"0x{np.float64(value).view(np.uint64):016X}"
