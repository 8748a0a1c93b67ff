"""Ensembles on a GPU: one trajectory per thread, a complete adaptive solver around the generated model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from symnum.codegen import cuda_toolkit
from symnum.codegen.cuda_device import DeviceModel, device_model
from symnum.codegen.model import CompiledModel
from symnum.codegen.model_functions import FloatArray
from symnum.errors import CodegenError, ModelError
from symnum.record import record
from symnum.solving.cuda.kernel import NAME, ensemble_source
from symnum.solving.method import Method
from symnum.solving.options import tolerances
from symnum.solving.problem import Problem
from symnum.solving.tableaus import find

__all__ = ["CudaEnsemble", "EnsembleRun", "solve_ensemble_cuda"]

LARGEST = 64  # unknowns: the matrix of a stiff step then takes 32 KiB of a thread's local memory
_BLOCK = 64  # threads: trajectories that take different numbers of steps hold up few others
_ELSE = "solve this ensemble with on='cpu'"
_MAX_STEPS = 1_000_000  # as elsewhere
_COUNTED = (1 << 31) - 1  # steps: the kernel counts in 32 bits
_BATCH = 1 << 30  # bytes of saved states that lie on the GPU at once

_KERNELS: WeakKeyDictionary[CompiledModel, dict[Method, CudaEnsemble]] = WeakKeyDictionary()


class EnsembleRun(NamedTuple):
    """Times (m,); states (N, n, m), NaN beyond the point where a trajectory stopped; values of `Status` (N,);
    accepted and rejected steps (N,)."""

    t: FloatArray
    y: FloatArray
    status: npt.NDArray[np.int32]
    steps: npt.NDArray[np.int32]
    rejected: npt.NDArray[np.int32]


@record
class CudaEnsemble:
    """The kernel of one model and one method. ``source`` can be read; ``ptx`` needs no GPU."""

    model: DeviceModel
    method: Method
    source: str
    function: Any  # the kernel as a Python function

    @classmethod
    def of(cls, compiled: CompiledModel, method: Method) -> CudaEnsemble:
        """Made once per model, method and process. ModelError where the model or the method does not fit."""
        known = _KERNELS.setdefault(compiled, {})
        if method not in known:
            functions = compiled.functions
            if functions.n_events + functions.n_limits:
                raise ModelError(f"events and limits do not work on a GPU yet; {_ELSE}")
            if functions.n > LARGEST:
                raise CodegenError(
                    f"{functions.n} unknowns are too many for one GPU thread (at most {LARGEST}); {_ELSE}"
                )
            if method.dae == 0 and not np.all(functions.mass):
                raise ModelError(
                    f"{method} cannot solve a system with algebraic equations. "
                    "Use Rodas4P, or another method for stiff systems."
                )
            model = device_model(compiled.lowered, functions)
            source = ensemble_source(method, model)
            known[method] = cls(model, method, source, _kernel(model, source))
        return known[method]

    def ptx(self, capability: tuple[int, int] = (9, 0)) -> str:
        """The kernel as PTX for a compute capability; needs NVIDIA's compiler, but no GPU."""
        from numba import types

        number, count = types.float64, types.int64
        arrays = [types.Array(number, dimensions, "C") for dimensions in (1, 2, 2, 1)]
        counts = [types.Array(types.int32, dimensions, "C") for dimensions in (1, 2)]
        saved = types.Array(number, 3, "C")
        signature = types.void(number, number, *arrays, number, count, saved, *counts)
        return cuda_toolkit.ptx(self.function, signature, capability)

    def run(
        self,
        span: tuple[float, float],
        times: FloatArray,
        starts: FloatArray,
        parameters: FloatArray,
        *,
        rtol: float,
        atol: FloatArray,
        max_steps: int = _MAX_STEPS,
    ) -> EnsembleRun:
        """Integrate members: starts (N, n), consistent; parameters (N, n_p); atol (n,); times (m,)."""
        cuda_toolkit.require_device()
        n, members, m = self.model.n, len(starts), len(times)
        result = EnsembleRun(
            times, np.empty((members, n, m)), *(np.empty(members, np.int32) for _ in range(3))
        )
        size = max(1, min(members, _BATCH // (8 * n * m)))
        for first in range(0, members, size):
            self._batch(slice(first, first + size), span, starts, parameters, rtol, atol, max_steps, result)
        return result

    def _batch(
        self, part: slice, span: tuple[float, float], starts: FloatArray, parameters: FloatArray,
        rtol: float, atol: FloatArray, max_steps: int, result: EnsembleRun,
    ) -> None:  # fmt: skip
        cuda = cuda_toolkit.cuda()
        members = len(starts[part])
        n, m = self.model.n, len(result.t)
        saved = cuda.device_array((m, n, members), np.float64)
        status = cuda.device_array(members, np.int32)
        counts = cuda.device_array((2, members), np.int32)
        # a model without parameters gets a row of zeros: arrays on a GPU are not empty
        columns = np.ascontiguousarray(parameters[part].T) if parameters.shape[1] else np.zeros((1, members))
        block = 8 if cuda_toolkit.simulated() else _BLOCK
        cuda_toolkit.launch(
            _launchable(self), members, block,
            span[0], span[1], cuda.to_device(np.ascontiguousarray(result.t)),
            cuda.to_device(np.ascontiguousarray(starts[part].T)), cuda.to_device(columns),
            cuda.to_device(atol), rtol, max_steps, saved, status, counts,
        )  # fmt: skip
        result.y[part] = saved.copy_to_host().transpose(2, 1, 0)
        result.status[part] = status.copy_to_host()
        result.steps[part], result.rejected[part] = counts.copy_to_host()


_LAUNCHABLE: WeakKeyDictionary[CudaEnsemble, Any] = WeakKeyDictionary()


def _launchable(ensemble: CudaEnsemble) -> Any:
    """The kernel as numba compiles it for the GPU at hand, at its first launch."""
    if ensemble not in _LAUNCHABLE:
        _LAUNCHABLE[ensemble] = cuda_toolkit.cuda().jit(ensemble.function)
    return _LAUNCHABLE[ensemble]


def _kernel(model: DeviceModel, source: str) -> Any:
    return cuda_toolkit.kernels(source, cuda_toolkit.model_calls(model))[NAME]


def solve_ensemble_cuda(
    problem: Problem,
    members_p: FloatArray,
    members_u0: FloatArray,
    method: str | Method = "Tsit5",
    rtol: float = 1e-6,
    atol: float | Mapping[Any, float] | FloatArray = 1e-9,
    saveat: FloatArray | None = None,
    *,
    max_steps: int = _MAX_STEPS,
) -> EnsembleRun:
    """Integrate many members of one problem on the GPU.

    members_p (N, n_parameters) and members_u0 (N, n), algebraic unknowns consistent. saveat: increasing times
    within the span; None for the end alone. t (m,); y (N, n, m), NaN after a failure; status (N,) values of
    `Status`. max_steps: of one member. Tsit5, or a Rosenbrock method for stiff problems and index-1 systems.
    Raises ModelError for events, limits and sizes that do not agree, CodegenError without a GPU or for a
    model that is too large.
    """
    functions, name = problem.compiled.model.functions, problem.flat.name
    if problem.flat.hosted:
        raise ModelError(f"{name}: imported units do not work on a GPU; solve it on the CPU")
    if problem.flat.delays:
        raise ModelError(f"{name}: delays do not work on a GPU; {_ELSE}")
    if problem.events:
        raise ModelError(f"{name}: events do not work on a GPU yet; {_ELSE}")
    parameters, starts = np.asarray(members_p, float), np.asarray(members_u0, float)
    if starts.ndim != 2 or starts.shape[1] != functions.n or len(starts) < 1:
        raise ModelError(f"{name}: starts have shape {starts.shape}; give (members, {functions.n})")
    wanted = (len(starts), functions.n_parameters)
    if parameters.shape != wanted:
        raise ModelError(f"{name}: parameters have shape {parameters.shape}; give {wanted}")
    for what, values in (("starts", starts), ("parameters", parameters)):
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            raise ModelError(f"{name}: the {what} of member {bad[0]} are not finite")
    begin, end = problem.span
    times = np.array([end]) if saveat is None else np.asarray(saveat, float)
    inside = times.ndim == 1 and len(times) > 0 and bool(begin <= times[0] and times[-1] <= end)
    if not inside or not (np.diff(times) > 0).all():
        raise ModelError(f"saveat: give increasing times within the span {begin:g} ... {end:g}")
    absolute = tolerances(problem.flat, rtol, atol)
    ensemble = CudaEnsemble.of(problem.compiled.model, find(method))
    return ensemble.run(
        (begin, end), times, starts, parameters, rtol=rtol, atol=absolute, max_steps=min(max_steps, _COUNTED)
    )
