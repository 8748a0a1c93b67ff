"""Which method a run uses when none is asked for, and when it changes over.

Systems with algebraic equations take Rodas5P. For the others the work that stability asks of an explicit
method is compared with the work of a stiff one: from a bound on the fastest rate at the start, and from the
spectral radius of the Jacobian after some steps, then after twice as many, and so on. Nothing here depends on
how long anything takes, so that runs can be repeated exactly.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from symnum.codegen.model_functions import FloatArray, ModelFunctions
from symnum.solving.grid_lines import lines_of
from symnum.solving.integrator import Integrator
from symnum.solving.kernel.call import address_of, model_function
from symnum.solving.large_system import splits
from symnum.solving.linear_system import patterns
from symnum.solving.method import Method
from symnum.solving.tableau import ExplicitTableau
from symnum.solving.tableaus import METHODS

__all__ = ["MANY_TIMES", "Choice", "choice_for_all", "explicit_method", "stiff_method"]

# Rounds of the loop: steps before the first look, and the factor between looks.
_FIRST_LOOK = 64
# About so many steps a stiff method needs for a whole run at a relative tolerance of 1e-4.
_STIFF_STEPS = 120.0
# An explicit method whose steps times the spectral radius reach this part of its stability interval is held
# back by stability; one that would stay below the other part is not.
_HELD_BACK, _FREE = 0.75, 0.5
# Unknowns up to which one product gives a norm that is close enough.
_SMALL = 32
# Evaluations of f that a Jacobian may cost, if it is to be made in every step; the stages of an ESDIRK method
# need some twenty.
_DEAR = 12.0
# Grids up to this length are taken for a few values; longer ones for an output between nearly all steps.
MANY_TIMES = 20


@functools.cache
def stability_interval(method: ExplicitTableau) -> float:
    """The length of the stability interval on the negative real axis."""
    s, table = method.stages, method.table()
    a, b = table[s : s + s * s].reshape(s, s), table[s + s * s : 2 * s + s * s]
    coefficients, power = [1.0], np.ones(s)
    for _ in range(s):
        coefficients.append(float(b @ power))
        power = a @ power
    z = np.linspace(0.0, -30.0, 3001)
    outside = np.abs(np.polyval(coefficients[::-1], z)) > 1.0 + 1e-9
    return float(-z[np.flatnonzero(outside)[0]])


def explicit_method(rtol: float, interpolated: bool) -> ExplicitTableau:
    """interpolated: values between nearly all steps are wanted, for which high orders need further stages."""
    if rtol > 5e-3:
        name = "BS3"
    elif rtol > (5e-8 if interpolated else 2e-5):
        name = "Tsit5"
    else:
        name = "Vern7"
    method = METHODS[name]
    assert isinstance(method, ExplicitTableau)
    return method


def stiff_method(rtol: float = 1e-6, jacobian_cost: float = 0.0, factored: bool = False) -> Method:
    """jacobian_cost: in evaluations of f; where it is high, a method that keeps Jacobians for many steps.

    factored: for linear systems that are split along a grid, a method that keeps its order with them.
    """
    if factored:
        return METHODS["ROS34PW2" if rtol > 5e-5 else "Rodas4PW"]
    if jacobian_cost > _DEAR:
        return METHODS["KenCarp4" if rtol > 1e-5 else "Kvaerno5"]
    return METHODS["Rodas5P"]


def fastest_rate(model: ModelFunctions, t: float, u: FloatArray, p: FloatArray) -> float:
    """A bound on the spectral radius of the Jacobian at (t, u): a norm of it."""
    entries = len(model.indices)
    memory = np.zeros(entries + model.n_work + 1)
    places = address_of(memory), u.ctypes.data, p.ctypes.data, address_of(memory) + 8 * entries
    for function in (model.setup, model.jacobian):
        model_function(function, t, *places)
    values = memory[:entries]
    if model.n <= _SMALL:
        return math.sqrt(values @ values)
    sizes = np.abs(values)
    rows = np.bincount(model.indices, sizes, model.n)
    columns = np.diff(np.append(0.0, np.cumsum(sizes))[model.indptr])
    return float(min(rows.max(initial=0.0), columns.max(initial=0.0)))


def cost_ratio(model: ModelFunctions, explicit: Method, stiff: Method) -> float:
    """How many explicit steps take as long as one stiff step, from counts of operations."""
    function = 2.0 * (len(model.indices) + model.n)
    lines = lines_of(model) if splits(model) else None
    # of a product of banded matrices nearly all is the same in every step but for one pass over its numbers
    linear = patterns(model)[0].step_cost() if lines is None else (stiff.stages + 2) * lines.cost
    # a Jacobian is taken to cost as much as two right-hand sides
    return ((stiff.stages + 2) * function + linear) / (explicit.stages * function)


class Choice:
    """The method of one run. `changed` tells when to go on with another.

    reason: what was chosen, and why, change by change. rate: the spectral radius of the Jacobian at (t, u),
    where the Jacobian itself is dear: jacobian_cost evaluations of f, beside which nothing else counts.
    """

    def __init__(
        self,
        model: ModelFunctions,
        span: tuple[float, float],
        rtol: float,
        interpolated: bool,
        *,
        rate: Callable[[float, FloatArray], float] | None = None,
        jacobian_cost: float | None = None,
    ) -> None:
        self.rate, self.jacobian_cost = rate, jacobian_cost
        self.model, self.span, self.rtol = model, span, rtol
        self.explicit = explicit_method(rtol, interpolated)
        self.stiff = stiff_method(rtol, jacobian_cost or 0.0, splits(model))
        self.ratio = 1.0
        self.method: Method = self.stiff
        self.reason = ""
        self.open = False  # may the method still change?
        self.interval = _FIRST_LOOK
        self.next_look = _FIRST_LOOK
        self.last_steps, self.last_t = 0, span[0]
        self.free, self.patience = 0, 2
        self.affordable = 0.0  # explicit steps that take as long as a stiff run

    def begin(self, u: FloatArray, p: FloatArray, step: float | None = None) -> Method:
        """The first method, from the Jacobian at the start of the span with u, (n,), and p.

        step: of fixed length, for which the explicit method is taken if it is stable.
        """
        model = self.model
        if model.n_algebraic:
            self.reason = f"{self.stiff}: {model.n_algebraic} algebraic equations"
            return self.method
        self.open = True
        if self.jacobian_cost is None:
            self.ratio = cost_ratio(model, self.explicit, self.stiff)
        else:
            per_step = 20.0 if self.stiff.family == "esdirk" else self.stiff.stages + self.jacobian_cost
            self.ratio = per_step / self.explicit.stages
        self.affordable = _STIFF_STEPS * self.ratio * (1e-4 / self.rtol) ** (1.0 / 6.0)
        begin = self.span[0]
        rate = self.rate(begin, u) if self.rate else fastest_rate(model, begin, u, p)
        interval = stability_interval(self.explicit)
        if step is not None:
            self.open = False
            self.method = self.explicit if rate * step <= _FREE * interval else self.stiff
            self.reason = f"{self.method}: step times the rates at the start is {rate * step:.3g}"
            return self.method
        work = rate * (self.span[1] - self.span[0]) / interval
        if work <= self.affordable:
            self.method = self.explicit
            self.reason = f"{self.method}: by the rates at the start {work:.0f} steps are stable"
        else:
            self.method = self.stiff
            self.reason = f"{self.method}: by the rates at the start {work:.1e} explicit steps may be needed"
        return self.method

    def pause(self, steps: int) -> int:
        """How many steps to make before the next look."""
        return max(self.next_look - steps, 1)

    def changed(self, integrator: Integrator) -> tuple[Method, float] | None:
        """Between two calls of the loop: the method to go on with, if it is another one, and its longest
        first step."""
        steps, t = integrator.steps, integrator.t
        if not self.open or steps < self.next_look:
            return None
        mean = (t - self.last_t) / max(steps - self.last_steps, 1)
        rate = self.rate(t, integrator.u) if self.rate else integrator.spectral_radius()
        reach = mean * rate / stability_interval(self.explicit)
        remaining = (self.span[1] - t) * rate / stability_interval(self.explicit)
        self.last_steps, self.last_t = steps, t
        self.interval *= 2
        self.next_look = steps + self.interval
        if self.method is self.explicit:
            if not (reach > _HELD_BACK and remaining > 0.5 * self.affordable):
                return None
            self.method = self.stiff
            self.patience += 1
            longest = np.inf
            why = f"the steps were held back by stability, with {remaining:.1e} of them to come"
        else:
            # of a long run many looks must agree: a fast transient is soon over
            self.free = self.free + 1 if reach < _FREE * max(1.0, 0.25 * self.ratio) else 0
            if self.free <= (0 if remaining < self.affordable else self.patience):
                return None
            self.free = 0
            self.method = self.explicit
            longest = 0.5 * stability_interval(self.explicit) / max(rate, 1e-300)
            why = "the steps were short for the rates of the model"
        self.reason += f"; {self.method} from t = {t:.6g}: {why}"
        return self.method, longest


def choice_for_all(
    model: ModelFunctions,
    span: tuple[float, float],
    starts: FloatArray,
    parameters: FloatArray,
    rtol: float,
    interpolated: bool,
) -> Method:
    """The method of an ensemble, starts (k, n), parameters (k, n_p): stiff if one of a few needs it."""
    choice = Choice(model, span, rtol, interpolated)
    last = len(starts) - 1
    for member in sorted({round(part * last / 8) for part in range(9)}):
        u, p = (np.ascontiguousarray(rows[member]) for rows in (starts, parameters))
        if choice.begin(u, p) is choice.stiff:
            break
    return choice.method
