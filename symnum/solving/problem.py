"""A problem: a compiled system with numbers for its start, its parameters and its span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.language.complex_equations import real_values
from symnum.language.event import Event, checked_events
from symnum.language.system import System
from symnum.language.variables import joined
from symnum.lowering.compile import CompiledSystem
from symnum.lowering.compile import compile as compile_system
from symnum.lowering.flat import FlatSystem
from symnum.lowering.lower import lower
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr, as_expr
from symnum.solving.field_values import start_on_grid
from symnum.solving.resolver import ParameterResolver

if TYPE_CHECKING:
    from pathlib import Path

    from symnum.language.hybrid_system import HybridSystem
    from symnum.language.stochastic_system import StochasticSystem
    from symnum.solving.checkpoint import Checkpoint
    from symnum.solving.solution import Solution

FloatArray: TypeAlias = NDArray[np.float64]
Values: TypeAlias = Mapping[Any, Any]


class Problem:
    """What `solve` takes.

    system: a `System` (compiled here), what `sn.compile` gave, or a `StochasticSystem` or `HybridSystem`,
    whose unknowns are numbers of molecules. start: {variable, D(variable) or name:
    number or expression of parameters}, over the declared starts. span: (t_begin, t_end). parameters:
    {parameter or name: number or expression of parameters}. events: further events of this problem.
    initial: equations that hold at the start, ``D(x) == 0`` for rest. Each determines a state that has no
    start, or a parameter or state of solve_for, {parameter or state: guess}. What they do not determine
    keeps its start.
    """

    def __init__(
        self,
        system: System | CompiledSystem | StochasticSystem | HybridSystem,
        start: Values | None = None,
        span: tuple[float, float] = (0.0, 1.0),
        parameters: Values | None = None,
        *,
        events: Sequence[Event] = (),
        initial: Sequence[Equation] = (),
        solve_for: Values | None = None,
    ) -> None:
        extra = checked_events(events, "Problem")
        crossing = tuple(event for event in extra if event.at is None)
        self.stochastic: StochasticSystem | None = None
        self.hybrid: HybridSystem | None = None
        self.system = system if isinstance(system, System) else None  # as it was written
        self.along_time = False  # the equations give every unknown explicitly in time and parameters
        self.memory: dict[str, Any] = {}  # what solvers prepare once, for all problems derived from this one
        kind = _kind(system)
        if kind == "stochastic":
            system = cast("StochasticSystem", system)
            self.stochastic = system
            _refuse_crossing(system.name, (*system.network.events, *system.events, *crossing))
            drift = system.drift()
            self._compiled: CompiledSystem | None = None
            self.defaults: Mapping[Expr, Any] = drift.defaults
            self.flat: FlatSystem = lower(drift)
        elif isinstance(system, CompiledSystem):
            if crossing:
                raise ModelError(
                    "events with when= or trigger= must be known when the system is compiled: "
                    "sn.compile(system, events=...)"
                )
            self._compiled = system
        elif kind == "hybrid":
            system = cast("HybridSystem", system)
            self.hybrid = system
            self._compiled = compile_system(system.between_events(), events=crossing)
        else:
            self._compiled = compile_system(cast(System, system), events=crossing)
            if not self._compiled.flat.n:
                self.along_time = True
                self._compiled = compile_system(cast(System, system).along_time(), events=crossing)
        if self._compiled is not None:
            self.defaults, self.flat = self._compiled.defaults, self._compiled.flat
        timed = tuple(event for event in extra if event.at is not None)
        self._crossing = crossing
        self.events = (*self.flat.events, *timed)
        self.span = _checked_span(span)
        self.given_start = _checked_values(start, "start")
        self.given_parameters = _checked_values(parameters, "parameters")
        self.initial = _checked_initial(initial)
        self.solve_for = _checked_values(solve_for, "solve_for")
        self.free_parameters: frozenset[int] = frozenset()  # numbers, which the initial equations determine
        self.free_states: frozenset[int] = frozenset()  # entries of u
        self._resolver = self._new_resolver()
        self.p: FloatArray = self._resolver.values()
        self.resumed: Checkpoint | None = None  # what this problem goes on from
        self.straight: bool | None = None  # can nothing stop a run of it? known when it was asked
        self.starts: dict[int, float] = {}  # by number: what the user asked for in this problem
        # (n,) where each start is from: 0 this problem, 1 the defaults of the system, 2 the declaration,
        # 3 a guess, 9 nowhere
        self.start_rank: NDArray[np.int64]
        self.u: FloatArray = self._start_values()

    @property
    def compiled(self) -> CompiledSystem:
        """The system with its machine code; a stochastic problem has none."""
        if self._compiled is None:
            raise ModelError(
                f"{self.flat.name}: this needs differential equations; make the problem of network.system()"
            )
        return self._compiled

    def require_unknowns(self) -> None:
        """ModelError where there is nothing that a solver could integrate."""
        if not self.flat.n:
            raise ModelError(
                f"{self.flat.name}: nothing to integrate, the equations give every unknown explicitly; "
                "make the problem of the System itself, or add an equation that holds a derivative"
            )

    def with_(
        self,
        *,
        start: Values | None = None,
        parameters: Values | None = None,
        span: tuple[float, float] | None = None,
    ) -> Problem:
        """The same problem with some numbers changed; nothing is compiled again."""
        if self.resumed is not None:
            raise ModelError(
                f"{self.flat.name}: a problem that goes on from a solution has its numbers from there; "
                "change the first problem, or let an event change them"
            )
        other = self.__copy__()
        other.span = self.span if span is None else _checked_span(span)
        other.given_start = {**self.given_start, **_checked_values(start, "start")}
        other.given_parameters = {**self.given_parameters, **_checked_values(parameters, "parameters")}
        other._resolver = other._new_resolver()
        other.p = other._resolver.values()
        other.starts, other.straight = {}, None
        other.u = other._start_values()
        return other

    def after(self, done: Solution | str | Path, end: float | None = None) -> Problem:
        """The same problem from where a solution of it ended, as events left it, up to ``end`` (its own end).

        done: the solution, also one that was interrupted or failed, or the file that its `checkpoint` wrote.
        Events at the very time where it ended have happened.
        """
        from symnum.solving.checkpoint import read_checkpoint
        from symnum.solving.solution import NO_CHECKPOINT, Solution

        if isinstance(done, Solution):
            if done.flat is not self.flat:
                raise ModelError(f"{self.flat.name}: this is a solution of another system, {done.flat.name}")
            found = done.end
        else:
            found = read_checkpoint(done, self.flat)
        if found is None:
            raise ModelError(f"{self.flat.name}: {NO_CHECKPOINT}")
        other = self.__copy__()
        other.span = _checked_span((found.t, self.span[1] if end is None else end))
        other.u, other.p, other.starts, other.resumed = found.u.copy(), found.p.copy(), {}, found
        other.straight = False
        return other

    def __copy__(self) -> Problem:
        other = Problem.__new__(Problem)
        other.__dict__.update(self.__dict__)
        return other

    def __getstate__(self) -> dict[str, Any]:
        """For a copy in another process, which compiles the system from what is stored of it."""
        state = {**self.__dict__, "memory": {}, "system": None}
        state["events"] = self.events[len(self.flat.events) :]
        made = ("_resolver", "flat", *(("_compiled",) if self.hybrid is not None else ()))
        return {name: value for name, value in state.items() if name not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.stochastic is not None:
            self.flat = lower(self.stochastic.drift())
        elif self.hybrid is not None:
            # its events are known by what they are, so they have to be those of this copy
            self._compiled = compile_system(self.hybrid.between_events(), events=self._crossing)
        if self._compiled is not None:
            self.flat = self._compiled.flat
        self.events = (*self.flat.events, *self.events)
        self._resolver = self._new_resolver()
        self._resolver.values()  # finds what follows from what; the numbers are those of the first problem

    def _new_resolver(self) -> ParameterResolver:
        defaults = _checked_values(_of_kind(self.defaults, "parameter"), "defaults")
        declared = _of_kind(self.defaults, "variable")
        starts = {key.name: value for key, value in declared.items() if key.op == "symbol"}
        return ParameterResolver(
            self.flat, {**defaults, **self.given_parameters}, {**starts, **self.given_start}
        )

    def updated_parameters(self, p: FloatArray, changed: Sequence[int]) -> None:
        """Parameters that were given as expressions of others follow a change of those, in place."""
        self._resolver.follow(p, changed)

    def dependent_parameters(self) -> list[tuple[int, Expr, tuple[int, ...]]]:
        """(number, value over ``slot("p", number)``, what it follows) of those given by others, in order."""
        return self._resolver.over_numbers()

    def followers(self) -> dict[int, Expr]:
        """{number: value} of the parameters that are given by others, or by starts."""
        return {number: value for number, value, _ in self._resolver.dependent}

    def start_expressions(self) -> dict[int, Expr]:
        """{number of an unknown: expression} of the starts that are no plain numbers."""
        flat = self.flat
        found: dict[int, Any] = {}
        for i, info in flat.unknowns.singles():
            if info.default is not None:
                number, sign = flat.without_sign(int(flat.structure.representative[i]))
                found[number] = sign * info.default
        for values, where in ((_of_kind(self.defaults, "variable"), "defaults"), (self.given_start, "start")):
            for key, value in values.items():
                number, sign = flat.without_sign(flat.number_of(key, where))
                found[number] = sign * value
        return {
            number: value
            for number, value in found.items()
            if isinstance(value, Expr) and not value.is_number
        }

    def value(self, expr: Any, what: str) -> float:
        """The number that an expression of parameters has in this problem; ``what`` it is, for errors."""
        return self._resolver.evaluate(expr, what)

    def _start_values(self) -> FloatArray:
        flat = self.flat
        values = np.full(flat.n, np.nan)
        rank = np.full(flat.n, 9, np.int64)

        def put(number: int, value: Any, name: str, level: int) -> None:
            number, sign = flat.without_sign(number)
            at = flat.position[number]
            if at < 0 or rank[at] < level:
                return
            found = sign * self.value(value, f"start of {name}")
            if rank[at] == level and values[at] != found:
                raise ModelError(
                    f"{flat.name}: {flat.state_names[at]} stands for several equal or opposite variables "
                    "that have different starts: "
                    f"{values[at]:g}, and {found:g} from {name}. Give one of them."
                )
            values[at], rank[at] = found, level

        for key, value in self.given_start.items():
            field = flat.unknowns.grid(_field_name(key))
            if field is not None:
                first, quantities = field
                points = flat.structure.representative[first : first + len(quantities)]
                on_grid = start_on_grid(quantities, value, f"{flat.name}: start of {key}")
                points, on_grid = flat.without_signs(points, on_grid)
                inside = flat.position[points] >= 0
                values[flat.position[points[inside]]] = on_grid[inside]
                rank[flat.position[points[inside]]] = 0
                continue
            number = flat.number_of(key, "start")
            put(number, value, str(key), 0)
            number, sign = flat.without_sign(number)
            self.starts[number] = sign * self.value(value, f"start of {key}")
        for key, value in _of_kind(self.defaults, "variable").items():
            put(flat.number_of(key, "defaults"), value, str(key), 1)

        def put_declared(i: int, name: str, default: Any, guess: Any) -> None:
            own = int(flat.structure.representative[i])
            number, _ = flat.without_sign(own)
            if default is not None:
                put(own, default, name, 2)
            if guess is not None and flat.position[number] >= 0 and not flat.mass[flat.position[number]]:
                put(own, guess, name, 3)

        for i, info in flat.unknowns.own_symbols():
            put_declared(i, info.name, info.default, info.guess)
        for part, declaration, numbers, components in flat.unknowns.columns():
            defaults = [declaration.default_in(part, component) for component in components]
            if declaration.guess is None and all(default is None for default in defaults):
                continue
            for i, component, default in zip(numbers.tolist(), components, defaults, strict=True):
                put_declared(i, joined(component.path, part), default, declaration.guess)
        from_blocks = flat.unknowns.block_values()
        given = np.flatnonzero(~np.isnan(from_blocks))
        points, own_values = flat.without_signs(flat.structure.representative[given], from_blocks[given])
        places = flat.position[points]
        fresh = (places >= 0) & np.isnan(values[places])
        values[places[fresh]] = own_values[fresh]
        rank[places[fresh]] = 2
        self.start_rank = rank
        chosen = [flat.position[choice.states] for choice in flat.structure.choices]  # follow from others
        for states in chosen:
            values[states] = 0.0
        missing = np.flatnonzero((flat.mass != 0) & np.isnan(values))
        if self.solve_for and not self.initial:
            raise ModelError(f"{flat.name}: solve_for= names what initial= equations determine; give these")
        if self.initial:
            self.free_states = frozenset(missing.tolist()) | self._released(values)
            missing = missing[:0]
        if len(missing):
            raise ModelError(f"{flat.name}: {_without_start(flat, missing)}")
        return self._in_counts(np.where(np.isnan(values), 0.0, values))

    def _in_counts(self, u: FloatArray) -> FloatArray:
        """Declared starts of a random process as numbers of molecules."""
        counted = self.stochastic or self.hybrid
        if counted is None:
            return u
        from symnum.solving.stochastic.molecules import in_molecules

        given = {int(self.flat.position[number]) for number in self.starts}
        return in_molecules(self.flat, counted, u, given, self.value)

    def _released(self, values: FloatArray) -> frozenset[int]:
        """Take guesses for states and parameters that the initial equations determine; the states."""
        flat, states, parameters = self.flat, set(), set()
        for key, guess in self.solve_for.items():
            number = flat.parameters.find(key if isinstance(key, str) else str(key))
            if number is not None:
                self.p[number] = self.value(guess, f"guess of {key}")
                parameters.add(number)
                continue
            at = int(flat.position[flat.number_of(key, "solve_for")])
            if at < 0 or not flat.mass[at]:
                raise ModelError(
                    f"{flat.name}: solve_for {key}: it follows from the equations already; name a state or a "
                    "parameter"
                )
            values[at] = self.value(guess, f"guess of {key}")
            states.add(at)
        self._resolver.follow(self.p, sorted(parameters))
        self.free_parameters = frozenset(parameters)
        return frozenset(states)

    def __repr__(self) -> str:
        return (
            f"<Problem {self.flat.name}: {self.flat.n} unknowns over {self.span[0]:g} ... {self.span[1]:g}>"
        )


def deterministic(problem: Any, what: str) -> Problem:
    """The problem, or ModelError for what is none or is stochastic."""
    if not isinstance(problem, Problem):
        raise ModelError(f"{what} takes a Problem, not {problem!r}; write sn.Problem(system, start)")
    if problem.stochastic is not None:
        raise ModelError(f"{what}: {problem.flat.name} is stochastic; give the problem of network.system()")
    return problem


def _kind(system: object) -> str:
    """Which processes of a network a problem is about; "" for differential equations."""
    if isinstance(system, (System, CompiledSystem)):
        return ""  # as most are: what reaction networks need is not imported for them
    from symnum.language.hybrid_system import HybridSystem
    from symnum.language.stochastic_system import StochasticSystem

    if isinstance(system, StochasticSystem):
        return "stochastic"
    return "hybrid" if isinstance(system, HybridSystem) else ""


def _refuse_crossing(name: str, events: Sequence[Event]) -> None:
    for event in events:
        if event.at is None:
            raise ModelError(f"{name}: {event}: random processes know events at= given times only")


def _of_kind(mapping: Mapping[Expr, Any], kind: str) -> dict[Expr, Any]:
    return {
        key: value for key, value in mapping.items() if (key.args[0] if key.op == "D" else key).kind == kind
    }


def _without_start(flat: FlatSystem, missing: NDArray[np.int64]) -> str:
    """What to say of entries of u that have no start."""
    points = [flat.number_name(int(flat.vector[entry])) for entry in missing]
    names: list[str] = []
    whole = False  # is the first one a field without any start?
    for field, members in groupby(points, key=lambda point: point.partition("[")[0]):
        found, given = flat.unknowns.grid(field), [*members]
        if found is not None:
            places = flat.position[flat.structure.representative[found[0] : found[0] + len(found[1])]]
            if len(given) == np.count_nonzero(flat.mass[places[places >= 0]]):
                given, whole = [field], whole or not names
        names += given
    elsewhere = (
        f"initial={{{names[0]}: ...}} of the PDE" if whole else "start= where the variable is declared"
    )
    return (
        f"no start for {', '.join(names[:8])}{' ...' if len(names) > 8 else ''}. "
        f"Give it: Problem(system, {{{names[0]}: 0.0}}, ...), or {elsewhere}."
    )


def _field_name(key: Any) -> str:
    """The name of the grid of a field, or of its time derivative."""
    if isinstance(key, Expr):
        return f"D({key.args[0].name})" if key.op == "D" and key.args[0].kind == "field" else str(key)
    return str(key)


def _checked_values(values: Values | None, what: str) -> dict[Any, Any]:
    if values is not None and not isinstance(values, Mapping):
        raise ModelError(f"Problem: {what} is {{quantity: value}}, not {values!r}")
    # by name, so that a symbol and its name are one key when problems are derived from each other
    named = (
        (key.name if isinstance(key, Expr) and key.op == "symbol" else key, v)
        for key, v in real_values(values or {}).items()
    )
    return dict(named)


def _checked_initial(initial: Any) -> tuple[Equation, ...]:
    if isinstance(initial, Equation) or not isinstance(initial, Sequence):
        raise ModelError(f"Problem: initial is a list of equations, not {initial!r}; write [...] around it")
    for equation in initial:
        if not isinstance(equation, Equation):
            raise ModelError(f"Problem: {equation!r} in initial= is no equation; write left == right")
    return tuple(initial)


def _checked_span(span: tuple[float, float]) -> tuple[float, float]:
    try:
        begin, end = (float(as_expr(value)) for value in span)
    except (TypeError, ValueError, ModelError) as error:
        raise ModelError(f"span is (begin, end), two finite numbers, not {span!r}") from error
    if not end > begin:
        raise ModelError(f"span ({begin:g}, {end:g}) ends before it begins; time runs forwards")
    return begin, end
