"""The rewriter against common-subexpression elimination by SymPy, and the symbolic core against its peers.

    pip install symengine        # for the comparison only
    python benchmarks/rewriting.py [--data DATA] [--only cost networks speed size corpus]

``cost``: operations of right-hand side plus Jacobian, counted on the straight-line code that the emitters
spell (a shared value once, parameter-only values outside) in units of one addition, and the time of one call
of the compiled code. ``networks``: the same for published reaction networks (needs gcc). ``speed``: building,
differentiating and substituting against SymPy and symengine. ``size``: time and memory of the rewriter over
system size. ``corpus``: published expressions. One JSON line a row goes to standard output, a table to
RESULTS.md.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import platform
import random
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import symnum as sn
from symnum.codegen.hoist import Split
from symnum.codegen.share import statements
from symnum.rewriting.cost import ADDITION, DIVISION, MULTIPLICATION, SQUARE_ROOT, free_nodes
from symnum.rewriting.derivative import gradient
from symnum.rewriting.expr import Expr, Symbol, add, apply, number, slot, symbol
from symnum.rewriting.operators import OPERATORS, cos, ifelse, sin, sqrt
from symnum.rewriting.schedule import simplify
from symnum.rewriting.sympy_bridge import from_sympy
from symnum.rewriting.walk import leaves, postorder, substitute

Row = dict[str, Any]


class Case(NamedTuple):
    """Right-hand sides, unknowns and parameters."""

    name: str
    rhs: list[Expr]
    unknowns: list[Expr]
    parameters: list[Expr]

    def everything(self) -> list[Expr]:
        """Right-hand sides and the nonzero entries of the Jacobian."""
        rows = gradient(self.rhs, self.unknowns)
        return [*self.rhs, *(entry for row in rows for entry in row.values())]


def variable(name: str) -> Expr:
    return symbol(Symbol(name, "variable"))


def parameter(name: str) -> Expr:
    return symbol(Symbol(name, "parameter"))


# ---- the cases ------------------------------------------------------------------------------------
def repressilator() -> Case:
    """Elowitz and Leibler 2000: three genes in a ring, each repressing the next."""
    m = [variable(f"m{k}") for k in range(3)]
    protein = [variable(f"p{k}") for k in range(3)]
    alpha, alpha0, beta, n = (parameter(name) for name in ("alpha", "alpha0", "beta", "n"))
    rhs = [alpha0 + alpha / (1 + protein[k - 1] ** n) - m[k] for k in range(3)]
    rhs += [-beta * (protein[k] - m[k]) for k in range(3)]
    return Case("repressilator", rhs, [*m, *protein], [alpha, alpha0, beta, n])


def machine() -> Case:
    """A round-rotor synchronous machine of sixth order with quadratic saturation (GENROU), in the network."""
    names = "delta omega e1q e1d e2d e2q vr vi"
    unknowns = [variable(name) for name in names.split()]
    delta, omega, e1q, e1d, e2d, e2q, vr, vi = unknowns
    texts = "wb M D Td1 Tq1 Td2 Tq2 xd xq xd1 xq1 x2 xl ra A B vf tm"
    parameters = [parameter(name) for name in texts.split()]
    wb, M, D, Td1, Tq1, Td2, Tq2, xd, xq, xd1, xq1, x2, xl, ra, A, B, vf, tm = parameters
    vd = vr * sin(delta) - vi * cos(delta)
    vq = vr * cos(delta) + vi * sin(delta)
    gd1, gq1 = (x2 - xl) / (xd1 - xl), (x2 - xl) / (xq1 - xl)
    gd2, gq2 = (xd1 - x2) / (xd1 - xl) ** 2, (xq1 - x2) / (xq1 - xl) ** 2
    psi_d = gd1 * e1q + gd2 * (xd1 - xl) * e2d
    psi_q = gq1 * e1d + (1 - gq1) * e2q
    psi = sqrt(psi_d**2 + psi_q**2)
    saturation = ifelse(psi > A, B * (psi - A) ** 2 / psi, 0)
    determinant = ra**2 + x2**2
    i_d = (x2 * (psi_d - vq) + ra * (psi_q - vd)) / determinant
    i_q = (ra * (psi_d - vq) - x2 * (psi_q - vd)) / determinant
    torque = (ra * i_q + vq) * i_q + (ra * i_d + vd) * i_d
    field = e1q + (xd - xd1) * (gd1 * i_d - gd2 * e2d + gd2 * e1q) + saturation * psi_d
    gqd = (xq - xl) / (xd - xl)
    damper = e1d + (xq - xq1) * (gq2 * e1d - gq2 * e2q - gq1 * i_q) + saturation * gqd * psi_q
    rhs = [
        wb * (omega - 1),
        (tm - torque - D * (omega - 1)) / M,
        (vf - field) / Td1,
        -damper / Tq1,
        (-e2d + e1q - (xd1 - xl) * i_d) / Td2,
        (-e2q + e1d + (xq1 - xl) * i_q) / Tq2,
        i_d * sin(delta) + i_q * cos(delta),
        i_q * sin(delta) - i_d * cos(delta),
    ]
    return Case("machine (GENROU)", rhs, unknowns, parameters)


def machine_states() -> Case:
    """The six state equations of the machine and their derivatives by the states; voltages come from outside.

    The case closest to the prototype whose figures are the goal: it had 437 operations after ``sympy.cse``
    for right-hand side and Jacobian, this has 430.
    """
    whole = machine()
    return Case("machine, states only", whole.rhs[:6], whole.unknowns[:6], whole.parameters)


def network(n: int) -> Case:
    """Classical machines in a reduced network: n swing equations over all angle differences."""
    angle = [variable(f"angle{k}") for k in range(n)]
    speed = [variable(f"speed{k}") for k in range(n)]
    E = [parameter(f"E{k}") for k in range(n)]
    P, H, D = ([parameter(f"{letter}{k}") for k in range(n)] for letter in "PHD")
    G, B = ([[parameter(f"{letter}{i}_{j}") for j in range(n)] for i in range(n)] for letter in "GB")
    wb = parameter("wb")
    rhs = [wb * speed[k] for k in range(n)]
    for i in range(n):
        power = E[i] ** 2 * G[i][i] + add(
            E[i] * E[j] * (B[i][j] * sin(angle[i] - angle[j]) + G[i][j] * cos(angle[i] - angle[j]))
            for j in range(n)
            if j != i
        )
        rhs.append((P[i] - power - D[i] * speed[i]) / (2 * H[i]))
    flat = [entry for table in (G, B) for row in table for entry in row]
    return Case(f"{n}-machine network", rhs, [*angle, *speed], [*E, *P, *H, *D, *flat, wb])


def mass_action(n_species: int, n_reactions: int, seed: int = 0) -> Case:
    """A random network of first- and second-order reactions."""
    draw = random.Random(seed)
    x = [variable(f"x{k}") for k in range(n_species)]
    k = [parameter(f"k{j}") for j in range(n_reactions)]
    terms: list[list[Expr]] = [[] for _ in x]
    for rate in k:
        consumed = [draw.randrange(n_species) for _ in range(draw.choice((1, 2, 2)))]
        made = [draw.randrange(n_species) for _ in range(draw.choice((1, 2)))]
        flow = rate
        for species in consumed:
            flow = flow * x[species]
        for species in consumed:
            terms[species].append(-flow)
        for species in made:
            terms[species].append(flow)
    return Case(f"mass action {n_species}/{n_reactions}", [add(t) for t in terms], x, k)


# ---- counting -------------------------------------------------------------------------------------
_COSTS = {"add": ADDITION, "sub": ADDITION, "mul": MULTIPLICATION, "neg": 1.0, "div": DIVISION}
_COSTS |= {"sqrt": SQUARE_ROOT, "number": 0.0, "slot": 0.0, "time": 0.0, "truth": 0.0, "real": 0.0}


def hoisted(roots: Sequence[Expr], parameters: Iterable[Expr]) -> list[Expr]:
    """The roots over slots, parameter-only parts replaced by slots of their own (what ``setup`` computes)."""
    given = list(parameters)
    unknown = [leaf for leaf in leaves(roots) if leaf not in set(given)]
    named = {leaf: slot("u", k) for k, leaf in enumerate(unknown)}
    named |= {leaf: slot("p", k) for k, leaf in enumerate(given)}
    placed = substitute(tuple(roots), named)
    fixed = free_nodes(placed, [named[leaf] for leaf in given])
    return list(Split(placed, {e: e in fixed for e in postorder(placed)}).roots(0))


def operations(roots: Sequence[Expr], parameters: Iterable[Expr] = ()) -> float:
    """Cost of the emitted code of the roots, in additions."""
    body = statements(hoisted(roots, parameters))
    return sum(_COSTS[s.op] if s.op in _COSTS else OPERATORS[s.op].cost for s in body.statements)


def cse(roots: Sequence[Expr]) -> tuple[float, list[tuple[Expr, Expr]], list[Expr]]:
    """What ``sympy.cse`` makes of the roots: its cost, its definitions and its results."""
    import sympy

    definitions, results = sympy.cse([root.to_sympy() for root in roots])
    known = {leaf.to_sympy(): leaf for leaf in leaves(roots)}
    known |= {name: variable(f"cse {k}") for k, (name, _) in enumerate(definitions)}
    pairs = [(known[name], from_sympy(value, known)) for name, value in definitions]
    back = [from_sympy(value, known) for value in results]
    total = 0.0
    for expr in (*(value for _, value in pairs), *back):
        total += operations([expr])
    return total, pairs, back


def as_groups(pairs: Sequence[tuple[Expr, Expr]], results: Sequence[Expr]) -> list[Expr]:
    """The output of ``sympy.cse`` as expressions whose definitions stay what they are."""
    named: dict[Expr, Expr] = {}
    for name, value in pairs:
        named[name] = apply("group", substitute(value, named))
    return [substitute(result, named) for result in results]


def call_time(address: int, n_out: int, u: Any, p: Any, n_work: int, setup: int = 0) -> float:
    """Nanoseconds of processor time of one call of a compiled function, the least of many runs."""
    import ctypes

    import numba

    pointers = [ctypes.c_double] + [ctypes.c_void_p] * 4
    function = ctypes.CFUNCTYPE(None, *pointers)(address)
    out, work = np.zeros(max(n_out, 1)), np.zeros(max(n_work, 1))
    if setup:
        ctypes.CFUNCTYPE(None, *pointers)(setup)(0.0, *(a.ctypes.data for a in (out, u, p, work)))

    @numba.njit
    def run(count: int, out: Any, u: Any, p: Any, work: Any) -> None:
        for _ in range(count):
            function(0.0, out.ctypes, u.ctypes, p.ctypes, work.ctypes)

    run(1, out, u, p, work)
    count, best = 1, float("inf")
    while True:
        start = time.thread_time()
        run(count, out, u, p, work)
        spent = time.thread_time() - start
        if spent > 0.005:
            break
        count *= 4
    for _ in range(25):
        start = time.thread_time()
        run(count, out, u, p, work)
        best = min(best, (time.thread_time() - start) / count)
    return best * 1e9


def compiled_times(model: Any, seed: int = 0) -> tuple[float, float]:
    """Nanoseconds of one right-hand side and one Jacobian."""
    f = model.model.functions
    draw = np.random.default_rng(seed)
    u, p = draw.uniform(0.5, 1.5, f.n), draw.uniform(0.5, 1.5, max(f.n_parameters, 1))
    size = max(f.n, len(f.indices))  # setup writes the constant entries of the Jacobian
    return (
        call_time(f.rhs, size, u, p, f.n_work, f.setup),
        call_time(f.jacobian, size, u, p, f.n_work, f.setup),
    )


def as_system(case: Case, rhs: Sequence[Expr] | None = None) -> sn.System:
    """An ordinary system with these right-hand sides."""
    given = {leaf: parameter(leaf.name) for leaf in case.parameters}
    equations = [
        sn.Eq(sn.D(x), substitute(f, given)) for x, f in zip(case.unknowns, rhs or case.rhs, strict=True)
    ]
    return sn.System("case_" + "".join(c for c in case.name if c.isalnum()), equations)


# ---- the measurements -----------------------------------------------------------------------------
def measured_costs() -> Iterable[Row]:
    for case in (repressilator(), machine_states(), machine(), network(10), mass_action(50, 200)):
        positive = dict.fromkeys(case.unknowns, (1e-06, 1000000.0)) if case.name == "repressilator" else None
        for what, roots in (("rhs", case.rhs), ("rhs+J", case.everything())):
            start = time.process_time()
            found = simplify(roots, free=case.parameters, where=positive, budget=10.0)
            spent = time.process_time() - start
            reference, pairs, back = cse(roots)
            yield {
                "table": "cost", "case": case.name, "of": what,
                "as written": operations(roots), "sympy.cse": reference,
                "as written, hoisted": operations(roots, case.parameters),
                "sympy.cse, hoisted": operations(as_groups(pairs, back), case.parameters),
                "symnum": operations(found, case.parameters), "seconds": round(spent, 2),
            }  # fmt: skip
        if len(case.rhs) < len(machine().rhs) and case.name.startswith("machine"):
            continue  # the voltages have no equation: nothing to compile
        plain = compiled_times(sn.compile(as_system(case), simplify=None))
        ours = compiled_times(sn.compile(as_system(case)))
        _, pairs, back = cse(case.rhs)
        eliminated = compiled_times(sn.compile(as_system(case, as_groups(pairs, back)), simplify=None))
        yield {
            "table": "time", "case": case.name,
            "rhs plain ns": round(plain[0]), "rhs cse ns": round(eliminated[0]),
            "rhs symnum ns": round(ours[0]), "J plain ns": round(plain[1]), "J symnum ns": round(ours[1]),
        }  # fmt: skip
    yield kundur_row()


def kundur_row() -> Row:
    """The real two-area system of `models/power`, as it is compiled."""
    from symnum.models.power import kundur

    row: Row = {"table": "time", "case": "Kundur two-area"}
    for name, level in (("plain", None), ("symnum", "default")):
        start = time.process_time()
        model = sn.compile(kundur.two_area(), simplify=level)
        row[f"compile {name} s"] = round(time.process_time() - start, 2)
        lowered = model.model._inputs.lowered
        for function in ("rhs", "jacobian"):
            row[f"{function} {name} cost"] = sum(
                item.count * operations(item.roots)
                for item in lowered.functions[function].items
                if hasattr(item, "roots")
            )
        row[f"rhs {name} ns"], row[f"J {name} ns"] = (round(t) for t in compiled_times(model))
    return row


def measured_networks(data: Path) -> Iterable[Row]:
    """Published networks, in processor time of one call: the code that symnum makes (loops over tables),
    plain code of every species by itself, and plain code in which every product is computed once."""
    for name in ("egfr_net", "bcr"):
        net = sn.read(data / "bng_net" / name / f"{name}.net")
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
        times["symnum"] = dict(zip(("rhs", "jacobian"), compiled_times(ours), strict=True))
        for kind, found in times.items():
            row |= {f"{part} {kind} us": round(ns / 1000, 2) for part, ns in found.items()}
        row["symnum compile s"] = round(spent, 2)
        for kind in ("naive", "CSE"):
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
    pointers = ("double *restrict out", "const double *restrict u", "const double *restrict p")
    given = ", ".join(("double t", *pointers, "double *restrict w"))
    apart = "__attribute__((noinline)) static void"
    pieces = ["\n".join(lines[k : k + 100]) for k in range(0, len(lines), 100)]
    text = "".join(f"{apart} f{k}({given}) {{\n{piece}\n}}\n" for k, piece in enumerate(pieces))
    calls = "".join(f"f{k}(t, out, u, p, w);" for k in range(len(pieces)))
    return f"{text}void f({given}) {{{calls}}}\n", operations_


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
    address: int, n_out: int, u: Any, p: Any, n_work: int, model: Any, part: str, expected: dict[str, Any]
) -> None:
    """The peers compute the same: raises where a value differs."""
    import ctypes

    function = ctypes.CFUNCTYPE(None, ctypes.c_double, *[ctypes.c_void_p] * 4)(address)
    out, work = np.zeros(n_out), np.zeros(n_work)
    function(0.0, *(a.ctypes.data for a in (out, u, p, work)))
    np.testing.assert_allclose(out, expected[part], rtol=1e-10, atol=1e-9 * np.abs(out).max())


def expanded(model: Any, name: str) -> Case:
    """A compiled system written out: one expression per unknown."""
    from symnum.codegen.function import Gather

    flat = model.model._inputs.rhs
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


def measured_speed(n_species: int, n_reactions: int, *, sympy_too: bool) -> Iterable[Row]:
    """Building, sparse Jacobian and renaming of a random mass-action network in three systems."""
    draw = random.Random(1)
    reactions = []
    for _ in range(n_reactions):
        consumed = [draw.randrange(n_species) for _ in range(draw.choice((1, 2, 2)))]
        reactions.append((consumed, [draw.randrange(n_species) for _ in range(draw.choice((1, 2)))]))

    def build(x: Sequence[Any], k: Sequence[Any], total: Callable[[list[Any]], Any]) -> list[Any]:
        terms: list[list[Any]] = [[] for _ in x]
        for rate, (consumed, made) in zip(k, reactions, strict=True):
            flow = rate
            for species in consumed:
                flow = flow * x[species]
            for species in consumed:
                terms[species].append(-flow)
            for species in made:
                terms[species].append(flow)
        return [total(t) for t in terms]

    def timed(run: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
        """Processor time, the least of some runs; what earlier runs left behind is out of the collector's
        sight, or it would be part of the time of whoever comes later."""
        best, result = float("inf"), None
        for _ in range(repeats):
            result = None
            gc.collect()
            gc.freeze()
            start = time.process_time()
            result = run()
            best = min(best, time.process_time() - start)
        return best, result

    size = f"{n_species}/{n_reactions}"
    fresh = itertools.count()

    def leaves_(kind: Callable[[str], Expr], letter: str, count: int) -> list[Expr]:
        run_ = next(fresh)
        return [kind(f"{letter}{i}_{run_}") for i in range(count)]

    best: dict[str, float] = {}
    rhs: list[Any] = []
    rows: list[Any] = []
    for _ in range(5):
        x, k = leaves_(variable, "x", n_species), leaves_(parameter, "k", n_reactions)
        y = leaves_(variable, "y", n_species)
        runs: dict[str, Callable[[], Any]] = {
            "build s": lambda: build(x, k, add),  # noqa: B023
            "Jacobian s": lambda: gradient(rhs, x),  # noqa: B023
            "rename s": lambda: substitute(tuple(rhs), dict(zip(x, y, strict=True))),  # noqa: B023
            "simplify s": lambda: simplify(rhs, free=k),  # noqa: B023
        }
        for name, run in runs.items():
            spent, result = timed(run)
            best[name] = min(best.get(name, spent), spent)
            if name == "build s":
                rhs = result
            elif name == "Jacobian s":
                rows = result
    row: Row = {"table": "speed", "case": size, "of": "symnum, expressions"}
    yield row | {name: round(spent, 4) for name, spent in best.items()} | {"entries": sum(map(len, rows))}
    yield {"table": "speed", "case": size, "of": "symnum, a network"} | network_speed(
        n_species, reactions, timed
    )
    engines: list[tuple[str, Any]] = []
    try:
        import symengine

        engines.append(("symengine", symengine))
    except ImportError:
        pass
    if sympy_too:
        import sympy

        engines.append(("sympy", sympy))
    for name, engine in engines:
        best = {}
        for _ in range(5 if name == "symengine" else 1):
            run_ = next(fresh)
            xs = engine.symbols(f"x{run_}_0:{n_species}")
            ks = engine.symbols(f"k{run_}_0:{n_reactions}")
            new = dict(zip(xs, engine.symbols(f"y{run_}_0:{n_species}"), strict=True))
            spent, rhs = timed(lambda: build(xs, ks, lambda t: engine.Add(*t)))  # noqa: B023
            best["build s"] = min(best.get("build s", spent), spent)
            spent, rows = timed(
                lambda: [{v: f.diff(v) for v in f.free_symbols if str(v)[0] == "x"} for f in rhs]  # noqa: B023
            )
            best["Jacobian s"] = min(best.get("Jacobian s", spent), spent)
            if n_species <= 1000:
                rename = "xreplace" if hasattr(rhs[0], "xreplace") else "subs"
                spent, _ = timed(lambda: [getattr(f, rename)(new) for f in rhs])  # noqa: B023
                best["rename s"] = min(best.get("rename s", spent), spent)
        found = {key: round(value, 4) for key, value in best.items()}
        yield {"table": "speed", "case": size, "of": name} | found | {"entries": sum(map(len, rows))}


def network_speed(n_species: int, reactions: Sequence[Any], timed: Any) -> Row:
    """The same network as a user of symnum writes it: reactions, whose rates are families from the start."""
    from symnum.codegen.jacobian import jacobian
    from symnum.lowering.functions import functions_of
    from symnum.lowering.lower import lower

    def described() -> Any:
        names = [f"s{i}" for i in range(n_species)]
        species = sn.species(" ".join(names))
        found = []
        for at, (consumed, made) in enumerate(reactions):
            left = add(species[s] for s in consumed)
            right = add(species[s] for s in made)
            found.append(sn.Reaction(parameter(f"k{at}"), left >> right))
        return sn.ReactionNetwork("network", found).system()

    describing, system = timed(described)
    differentiating, plan = timed(lambda: jacobian(functions_of(flat := lower(system, ())).rhs, flat.n))
    seconds = {"build s": round(describing, 4), "Jacobian s": round(differentiating, 4)}
    return seconds | {"entries": len(plan.indices)}


def measured_corpus(data: Path) -> Iterable[Row]:
    """The published expressions: reading is not counted; all first derivatives, renaming, simplifying."""
    import signal

    import sympy

    records = json.loads((data / "expressions" / "expressions.json").read_text())
    theirs = [sympy.sympify(r["infix"].replace("lambda", "lam")) for r in records if r["infix"]]
    theirs = [f for f in theirs if f.free_symbols and "Piecewise" not in str(f)]
    ours = [from_sympy(f) for f in theirs]
    spent: dict[str, dict[str, float]] = {"symnum": {}, "sympy": {}}

    def clock(who: str, what: str, run: Callable[[], Any]) -> None:
        start = time.process_time()
        run()
        spent[who][what] = round(time.process_time() - start, 4)

    clock("symnum", "Jacobian s", lambda: [gradient([f], leaves(f)) for f in ours])
    clock("sympy", "Jacobian s", lambda: [[f.diff(v) for v in f.free_symbols] for f in theirs])
    renamed = {leaf: variable(f"{leaf.name} renamed") for f in ours for leaf in leaves(f)}
    clock("symnum", "rename s", lambda: [substitute(f, renamed) for f in ours])
    symbols = {v: sympy.Symbol(f"{v}_renamed") for f in theirs for v in f.free_symbols}
    clock("sympy", "rename s", lambda: [f.xreplace(symbols) for f in theirs])
    clock("symnum", "simplify s", lambda: [simplify(f) for f in ours])
    given_up = 0

    def limited() -> None:
        nonlocal given_up
        for f in theirs:
            signal.alarm(5)
            try:
                sympy.simplify(f)
            except TimeoutError:
                given_up += 1
            finally:
                signal.alarm(0)

    def expired(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, expired)
    clock("sympy", "simplify s", limited)
    signal.signal(signal.SIGALRM, before)
    size = f"{len(ours)} published expressions"
    yield {"table": "speed", "case": size, "of": "symnum, expressions"} | spent["symnum"]
    yield {"table": "speed", "case": size, "of": "sympy", "given up after 5 s": given_up} | spent["sympy"]


def varied(count: int) -> Case:
    """Equations that are no polynomials and no two of one shape: products of functions in changing order."""
    draw = random.Random(count)
    x = [variable(f"x{k}") for k in range(count)]
    p = [parameter(f"p{k}") for k in range(20)]
    functions = (sin, cos, OPERATOR_EXP, lambda e: 1 / (1 + e**2), sqrt_of_square_plus_one)
    rhs = []
    for k in range(count):
        terms = []
        for _ in range(draw.randint(2, 6)):
            a, b = x[draw.randrange(max(0, k - 30), k + 1)], x[draw.randrange(max(0, k - 30), k + 1)]
            function = draw.choice(functions)
            terms.append(draw.choice(p) * function(a - draw.randint(1, 9) * b) * draw.choice((a, b, a * b)))
        rhs.append(add(terms))
    return Case(f"varied {count}", rhs, x, p)


def OPERATOR_EXP(e: Expr) -> Expr:
    return apply("exp", -(e**2))


def sqrt_of_square_plus_one(e: Expr) -> Expr:
    return sqrt(e**2 + 1)


def measured_size() -> Iterable[Row]:
    """Time of the rewriter over the size of a system, its peak memory, and the time to compile the result."""
    for make, sizes in ((varied, (500, 1000, 2000, 5000)), (large_network, (1000, 3000, 9000))):
        for size in sizes:
            yield in_own_process(make.__name__, size)


def large_network(n_species: int) -> Case:
    return mass_action(n_species, 4 * n_species)


def in_own_process(make: str, size: int) -> Row:
    """Peak memory is that of a process, so each size has one of its own."""
    import multiprocessing

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(sized, (make, size))


def peak_kilobytes() -> int:
    """Of this process alone: ``getrusage`` counts what its parent had before it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def sized(make: str, size: int) -> Row:
    case = {"varied": varied, "large_network": large_network}[make](size)
    everything = case.everything()
    nodes = sum(1 for _ in postorder(everything))
    before = peak_kilobytes()
    start = time.process_time()
    simplify(everything, free=case.parameters)
    default = time.process_time() - start
    start = time.process_time()
    found = simplify(everything, free=case.parameters, budget=600.0, using=["factor"])
    spent = time.process_time() - start
    peak = peak_kilobytes()
    return {
        "table": "size", "case": case.name, "nodes": nodes, "by default s": round(default, 2),
        "factoring s": round(spent, 2),
        "us a node": round(spent / nodes * 1e6, 1),
        "cost before": operations(everything, case.parameters),
        "cost after": operations(found, case.parameters),
        "MB before": round(before / 1024), "peak MB": round(peak / 1024),
    }  # fmt: skip


