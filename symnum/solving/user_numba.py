"""A right-hand side that numba has compiled: functions that solvers call without the interpreter."""

from __future__ import annotations

import importlib
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from symnum.codegen.model_functions import FloatArray
from symnum.solving.user_function import Callbacks, UserFunctions, UserModel, column_groups

__all__ = ["is_compiled", "numba_model"]


def is_compiled(function: Any) -> bool:
    """Is it a function that ``numba.njit`` has made?"""
    return hasattr(function, "py_func") and hasattr(function, "get_call_template")


# What was compiled for a function: other values of numbers and arrays among `args` need nothing new.
_made: WeakKeyDictionary[Any, dict[Any, Any]] = WeakKeyDictionary()

_HEAD = """
@cfunc(types.void(types.float64, P, P, P, P))
def {name}(t, out, u, p, work):
    y = carray(u, ({n},)).copy()
    q = carray(p, ({count},))
    o = carray(out, ({size},))
    o[:] = np.nan
    try:
{body}
    except Exception:
        o[:] = np.nan
"""

_CALL = "np.asarray(fun({time}, {state}{arguments}))"

_RHS = """
        value = {call}
        for i in range({n}):
            o[i] = {sign} * value[i]
"""

_JACOBIAN = """
        rows = integers({rows})
        columns = integers({columns})
        value = np.asarray(jac({time}, y{arguments}))
        for e in range({entries}):
            o[e] = {sign} * value[rows[e], columns[e]]
"""

_DIFFERENCES = """
        rows = integers({rows})
        columns = integers({columns})
        group = integers({group})
        base = {call}.copy()
        z = y.copy()
        for k in range({groups}):
            for j in range({n}):
                z[j] = y[j]
                if group[j] == k:
                    z[j] += 1.4901161193847656e-08 * max(abs(y[j]), q[{typical} + j])
            value = {moved}
            for e in range({entries}):
                j = columns[e]
                if group[j] == k:
                    o[e] = {sign} * (value[rows[e]] - base[rows[e]]) / (z[j] - y[j])
"""

_GRADIENT = """
        shift = (t + 1.4901161193847656e-08 * max(abs(t), 1e-3)) - t
        base = {call}.copy()
        value = {later}
        for i in range({n}):
            o[i] = {sign} * (value[i] - base[i]) / shift
"""


def numba_model(user: UserFunctions, implicit: bool) -> UserModel:
    """Functions of numba for the right-hand side, and for Jacobian and events where these are numba's too.

    implicit: is there use for derivatives? Compiling them takes seconds.

    Floats and arrays of floats among the arguments are read from the parameters; others become constants of
    the compiled code. What is left to Python is called back.
    """
    values, arguments, constants, known_by = _arguments(user)
    typical = len(values)
    p = np.concatenate([values, user.typical])
    made = _made.setdefault(user.fun, {})
    key = (user.n, user.sign, known_by)
    pattern = (user.indptr.tobytes(), user.indices.tobytes())
    columns = np.repeat(np.arange(user.n), np.diff(user.indptr))
    group = column_groups(user.indptr, user.indices)
    sign = repr(user.sign)
    names = {
        "n": user.n, "sign": sign, "arguments": arguments, "typical": typical, "entries": len(user.indices),
        "groups": int(group.max(initial=-1)) + 1, "count": len(p),
        "time": f"{sign} * t", "call": _CALL.format(time=f"{sign} * t", state="y", arguments=arguments),
        "moved": _CALL.format(time=f"{sign} * t", state="z", arguments=arguments),
        "later": _CALL.format(time=f"{sign} * (t + shift)", state="y", arguments=arguments),
    }  # fmt: skip
    rows = user.indices.copy()
    tables = {"rows": rows, "columns": columns, "group": group}  # read at their addresses, so kept
    names |= {name: table.ctypes.data for name, table in tables.items()}
    scope = {**constants, "fun": user.fun, "tables": tables}

    def compiled(name: str, body: str, size: int, *more: Any, **others: Any) -> Any:
        place = (name, *key, *more)
        if place not in made:
            made[place] = _compile(name, body.format(**names), size, names, scope | others)
        return made[place]

    found = {"rhs": compiled("rhs", _RHS, user.n)}
    entries = len(user.indices)
    if implicit:
        found["time_gradient"] = compiled("time_gradient", _GRADIENT, user.n)
    if implicit and user.jacobian is None:
        found["jacobian"] = compiled("jacobian", _DIFFERENCES, entries, pattern)
    elif implicit and is_compiled(user.jacobian):
        found["jacobian"] = compiled(
            "jacobian", _JACOBIAN, entries, pattern, user.jacobian, jac=user.jacobian
        )
    if user.events and all(map(is_compiled, user.events)):
        lines = [f"        o[{k}] = event{k}({names['time']}, y{arguments})" for k in range(len(user.events))]
        functions = {f"event{k}": event for k, event in enumerate(user.events)}
        found["roots"] = compiled("roots", "\n".join(lines), len(user.events), user.events, **functions)
    callbacks = Callbacks(user)
    addresses = {name: function.address for name, function in found.items()}
    model = callbacks.functions(**addresses, n_parameters=len(p), owners=tuple(found.values()))
    return UserModel(model, p, callbacks)


def _compile(name: str, body: str, size: int, names: dict[str, Any], scope: dict[str, Any]) -> Any:
    numba: Any = importlib.import_module("numba")  # its own types cover only part of it
    pointers = importlib.import_module("symnum.solving.kernel.pointers")

    sizes = {"size": size, "n": names["n"], "count": names["count"]}
    source = _HEAD.format(name=name, body=body.strip("\n"), **sizes)
    everything = {
        "cfunc": numba.cfunc, "types": numba.types, "P": numba.types.CPointer(numba.types.float64),
        "carray": numba.carray, "np": np, "integers": pointers.integers, **scope,
    }  # fmt: skip
    exec(source, everything)
    return everything[name]


def _arguments(user: UserFunctions) -> tuple[FloatArray, str, dict[str, Any], tuple[Any, ...]]:
    """Numbers for the parameters; the text of the arguments; constants by name; what the code depends on."""
    numbers: list[FloatArray] = []
    texts: list[str] = []
    constants: dict[str, Any] = {}
    known_by: list[tuple[Any, ...]] = []
    first = 0
    for k, value in enumerate(user.args):
        array = np.asarray(value) if isinstance(value, (float, np.floating, np.ndarray)) else None
        if array is not None and array.dtype == np.float64:
            numbers.append(array.reshape(-1))
            last = first + array.size
            if array.ndim:
                texts.append(f"q[{first}:{last}].reshape({array.shape!r})")
            else:
                texts.append(f"q[{first}]")
            known_by.append(("numbers", array.shape))
            first = last
        else:
            name = f"argument{k}"
            constants[name] = value
            texts.append(name)
            try:
                hash(value)
                known_by.append((type(value), value))
            except TypeError:
                known_by.append((type(value), id(value)))
    values = np.concatenate([np.zeros(0), *numbers])
    return values, "".join(f", {text}" for text in texts), constants, tuple(known_by)
