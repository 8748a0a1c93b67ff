"""A solution as a node of other programs' graphs: PyTorch and JAX, where they are installed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError

if TYPE_CHECKING:
    from symnum.solving.solution_map import SolutionMap

__all__ = ["jax_function", "torch_function"]

FloatArray: TypeAlias = NDArray[np.float64]


def torch_function(mapping: SolutionMap) -> Callable[[Any], Any]:
    """theta, a tensor (m,), -> the outputs, a tensor (outputs, times) of its type and device.

    `backward` runs the adjoint; derivatives of derivatives are refused by PyTorch. The numbers are computed
    in double precision on the CPU.
    """
    torch: Any = _imported("torch", "PyTorch")

    class Node(torch.autograd.Function):  # type: ignore[misc]  # torch is known when it is there
        @staticmethod
        def forward(context: Any, theta: Any) -> Any:
            values, context.pull = mapping.vjp(theta.detach().cpu().numpy().astype(float))
            return theta.new_tensor(values)

        @staticmethod
        @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]  # as above
        def backward(context: Any, cotangents: Any) -> Any:
            found = context.pull(cotangents.detach().cpu().numpy().astype(float))
            return cotangents.new_tensor(found)

    def function(theta: Any) -> Any:
        """The outputs, (outputs, times)."""
        if not (torch.is_tensor(theta) and theta.is_floating_point()):
            raise ModelError(f"give theta as a tensor of floating-point numbers, not {type(theta).__name__}")
        return Node.apply(theta)

    return function


def jax_function(mapping: SolutionMap) -> Callable[[Any], Any]:
    """theta (m,) -> the outputs (outputs, times) with a rule for reverse mode; works under ``jax.jit``.

    Under ``jax.vmap`` one run follows the other. Forward mode is refused by JAX. Numbers have the type of
    theta; the computation is in double precision on the host.
    """
    jax: Any = _imported("jax", "JAX")
    jnp: Any = import_module("jax.numpy")
    shape = len(mapping.outputs), len(mapping.t)
    busy = threading.Lock()  # JAX calls back from threads of its own
    last: list[Any] = [b"", None]  # of the last theta, so that the way back has its run at hand

    def run(theta: FloatArray) -> tuple[FloatArray, Any]:
        theta = np.asarray(theta, float)
        if last[0] != theta.tobytes():
            last[:] = theta.tobytes(), mapping.vjp(theta)
        found: tuple[FloatArray, Any] = last[1]
        return found

    def forwards(theta: Any) -> Any:
        with busy:
            return run(theta)[0].astype(np.asarray(theta).dtype)

    def backwards(theta: Any, cotangents: Any) -> Any:
        with busy:
            return run(theta)[1](np.asarray(cotangents, float)).astype(np.asarray(theta).dtype)

    def called(host: Callable[..., Any], size: tuple[int, ...], theta: Any, *more: Any) -> Any:
        result = jax.ShapeDtypeStruct(size, theta.dtype)
        return jax.pure_callback(host, result, theta, *more, vmap_method="sequential")

    @jax.custom_vjp  # type: ignore[untyped-decorator]  # jax is known when it is there
    def function(theta: Any) -> Any:
        """The outputs, (outputs, times)."""
        return called(forwards, shape, theta)

    def forward_rule(theta: Any) -> tuple[Any, Any]:
        return function(theta), theta

    def reverse_rule(theta: Any, cotangents: Any) -> tuple[Any]:
        return (called(backwards, theta.shape, theta, cotangents),)

    function.defvjp(forward_rule, reverse_rule)

    def checked(theta: Any) -> Any:
        """The outputs, (outputs, times)."""
        theta = jnp.asarray(theta)
        if theta.shape != (len(mapping.parameters),):
            raise ModelError(f"theta has shape {theta.shape}; give ({len(mapping.parameters)},)")
        return function(theta.astype(jnp.result_type(theta, float)))

    return checked


def _imported(name: str, title: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ModelError(f"{title} is not installed: pip install {name}") from error
