"""What one function for right-hand side and Jacobian, rewritten together, would save.

Solvers need both at one point only at the start of a Rosenbrock step; stages, Newton iterations and the
search for events need one of them alone. Here both are made one function, loops over equally many copies
joined so that extraction and elimination see all their roots, and the time saved is set against that of a
step.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from rewriting_counting import Row, as_system, call_time, compiled_times
from rewriting_models import Case, machine, network, parameter, repressilator

import symnum as sn
from symnum.codegen.compiled import CompiledFunction
from symnum.codegen.function import Column, Function, Gather, Item, Loop, Output, compact
from symnum.codegen.hoist import parameter_only
from symnum.codegen.model import build_model
from symnum.record import replace
from symnum.rewriting.expr import Expr, slot
from symnum.rewriting.walk import leaves, substitute


def measured_joint() -> Iterable[Row]:
    from symnum.models.power import kundur

    genes, machines, grid = repressilator(), network(10), kundur.two_area()
    values = dict(zip((p.name for p in genes.parameters), (216.0, 0.216, 0.2, 2.0), strict=True))
    starts = dict(zip(genes.unknowns, range(1, 7), strict=True))
    swings = {"E": 1.0, "P": 0.0, "H": 5.0, "D": 1.0, "G": 0.05, "B": 1.0, "w": 1.0}
    opening = sn.Event(at=1.0, then={grid.line_7_8a.closed: 0})
    for name, system, problem in (
        ("repressilator", genes, _problem(genes, starts, values, 2000.0)),
        ("machine (GENROU)", machine(), None),
        (
            "10-machine network",
            machines,
            _problem(
                machines,
                {x: 0.1 * k for k, x in enumerate(machines.unknowns)},
                {p.name: swings[p.name[0]] for p in leaves(machines.rhs) if p.kind == "parameter"},
                100.0,
            ),
        ),
        ("Kundur two-area", grid, sn.Problem(grid, span=(0.0, 20.0), events=[opening])),
    ):
        model = sn.compile(as_system(system) if isinstance(system, Case) else system)
        rhs, jacobian = compiled_times(model)
        together = joint_time(model.model)
        row: Row = {
            "table": "joint", "case": name, "rhs ns": round(rhs), "J ns": round(jacobian),
            "both in one ns": round(together),
        }  # fmt: skip
        for method in ("Rodas5P", "Rosenbrock23") if problem is not None else ():
            step = step_time(problem, method)
            row[f"{method} step ns"] = round(step)
            row[f"{method} saved %"] = round(100 * (rhs + jacobian - together) / step, 1)
        yield row


def _problem(case: Case, starts: dict[Expr, float], values: dict[str, float], end: float) -> sn.Problem:
    parameters = {parameter(name): value for name, value in values.items()}
    return sn.Problem(as_system(case), starts, span=(0.0, end), parameters=parameters)


def step_time(problem: sn.Problem, method: str) -> float:
    """Nanoseconds of processor time of one step, rejected ones included: the least of some solves."""
    best = float("inf")
    for _ in range(8):
        start = time.thread_time()
        stats = sn.solve(problem, method, rtol=1e-8, atol=1e-10, saveat=[problem.span[1]]).stats
        best = min(best, (time.thread_time() - start) * 1e9 / (stats.steps + stats.rejected))
    return best


def joint_time(model: Any) -> float:
    """Nanoseconds of one call of a function that gives f and the entries of the Jacobian."""
    found = model.as_differentiated()
    both = joined(found["rhs"], found["jacobian"])
    sizes = model.functions
    n = both.n_out

    made = build_model(
        both, mass=np.ones(n), n_parameters=sizes.n_parameters, reassociate=True,
        simplify=model._inputs.simplify.forgetting(), simplify_tag="joint",
    ).functions  # fmt: skip
    draw = np.random.default_rng(0)
    u, p = draw.uniform(0.5, 1.5, n), draw.uniform(0.5, 1.5, max(sizes.n_parameters, 1))
    _agree(model, made, u, p)
    return call_time(made.rhs, max(n, made.entries), u, p, made.n_work, made.setup)


def _agree(model: Any, made: Any, u: Any, p: Any) -> None:
    """The one function gives what the two do; constant entries are not its business."""
    size = model.functions.n
    out = np.full(made.n, np.nan)
    work = np.zeros(max(made.n_work, 1))
    CompiledFunction(made.setup, made.owners)(0.0, np.zeros(max(made.entries, 1)), u, p, work)
    CompiledFunction(made.rhs, made.owners)(0.0, out, u, p, work)
    given = u[:size], p[: model.functions.n_parameters]
    expected = np.concatenate([model.rhs(0.0, *given), model.jacobian(0.0, *given).data])
    written = ~np.isnan(out)
    np.testing.assert_allclose(out[written], expected[written], rtol=1e-9, atol=1e-9)


def joined(rhs: Function, jacobian: Function) -> Function:
    """Both in one: the entries behind f, scratch behind scratch, loops over equally many copies as one."""
    moved = [_moved(item, rhs.n_out, rhs.n_work) for item in _changing(jacobian)]
    items: list[Item] = []
    for item in (*rhs.items, *moved):
        if isinstance(item, Loop) and all(column.space != "w" for column in item.columns):
            for place, other in enumerate(items):
                if isinstance(other, Loop) and other.count == item.count:
                    items[place] = _together(other, item)
                    break
            else:
                items.insert(0, item)  # it reads no scratch: nothing has to come before
        else:
            items.append(item)
    return Function("both", tuple(items), rhs.n_out + jacobian.n_out, rhs.n_work + jacobian.n_work)


def _changing(function: Function) -> Iterable[Item]:
    """The items without the entries that `setup` writes once: they depend on parameters alone."""
    for item in function.items:
        if isinstance(item, Loop):
            constant = parameter_only(item.roots, [column.space in ("p", "c") for column in item.columns])
            kept = [
                k
                for k, (root, output) in enumerate(zip(item.roots, item.outputs, strict=True))
                if output.space == "w" or not constant[root]
            ]
            if kept:
                roots, outputs = (tuple(given[k] for k in kept) for given in (item.roots, item.outputs))
                yield compact(Loop(item.name, item.count, roots, item.columns, outputs))
        else:
            yield item


def _moved(item: Item, out: int, work: int) -> Item:
    def output(given: Output) -> Output:
        return _shifted(given, out if given.space == "out" else work)

    if isinstance(item, Gather):
        first = item.first + work if item.space == "w" else item.first
        second = item.second + work if item.second is not None and item.space == "w" else item.second
        return replace(item, output=output(item.output), first=first, second=second)
    columns = tuple(Column(c.space, c.index + work) if c.space == "w" else c for c in item.columns)
    return replace(item, columns=columns, outputs=tuple(output(o) for o in item.outputs))


def _shifted(given: Output, by: int) -> Output:
    return Output(given.space, given.index + by, given.accumulate)


def _together(a: Loop, b: Loop) -> Loop:
    """One loop with the roots of both over the columns of both, each once."""
    columns = list(a.columns)
    known = {(c.space, c.index.tobytes()): k for k, c in enumerate(columns)}
    new: dict[Expr, Expr] = {}
    for k, column in enumerate(b.columns):
        at = known.setdefault((column.space, column.index.tobytes()), len(columns))
        if at == len(columns):
            columns.append(column)
        new[slot(column.space, k)] = slot(column.space, at)
    roots = a.roots + tuple(substitute(b.roots, new))
    return Loop(a.name, a.count, roots, tuple(columns), a.outputs + b.outputs)
