"""Steps compiled for one model and one method: the second tier of the stepping loop.

The loop is the same; what changes is the step function that it calls. Compiling takes a tenth of a second
or more, so `solve` comes to it by itself only when a run has taken about as long.
"""

from __future__ import annotations

import marshal
import time
from functools import cache as remember
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from symnum.codegen import cache, machine
from symnum.codegen.model import CompiledModel
from symnum.codegen.model_functions import FloatArray
from symnum.errors import ModelError
from symnum.solving.implicit_tableau import RadauTableau
from symnum.solving.integrator import Integrator
from symnum.solving.kernel.call import model_function
from symnum.solving.linear_system import pattern_of_pairs, patterns
from symnum.solving.method import Method
from symnum.solving.tableau import ExplicitTableau, RosenbrockTableau

if TYPE_CHECKING:
    from symnum.codegen.lu import Elimination

__all__ = ["LARGEST", "SpecialisedStep", "TierChoice", "elimination_for", "specialised_step", "step_text"]

# Unknowns up to which a step is written out. Straight-line code beyond would fall out of the caches.
LARGEST = 128
# The same for matrices of twice the size, whose code takes LLVM four times as long.
_LARGEST_PAIRS = 32
# Statements of the right-hand side and the Jacobian up to which it pays.
_STATEMENTS = 4000
# Updates of a factorization up to which it is written out by itself.
_UPDATES = 20_000
_PASSES, _CODEGEN = 2, 2
# Time steps, as parts of the span, at which the pivot order has to be a good one.
_SCALES = (1e-8, 1e-5, 1e-3, 1e-1)


class SpecialisedStep(NamedTuple):
    """Addresses of the step and of f, and the number of doubles that the factors take.

    systems: in their place (factor, solve, number of doubles) of the linear systems, where a method keeps the
    step of the kernels.
    """

    step: int
    function: int
    factors: int
    milliseconds: float  # what compiling it took
    systems: tuple[tuple[int, int, int], ...] = ()

    def put_into(self, integrator: Integrator) -> None:
        """At any moment between two calls of the loop."""
        if self.systems:
            integrator.specialise_systems(self.systems)
        else:
            integrator.specialise(self.step, self.function, self.factors)


# Milliseconds in the loop after which a stored step is looked for.
_WORTH_LOADING = 5.0

# What runs with the generic step have taken so far, by model and method.
_spent: WeakKeyDictionary[CompiledModel, dict[Method, float]] = WeakKeyDictionary()
_known: WeakKeyDictionary[CompiledModel, dict[Method, SpecialisedStep]] = WeakKeyDictionary()
# Of which methods no step was stored when it was looked for: looking takes as long as a short run.
_missing: WeakKeyDictionary[CompiledModel, set[Method]] = WeakKeyDictionary()


def unfit(model: CompiledModel, method: Method) -> str:
    """Why there is no specialised step; "" where there is one."""
    if method.family == "bdf":
        return f"{method} has no specialised step"
    largest = _LARGEST_PAIRS if method.family == "radau" else LARGEST
    if model.functions.n > largest:
        return f"{model.functions.n} unknowns are more than {largest}"
    return ""


def _written_out(method: Method) -> bool:
    """Is the whole step written out, or are its linear systems alone?"""
    return isinstance(method, (ExplicitTableau, RosenbrockTableau))


def _cost(model: CompiledModel, method: Method) -> float:
    """About how many milliseconds compiling the step takes."""
    functions = model.functions
    if method.family == "explicit":
        return 30.0 + 0.3 * method.stages * functions.n + 0.1 * model.operations
    if not _written_out(method):
        return 30.0 + 0.1 * patterns(functions)[0].step_cost() * (8 if method.family == "radau" else 1)
    return 30.0 + method.stages**2 * functions.n + 0.2 * model.operations


def elimination_for(
    model: CompiledModel,
    method: Method,
    t: float,
    u: FloatArray,
    p: FloatArray,
    span: float,
    *,
    complex_scale: tuple[float, float] | None = None,
) -> Elimination | None:
    """A pivot order for scale M - J, good at (t, u) for short and long steps.

    complex_scale: real and imaginary part, beside 1/(h gamma), of the scale of a complex matrix. None if the
    matrix is singular or not finite.
    """
    from symnum.codegen.lu import Elimination

    functions = model.functions
    jacobian, work = np.zeros(len(functions.indices)), np.zeros(max(functions.n_work, 1))
    u, p = np.ascontiguousarray(u), np.ascontiguousarray(p)
    for address in (functions.setup, functions.jacobian):
        model_function(address, t, *(array.ctypes.data for array in (jacobian, u, p, work)))
    pattern = pattern_of_pairs(functions) if complex_scale else patterns(functions)[0]
    columns = np.repeat(np.arange(pattern.n), np.diff(pattern.indptr))
    ratio = np.array(complex_scale or (1.0,)) / (max(span, 1e-300) * float(method.table()[0]))
    with np.errstate(over="ignore", invalid="ignore"):
        samples = np.array([pattern.values(jacobian, ratio / scale) for scale in _SCALES])
    if not np.isfinite(samples).all():
        return None
    return Elimination.choose(pattern.indices, columns, samples, pattern.n)


