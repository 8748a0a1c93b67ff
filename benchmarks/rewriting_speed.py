"""The symbolic core against SymPy and symengine: networks of any size, published expressions."""

from __future__ import annotations

import gc
import itertools
import json
import math
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
from symnum.rewriting.expr import Expr, add, node
from symnum.rewriting.expr import number as number_expr
from symnum.rewriting.schedule import simplify
from symnum.rewriting.walk import leaves, postorder, substitute


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
    """The published expressions, built from the same text by three systems; all first derivatives, renaming,
    simplifying. Every repetition has leaves of its own and begins with empty caches."""
    import signal

    import sympy
    from sympy.core.cache import clear_cache

    records = json.loads((data / "expressions" / "expressions.json").read_text())
    texts = [(r["infix"].replace("lambda", "lam"), _names(r)) for r in records if r["infix"]]
    texts = [(text, names) for text, names in texts if names and "Piecewise" not in text]
    codes = [(compile(text, text, "eval"), names) for text, names in texts]
    engines: dict[str, tuple[Any, Callable[[str], Any], int]] = {
        "symnum": (sn, variable, 15), "sympy": (sympy, sympy.Symbol, 5)
    }  # fmt: skip
    try:
        import symengine
    except ImportError:
        pass
    else:
        engines["symengine"] = (symengine, symengine.Symbol, 15)
    rows: dict[str, Row] = {}
    given: dict[str, list[Any]] = {}
    for who, (engine, leaf, repeats) in engines.items():
        functions = {name: getattr(engine, name) for name in _FUNCTIONS} | {"arcsin": engine.asin}
        functions["pi"] = getattr(engine, "pi", math.pi)
        best = dict.fromkeys(("build s", "Jacobian s", "rename s"), float("inf"))
        for number in range(repeats):
            named = [{name: leaf(f"{name}_{number}") for name in names} for _, names in codes]
            new = {old: leaf(f"{old} renamed") for symbols in named for old in symbols.values()}
            clear_cache()
            gc.collect()
            start = time.process_time()
            built = [eval(code, functions | symbols) for (code, _), symbols in zip(codes, named, strict=True)]
            times = [time.process_time() - start]
            start = time.process_time()
            if who == "symnum":
                derivatives = [gradient([f], v.values()) for f, v in zip(built, named, strict=True)]
            else:
                derivatives = [[f.diff(x) for x in v.values()] for f, v in zip(built, named, strict=True)]
            times.append(time.process_time() - start)
            start = time.process_time()
            renamed = [substitute(f, new) if who == "symnum" else f.xreplace(new) for f in built]
            times.append(time.process_time() - start)
            best = {what: min(best[what], spent) for what, spent in zip(best, times, strict=True)}
            del derivatives, renamed
        given[who] = built
        rows[who] = {what: round(spent, 5) for what, spent in best.items()}
    start = time.process_time()
    for f in given["symnum"]:
        simplify(f)
    rows["symnum"]["simplify s"] = round(time.process_time() - start, 2)
    given_up = 0

    def expired(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, expired)
    start = time.process_time()
    for f in given["sympy"]:
        signal.alarm(5)
        try:
            sympy.simplify(f)
        except TimeoutError:
            given_up += 1
        finally:
            signal.alarm(0)
    rows["sympy"]["simplify s"] = round(time.process_time() - start, 2)
    signal.signal(signal.SIGALRM, before)
    rows["sympy"]["given up after 5 s"] = given_up
    for who, row in rows.items():
        yield {"table": "corpus", "case": f"{len(codes)} published expressions", "of": who} | row
    yield {"table": "corpus", "case": f"{len(codes)} published expressions", "of": "symnum, nodes alone"} | {
        what: round(spent, 5) for what, spent in nodes_alone(given["symnum"]).items()
    }


_FUNCTIONS = ("sin", "cos", "tan", "asin", "acos", "atan", "exp", "log", "sqrt", "sinh", "cosh", "tanh")


def nodes_alone(built: Sequence[Expr]) -> dict[str, float]:
    """Seconds for making the nodes of the expressions, and those that their derivatives add, from arguments
    and data that are known: what is left when finding out what to make takes no time."""
    own = set(postorder(built))
    partials = [value for f in built for value in gradient([f], leaves(f))[0].values()]
    found: dict[str, float] = {}
    for what, nodes in (
        ("build s", [e for e in postorder(built) if e.args]),
        ("Jacobian s", [e for e in postorder(partials) if e not in own]),
    ):
        best = float("inf")
        parts = [(e.op, e.args, e.data) for e in nodes]
        for number in range(15):
            fresh = [(op, (*args, number_expr(number)), data) for op, args, data in parts]
            start = time.process_time()
            made = [node(op, args, data) for op, args, data in fresh]
            best = min(best, time.process_time() - start)
            del made
        found[what] = best
    return found


def _names(record: Row) -> list[str]:
    return [name.replace("lambda", "lam") for name in record["vars"]]
