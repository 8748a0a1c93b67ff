"""The rewriter against common-subexpression elimination by SymPy, and the symbolic core against its peers.

    pip install symengine        # for the comparison only
    python benchmarks/rewriting.py [--data DATA] [--only cost joint networks speed compile size corpus]

``cost``: operations of right-hand side plus Jacobian, counted on the straight-line code that the emitters
spell (a shared value once, parameter-only values outside) in units of one addition, and the time of one call
of the compiled code. ``joint``: right-hand side and Jacobian in one function. ``networks``: operations and
times of published reaction networks (needs gcc). ``speed``: building, differentiating and substituting
against SymPy and symengine. ``compile``: compiling with and without the rewriter. ``size``: time and memory
of the rewriter over system size. ``corpus``: published expressions. One JSON line a row goes to standard
output, a table to RESULTS.md.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from results import machine as machine_of_results
from results import replace_section
from rewriting_counting import Row, as_groups, as_system, compiled_times, cse, nothing_stored, operations
from rewriting_joint import measured_joint
from rewriting_models import (
    Case,
    large_network,
    machine,
    machine_states,
    mass_action,
    network,
    repressilator,
    varied,
)
from rewriting_networks import measured_networks
from rewriting_speed import measured_corpus, measured_speed

import symnum as sn
from symnum.rewriting.schedule import simplify
from symnum.rewriting.walk import postorder


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
        system = kundur.two_area()
        with nothing_stored():
            start = time.process_time()
            model = sn.compile(system, simplify=level)
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


def measured_size() -> Iterable[Row]:
    """Time of the rewriter over the size of a system, its peak memory, and the time to compile the result."""
    for make, sizes in ((varied, (500, 1000, 2000, 5000)), (large_network, (1000, 3000, 9000))):
        for size in sizes:
            yield in_own_process(make.__name__, size)


def measured_compile() -> Iterable[Row]:
    """Whole compiles without and with the rewriter, nothing stored, and what they give: least of three."""
    for case in (varied(50), varied(100), varied(300), mass_action(300, 1200), mass_action(600, 2400)):
        row: Row = {"table": "compile", "case": case.name}
        best = dict.fromkeys((None, "default"), float("inf"))
        compiled = {}
        as_compiled(case, None)  # imports
        for _ in range(3):
            for level in best:
                spent, compiled[level] = as_compiled(case, level)
                best[level] = min(best[level], spent)
        row["operations"] = compiled[None].model.operations
        row |= {"plain s": round(best[None], 3), "default s": round(best["default"], 3)}
        for level, name in ((None, "plain"), ("default", "default")):
            row[f"rhs {name} us"], row[f"J {name} us"] = (
                round(t / 1e3, 2) for t in compiled_times(compiled[level])
            )
        yield row


def as_compiled(case: Case, level: str | None) -> tuple[float, Any]:
    """Processor seconds of compiling the case, and the result."""
    system = as_system(case)
    with nothing_stored():
        gc.collect()
        start = time.process_time()
        model = sn.compile(system, simplify=level)
        spent = time.process_time() - start
    return spent, model


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
    parser.add_argument(
        "--only", nargs="*", default=["cost", "networks", "speed", "compile", "size", "corpus"]
    )
    chosen = parser.parse_args()
    rows: list[Row] = []
    parts: dict[str, Callable[[], Iterable[Row]]] = {
        "cost": measured_costs,
        "joint": measured_joint,
        "networks": lambda: measured_networks(chosen.data),
        "speed": lambda: (
            *measured_speed(500, 2000, sympy_too=True),
            *measured_speed(5000, 20000, sympy_too=False),
        ),
        "compile": measured_compile,
        "size": measured_size,
        "corpus": lambda: measured_corpus(chosen.data),
    }
    for name in chosen.only or parts:
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
    "joint": "One call of the compiled right-hand side, of the Jacobian, and of one function for both, "
    "rewritten together, without constant entries; processor time of one step of a solver, and what the one "
    "function would save of it. Both are needed at one point only at the start of a Rosenbrock step: of "
    "eight evaluations of the right-hand side in a step of Rodas5P one is at the point of the Jacobian; "
    "implicit Runge-Kutta methods and BDF keep a Jacobian for many steps, and roots are looked for where a "
    "step ends. A third function takes as long to compile as the two. For a twentieth of a step of Rodas5P, "
    "a tenth of one of Rosenbrock23, on small systems, and nothing on the power system, it is not made. What "
    "depends on parameters alone is found in all functions together, and `sn.simplify` takes all that "
    "somebody evaluates together.",
    "networks": "Microseconds a call. Naive: C of every species and entry by itself; CSE: every product "
    "once; both by gcc -O1 -march=native. symnum: loops over tables. On bcr the gain comes from "
    "sums, not from an e-graph: rates with proportional stoichiometry are added up before they "
    "are distributed, sets of unknowns with one rate constant are summed once, derivatives are "
    "linear in the unknowns with coefficients that setup computes, equal entries are computed "
    "once. On egfr_net the loops read tables, which straight-line code of 25,000 operations does not: "
    "unrolled into C our functions are a third faster than as loops and a quarter faster than naive "
    "code, not twice: 8,431 entries have to be stored and some 20,000 operands loaded whatever is shared, "
    "and gcc takes twelve seconds for what is compiled in half a second as loops.",
    "speed": "Processor seconds, least of five (SymPy: one). A network of symnum is one made of "
    "`sn.Reaction`.",
    "corpus": "Published expressions built from the same text, all first derivatives, renaming and "
    "simplifying, in processor seconds: the least of fifteen (SymPy: five), each with new leaves and empty "
    "caches. SymPy's `simplify` is stopped after five seconds an expression; symengine has none. Nodes "
    "alone: making the nodes of the results when all that they hold is known already. That takes half of "
    "what symengine, in C++, needs for everything: on expressions of seven nodes its lead is that of the "
    "language; on systems it is lost.",
    "compile": "Processor seconds of `sn.compile` without and with the rewriter, nothing stored: equations "
    "no two of which are alike, where it steps aside (the difference is what judging takes), and networks "
    "written out, where sums of parameters are computed once.",
    "size": "Right-hand side and Jacobian of equations no two of which are alike (varied), and of "
    "networks written out. By default: the rewriter steps aside beyond 20,000 nodes (below, it takes "
    "its budget of two seconds). Factoring: "
    "with a budget that lets it work; factoring, pairs and the numerical check. Timed on a "
    "machine with other load.",
}


def write_results(rows: list[Row]) -> None:
    """The tables of this benchmark, each in a section of its own: runs of a part keep the rest."""
    replace_section(
        "rewriting", ["## The rewriter (`rewriting.py`)", "", f"{machine_of_results()} Cost in additions."]
    )
    for table in dict.fromkeys(row["table"] for row in rows):
        chosen = [row for row in rows if row["table"] == table]
        columns = list(dict.fromkeys(key for row in chosen for key in row if key != "table"))
        lines = [NOTES[table], "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
        lines += ["| " + " | ".join(str(row.get(c, "")) for c in columns) + " |" for row in chosen]
        replace_section(f"rewriting, {table}", lines)


if __name__ == "__main__":
    main()
