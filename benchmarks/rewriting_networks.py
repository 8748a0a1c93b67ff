"""Published reaction networks: the code of symnum against C of every species by itself."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rewriting_counting import Row, call_time, compiled_times, nothing_stored
from rewriting_models import (
    Case,
    parameter,
    variable,
)

import symnum as sn
from symnum.codegen.function import Gather
from symnum.rewriting.derivative import gradient
from symnum.rewriting.expr import Expr, add, number, slot
from symnum.rewriting.walk import postorder, substitute


def measured_networks(data: Path, names: Sequence[str] = ("egfr_net", "bcr")) -> Iterable[Row]:
    """Published networks, in processor time of one call: the code that symnum makes (loops over tables),
    plain code of every species by itself, plain code in which every product is computed once, and our own
    functions unrolled into plain code: the bound for what is won by not looping over tables."""
    for name in names:
        net = sn.read(data / "bng_net" / name / f"{name}.net")
        with nothing_stored():
            start = time.process_time()
            ours = sn.compile(net.system())
            spent = time.process_time() - start
        u, p, out = network_point(ours)
        f = ours.model.functions
        case = expanded(ours, name)
        jacobian_rows = gradient(case.rhs, case.unknowns)
        entries = [(i, v, e) for i, row in enumerate(jacobian_rows) for v, e in row.items()]
        entries.sort(key=lambda entry: (case.unknowns.index(entry[1]), entry[0]))  # by columns, as ours
        parts = {"rhs": case.rhs, "jacobian": [e for _, _, e in entries]}
        row: Row = {"table": "networks", "case": name, "species": ours.flat.n, "entries": len(f.indices)}
        times: dict[str, dict[str, float]] = {}
        for kind, shared in (("naive", False), ("CSE", True)):
            times[kind] = {}
            for part, roots in parts.items():
                text, count = c_source(roots, case, shared=shared)
                row[f"{part} {kind} operations"] = count
                code = compiled_c(text)
                address = function_address(code)
                times[kind][part] = call_time(address, len(roots), u, p, count + 1)
                check_same(address, len(roots), u, p, count + 1, ours, part, out)
        times["unrolled"] = {}
        for part in parts:
            address = function_address(compiled_c(unrolled(ours.model._inputs.lowered.functions[part])))
            size = max(f.n, len(f.indices))  # setup writes the constant entries of the Jacobian
            times["unrolled"][part] = call_time(address, size, u, p, f.n_work, f.setup)
            check_same(address, size, u, p, f.n_work, ours, part, out, f.setup)
        times["symnum"] = dict(zip(("rhs", "jacobian"), compiled_times(ours), strict=True))
        for kind, found in times.items():
            row |= {f"{part} {kind} us": round(ns / 1000, 2) for part, ns in found.items()}
        row["symnum compile s"] = round(spent, 2)
        for kind in ("naive", "CSE", "unrolled"):
            ratio = sum(times[kind].values()) / sum(times["symnum"].values())
            row[f"{kind} / symnum, both"] = round(ratio, 2)
        yield row


def network_point(model: Any) -> tuple[Any, Any, dict[str, Any]]:
    """The point of `compiled_times`, and our values there."""
    f = model.model.functions
    draw = np.random.default_rng(0)
    u, p = draw.uniform(0.5, 1.5, f.n), draw.uniform(0.5, 1.5, max(f.n_parameters, 1))
    jacobian_ = model.model.jacobian(0.0, u, p[: f.n_parameters]).tocsc()
    return u, p, {"rhs": model.model.rhs(0.0, u, p[: f.n_parameters]), "jacobian": jacobian_.data}


def c_source(roots: Sequence[Expr], case: Case, *, shared: bool) -> tuple[str, int]:
    """C functions of some 100 lines each, and how many operations they have; shared: products only once."""
    names = {leaf: f"u[{k}]" for k, leaf in enumerate(case.unknowns)}
    names |= {leaf: f"p[{k}]" for k, leaf in enumerate(case.parameters)}
    operations_ = 0
    lines: list[str] = []

    def product(expr: Expr) -> str:
        nonlocal operations_
        factors = [names[base] for base, e in expr.factors() for _ in range(int(e))]
        operations_ += len(factors) - 1
        return "*".join(factors)

    if shared:
        for node in postorder(roots):
            if node.op == "*":
                lines.append(f"w[{len(lines)}] = {product(node)};")
                names[node] = f"w[{len(lines) - 1}]"
    for k, root in enumerate(roots):
        terms = []
        for term, c in root.terms():
            text = names[term] if term in names else product(term)
            size = "" if abs(c) == 1 else f"{float(abs(c))!r}*"
            operations_ += (abs(c) != 1) + bool(terms)
            terms.append(f"{'-' if c < 0 else '+' if terms else ''}{size}{text}")
        if root.constant:
            terms.append(f"+({float(root.constant)!r})")
        lines.append(f"out[{k}] = {' '.join(terms) or '0.0'};")
    return in_pieces(lines), operations_


def in_pieces(lines: Sequence[str]) -> str:
    """C statements as functions of a hundred lines, and one that calls them."""
    pointers = ("double *restrict out", "const double *restrict u", "const double *restrict p")
    given = ", ".join(("double t", *pointers, "double *restrict w"))
    apart = "__attribute__((noinline)) static void"
    pieces = ["\n".join(lines[k : k + 100]) for k in range(0, len(lines), 100)]
    text = "".join(f"{apart} f{k}({given}) {{\n{piece}\n}}\n" for k, piece in enumerate(pieces))
    calls = "".join(f"f{k}(t, out, u, p, w);" for k in range(len(pieces)))
    return f"{text}void f({given}) {{{calls}}}\n"


def unrolled(function: Any) -> str:
    """The functions that symnum loops over, in C, every copy by itself."""
    lines: list[str] = []
    for item in function.items:
        if isinstance(item, Gather):
            coefficient = np.broadcast_to(item.coefficient, len(item.first))
            for row, place in enumerate(item.output.index):
                terms = []
                for k in range(int(item.indptr[row]), int(item.indptr[row + 1])):
                    second = "" if item.second is None else f"*{item.space}[{int(item.second[k])}]"
                    terms.append(f"{float(coefficient[k])!r}*{item.space}[{int(item.first[k])}]{second}")
                lines.append(f"{item.output.space}[{int(place)}] = {' + '.join(terms)};")
            continue
        for row in range(item.count):
            names = [
                repr(float(c.index[row])) if c.space == "c" else f"{c.space}[{int(c.index[row])}]"
                for c in item.columns
            ]
            for root, output in zip(item.roots, item.outputs, strict=True):
                lines.append(f"{output.space}[{int(output.index[row])}] = {spelled(root, names)};")
    return in_pieces(lines)


def spelled(expr: Expr, names: Sequence[str]) -> str:
    """A polynomial over slots."""
    if expr.op == "number":
        return repr(float(expr.value))
    if expr.op == "slot":
        return names[expr.data[1]]
    if expr.op == "+":
        terms = [f"{float(c)!r}*({spelled(term, names)})" for term, c in expr.terms()]
        return " + ".join([*terms, repr(float(expr.constant))] if expr.constant else terms)
    return "*".join(f"({spelled(base, names)})" for base, e in expr.factors() for _ in range(int(e)))


def compiled_c(text: str) -> Any:
    """A shared library of the text, by gcc -O1: higher levels need hours for code of this size. Kept in the
    folder for temporary files, since even so it takes minutes."""
    import ctypes
    import hashlib
    import subprocess
    import tempfile

    folder = Path(tempfile.gettempdir()) / f"symnum-naive-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    if not (folder / "f.so").exists():
        folder.mkdir(exist_ok=True)
        (folder / "f.c").write_text(text)
        options = ["-O1", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC"]
        subprocess.run(["gcc", *options, "f.c", "-o", "f.so"], cwd=folder, check=True)
    return ctypes.CDLL(str(folder / "f.so"))


def function_address(library: Any) -> int:
    import ctypes

    return int(ctypes.cast(library.f, ctypes.c_void_p).value or 0)


def check_same(
    address: int,
    n_out: int,
    u: Any,
    p: Any,
    n_work: int,
    model: Any,
    part: str,
    expected: dict[str, Any],
    setup: int = 0,
) -> None:
    """The peers compute the same: raises where a value differs."""
    import ctypes

    out, work = np.zeros(n_out), np.zeros(max(n_work, 1))
    for code in (setup, address) if setup else (address,):
        function = ctypes.CFUNCTYPE(None, ctypes.c_double, *[ctypes.c_void_p] * 4)(code)
        function(0.0, *(a.ctypes.data for a in (out, u, p, work)))
    found = out[: len(expected[part])]
    np.testing.assert_allclose(found, expected[part], rtol=1e-10, atol=1e-9 * np.abs(found).max())


def expanded(model: Any, name: str) -> Case:
    """A compiled system written out: one expression per unknown."""
    flat = model.model._inputs.functions[0]
    n, n_parameters = model.flat.n, len(model.flat.parameters)
    u, p = [variable(f"u{k}") for k in range(n)], [parameter(f"p{k}") for k in range(n_parameters)]
    work: dict[int, Expr] = {}
    out: list[list[Expr]] = [[] for _ in range(n)]

    def value(space: str, index: int) -> Expr:
        return u[index] if space == "u" else p[index] if space == "p" else work[index]

    def put(output: Any, row: int, result: Expr) -> None:
        if output.space == "w":
            work[int(output.index[row])] = result
        else:
            out[int(output.index[row])].append(result)

    for item in flat.items:
        if isinstance(item, Gather):
            for row in range(len(item.output.index)):
                places = range(int(item.indptr[row]), int(item.indptr[row + 1]))
                coefficient = np.broadcast_to(item.coefficient, len(item.first))
                terms = []
                for k in places:
                    term = value(item.space, int(item.first[k])) * float(coefficient[k])
                    if item.second is not None:
                        term = term * value(item.space, int(item.second[k]))
                    terms.append(term)
                put(item.output, row, add(terms))
            continue
        for row in range(item.count):
            leaf = {}
            for k, column in enumerate(item.columns):
                if column.space == "c":
                    leaf[slot("c", k)] = number(float(column.index[row]))
                else:
                    leaf[slot(column.space, k)] = value(column.space, int(column.index[row]))
            for root, output in zip(item.roots, item.outputs, strict=True):
                put(output, row, substitute(root, leaf))
    return Case(name, [add(terms) for terms in out], u, p)
