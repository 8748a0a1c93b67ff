"""Loops that threads may share, in LLVM IR: the calls between a function and the bodies of its loops."""

from __future__ import annotations

from symnum.codegen.crew import RUN

__all__ = ["SHARE", "SHARE_ROWS", "piece"]

# A piece of a loop for one thread is worth a hundred times the work of handing it over.
_WORTH = 20_000  # additions
_PIECES = 64
_WHOLE = 64  # copies that a piece is a multiple of: what is computed in vectors does not depend on pieces


def _shared(name: str, fields: tuple[tuple[str, str], ...], call: str) -> str:
    """``name(body, *fields, crew)``: the body on all copies, in pieces by the crew where there is one.

    fields: (type, name), the loop's descriptors as d; call: the arguments of the body before from and to.
    """
    parameters = ", ".join(f"{kind} %{field}" for kind, field in fields)
    job = f"{{ ptr, {', '.join(kind for kind, _ in fields)} }}"
    places = [("ptr", "body"), *fields]
    stores, loads = "", ""
    for k, (kind, field) in enumerate(places):
        place = f"  %{field}.j = getelementptr {job}, ptr %job, i32 0, i32 {k}\n"
        stores += f"{place}  store {kind} %{field}, ptr %{field}.j\n"
        loads += f"{place}  %{field} = load {kind}, ptr %{field}.j\n"
    return f"""define internal void @{name}_piece(ptr %job, i64 %from, i64 %to) #0 {{
{loads}  call void %body({call}, i64 %from, i64 %to)
  ret void
}}

define internal void @{name}(ptr %body, {parameters}, ptr %crew) #0 {{
  %count = load i64, ptr %d, align 8
  %grain.p = getelementptr inbounds i64, ptr %d, i64 1
  %grain = load i64, ptr %grain.p, align 8
  %none = icmp eq ptr %crew, null
  %short = icmp uge i64 %grain, %count
  %alone = or i1 %none, %short
  br i1 %alone, label %whole, label %pieces
whole:
  call void %body({call}, i64 0, i64 %count)
  ret void
pieces:
  %job = alloca {job}, align 8
{stores}  %run.p = getelementptr inbounds i8, ptr %crew, i64 {RUN}
  %run = load ptr, ptr %run.p, align 8
  call void %run(ptr %crew, ptr @{name}_piece, ptr %job, i64 %count, i64 %grain)
  ret void
}}"""


_TABLES = (("ptr", "d"), ("ptr", "x"), ("ptr", "k"))
SHARE = _shared(
    "share",
    (("double", "t"), ("ptr", "out"), ("ptr", "u"), ("ptr", "p"), ("ptr", "w"), *_TABLES),
    "double %t, ptr %out, ptr %u, ptr %p, ptr %w, ptr %w, ptr %d, ptr %x, ptr %k",
)
SHARE_ROWS = _shared(
    "share_rows",
    (("ptr", "target"), ("ptr", "source"), *_TABLES),
    "ptr %target, ptr %source, ptr %d, ptr %x, ptr %k",
)


def piece(count: int, work: float, whole: bool) -> int:
    """Copies in a piece of a loop that is ``work`` additions; the number of threads plays no part."""
    pieces = min(_PIECES, int(work / _WORTH))
    if pieces < 2:
        return count
    grain = -(-count // pieces)
    return -(-grain // _WHOLE) * _WHOLE if whole else grain
