"""A network of 1,122 species and 24,388 reactions, from the text file to its first sparse Jacobian.

    OPENBLAS_NUM_THREADS=1 python benchmarks/reactions_bcr.py --data DATA

``--stage file`` runs in fresh processes: one with an empty cache, then some with a warm one; the clock starts
before symnum is imported and stops with the first Jacobian as a SciPy matrix. ``--stage loops`` calls the
generated right-hand side and Jacobian and, alternately, loops written by hand with numba over the same tables
(rates, then signed sums of them), which is the floor. One JSON line a row goes to standard output, a table to
RESULTS.md.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from results import machine, replace_section

PARTS = ("import", "read", "compile", "jacobian", "total", "cpu")
TITLE = "## BCR signalling, 1,122 species, 24,388 reactions: from the file to the first Jacobian"

CHILD = """
import time
begin = time.perf_counter()
import resource, sys
import symnum as sn
imported = time.perf_counter()
network = sn.read(sys.argv[1])
was_read = time.perf_counter()
system = network.system()
problem = sn.Problem(system)
compiled = time.perf_counter()
jacobian = sn.compile(system).jacobian(0.0, problem.u, problem.p)
end = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
times = imported - begin, was_read - imported, compiled - was_read, end - compiled, end - begin
print(*times, time.process_time(), peak, jacobian.nnz)
"""


def main() -> None:
    arguments = parsed()
    path = arguments.data / "bng_net" / "bcr" / "bcr.net"
    rows: list[dict[str, Any]] = []
    if arguments.stage in ("file", "all"):
        rows += from_file(path, arguments.rounds)
    if arguments.stage in ("loops", "all"):
        rows += loops(path, arguments.rounds)
    for row in rows:
        print(json.dumps(row))
    if arguments.stage == "all":
        write_results(rows, arguments.rounds)


def parsed() -> argparse.Namespace:
    default = os.environ.get("SYMNUM_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(default), help="folder with bng_net/bcr")
    parser.add_argument("--rounds", type=int, default=5, help="warm processes; rounds of the loops")
    parser.add_argument("--stage", choices=["all", "file", "loops"], default="all")
    return parser.parse_args()


def from_file(path: Path, rounds: int) -> list[dict[str, Any]]:
    """Seconds of each part in fresh processes; the first has an empty cache."""
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "SYMNUM_CACHE": folder}
        for _ in range(1 + rounds):
            command = [sys.executable, "-c", CHILD, str(path)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            runs.append([float(word) for word in done.stdout.split()])
    chosen = {"empty": runs[0], "warm": sorted(runs[1:], key=lambda run: run[4])[rounds // 2]}
    return [
        {
            "case": f"file to Jacobian, {cache} cache",
            **{f"{part}_seconds": round(run[k], 4) for k, part in enumerate(PARTS)},
            "peak_megabytes": round(run[6]), "entries": int(run[7]),
        }
        for cache, run in chosen.items()
    ]  # fmt: skip


def loops(path: Path, rounds: int) -> list[dict[str, Any]]:
    """Microseconds a call of the generated functions (through ctypes) and of loops by hand, alternately."""
    import symnum as sn

    network = sn.read(path)
    system = network.system()
    problem = sn.Problem(system)
    functions = sn.compile(system).model.functions
    u, p = problem.u + np.random.default_rng(1).random(functions.n) * 10, problem.p
    work, rates, entries = np.zeros(functions.n_work), np.zeros(functions.n), np.zeros(len(functions.indices))
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_double, *[ctypes.c_void_p] * 4)
    prototype(functions.setup)(0.0, *(x.ctypes.data for x in (entries, u, p, work)))
    by_hand = written_by_hand(network, functions.indptr, functions.indices, problem)
    rows = []
    for name, out in (("rhs", rates), ("jacobian", entries)):
        call = prototype(getattr(functions, name))
        pointers = [x.ctypes.data for x in (out, u, p, work)]
        mine, hand = by_hand[name], np.zeros_like(out)
        generated_seconds, hand_seconds = [], []
        for _ in range(4 * rounds):
            generated_seconds.append(seconds(lambda call=call, at=pointers: call(0.0, *at)))
            hand_seconds.append(seconds(lambda mine=mine, hand=hand: mine(u, hand)))
        rows.append(
            {
                "case": name,
                "generated_us": round(1e6 * min(generated_seconds), 2),
                "by_hand_us": round(1e6 * min(hand_seconds), 2),
                "ratio": round(min(generated_seconds) / min(hand_seconds), 3),
                "largest_difference": float(np.abs(out - hand).max() / np.abs(hand).max()),
            }
        )
    return rows


def written_by_hand(network: Any, indptr: Any, indices: Any, problem: Any) -> dict[str, Callable[..., None]]:
    """The right-hand side and the Jacobian's entries as numba loops over the network's tables.

    For reactions of one and of two molecules. Rates and their partial derivatives are computed in file order;
    rows of f, and entries of the Jacobian, are sums of them over signed index lists.
    """
    from numba import njit

    size = network.n_reactions
    k, a, b = np.zeros(size), np.zeros(size, np.int64), np.full(size, -1, np.int64)
    for family in network.rates:
        constants, index = family.columns[0]
        values = np.array([problem.p[problem.flat.parameters.find(leaf.name)] for leaf in constants.symbols])
        factor = next((column for of, column in family.columns if of is None), 1.0)
        k[family.reactions] = values[index] * factor
        found = [column for of, column in family.columns[1:] if of is not None]
        a[family.reactions] = found[0]
        squared = any(exponent == 2 for _, exponent in family.root.factors())
        if squared or len(found) == 2:
            b[family.reactions] = found[-1]
    change = network.change
    number = {}  # of entries of the Jacobian
    for column in range(len(indptr) - 1):
        for at in range(indptr[column], indptr[column + 1]):
            number[int(indices[at]), column] = at
    # entry (i, a) of the Jacobian sums count * d rate / d a, and (i, b) the other partial derivatives
    second = np.cumsum(b >= 0) - 1 + size
    terms = []
    for i, j, n in zip(change.species.tolist(), change.reaction.tolist(), change.count.tolist(), strict=True):
        terms.append((number[i, int(a[j])], j, n))
        if b[j] >= 0:
            terms.append((number[i, int(b[j])], int(second[j]), n))
    table = np.array(terms)
    sums_f = Signed(change.species, change.reaction, change.count, len(network.species))
    sums_j = Signed(table[:, 0].astype(int), table[:, 1].astype(int), table[:, 2], len(indices))
    one, two = (np.flatnonzero(x).astype(np.uint32) for x in (b < 0, b >= 0))
    a, b = a.astype(np.uint32), np.maximum(b, 0).astype(np.uint32)  # unsigned: numba then checks no sign
    rates, partials = np.zeros(size), np.zeros(size + len(two))

    @njit
    def sums(out: Any, start: Any, index: Any, values: Any) -> None:
        for r in range(len(out)):
            up, down = 0.0, 0.0
            for at in range(start[2 * r], start[2 * r + 1]):
                up += values[index[at]]
            for at in range(start[2 * r + 1], start[2 * r + 2]):
                down += values[index[at]]
            out[r] = up - down

    @njit
    def rhs(u: Any, out: Any, k: Any, a: Any, b: Any, rates: Any, start: Any, index: Any) -> None:
        for j in one:
            rates[j] = k[j] * u[a[j]]
        for j in two:
            rates[j] = k[j] * u[a[j]] * u[b[j]]
        sums(out, start, index, rates)

    @njit
    def jacobian(u: Any, out: Any, k: Any, a: Any, b: Any, partials: Any, start: Any, index: Any) -> None:
        for at in range(len(two)):
            j = two[at]
            partials[j] = k[j] * u[b[j]]
            partials[size + at] = k[j] * u[a[j]]
        sums(out, start, index, partials)

    partials[one] = k[one]  # constant
    return {
        "rhs": lambda u, out: rhs(u, out, k, a, b, rates, sums_f.start, sums_f.index),
        "jacobian": lambda u, out: jacobian(u, out, k, a, b, partials, sums_j.start, sums_j.index),
    }


class Signed:
    """Sums of values with whole coefficients as two index lists a row: what is added, what is subtracted.

    start: (2 n + 1,) beginnings of the lists. A value with coefficient 2 is listed twice.
    """

    def __init__(self, row: Any, column: Any, coefficient: Any, rows: int) -> None:
        times = np.abs(coefficient).astype(int)
        lists = np.repeat(2 * row + (coefficient < 0), times)
        order = np.argsort(lists, kind="stable")
        self.index = np.repeat(column, times)[order].astype(np.uint32)
        ends = np.cumsum(np.bincount(lists, minlength=2 * rows))
        self.start = np.concatenate([[0], ends]).astype(np.uint32)


def seconds(call: Callable[[], None], repeats: int = 20) -> float:
    """Seconds a call, over some repeats."""
    begin = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - begin) / repeats


# Published figures; the commit of SciMLBenchmarksOutput stands behind each.
QUOTED = [
    "Quoted, not measured here, and on other machines: what SciMLBenchmarksOutput has of the same network in",
    "Julia (`markdown/Bio/BCR.md` and `markdown/Symbolics/BCR.md`).", "",
    "| program | to the first sparse Jacobian | right-hand side / us | Jacobian / us | commit |",
    "|---|---|---|---|---|",
    "| ModelingToolkit 8.41, Julia 1.8.5, EPYC 7502 "
    "| parse 14.9 s, system 17.4 s, problem 462 s, first call 1.01 h | 55 | 131 | 0b659e3 |",
    "| ModelingToolkit 7.1, Julia 1.6.5 | problem 51 s | 37.8 | 41 | 70a88e4 |",
    "| Symbolics, hash-consing and CSE | symbolic 30.2 s, build 1.25 s, compile 76.6 s | | 43.3 | 022be04 |",
    "| Symbolics, without CSE | symbolic 30.2 s, build 1.25 s, compile 192 s | | 86.5 | 022be04 |",
]


def write_results(rows: list[dict[str, Any]], rounds: int) -> None:
    """Replace this benchmark's part of RESULTS.md."""
    lines = [
        TITLE, "",
        f"Made by `benchmarks/reactions_bcr.py`: one process with an empty cache, {rounds} with a warm one",
        "(median), from before `import symnum` to the first Jacobian as a SciPy matrix. Then single calls,",
        f"fastest of {4 * rounds} x 20, alternately: generated ones through ctypes, numba loops by hand over",
        "the same tables.",
        machine(), "",
        "| cache | import / s | read / s | compile / s | Jacobian / s | total / s | CPU / s | peak / MB |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in rows[:2]:
        times = (f"{row[f'{part}_seconds']:.2f}" for part in PARTS)
        lines.append(f"| {row['case'].split()[-2]} | {' | '.join(times)} | {row['peak_megabytes']} |")
    lines += ["", "| function | generated / us | by hand / us | ratio | difference |"]
    lines += ["|---|---|---|---|---|"]
    lines += [
        f"| {row['case']} | {row['generated_us']} | {row['by_hand_us']} | {row['ratio']} "
        f"| {row['largest_difference']:.1e} |"
        for row in rows[2:]
    ]
    replace_section("reactions_bcr", [*lines, "", *QUOTED])


if __name__ == "__main__":
    main()
