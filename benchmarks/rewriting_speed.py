"""The symbolic core against SymPy and symengine: networks of any size, published expressions."""

from __future__ import annotations

import gc
import itertools
import json
import random
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from rewriting_counting import Row
from rewriting_models import (
    parameter,
    variable,
)

import symnum as sn
from symnum.rewriting.derivative import gradient
from symnum.rewriting.expr import Expr, add
from symnum.rewriting.schedule import simplify
from symnum.rewriting.sympy_bridge import from_sympy
from symnum.rewriting.walk import leaves, substitute


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
    return seconds | {"entries": plan.pattern.size}


def measured_corpus(data: Path) -> Iterable[Row]:
    """The published expressions: reading is not counted; all first derivatives, renaming, simplifying."""
    import signal

    import sympy

    records = json.loads((data / "expressions" / "expressions.json").read_text())
    theirs = [
        # the names of the record are symbols: SymPy would read some (N, beta) as functions of its own
        sympy.sympify(
            r["infix"].replace("lambda", "lam"),
            {v: sympy.Symbol(v) for v in _names(r)} | {"arcsin": sympy.asin},
        )
        for r in records
        if r["infix"]
    ]
    theirs = [f for f in theirs if f.free_symbols and "Piecewise" not in str(f)]
    ours = [from_sympy(f) for f in theirs]
    spent: dict[str, dict[str, float]] = {"symnum": {}, "sympy": {}, "symengine": {}}

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
    try:
        import symengine
    except ImportError:
        del spent["symengine"]
    else:
        fast = [symengine.sympify(f) for f in theirs]
        new = {symengine.sympify(a): symengine.sympify(b) for a, b in symbols.items()}
        clock("symengine", "Jacobian s", lambda: [[f.diff(v) for v in f.free_symbols] for f in fast])
        clock("symengine", "rename s", lambda: [f.xreplace(new) for f in fast])
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
    for who, found in spent.items():
        row: Row = {"table": "corpus", "case": size, "of": who} | found
        yield row | ({"given up after 5 s": given_up} if who == "sympy" else {})


def _names(record: Row) -> list[str]:
    return [name.replace("lambda", "lam") for name in record["vars"]]
