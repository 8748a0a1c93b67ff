"""Lowering: the list of passes from a `System` to a `FlatSystem`, in order."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from symnum.errors import LoweringError, ModelError
from symnum.language.event import Event
from symnum.language.system import System
from symnum.lowering.alias import Equations, Unknowns, unknowns_of, without_aliases
from symnum.lowering.delays import Delay, without_delays
from symnum.lowering.explicit import choose_explicit
from symnum.lowering.explicit_sums import with_explicit_sums
from symnum.lowering.families import Family, IntArray, compacted
from symnum.lowering.flat import FlatSystem
from symnum.lowering.flatten import flatten
from symnum.lowering.hosted import held_unknowns, hosted_parts
from symnum.lowering.incidence import (
    Incidence,
    Matching,
    coupled_derivatives,
    incidence,
    is_perfect,
    match,
)
from symnum.lowering.names import Names
from symnum.lowering.opposite import with_opposites
from symnum.lowering.raw import LimitFamily, RawSystem
from symnum.lowering.structure import Structure
from symnum.record import replace
from symnum.rewriting.expr import Symbol

Watch = Callable[[str, Any], None]


def lower(
    system: System, events: tuple[Event, ...] = (), watch: Watch = lambda stage, made: None
) -> FlatSystem:
    """Flatten, join aliases, match, choose what is explicit, number the rest. ``events`` come on top.

    watch: told the name of each stage and what it made.
    """
    with _no_collections():
        return _lowered(system, events, watch)


@contextmanager
def _no_collections() -> Iterator[None]:
    """Without Python's search for reference cycles, which takes a tenth of lowering a large model.

    Lowering makes many objects and hardly any cycles; all that search finds is that nothing can go.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _lowered(system: System, events: tuple[Event, ...], watch: Watch) -> FlatSystem:
    system, events, delays = without_delays(system, events)
    raw = flatten(system, events, delays)  # System    -> RawSystem: numbered unknowns, families, sums
    watch("flattened", raw)
    if not len(raw.unknowns):
        raise ModelError(f"{system.name}: there is nothing to solve: no equation holds a variable")
    equations = without_aliases(raw)  # RawSystem -> Equations: equal unknowns are one
    watch("aliases joined", equations)
    unknowns = unknowns_of(equations)  # states and what is to be determined
    held = equations.representative[held_unknowns(raw)]
    graph, matching = matched(equations, unknowns)  # every unknown gets its equation
    watch("matched", (graph, matching))
    structure = None
    if not is_perfect(graph, matching) or coupled_derivatives(graph, matching):
        structure = _of_higher_index(system, raw, equations, graph, matching, bool(delays), held, watch)
    if structure is None:
        structure = choose_explicit(equations, unknowns.states, graph, matching, held=held)
        structure = with_explicit_sums(structure)  # wide sums that can be evaluated are no unknowns
    watch("solved where explicit", structure)
    return _numbered(system, raw, structure, equations, delays)


def _of_higher_index(
    system: System, raw: RawSystem, equations: Equations, graph: Incidence, matching: Matching,
    delayed: bool, held: IntArray, watch: Watch,
) -> Structure | None:  # fmt: skip
    """Differentiate constraints as needed and select states; None where the index is 1 after all."""
    # ten modules that a process with a system of index 1 would import for nothing
    from symnum.lowering.balance import check_balance
    from symnum.lowering.combine import combined
    from symnum.lowering.dulmage_mendelsohn import Decomposition
    from symnum.lowering.reduce import reduce_index

    check_balance(system, raw, equations, Decomposition(graph, matching.equation_of))
    perfect = is_perfect(graph, matching)
    hidden = combined(equations) if perfect else None
    if perfect and hidden is None:
        return None
    if delayed:
        raise LoweringError(
            f"{system.name}: equations with delays cannot be differentiated, and this system has an "
            "index above 1. Write it so that each unknown has an equation that holds it."
        )
    if len(held):
        parts = ", ".join(part.path for part in raw.hosted)
        raise LoweringError(
            f"{system.name}: equations that other code computes ({parts}) cannot be differentiated, and this "
            "system has an index above 1: do not prescribe what they compute."
        )
    if hidden is None:
        hidden = combined(equations)  # constraints that only a combination of equations shows
    if hidden is not None:
        watch("hidden constraints combined", hidden)
    reduced = reduce_index(raw, hidden or equations)
    watch("index reduced", reduced)
    graph, matching = matched(reduced.equations, reduced.unknowns)
    watch("matched", (graph, matching))
    assert is_perfect(graph, matching)
    return choose_explicit(
        reduced.equations, reduced.unknowns.states, graph, matching, reduced.keep, reduced.choices
    )


