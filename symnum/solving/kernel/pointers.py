"""What kernel code is written with: raw pointers, calls by address, and the decorator of its functions.

Kernel modules import numba, so they are imported only when their LLVM text has to be made. Kernel code
allocates nothing, raises nothing, and calls nothing but libm and the addresses that it is given.
"""

from __future__ import annotations

import importlib
import typing
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from llvmlite import ir

__all__ = [
    "Bytes", "Floats", "Integers", "Shorts", "at", "bytes_at", "call_kernel", "call_model", "call_six",
    "call_ten", "compiled", "floats", "integers", "shorts",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])

# numba's own types cover only what its users write
types: Any = importlib.import_module("numba.core.types")
intrinsic: Any = importlib.import_module("numba.extending").intrinsic


class Floats(Protocol):
    """A `double *`."""

    def __getitem__(self, index: int) -> float: ...
    def __setitem__(self, index: int, value: float) -> None: ...


class Integers(Protocol):
    """An `int64_t *`."""

    def __getitem__(self, index: int) -> int: ...
    def __setitem__(self, index: int, value: int) -> None: ...


class Shorts(Integers, Protocol):
    """An `int32_t *`."""


class Bytes(Integers, Protocol):
    """An `int8_t *`."""


_TYPES: dict[Any, Any] = {
    Floats: types.CPointer(types.float64),
    Integers: types.CPointer(types.int64),
    Shorts: types.CPointer(types.int32),
    Bytes: types.CPointer(types.int8),
    float: types.float64,
    int: types.int64,
    bool: types.boolean,
    type(None): types.none,
}


class Compiled:
    """A function of kernel code: its Python source and its types, which are read from the annotations."""

    def __init__(self, function: Callable[..., Any]) -> None:
        hints = typing.get_type_hints(function)
        self.function = function
        self.name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        self.parameters = tuple(_TYPES[hints[name]] for name in names)
        self.result = _TYPES[hints["return"]]


# Every function of kernel code, by the name under which the others call it.
FUNCTIONS: dict[str, Compiled] = {}


def compiled(function: F) -> F:
    """Mark a function of kernel code.

    Other kernel code calls it as an external function, so that each is translated once, by itself;
    numba's own way of calling compiles a function again together with every caller.
    """
    entry = Compiled(function)
    FUNCTIONS[entry.name] = entry
    source = (
        f"def typing(context, {', '.join(f'a{k}' for k in range(len(entry.parameters)))}):\n    return answer"
    )
    scope: dict[str, Any] = {"answer": (entry.result(*entry.parameters), _caller(entry))}
    exec(source, scope)  # numba looks at the number of parameters
    return cast(F, intrinsic(scope["typing"]))


def _caller(entry: Compiled) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        convention = context.call_conv
        low = convention.get_function_type(entry.result, entry.parameters)
        function = builder.module.globals.get(entry.name) or ir.Function(builder.module, low, entry.name)
        # No kernel function can fail, so the status is of no interest.
        _, value = convention.call_function(builder, function, entry.result, entry.parameters, arguments)
        return value

    return generate


def _cast(element: Any) -> Any:
    """An intrinsic that turns an address into a pointer to `element`."""
    pointer = types.CPointer(element)

    def typed(context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(pointer))

        return pointer(types.int64), generate

    return intrinsic(typed)


floats: Callable[[int], Floats] = _cast(types.float64)
integers: Callable[[int], Integers] = _cast(types.int64)
shorts: Callable[[int], Shorts] = _cast(types.int32)
bytes_at: Callable[[int], Bytes] = _cast(types.int8)


def _advance(context: Any, pointer: Any, count: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return pointer(pointer, types.int64), generate


at: Callable[[Floats, int], Floats] = intrinsic(_advance)  # at(p, k) is p + k


def _call(builder: Any, context: Any, result: Any, parameters: Any, address: Any, arguments: Any) -> Any:
    low = [context.get_value_type(parameter) for parameter in parameters]
    back = ir.VoidType() if result is types.void else context.get_value_type(result)
    value = builder.call(builder.inttoptr(address, ir.FunctionType(back, low).as_pointer()), arguments)
    return context.get_dummy_value() if result is types.void else value


_P = types.CPointer(types.float64)
_I = types.CPointer(types.int64)
_A = types.int64


def _call_model(context: Any, address: Any, t: Any, out: Any, u: Any, p: Any, work: Any) -> Any:
    parameters = (types.float64, _P, _P, _P, _P)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _call(builder, context, types.void, parameters, arguments[0], arguments[1:])

    return types.void(_A, *parameters), generate


def _call_kernel(context: Any, address: Any, table: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _call(builder, context, types.int64, (_I,), arguments[0], arguments[1:])

    return types.int64(_A, _I), generate


def _call_six(context: Any, address: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> Any:
    parameters = (_A,) * 6

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _call(builder, context, types.void, parameters, arguments[0], arguments[1:])

    return types.void(_A, *parameters), generate


def _call_ten(
    context: Any, address: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, i: Any, j: Any
) -> Any:
    parameters = (_A,) * 10

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _call(builder, context, types.void, parameters, arguments[0], arguments[1:])

    return types.void(_A, *parameters), generate


# call_model(address, t, out, u, p, work); call_kernel(address, table) -> status
call_model: Callable[[int, float, Floats, Floats, Floats, Floats], None] = intrinsic(_call_model)
call_kernel: Callable[[int, Integers], int] = intrinsic(_call_kernel)
# Fortran subroutines with six and ten addresses for arguments
call_six: Callable[[int, int, int, int, int, int, int], None] = intrinsic(_call_six)
call_ten: Callable[[int, int, int, int, int, int, int, int, int, int, int], None] = intrinsic(_call_ten)
