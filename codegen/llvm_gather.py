"""Sparse sums in LLVM IR: the kernels behind `Gather`.

Four accumulators per row hide the latency of the additions; LLVM may not reorder sums by itself, and its
gather instructions were measured to be slower than this. Descriptors: rows, rows of a piece, outputs, bounds,
first, second, coefficients. Signed kernels read no coefficients: each row holds its positive terms, then its
negative ones.
"""

from __future__ import annotations

__all__ = ["GATHER_KERNELS", "kernel_name"]


def kernel_name(signed: bool, product: bool, accumulate: bool) -> str:
    """The kernel for coefficients +-1 (or any), products of two factors (or single ones), adding (or not)."""
    return (
        "gather"
        + ("_signed" if signed else "")
        + ("_product" if product else "")
        + ("_add" if accumulate else "")
    )


def _term(name: str, at: str, signed: bool, product: bool) -> list[str]:
    """Lines that put term number ``at`` into %{name}."""
    factor = f"%{name}.f" if product or not signed else f"%{name}"
    lines = [
        f"%{name}.i = getelementptr inbounds i32, ptr %first, i64 {at}",
        f"%{name}.j = load i32, ptr %{name}.i, align 4",
        f"%{name}.k = zext nneg i32 %{name}.j to i64",
        f"%{name}.a = getelementptr inbounds double, ptr %source, i64 %{name}.k",
        f"{factor} = load double, ptr %{name}.a, align 8",
    ]
    if product:
        result = f"%{name}" if signed else f"%{name}.g"
        lines += [
            f"%{name}.i2 = getelementptr inbounds i32, ptr %second, i64 {at}",
            f"%{name}.j2 = load i32, ptr %{name}.i2, align 4",
            f"%{name}.k2 = zext nneg i32 %{name}.j2 to i64",
            f"%{name}.a2 = getelementptr inbounds double, ptr %source, i64 %{name}.k2",
            f"%{name}.f2 = load double, ptr %{name}.a2, align 8",
            f"{result} = fmul contract double {factor}, %{name}.f2",
        ]
        factor = result
    if not signed:
        lines += [
            f"%{name}.c = getelementptr inbounds double, ptr %coefficients, i64 {at}",
            f"%{name}.d = load double, ptr %{name}.c, align 8",
            f"%{name} = fmul contract double {factor}, %{name}.d",
        ]
    return lines


def _sum(name: str, before: str, begin: str, end: str, signed: bool, product: bool) -> list[str]:
    """Blocks that sum the terms [begin, end) into %{name}, from block ``before`` to {name}.done."""
    fours = [f"%{name}.at{lane} = add nuw nsw i64 %{name}.at, {lane}" for lane in (1, 2, 3)]
    for lane in range(4):
        at = f"%{name}.at{lane}" if lane else f"%{name}.at"
        fours += _term(f"{name}.x{lane}", at, signed, product)
        fours.append(f"%{name}.n{lane} = fadd contract double %{name}.s{lane}, %{name}.x{lane}")
    return [
        f"%{name}.size = sub nsw i64 {end}, {begin}",
        f"%{name}.whole = and i64 %{name}.size, -4",
        f"%{name}.stop = add nsw i64 {begin}, %{name}.whole",
        f"%{name}.any = icmp ne i64 %{name}.whole, 0",
        f"br i1 %{name}.any, label %{name}.four, label %{name}.rest",
        f"{name}.four:",
        f"%{name}.at = phi i64 [ {begin}, %{before} ], [ %{name}.next, %{name}.four ]",
        *(
            f"%{name}.s{lane} = phi double [ 0.0, %{before} ], [ %{name}.n{lane}, %{name}.four ]"
            for lane in range(4)
        ),
        *fours,
        f"%{name}.next = add nuw nsw i64 %{name}.at, 4",
        f"%{name}.more = icmp slt i64 %{name}.next, %{name}.stop",
        f"br i1 %{name}.more, label %{name}.four, label %{name}.join",
        f"{name}.join:",
        f"%{name}.l = fadd contract double %{name}.n0, %{name}.n1",
        f"%{name}.r = fadd contract double %{name}.n2, %{name}.n3",
        f"%{name}.lr = fadd contract double %{name}.l, %{name}.r",
        f"br label %{name}.rest",
        f"{name}.rest:",
        f"%{name}.part = phi double [ 0.0, %{before} ], [ %{name}.lr, %{name}.join ]",
        f"%{name}.left = icmp slt i64 %{name}.stop, {end}",
        f"br i1 %{name}.left, label %{name}.one, label %{name}.done",
        f"{name}.one:",
        f"%{name}.o = phi i64 [ %{name}.stop, %{name}.rest ], [ %{name}.o1, %{name}.one ]",
        f"%{name}.t = phi double [ %{name}.part, %{name}.rest ], [ %{name}.t1, %{name}.one ]",
        *_term(f"{name}.y", f"%{name}.o", signed, product),
        f"%{name}.t1 = fadd contract double %{name}.t, %{name}.y",
        f"%{name}.o1 = add nuw nsw i64 %{name}.o, 1",
        f"%{name}.on = icmp slt i64 %{name}.o1, {end}",
        f"br i1 %{name}.on, label %{name}.one, label %{name}.done",
        f"{name}.done:",
        f"%{name} = phi double [ %{name}.part, %{name}.rest ], [ %{name}.t1, %{name}.one ]",
    ]


