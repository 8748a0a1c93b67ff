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
from weakref import WeakKeyDictionary

import numpy as np

from symnum.codegen.model_functions import FloatArray, ModelFunctions
from symnum.solving.grid_lines import lines_of
from symnum.solving.integrator import Integrator
from symnum.solving.kernel import library
from symnum.solving.kernel.call import address_of, model_function
from symnum.solving.large_system import kind_for, splits
from symnum.solving.linear_system import LinearSystem, patterns
from symnum.solving.method import Method
from symnum.solving.tableau import ExplicitTableau
from symnum.solving.tableaus import METHODS

__all__ = ["MANY_TIMES", "Choice", "choice_for_all", "explicit_method", "stiff_method"]

# Rounds of the loop: steps before the first look, and the factor between looks.
_FIRST_LOOK = 64
# About so many steps a stiff method needs for a whole run at a relative tolerance of 1e-4.
_STIFF_STEPS = 120.0
# Fixed steps times the rates may reach this part of the stability interval of an explicit method.
_FREE = 0.5
# Unknowns up to which one product gives a norm that is close enough.
_SMALL = 32
# Evaluations of f that a Jacobian may cost, if it is to be made in every step; and those of BDF that take as
# long as a step of Rodas5P goes.
_DEAR = 12.0
_BDF_EVALUATIONS = 8.0
# Unknowns from which a factorization may cost more than this many solves and evaluations together, which is
# where it is not to be made in every step: by counts over ten stiff problems Rodas5P takes 1.0, 1.2 and 1.6
# times as long as BDF at an error of 1e-5 where it is 5, 15 and 50.
_MANY, _DEAR_FACTORS = 200, 25.0
# The same for networks: where equations read ten unknowns and more, Jacobian and factors are dear beside
# the steps of BDF from smaller sizes and costs on. Measured at errors of 1e-3, 1e-5, 1e-7, Rodas5P takes 1.2,
# 2.2, 3.4 times as long on a gene network of 78 unknowns ("Motivating example" of BioNetGen) and 1.2 to 1.5,
# 1.4 to 2.4, 3.2 to 7.2 times on three ignitions with GRI-Mech (55); with fewer entries a row, 0.8 to 1.2
# times at 1e-5.
_NETWORK, _READ, _DEAR_IN_NETWORKS = 50, 10, 4.5
# Part of the Jacobian's entries, by size, that a negative diagonal has where rates are those of decays; and
# the steps that stability then asks for, by the bound on the rates (2.3 times too many on egfr_net), from
# which on it and not the accuracy is taken to determine them. Of two orders the lower one has the longer
# interval for its stages: on egfr_net BS3 and Tsit5 take 0.77 of the time of Tsit5 and Vern7, at
# errors of 2e-4 and 6e-7.
_DECAY, _HELD_BACK = 0.25, 100.0
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


def explicit_method(rtol: float, interpolated: bool, held_back: bool = False) -> ExplicitTableau:
    """interpolated: values between nearly all steps are wanted, for which high orders need further stages.

    held_back: stability and not accuracy determines the steps.
    """
    if rtol > (2e-5 if held_back else 5e-3):
        name = "BS3"
    elif rtol > (5e-8 if interpolated or held_back else 2e-5):
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
        return METHODS["ROS34PW2" if rtol > 5e-4 else "Rodas4PW"]
    if jacobian_cost > _DEAR:
        # at errors of 1e-3, 1e-5, 1e-7 KenCarp4 and Kvaerno5 take 1.2, 1.8 and 2.2 times as long on ten stiff
        # problems if a Jacobian costs twenty evaluations
        return METHODS["BDF"]
    # Two stages more than Rodas4P and fewer steps: over ten stiff problems (ROBER, HIRES, POLLU, OREGO,
    # VDPOL, the Brusselator, three ignitions, BCR) 0.99, 0.90, 0.86, 0.72 of its time at errors of 1e-3,
    # 1e-4, 1e-6, 1e-8 (geometric means; single ones 0.4 to 1.4, without a pattern in size or cost).
    return METHODS["Rodas5P"]


# Room for a Jacobian and scratch, by model: runs take one, at once, and put it back.
_rooms: WeakKeyDictionary[ModelFunctions, list[tuple[FloatArray, int]]] = WeakKeyDictionary()


def fastest_rate(model: ModelFunctions, t: float, u: FloatArray, p: FloatArray) -> float:
    """A bound on the spectral radius of the Jacobian at (t, u): a norm of it."""
    entries = len(model.indices)
    rooms = _rooms.setdefault(model, [])
    try:
        memory, address = rooms.pop()
    except IndexError:
        memory = np.zeros(entries + model.n_work + 1)
        address = address_of(memory)
    states = address_of(u)
    parameters = address_of(p) if len(p) else 0
    for function in (model.setup, model.jacobian):
        model_function(function, t, address, states, parameters, address + 8 * entries)
    values = memory[:entries]
    if model.n <= _SMALL:
        with np.errstate(over="ignore"):  # an infinite rate is as good as any other that is too large
            rate = math.sqrt(values @ values)
    else:
        sizes = np.abs(values)
        rows = np.bincount(model.indices, sizes, model.n)
        columns = np.diff(np.append(0.0, np.cumsum(sizes))[model.indptr])
        rate = float(min(rows.max(initial=0.0), columns.max(initial=0.0)))
    rooms.append((memory, address))
    return rate


