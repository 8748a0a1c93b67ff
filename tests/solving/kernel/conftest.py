"""Test models with the ABI of generated functions, made from SymPy expressions and called through ctypes.

Nothing of symnum's own expressions or code generation takes part, so a failure here lies in the kernels.
"""

import ctypes

import numpy as np
import pytest
import sympy

from symnum.codegen.model_functions import ModelFunctions
from symnum.codegen.pattern import Pattern

POINTER = ctypes.POINTER(ctypes.c_double)
SIGNATURE = ctypes.CFUNCTYPE(None, ctypes.c_double, POINTER, POINTER, POINTER, POINTER)


def build(
    states, right, t=None, parameters=(), mass=None, events=(), directions=(), limits=(), limit_parameters=(),
    wrong_jacobian=None,
):  # fmt: skip
    """ModelFunctions of M u' = right; expressions in the symbols `states`, `t` and `parameters`.

    limits: pairs (distance, drive). wrong_jacobian: (n, n) numbers added to the Jacobian.
    """
    t = t or sympy.Symbol("t")
    states, parameters, right = list(states), list(parameters), [sympy.sympify(e) for e in right]
    n = len(states)
    matrix = sympy.Matrix(right).jacobian(states)
    if wrong_jacobian is not None:
        matrix = matrix + sympy.Matrix(wrong_jacobian)
    entries = [(i, j) for j in range(n) for i in range(n) if matrix[i, j] != 0]
    gradient = [sympy.diff(e, t) for e in right]
    roots = list(events) + [e for pair in limits for e in pair]
    keep = []

    def function(expressions):
        evaluate = [
            sympy.lambdify([t, *states, *parameters], sympy.sympify(e), modules="math") for e in expressions
        ]

        def stored(time, out, u, p, work):
            values = (time, *u[:n], *p[: len(parameters)])
            for k, one in enumerate(evaluate):
                try:
                    out[k] = one(*values)
                except (ValueError, OverflowError, ZeroDivisionError):
                    out[k] = float("nan")  # what compiled code would give outside of the domain

        keep.append(SIGNATURE(stored))
        return ctypes.cast(keep[-1], ctypes.c_void_p).value

    keep.append(SIGNATURE(lambda time, out, u, p, work: None))
    columns = np.array([j for _, j in entries], dtype=np.int64)
    return ModelFunctions(
        n=n,
        n_parameters=len(parameters),
        n_work=0,
        n_events=len(events),
        n_limits=len(limits),
        setup=ctypes.cast(keep[-1], ctypes.c_void_p).value,
        rhs=function(right),
        jacobian=function([matrix[i, j] for i, j in entries]),
        time_gradient=function(gradient) if any(e != 0 for e in gradient) else 0,
        roots=function(roots) if roots else 0,
        mass=np.ones(n) if mass is None else np.array(mass, dtype=float),
        pattern=Pattern.of(
            np.searchsorted(columns, np.arange(n + 1)), np.array([i for i, _ in entries], dtype=np.int64)
        ),
        event_direction=np.array(directions, dtype=np.int64),
        event_side=np.zeros(len(directions), dtype=np.int64),
        limit_parameter=np.array(limit_parameters, dtype=np.int64),
        owners=tuple(keep),
    )


@pytest.fixture(scope="session", name="build")
def _build():
    return build
