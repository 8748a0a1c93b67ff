"""Kernels on long vectors, from which the integrator of `integrate` builds its steps.

Imported only where a GPU is used. The simulator replaces the module-level name ``cuda`` while a kernel runs.
"""

from __future__ import annotations

from typing import Any

import numba.cuda

from symnum.codegen import cuda_toolkit

__all__ = ["BLOCK", "combine", "square_sums"]

cuda: Any = numba.cuda  # its names are made at run time

# Threads of a block, a power of 2, which the reduction needs. In the simulator every one is a Python thread.
BLOCK = 4 if cuda_toolkit.simulated() else 128


def combine(
    out: Any, alpha: float, u: Any, beta: float, v: Any, scale: float, stages: int, weights: Any, k: Any
) -> None:
    """out = alpha u + beta v + scale sum_j weights_j k_j over the first ``stages`` rows of k (s, n)."""
    i = cuda.grid(1)
    if i >= out.shape[0]:
        return
    total = 0.0
    for j in range(stages):
        total += weights[j] * k[j, i]
    out[i] = alpha * u[i] + beta * v[i] + scale * total


def square_sums(out: Any, value: Any, u: Any, v: Any, atol: Any, rtol: float) -> None:
    """out[block] = sum of (value_i / (atol_i + rtol max(|u_i|, |v_i|)))^2 over the components of a block.

    A component belongs to the same block in every run, so results repeat to the last digit.
    """
    shared = cuda.shared.array(BLOCK, "float64")
    thread = cuda.threadIdx.x
    total = 0.0
    for i in range(cuda.grid(1), value.shape[0], cuda.gridsize(1)):
        scaled = value[i] / (atol[i] + rtol * max(abs(u[i]), abs(v[i])))
        total += scaled * scaled
    shared[thread] = total
    cuda.syncthreads()
    width = BLOCK // 2
    while width > 0:
        if thread < width:
            shared[thread] += shared[thread + width]
        cuda.syncthreads()
        width //= 2
    if thread == 0:
        out[cuda.blockIdx.x] = shared[0]