def _bound(name: str, at: str) -> list[str]:
    return [
        f"%{name}.p = getelementptr inbounds i32, ptr %bounds, i64 {at}",
        f"%{name}.i = load i32, ptr %{name}.p, align 4",
        f"%{name} = zext nneg i32 %{name}.i to i64",
    ]


def _kernel(signed: bool, product: bool, accumulate: bool) -> str:
    tables = [("outputs", 2, "i32", "%x"), ("bounds", 3, "i32", "%x"), ("first", 4, "i32", "%x")]
    if product:
        tables.append(("second", 5, "i32", "%x"))
    if not signed:
        tables.append(("coefficients", 6, "double", "%k"))
    lines = ["entry:"]
    for name, at, kind, pool in tables:
        lines += [
            f"%{name}.d = getelementptr inbounds i64, ptr %d, i64 {at}",
            f"%{name}.b = load i64, ptr %{name}.d, align 8",
            f"%{name} = getelementptr inbounds {kind}, ptr {pool}, i64 %{name}.b",
        ]
    lines += ["br label %row", "row:", "%i = phi i64 [ %from, %entry ], [ %next, %stored ]"]
    if signed:
        lines += [
            "%at = shl nuw nsw i64 %i, 1",
            "%at1 = add nuw nsw i64 %at, 1",
            "%at2 = add nuw nsw i64 %at, 2",
        ]
        lines += _bound("b0", "%at") + _bound("b1", "%at1") + _bound("b2", "%at2")
        lines += _sum("plus", "row", "%b0", "%b1", signed, product)
        lines += _sum("minus", "plus.done", "%b1", "%b2", signed, product)
        lines.append("%sum = fsub contract double %plus, %minus")
    else:
        lines += ["%at1 = add nuw nsw i64 %i, 1", *_bound("b0", "%i"), *_bound("b1", "%at1")]
        lines += _sum("plus", "row", "%b0", "%b1", signed, product)
        lines.append("%sum = fadd contract double %plus, 0.0")
    lines += [
        "%o.p = getelementptr inbounds i32, ptr %outputs, i64 %i",
        "%o.j = load i32, ptr %o.p, align 4",
        "%o.k = zext nneg i32 %o.j to i64",
        "%o.a = getelementptr inbounds double, ptr %target, i64 %o.k",
    ]
    if accumulate:
        lines += ["%old = load double, ptr %o.a, align 8", "%new = fadd contract double %old, %sum"]
    lines += [
        f"store double {'%new' if accumulate else '%sum'}, ptr %o.a, align 8",
        "br label %stored",
        "stored:",
        "%next = add nuw nsw i64 %i, 1",
        "%more = icmp slt i64 %next, %to",
        "br i1 %more, label %row, label %end",
        "end:",
        "ret void",
    ]
    text = "\n".join(line if line.endswith(":") else f"  {line}" for line in lines)
    return (
        f"define internal void @{kernel_name(signed, product, accumulate)}(ptr noalias %target, "
        "ptr noalias readonly %source, ptr noalias readonly %d, "
        "ptr noalias readonly %x, ptr noalias readonly %k, i64 %from, i64 %to) #0 {\n" + text + "\n}"
    )


GATHER_KERNELS = {
    kernel_name(signed, product, accumulate): _kernel(signed, product, accumulate)
    for signed in (False, True) for product in (False, True) for accumulate in (False, True)
}  # fmt: skip
"""Kernel name -> LLVM text."""