def matched(equations: Equations, unknowns: Unknowns) -> tuple[Incidence, Matching]:
    graph = incidence(equations.families, equations.sums, unknowns.wanted)
    return graph, match(graph)


def _numbered(
    system: System, raw: RawSystem, structure: Structure, equations: Equations, delays: tuple[Delay, ...]
) -> FlatSystem:
    n = len(raw.unknowns)
    vector = structure.states
    if len(structure.implicit):
        vector = np.concatenate([vector, structure.implicit])
        vector = vector[np.lexsort((vector >= n, vector % max(n, 1)))]
    position = np.full(2 * n, -1, np.int64)
    position[vector] = np.arange(len(vector))
    mass = np.zeros(len(vector))
    mass[position[structure.states]] = 1.0
    structure = with_opposites(structure, equations, raw.unknowns)
    limits, limit_parameter, parameters = _limits(raw, structure, position, mass)
    return FlatSystem(
        system.name, raw.unknowns, parameters, structure, vector, position, mass, limits, limit_parameter,
        tuple(raw.events), system.guards, delays, hosted_parts(raw),
    )  # fmt: skip


def _limits(
    raw: RawSystem,
    structure: Structure,
    position: np.ndarray[tuple[int], np.dtype[np.int64]],
    mass: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> tuple[tuple[LimitFamily, ...], np.ndarray[tuple[int], np.dtype[np.int64]], Names]:
    """Limits by representatives, and one hidden parameter per limited state that frees or holds it."""
    if not raw.limits:
        return (), np.zeros(0, np.int64), raw.parameters
    n = len(raw.unknowns)
    number = np.concatenate([structure.representative, n + structure.representative])
    parameters = raw.parameters
    free: dict[int, int] = {}
    limits, flags = [], []
    for limit in _of_one_side(raw, structure.opposite):
        state = structure.representative[limit.state]
        for row, x in enumerate(state.tolist()):
            if position[x] < 0 or not mass[position[x]]:
                raise ModelError(
                    f"{limit.distance.label(row)}: {raw.unknowns[x].name} is not a state (no "
                    "equation holds its "
                    "derivative). For a bound of an algebraic quantity use sn.clip."
                )
            if x not in free:
                free[x] = parameters.add(Symbol(f"free({raw.unknowns[x].name})", "parameter", default=1))
            flags.append(free[x])
        limits.append(replace(limit, state=state, distance=_renumbered(limit.distance, number)))
    return tuple(limits), np.array(flags, np.int64), parameters


def _of_one_side(raw: RawSystem, opposite: IntArray) -> list[LimitFamily]:
    """The limits of unknowns that stand for themselves: an upper bound of x is a lower one of -x."""
    found = []
    for limit in raw.limits:
        turned = opposite[limit.state] >= 0
        for rows, side in ((np.flatnonzero(~turned), limit.side), (np.flatnonzero(turned), -limit.side)):
            state = limit.state[rows]
            if len(rows):
                state = np.where(turned[rows], opposite[state], state)
                found.append(LimitFamily(limit.distance.select(rows), state, side))
    return found


def _renumbered(family: Family, number: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Family:
    columns = tuple(
        number[column] if letter == "u" else column
        for letter, column in zip(family.letters, family.columns, strict=True)
    )
    return compacted(replace(family, columns=columns))
