"""A solution: times, values, and every quantity of the model evaluated on them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.distinct import distinct
from symnum.errors import ModelError, SolveFailed
from symnum.lowering.flat import FlatSystem
from symnum.record import record
from symnum.rewriting.expr import TIME, Expr, as_expr, slot
from symnum.rewriting.spatial import Field, complex_field, field_leaf
from symnum.rewriting.walk import evaluate_arrays, leaves
from symnum.solving.checkpoint import Checkpoint, write_checkpoint
from symnum.solving.dense import DenseOutput
from symnum.solving.field_values import grid_of, holds_field, values_on_grid
from symnum.solving.stochastic.step_function import StepFunction

if TYPE_CHECKING:
    from pathlib import Path

    import pandas
    import xarray
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes

    from symnum.solving.delays import Past

NO_CHECKPOINT = (
    "this solution cannot be continued: that takes one of sn.solve on a single problem, without events that "
    "wait for a trigger, without states that are chosen in the run and without delays"
)

FloatArray: TypeAlias = NDArray[np.float64]
_LABELLED = 10  # lines that a legend names: as many as there are colours
_LONGEST = 40  # characters of a name in it


def _most_varied(lines: dict[str, FloatArray]) -> set[str]:
    """The labels of the lines of largest range, as many as a legend can hold."""
    if len(lines) <= _LABELLED:
        return set(lines)
    size = {label: float(np.ptp(values)) for label, values in lines.items()}
    return set(sorted(size, key=lambda label: -size[label])[:_LABELLED])


@record
class Segment:
    """A stretch between two events: where it begins, the parameters on it and, if kept, its interpolant."""

    begin: float
    p: FloatArray
    dense: DenseOutput | StepFunction | None


@record
class Happened:
    """An event that took place."""

    t: float
    event: object

    def __repr__(self) -> str:
        return f"t = {self.t:.9g}: {self.event}"


@record
class Sample:
    """Values at some times: ``sample[expr]`` evaluates any expression of the model on them.

    t: (k,) times. y: (n, k) unknowns. segment: (k,) stretch between events that each time belongs to.
    For one time: t is a number and y is (n,).
    """

    flat: FlatSystem
    segments: tuple[Segment, ...]
    t: FloatArray
    y: FloatArray
    segment: NDArray[np.int64]
    past: Past | None = None  # of a system with delays

    def __repr__(self) -> str:
        times = f"t = {self.t:g}" if np.ndim(self.t) == 0 else f"{len(self.t)} times"
        return f"<Sample of {self.flat.name} at {times}: ask for sample[variable]>"

    def __getitem__(self, key: Expr | str | Sequence[Expr]) -> FloatArray:
        """The expression, variable or name at every time: (k,), or () for one; of a list: (m, k).

        Of fields: (k, *points), or (*points) for one time.
        """
        if isinstance(key, (list, tuple)):
            return np.array([self[item] for item in key])
        flat = self.flat
        if isinstance(key, str) and flat.unknowns.grid(key) is not None:
            key = field_leaf(Field(key, "field", ()))
        elif isinstance(key, str) and flat.unknowns.grid(f"{key}.real") is not None:
            key = complex_field(Field(key, "field", ()))
        if isinstance(key, Expr) and holds_field(key):
            return values_on_grid(self, key)
        if isinstance(key, str):
            parameter = flat.parameters.find(key)
            expr = slot("u", flat.number_of(key, "solution")) if parameter is None else slot("p", parameter)
        else:
            try:
                (expr,) = flat.with_numbers((as_expr(key),), "solution")
            except TypeError as error:
                raise ModelError(f"solution[{key!r}]: ask for a variable, an expression or a name") from error
        return np.array(np.broadcast_to(self._evaluate(expr), np.shape(self.t)), float)[()]

    def grid_of(self, item: Expr | str) -> tuple[tuple[str, FloatArray], ...]:
        """Name and points of every coordinate that an expression varies with; empty for time alone."""
        if isinstance(item, str):
            found = self.flat.unknowns.grid(item)
            return () if found is None else found[1].axes
        return grid_of(self, item) if isinstance(item, Expr) else ()

    def _evaluate(self, expr: Expr) -> Any:
        """Definitions are evaluated in the order of their dependence, each once, over all times."""
        values: dict[Expr, Any] = {TIME: self.t}
        stack: list[tuple[Expr | None, Expr]] = [(None, expr)]
        while True:
            leaf, body = stack[-1]
            missing = [x for x in leaves((body,)) if x not in values]
            waiting = []
            for x in missing:
                letter, number = x.data
                if letter == "p":
                    values[x] = self._parameter(number)
                elif self.flat.position[number] >= 0:
                    values[x] = self.y[self.flat.position[number]]
                else:
                    definition = self.flat.definition(number)
                    assert definition is not None
                    waiting.append((x, definition))
            if waiting:
                stack += waiting
                continue
            (value,) = evaluate_arrays((body,), values)
            stack.pop()
            if leaf is None:
                return value
            values[leaf] = value

    def _delayed(self, j: int) -> Any:
        assert self.past is not None
        y = self.y.reshape(len(self.y), -1)
        found = []
        for k, t in enumerate(np.atleast_1d(self.t)):
            p = self._parameters[np.atleast_1d(self.segment)[k]].copy()
            self.past.fill(float(t), y[:, k], p)
            found.append(p[self.past.slots[j]])
        return np.array(found) if np.ndim(self.t) else found[0]

    @cached_property
    def _parameters(self) -> FloatArray:
        """(stretches, parameters)"""
        return np.array([segment.p for segment in self.segments])

    def _parameter(self, number: int) -> Any:
        if self.past is not None and number in self.past.number:
            return self._delayed(self.past.number[number])
        history = self._parameters[:, number]
        return float(history[0]) if (history == history[0]).all() else history[self.segment]


@record
class Solution(Sample):
    """What `solve` returns: ``t`` (k,), ``y`` (n, k), ``sol[expr]``, ``sol(t)[expr]``, ``sol.plot(x)``.

    status: "done" or "terminated" (by a terminal event). stats: counts and times of the run. events: what
    happened. At an event without a grid of times both values are kept: the time stands twice in ``t``.
    """

    status: str = "done"
    stats: Any = None
    events: tuple[Happened, ...] = ()
    method: str = ""
    end: Checkpoint | None = None

    @property
    def states(self) -> tuple[str, ...]:
        """The names of the rows of ``y``."""
        return self.flat.state_names

    def __call__(self, t: float | Sequence[float] | FloatArray) -> Sample:
        """Values between the steps, by the method's own interpolant; at an event those before it."""
        try:
            times = np.atleast_1d(np.asarray(t, float))
        except (TypeError, ValueError) as error:
            raise ModelError(f"sol({t!r}): give a time or times") from error
        if times.ndim > 1:
            raise ModelError(f"sol(t): t has shape {times.shape}; give one time or a list of times")
        if any(segment.dense is None for segment in self.segments):
            raise ModelError("sol(t) needs the steps: solve without saveat=, or with dense=True")
        ends = [s.dense.end[-1] for s in self.segments if s.dense is not None and len(s.dense.end)]
        if not ends:
            raise ModelError("sol(t): the run ended where it began; take sol[...] instead")
        begin, end = self.segments[0].begin, ends[-1]
        if not np.isfinite(times).all() or times.min() < begin or times.max() > end:
            raise ModelError(f"sol(t): t must lie within the solution, {begin:g} ... {end:g}")
        begins = np.array([segment.begin for segment in self.segments])
        which = np.maximum(np.searchsorted(begins, times, side="left") - 1, 0)
        y = np.empty((self.y.shape[0], len(times)))
        for i in distinct(which):
            dense = self.segments[i].dense
            assert dense is not None
            # between the last step and an event a hair behind it there is no step of its own
            y[:, which == i] = dense.extended(times[which == i])
        if np.ndim(t) == 0:
            return Sample(self.flat, self.segments, times[0], y[:, 0], which[0], self.past)
        return Sample(self.flat, self.segments, times, y, which, self.past)

    def unknowns(self) -> tuple[str, ...]:
        """The names of the unknowns that ``y`` holds: fields, and what is no point of one."""
        fields: dict[str, bool] = {}
        found: dict[str, None] = {}
        for name in self.states:
            head = name.partition("[")[0]
            if head not in fields:
                fields[head] = self.flat.unknowns.grid(head) is not None
            found[head if fields[head] else name] = None
        return tuple(found)

    def checkpoint(self, path: str | Path) -> Path:
        """Write where the run ended to a file, from which `Problem.after` goes on; returns the path."""
        if self.end is None:
            raise ModelError(f"{self.flat.name}: {NO_CHECKPOINT}")
        return write_checkpoint(path, self.flat, self.end)

    def plot(self, *what: Expr | str, ax: Axes | None = None, **options: Any) -> Axes:
        """Plot expressions over time (all unknowns without arguments) with matplotlib; returns the axes.

        Of many unknowns those that vary most have names and colours, the others are thin and grey.
        A field alone: as a map over place and time in one dimension, over the plane at the end in two.
        """
        if not what and len(whole := self.unknowns()) == 1:
            what = whole
        grid = self.grid_of(what[0]) if len(what) == 1 else ()
        lines = {str(item): self[item] for item in what or self.states}
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ModelError('sol.plot needs matplotlib: pip install "symnum-modeling[plot]"') from error
        axes = plt.subplots(layout="constrained")[1] if ax is None else ax
        if grid:
            from symnum.solving.field_plot import draw_field

            ((label, values),) = lines.items()
            draw_field(axes, self.t, values, grid, label, options)
            return axes
        for label, values in lines.items():
            if values.ndim > 1:
                raise ModelError(f"sol.plot: {label} is a field; plot it alone")
        shown = set(lines) if what else _most_varied(lines)
        for label, values in lines.items():
            look: dict[str, Any] = {"color": "0.8", "linewidth": 0.6, "zorder": 1}
            if label in shown:
                look = {"label": label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"}
            axes.plot(self.t, values, **(look | options))
        axes.set_xlabel("t")
        if len(shown) == len(lines) and max(map(len, lines)) <= _LONGEST // 2:
            axes.legend()
        else:  # beside the axes: it would hide them
            title = f"{len(shown)} of {len(lines)}, those that vary most" if len(shown) < len(lines) else None
            axes.legend(title=title, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="small")
        return axes

    def animate(self, field: Expr | str, interval: float = 50.0) -> FuncAnimation:
        """A film of a field in one or two dimensions over the saved times, ``interval`` milliseconds a frame.

        ``film.save("u.gif", writer="pillow")`` writes it to a file.
        """
        grid = self.grid_of(field)
        if not grid:
            raise ModelError(f"sol.animate: {field} is no field; sol.plot shows what varies in time only")
        from symnum.solving.field_plot import animated_field

        return animated_field(self.t, self[field], grid, str(field), interval)

    def to_dataframe(self, *what: Expr | str) -> pandas.DataFrame:
        """A table with the time as index and one column per expression (all unknowns without arguments)."""
        columns = {str(item): self[item] for item in what or self.states}
        try:
            import pandas
        except ImportError as error:
            raise ModelError('to_dataframe needs pandas: pip install "symnum-modeling[data]"') from error
        return pandas.DataFrame(columns, index=pandas.Index(self.t, name="t"))

    def to_xarray(self, *what: Expr | str) -> xarray.Dataset:
        """A dataset over ``t``, and for fields over their coordinates (all unknowns without arguments)."""
        what = what or self.unknowns()
        grids = {str(item): self.grid_of(item) for item in what}
        columns = {
            str(item): (("t", *(name for name, _ in grids[str(item)])), self[item]) for item in what
        }
        try:
            import xarray
        except ImportError as error:
            raise ModelError('to_xarray needs xarray: pip install "symnum-modeling[data]"') from error
        places = {name: x for grid in grids.values() for name, x in grid}
        return xarray.Dataset(columns, coords={"t": self.t, **places})

    def __repr__(self) -> str:
        reached = f"{self.status} at t = {self.t[-1]:g}" if len(self.t) else self.status
        return (
            f"<Solution of {self.flat.name}: {reached}, {len(self.t)} times, "
            f"{len(self.states)} unknowns, {self.method}>"
        )


def failure(message: str, solution: Solution) -> SolveFailed:
    """The error of a run that stopped early; what was computed is its ``solution``."""
    error = SolveFailed(message)
    error.solution = solution
    return error