def specialised_step(
    model: CompiledModel,
    method: Method,
    t: float,
    u: FloatArray,
    p: FloatArray,
    span: float,
    *,
    stored_only: bool = False,
) -> SpecialisedStep | None:
    """The step of this model and method, from memory, from disk, or compiled now.

    t, u, p, span: numbers on which a pivot order is chosen, if there is none yet. stored_only: do not
    compile. None where there is none. ModelError where there can be none.
    """
    known = _known.setdefault(model, {})
    if method not in known:
        reason = unfit(model, method)
        if reason:
            raise ModelError(f"no specialised tier: {reason}. Use tier='generic', or leave tier out.")
        key = _step_key(model, method)
        stored = cache.fetch("step", key)
        if stored is None:
            if stored_only:
                return None
            made = _make(model, method, t, u, p, span)
            if made is None:
                return None
            stored = marshal.dumps(made, 4)
            cache.store("step", key, stored)
        code, factors, milliseconds = marshal.loads(stored)
        loaded = machine.load_object(code)
        if isinstance(factors, tuple):
            systems = tuple(
                (loaded.address(f"factor{k}"), loaded.address(f"solve{k}"), size)
                for k, size in enumerate(factors)
            )
            known[method] = SpecialisedStep(0, 0, 0, milliseconds, systems)
        else:
            known[method] = SpecialisedStep(
                loaded.address("step"), loaded.address("function"), factors, milliseconds
            )
    return known[method]


def _key(kind: str, model: CompiledModel, method: Method, *more: str) -> str:
    """What a step is made from: the model (f and M), the method, and the code that writes steps."""
    masses = model.functions.mass.tobytes()
    return cache.digest(model.key(kind), masses, _version(), method.name, method.table().tobytes(), *more)


@remember
def _version() -> str:
    """Changes whenever the code that writes steps does."""
    return cache.version_of(__file__)


def _step_key(model: CompiledModel, method: Method) -> str:
    return _key("step", model, method, model.fingerprint)


def step_text(model: CompiledModel, method: Method, elimination: Elimination | None) -> str:
    """The LLVM text of a scalar step."""
    from symnum.codegen.lanes import Lanes
    from symnum.solving.specialised_step import emit_step, scalar_step

    lanes = Lanes(1)
    lowered = model.lowered
    emit_step(method, lowered, model.functions, elimination, lanes)
    if isinstance(method, ExplicitTableau) and method.second:
        lanes.declare("double", "llvm.fabs.f64", "double")
        lanes.declare("double", "llvm.sqrt.f64", "double")
    step = scalar_step(method, model.functions, "time_gradient" in lowered)
    return f"{lanes.text()}\n\n{step}"


def _make(
    model: CompiledModel, method: Method, t: float, u: FloatArray, p: FloatArray, span: float
) -> tuple[bytes, int | tuple[int, ...], float] | None:
    began = time.perf_counter()
    if not _written_out(method):
        return _make_systems(model, method, t, u, p, span)
    if not model.fits:
        # the step shares scratch with the code of the model, which another process rewrote in another way
        from logging import getLogger

        getLogger("symnum").info("no specialised %s: the model was rewritten in another way here", method)
        return None
    elimination = None
    if method.family != "explicit":
        elimination = elimination_for(model, method, t, u, p, span)
        if elimination is None:
            return None
    code = machine.compile_text(step_text(model, method, elimination), passes=_PASSES, codegen=_CODEGEN)
    factors = 0 if elimination is None else elimination.size
    return code, factors, 1e3 * (time.perf_counter() - began)


def _make_systems(
    model: CompiledModel, method: Method, t: float, u: FloatArray, p: FloatArray, span: float
) -> tuple[bytes, tuple[int, ...], float] | None:
    """Code for the linear systems alone, with the number of doubles of each."""
    from symnum.solving.specialised_systems import systems_text

    began = time.perf_counter()
    found = [elimination_for(model, method, t, u, p, span)]
    if isinstance(method, RadauTableau):
        gamma, alpha, beta, _ = method.spectrum()
        scale = (alpha / gamma, beta / gamma)
        found.append(elimination_for(model, method, t, u, p, span, complex_scale=scale))
    eliminations = [elimination for elimination in found if elimination is not None]
    if len(eliminations) < len(found) or sum(e.operations for e in eliminations) > _UPDATES:
        return None
    text = systems_text(model.functions, eliminations)
    code = machine.compile_text(text, passes=_PASSES, codegen=_CODEGEN)
    return code, tuple(e.size for e in eliminations), 1e3 * (time.perf_counter() - began)


class LaneSteps(NamedTuple):
    """Addresses of the model's functions on lanes, and how much memory they need, in numbers per lane."""

    lanes: int
    begin: int
    run: int
    prepared: int
    factors: int


_lane_steps: WeakKeyDictionary[CompiledModel, dict[Method, LaneSteps]] = WeakKeyDictionary()


def vector_lanes() -> int:
    """How many trajectories go side by side on this processor; 0: none, its vectors are too short."""
    found = machine.target()
    return 8 if "+avx512f" in found else 4 if "+avx2" in found else 0