def main() -> None:
    default = os.environ.get("SYMNUM_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--only", nargs="*", default=["cost", "networks", "speed", "size", "corpus"])
    chosen = parser.parse_args()
    rows: list[Row] = []
    parts: dict[str, Callable[[], Iterable[Row]]] = {
        "cost": measured_costs,
        "networks": lambda: measured_networks(chosen.data),
        "speed": lambda: (
            *measured_speed(500, 2000, sympy_too=True),
            *measured_speed(5000, 20000, sympy_too=False),
        ),
        "size": measured_size,
        "corpus": lambda: measured_corpus(chosen.data),
    }
    for name in chosen.only:
        for row in parts[name]():
            rows.append(row)
            print(json.dumps(row), flush=True)
    write_results(rows)


NOTES = {
    "cost": "Right-hand side alone and with its Jacobian; parameter-only parts are free where it says "
    "hoisted. Positive concentrations are declared for the repressilator.",
    "time": "One call of the compiled code. Before any rewriting the emitters already share equal "
    "subexpressions and hoist what depends on parameters alone, so small models hardly change. "
    "The network of machines is a family: rewriting one template saves nothing there; splitting "
    "its angles and evaluating each sine once for all copies does.",
    "networks": "Microseconds a call. Naive: C of every species and entry by itself; CSE: every product "
    "once; both by gcc -O1 -march=native. symnum: loops over tables. On bcr the gain comes from "
    "sums, not from an e-graph: rates with proportional stoichiometry are added up before they "
    "are distributed, sets of unknowns with one rate constant are summed once, derivatives are "
    "linear in the unknowns with coefficients that setup computes, equal entries are computed "
    "once. On egfr_net straight- line code of 25,000 operations fits into the caches and reads "
    "no tables: there the loops of symnum are slower than naive code, for a fraction of its "
    "compile time.",
    "speed": "Processor seconds, least of five (SymPy: one). A network of symnum is one made of "
    "`sn.Reaction`.",
    "size": "Right-hand side and Jacobian of equations no two of which are alike (varied), and of "
    "networks written out. By default: the rewriter steps aside beyond 20,000 nodes. Factoring: "
    "with a budget that lets it work; factoring, pairs and the numerical check. Timed on a "
    "machine with other load.",
}


def write_results(rows: list[Row]) -> None:
    """Replace the tables of this benchmark in RESULTS.md."""
    place = Path(__file__).with_name("RESULTS.md")
    begin, end = "<!-- rewriting -->", "<!-- end of rewriting -->"
    lines = [begin, "## The rewriter (`rewriting.py`)", ""]
    machine_name = platform.processor() or platform.machine()
    lines.append(f"{machine_name}, Python {platform.python_version()}; cost in additions.")
    for table in dict.fromkeys(row["table"] for row in rows):
        chosen = [row for row in rows if row["table"] == table]
        columns = list(dict.fromkeys(key for row in chosen for key in row if key != "table"))
        lines += ["", NOTES[table]]
        lines += ["", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
        lines += ["| " + " | ".join(str(row.get(c, "")) for c in columns) + " |" for row in chosen]
    block = "\n".join([*lines, end])
    text = place.read_text() if place.exists() else "# Results\n"
    if begin in text and end in text:
        text = text[: text.index(begin)] + block + text[text.index(end) + len(end) :]
    else:
        text = text.rstrip("\n") + "\n\n" + block + "\n"
    place.write_text(text)


if __name__ == "__main__":
    main()