# Whether factors are dear, and rates those of decays, by model: as with pivot orders, what was found once
# holds for all runs.
_dear: WeakKeyDictionary[ModelFunctions, bool] = WeakKeyDictionary()
_decaying: WeakKeyDictionary[ModelFunctions, bool] = WeakKeyDictionary()


def jacobian_at(model: ModelFunctions, t: float, u: FloatArray, p: FloatArray) -> FloatArray:
    """The entries of the Jacobian."""
    jacobian, work = np.zeros(max(len(model.indices), 1)), np.zeros(model.n_work + 1)
    states, parameters = np.ascontiguousarray(u), np.ascontiguousarray(p)
    for function in (model.setup, model.jacobian):
        model_function(function, t, *(a.ctypes.data for a in (jacobian, states, parameters, work)))
    return jacobian


def decays(model: ModelFunctions, t: float, u: FloatArray, p: FloatArray) -> bool:
    """Whether what is fast at (t, u) dies away and does not oscillate, as in reaction networks.

    There the negative diagonal is a third of the Jacobian by size and more; in oscillators it is near zero.
    """
    known = _decaying.get(model)
    if known is None:
        values = jacobian_at(model, t, u, p)
        diagonal = values[model.indices == np.repeat(np.arange(model.n), np.diff(model.indptr))]
        known = _decaying[model] = bool(-diagonal.sum() > _DECAY * np.abs(values).sum())
    return known


def is_network(model: ModelFunctions) -> bool:
    """Whether there are many unknowns and equations read many of them."""
    return model.n >= _NETWORK and len(model.indices) >= _READ * model.n


def dear_factors(model: ModelFunctions, t: float, u: FloatArray, p: FloatArray, rate: float) -> bool:
    """Whether factors are so dear that they should serve many steps; rate: of the Jacobian there.

    The pivot order that tells is kept for the run.
    """
    known = _dear.get(model)
    if known is None:
        pattern = patterns(model)[0]
        entries = len(model.indices)
        jacobian = jacobian_at(model, t, u, p)
        known = False
        if np.isfinite(jacobian).all():
            scale = np.array([1.0 + 10.0 * rate])  # as in a short step
            system = LinearSystem(pattern, jacobian, scale, "auto")
            dear = _DEAR_IN_NETWORKS if is_network(model) else _DEAR_FACTORS
            known = system.analyse() and pattern.factor_cost() > dear * (
                pattern.solve_cost() + 2.0 * (entries + model.n)
            )
        _dear[model] = known
    return known


def cost_ratio(model: ModelFunctions, explicit: Method, stiff: Method) -> float:
    """How many explicit steps take as long as one stiff step, from counts of operations."""
    function = 2.0 * (len(model.indices) + model.n)
    lines = lines_of(model) if splits(model) else None
    # of a product of banded matrices nearly all is the same in every step but for one pass over its numbers
    linear = patterns(model)[0].step_cost() if lines is None else (stiff.stages + 2) * lines.cost
    # a Jacobian is taken to cost as much as two right-hand sides
    return ((stiff.stages + 2) * function + linear) / (explicit.stages * function)