def lane_steps(
    model: CompiledModel, method: Method, t: float, u: FloatArray, p: FloatArray, span: float
) -> LaneSteps | None:
    """The stepping loop on lanes; the pivot order is chosen on the numbers given. None if singular there."""
    known = _lane_steps.setdefault(model, {})
    if method not in known:
        lanes = vector_lanes()
        key = _lanes_key(model, method)
        stored = cache.fetch("lanes", key)
        if stored is None:
            elimination = None
            if method.family != "explicit":
                elimination = elimination_for(model, method, t, u, p, span)
                if elimination is None:
                    return None
            text, prepared = lanes_text(model, method, elimination, lanes)
            factors = 0 if elimination is None else elimination.size
            code = machine.compile_text(text, passes=_PASSES, codegen=_CODEGEN)
            stored = marshal.dumps((code, prepared, factors), 4)
            cache.store("lanes", key, stored)
        code, prepared, factors = marshal.loads(stored)
        from symnum.codegen.lanes import vector_library

        vector_library()  # its symbols have to be there when the code is loaded
        loaded = machine.load_object(code)
        begin, run = (loaded.address(f"lanes_{name}") for name in ("begin", "run"))
        known[method] = LaneSteps(lanes, begin, run, prepared, factors)
    return known[method]


def _lanes_key(model: CompiledModel, method: Method) -> str:
    from symnum.codegen.lanes import vector_library

    # code that calls the vector library ends the process where the library is not there
    return _key("lanes", model, method, f"{vector_lanes()} {vector_library() is not None}")


def stored_steps(model: CompiledModel, method: Method) -> list[tuple[str, str, bytes]]:
    """(kind, key, content) of what the cache holds of steps for this model and method."""
    if unfit(model, method):
        return []
    wanted = (("step", _step_key(model, method)), ("lanes", _lanes_key(model, method)))
    found = ((kind, key, cache.fetch(kind, key)) for kind, key in wanted)
    return [(kind, key, data) for kind, key, data in found if data is not None]


def lanes_text(
    model: CompiledModel, method: Method, elimination: Elimination | None, lanes: int
) -> tuple[str, int]:
    """The LLVM text of the stepping loop on lanes, and its places of prepared scratch."""
    from symnum.codegen.lanes import Lanes
    from symnum.solving.specialised_lanes import lanes_functions
    from symnum.solving.specialised_step import emit_step

    module = Lanes(lanes)
    prepared = emit_step(method, model.lowered, model.functions, elimination, module)
    lanes_functions(method, model.functions, "time_gradient" in model.lowered, module)
    return module.text(), prepared


class TierChoice:
    """Which step one run uses, and when it changes.

    wanted: "generic", "specialised", or None: a step that is in memory at once, one that is on disk after a
    few milliseconds, and compiling when runs of this model and method have taken as long as that will.
    """

    def __init__(self, model: CompiledModel, method: Method, wanted: str | None, span: float) -> None:
        self.model, self.method, self.wanted, self.span = model, method, wanted, span
        self.open = wanted != "generic"  # may the tier still change?
        self.counted = 0.0

    def begin(self, integrator: Integrator) -> None:
        """Before the first step, at consistent values."""
        stats = integrator.stats
        if self.wanted == "generic":
            stats.tier = "generic: asked for"
            return
        if self.wanted == "specialised":
            if not self.use(integrator, "asked for", stored_only=False):
                stats.tier = "generic: singular at the start, or code of another process"
            return
        reason = unfit(self.model, self.method)
        if reason:
            self.open, stats.tier = False, f"generic: {reason}"
            return
        stats.tier = "generic: the run was short"
        if self.method in _known.get(self.model, {}):
            self.use(integrator, "compiled before", stored_only=True)
        elif _spent.get(self.model, {}).get(self.method, 0.0) > _WORTH_LOADING:
            self.consider(integrator)

    def consider(self, integrator: Integrator) -> None:
        """Between two calls of the loop: has it run long enough?"""
        if not self.open:
            return
        spent = _spent.setdefault(self.model, {})
        now = integrator.stats.solve_milliseconds
        total = spent[self.method] = spent.get(self.method, 0.0) + now - self.counted
        self.counted = now
        missing = _missing.setdefault(self.model, set())
        look = total > _WORTH_LOADING and self.method not in missing
        if look and not self.use(integrator, "stored", stored_only=True):
            missing.add(self.method)
        if self.open and total > _WORTH_LOADING and total > _cost(self.model, self.method):
            if self.model.operations > _STATEMENTS:
                self.open = False
                integrator.stats.tier = "generic: the model is too large"
            elif not self.use(integrator, "the run is long", stored_only=False):
                self.open = False

    def use(self, integrator: Integrator, why: str, *, stored_only: bool) -> bool:
        found = specialised_step(
            self.model, self.method, integrator.t, integrator.u, integrator.p, self.span,
            stored_only=stored_only,
        )  # fmt: skip
        if found is None:
            return False
        found.put_into(integrator)
        integrator.stats.tier = f"specialised: {why}"
        self.open = False
        return True
