"""A big system on a GPU: the host drives explicit Runge-Kutta steps, all vectors stay on the device.

Each stage launches the kernels of the right-hand side and one linear combination; a step brings one number
per block back to the host, for the error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from symnum.codegen import cuda_toolkit
from symnum.codegen.cuda_functions import CudaFunctions
from symnum.codegen.model_functions import FloatArray
from symnum.errors import ModelError, SolveFailed
from symnum.solving.method import Method
from symnum.solving.options import tolerances
from symnum.solving.problem import Problem
from symnum.solving.tableau import ExplicitTableau
from symnum.solving.tableaus import find

__all__ = ["CudaRun", "solve_cuda"]

_BLOCKS = 256  # at most, of a reduction: as many numbers come back to the host


class CudaRun(NamedTuple):
    """Times (m,), states (n, m), accepted and rejected steps."""

    t: FloatArray
    y: FloatArray
    steps: int
    rejected: int


def solve_cuda(
    problem: Problem,
    method: str | Method = "Tsit5",
    *,
    rtol: float = 1e-6,
    atol: float | Mapping[Any, float] | FloatArray = 1e-9,
    saveat: npt.ArrayLike | None = None,
    step: float | None = None,
    max_steps: int = 1_000_000,
) -> CudaRun:
    """Integrate one large system of ordinary differential equations on the GPU with an explicit method.

    saveat: increasing times within the span; None for the end alone. step: a fixed step size instead of error
    control. Raises ModelError for what an explicit method without events cannot do, CodegenError without a
    GPU, SolveFailed where the run cannot go on.
    """
    chosen, functions, name = find(method), problem.compiled.model.functions, problem.flat.name
    if not isinstance(chosen, ExplicitTableau):
        raise ModelError(f"{chosen} is not explicit; on a GPU large systems need an explicit method: Tsit5")
    if not np.all(functions.mass):
        raise ModelError(f"{name}: an explicit method cannot solve algebraic equations; solve it on the CPU")
    if problem.events or functions.n_events or functions.n_limits:
        raise ModelError(f"{name}: events and limits do not work on a GPU yet; solve it on the CPU")
    if problem.flat.hosted:
        raise ModelError(f"{name}: imported units do not work on a GPU; solve it on the CPU")
    if problem.flat.delays:
        raise ModelError(f"{name}: delays do not work on a GPU; solve it on the CPU")
    if step is not None and not 0.0 < step < math.inf:
        raise ModelError(f"step={step!r}: give a positive, finite number")
    begin, end = problem.span
    times = np.array([end]) if saveat is None else np.asarray(saveat, float)
    inside = times.ndim == 1 and len(times) > 0 and bool(begin <= times[0] and times[-1] <= end)
    if not inside or not (np.diff(times) > 0).all():
        raise ModelError(f"saveat: give increasing times within the span {begin:g} ... {end:g}")
    run = _Run(problem, chosen, rtol, tolerances(problem.flat, rtol, atol), times)
    return run.adaptive(max_steps) if step is None else run.fixed(step, max_steps)


class _VectorKernels(NamedTuple):
    combine: Any
    square_sums: Any
    block: int  # threads


@cache
def _vector_kernels() -> _VectorKernels:
    from symnum.solving.cuda import vectors

    jit = cuda_toolkit.cuda().jit
    return _VectorKernels(jit(vectors.combine), jit(vectors.square_sums), vectors.BLOCK)


class _Run:
    """One run: vectors on the device, and the steps made of them."""

    def __init__(
        self, problem: Problem, method: ExplicitTableau, rtol: float, atol: FloatArray, times: FloatArray
    ) -> None:
        cuda_toolkit.require_device()
        cuda = self.cuda = cuda_toolkit.cuda()
        self.problem, self.method, self.rtol, self.times = problem, method, rtol, times
        compiled = problem.compiled.model
        n, s = compiled.functions.n, method.stages
        self.n = n
        wanted = ("setup", "rhs")
        self.functions = CudaFunctions({name: compiled.lowered[name] for name in wanted})
        table = method.table()
        self.c = table[:s]
        # rows of the Runge-Kutta matrix, then the weights of the new state and of the error
        self.weights = [cuda.to_device(row.copy()) for row in table[s:].reshape(s + 2, s)]
        self.rows = method.dense_table()
        self.u, self.v, self.y, self.f = (cuda.to_device(problem.u) for _ in range(4))
        self.k = cuda.device_array((s, n), np.float64)
        self.p = cuda.to_device(problem.p if len(problem.p) else np.zeros(1))
        self.work = cuda.device_array(max(self.functions.n_work, 1), np.float64)
        self.atol = cuda.to_device(atol)
        self.kernels = _vector_kernels()
        self.sums = cuda.device_array(min(_BLOCKS, -(-n // self.kernels.block)), np.float64)
        self.t, self.end = problem.span
        self.position = 0
        self.saved = np.full((n, len(times)), np.nan)
        self.steps = self.rejected = 0
        values = cuda.device_array(max(len(compiled.functions.indices), 1), np.float64)
        self.functions("setup", self.t, values, self.u, self.p, self.work)
        self.rhs(self.t, self.u, self.f)
        if not math.isfinite(self.norm(self.f, self.u, self.u)):
            raise SolveFailed(f"{problem.flat.name}: not finite at the start, t = {self.t:g}")
        self.save_until(self.t, 0.0)

    # ---- operations on the device -------------------------------------------------------------------
    def rhs(self, t: float, u: Any, out: Any) -> None:
        self.functions("rhs", t, out, u, self.p, self.work)

    def combine(
        self, out: Any, alpha: float, u: Any, beta: float, v: Any, scale: float, weights: Any, stages: int
    ) -> None:
        """out = alpha u + beta v + scale sum_j weights_j k_j."""
        cuda_toolkit.launch(
            self.kernels.combine, self.n, self.kernels.block,
            out, alpha, u, beta, v, scale, stages, weights, self.k,
        )  # fmt: skip

    def norm(self, value: Any, u: Any, v: Any) -> float:
        """Root mean square of value_i / (atol_i + rtol max(|u_i|, |v_i|))."""
        block = self.kernels.block
        cuda_toolkit.launch(
            self.kernels.square_sums, len(self.sums) * block, block,
            self.sums, value, u, v, self.atol, self.rtol,
        )  # fmt: skip
        return math.sqrt(self.sums.copy_to_host().sum() / self.n)

    # ---- steps ----------------------------------------------------------------------------------
    def stages(self, h: float) -> None:
        """v = u + h sum_i b_i k_i; then y = h sum_i e_i k_i, the error."""
        s = self.method.stages
        self.k[0].copy_to_device(self.f)
        for i in range(1, s):
            self.combine(self.y, 1.0, self.u, 0.0, self.u, h, self.weights[i], i)
            self.rhs(self.t + self.c[i] * h, self.y, self.v)
            self.k[i].copy_to_device(self.v)
        self.combine(self.v, 1.0, self.u, 0.0, self.u, h, self.weights[s], s)
        self.combine(self.y, 0.0, self.u, 0.0, self.u, h, self.weights[s + 1], s)

    def accept(self, reached: float, h: float) -> None:
        self.steps += 1
        self.save_until(reached, h)
        self.t = reached
        self.u, self.v = self.v, self.u
        if self.method.first_same_as_last:
            self.f.copy_to_device(self.k[self.method.stages - 1])
        else:
            self.rhs(self.t, self.u, self.f)

    def save_until(self, reached: float, h: float) -> None:
        """The wanted times in (t, reached], from the interpolant of the step (see `kernel.dense`)."""
        while self.position < len(self.times) and self.times[self.position] <= reached:
            state = self.u if h == 0.0 else self.v
            if self.times[self.position] < reached:
                theta = (self.times[self.position] - self.t) / h
                inner = self.cuda.to_device(theta ** np.arange(len(self.rows)) @ self.rows)
                state, scale = self.y, theta * (1.0 - theta) * h
                self.combine(state, 1.0 - theta, self.u, theta, self.v, scale, inner, self.method.stages)
            self.saved[:, self.position] = state.copy_to_host()
            self.position += 1

    def first_step(self) -> float:
        """Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, section II.4."""
        span = self.end - self.t
        d0, d1 = self.norm(self.u, self.u, self.u), self.norm(self.f, self.u, self.u)
        h = 0.01 * d0 / d1 if d0 >= 1e-5 and d1 >= 1e-5 else 1e-6
        h = min(max(h, 1e-3 * span) if d1 < 1e-5 else h, span)
        none = self.weights[0]
        self.combine(self.y, 1.0, self.u, h, self.f, 0.0, none, 0)
        self.rhs(self.t + h, self.y, self.v)
        self.combine(self.y, 1.0, self.v, -1.0, self.f, 0.0, none, 0)
        top = max(d1, self.norm(self.y, self.u, self.u) / h)
        if not top <= 1e300:
            return min(h, 1e-6 * span)
        if top <= 1e-15:
            return min(100.0 * h, max(1e-6 * span, 1e-3 * h))
        return float(min(100.0 * h, (0.01 / top) ** (1.0 / (self.method.error_power))))

    def adaptive(self, max_steps: int) -> CudaRun:
        """The step control of the CPU's stepping loop."""
        control, k = self.method.controller, self.method.error_power
        h, before, shrunk = self.first_step(), 1.0, False
        reason = "the step size collapsed. Does the solution blow up?"
        while self.t < self.end:
            if self.steps + self.rejected >= max_steps:
                raise self.failure(f"{max_steps} steps were not enough")
            last = h * 1.001 >= self.end - self.t
            length = self.end - self.t if last else h
            if not self.t + 0.1 * length > self.t and not (last and not shrunk):
                raise self.failure(reason)
            self.stages(length)
            error = self.norm(self.y, self.u, self.v)
            if not error <= 1.0:
                self.rejected += 1
                shrunk = True
                finite = error <= 1e300
                reason = "the step size collapsed. Does the solution blow up?" if finite else "not finite"
                h = length * (max(control.shrink, control.safety * error ** (-1.0 / k)) if finite else 0.25)
                continue
            self.accept(self.end if last else self.t + length, length)
            change = control.grow
            if error > 0.0:
                change = control.safety * error ** (-control.now / k) * before ** (control.before / k)
                change = min(control.grow, max(control.shrink, change))
            change = min(change, 1.0) if shrunk else change
            if not (last and not shrunk and length * change < h):
                h, before = length * change, max(error, 1e-4)
            shrunk = False
        return CudaRun(self.times, self.saved, self.steps, self.rejected)

    def fixed(self, step: float, max_steps: int) -> CudaRun:
        """Steps of one size; the last one ends at the end."""
        while self.t < self.end:
            if self.steps >= max_steps:
                raise self.failure(f"{max_steps} steps were not enough")
            last = step * 1.001 >= self.end - self.t
            length = self.end - self.t if last else step
            self.stages(length)
            if not math.isfinite(self.norm(self.v, self.u, self.u)):
                raise self.failure("not finite. Is the step too long for this system?")
            self.accept(self.end if last else self.t + length, length)
        return CudaRun(self.times, self.saved, self.steps, self.rejected)

    def failure(self, what: str) -> SolveFailed:
        return SolveFailed(f"{self.problem.flat.name}: stopped at t = {self.t:.9g} on the GPU: {what}")