class Choice:
    """Which methods the runs of a model may use, and what decides between them.

    rate: the spectral radius of the Jacobian at (t, u), where the Jacobian itself is dear: jacobian_cost
    evaluations of f, beside which nothing else counts. Where it is not given the compiled loop looks itself
    at how stiff the system is (`kernel.stiffness`).
    """

    def __init__(
        self,
        model: ModelFunctions,
        rtol: float,
        interpolated: bool,
        *,
        rate: Callable[[float, FloatArray], float] | None = None,
        jacobian_cost: float | None = None,
    ) -> None:
        self.model, self.rate = model, rate
        self.loose = rtol > 2e-4
        self.rtol, self.interpolated, self.jacobian_cost = rtol, interpolated, jacobian_cost
        self.stiff = stiff_method(rtol, jacobian_cost or 0.0, splits(model))
        look = library.addresses("stiffness")["look"] if rate is None else 0
        self._counts = np.array([look, 0, _FIRST_LOOK, _FIRST_LOOK, 0, 0, 2, 0])
        self._compare(explicit_method(rtol, interpolated))

    def _compare(self, explicit: ExplicitTableau) -> None:
        """The costs of an explicit method beside those of the stiff one."""
        model, jacobian_cost = self.model, self.jacobian_cost
        self.explicit = explicit
        self.stable = stability_interval(self.explicit)
        if model.n_algebraic:
            self.ratio = 1.0
        elif jacobian_cost is None:
            self.ratio = cost_ratio(model, self.explicit, self.stiff)
        else:
            per_step = (
                _BDF_EVALUATIONS if self.stiff.family == "bdf" else self.stiff.stages + jacobian_cost
            )
            self.ratio = per_step / self.explicit.stages
        # explicit steps that take as long as a stiff run
        self.affordable = _STIFF_STEPS * self.ratio * (1e-4 / self.rtol) ** (1.0 / 6.0)
        self._numbers = np.array([self.stable, self.ratio, self.affordable])

    def begin(
        self, span: tuple[float, float], u: FloatArray, p: FloatArray, step: float | None = None
    ) -> tuple[Method, str]:
        """The first method, from the Jacobian at the start of the span with u, (n,), and p; and why.

        step: of fixed length, for which the explicit method is taken if it is stable.
        """
        model, begin = self.model, span[0]
        if model.n_algebraic:
            why = self._factored(begin, u, p, 0.0)
            return self.stiff, f"{self.stiff}: {model.n_algebraic} algebraic equations{why}"
        rate = self.rate(begin, u) if self.rate else fastest_rate(model, begin, u, p)
        if step is not None:
            method = self.explicit if rate * step <= _FREE * self.stable else self.stiff
            return method, f"{method}: step times the rates at the start is {rate * step:.3g}"
        work = rate * (span[1] - begin) / self.stable
        held_back = work > _HELD_BACK and self.rate is None and is_network(model)
        if held_back and decays(model, begin, u, p):
            self._compare(explicit_method(self.rtol, self.interpolated, held_back=True))
            work = rate * (span[1] - begin) / self.stable
        if work <= self.affordable:
            return self.explicit, f"{self.explicit}: by the rates at the start {work:.0f} steps are stable"
        why = self._factored(begin, u, p, rate)
        return self.stiff, (
            f"{self.stiff}: by the rates at the start {work:.1e} explicit steps may be needed{why}"
        )

    def _factored(self, t: float, u: FloatArray, p: FloatArray, rate: float) -> str:
        """From now on BDF as the stiff method where factors are dear; ", and" why.

        Not where events begin the run anew, with order 1, nor at loose tolerances, where it has no advantage.
        """
        model = self.model
        if (
            (model.n < _MANY and not is_network(model)) or self.rate is not None or self.loose
            or model.n_events + model.n_limits or self.stiff is not METHODS["Rodas5P"]
            or kind_for(model, METHODS["BDF"], "auto") != "auto"
            or not dear_factors(model, t, u, p, rate)
        ):  # fmt: skip
            return ""
        self.stiff = METHODS["BDF"]
        return ", with factors that should serve many steps"

    def watch(self, integrator: Integrator, end: float) -> None:
        """From now on, up to the end, the method may change."""
        if not self.model.n_algebraic:
            integrator.watch(self._numbers, self._counts, end)

    def pause(self, integrator: Integrator) -> int:
        """How many steps to make before `changed` is to be asked."""
        if self.rate is None or self.model.n_algebraic:
            return 1 << 62
        return max(integrator.next_look - integrator.steps, 1)

    def changed(self, integrator: Integrator) -> tuple[Method, float, str] | None:
        """Between two calls of the loop: the method to go on with, if it is another one, its longest first
        step, and why."""
        if self.rate is not None and 0 < integrator.next_look <= integrator.steps:
            integrator.judge(self.rate(integrator.t, integrator.u))
        if not integrator.wants_change:
            return None
        remaining, rate = integrator.outlook
        if integrator.method is self.explicit:
            self._factored(integrator.t, integrator.u, integrator.p, rate)
            method, longest = self.stiff, math.inf
            why = f"the steps were held back by stability, with {remaining:.1e} of them to come"
        else:
            method, longest = self.explicit, 0.5 * self.stable / max(rate, 1e-300)
            why = "the steps were short for the rates of the model"
        return method, longest, f"; {method} from t = {integrator.t:.6g}: {why}"


def choice_for_all(
    model: ModelFunctions,
    span: tuple[float, float],
    starts: FloatArray,
    parameters: FloatArray,
    rtol: float,
    interpolated: bool,
) -> Method:
    """The method of an ensemble, starts (k, n), parameters (k, n_p): stiff if one of a few needs it."""
    choice = Choice(model, rtol, interpolated)
    last = len(starts) - 1
    for member in sorted({round(part * last / 8) for part in range(9)}):
        u, p = (np.ascontiguousarray(rows[member]) for rows in (starts, parameters))
        method, _ = choice.begin(span, u, p)
        if method is choice.stiff:
            break
    return method
