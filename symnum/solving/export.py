"""Simulators that leave symnum: a problem as one file of C or of Python, solver included."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.language.system import System
from symnum.lowering.compile import CompiledSystem
from symnum.solving.export_c import c_source
from symnum.solving.export_python import python_source
from symnum.solving.method import Method
from symnum.solving.options import Times, save_times, tolerances
from symnum.solving.problem import Problem
from symnum.solving.simulator import simulator_of
from symnum.solving.tableaus import find

__all__ = ["export"]

_WRITERS = {"c": c_source, "numba": python_source}
_POINTS = 101  # times of the output where none are asked for


def export(
    model: Problem | CompiledSystem | System,
    kind: str,
    path: str | Path,
    *,
    method: str | Method | None = None,
    rtol: float = 1e-6,
    atol: float | Mapping[Any, float] | NDArray[np.float64] = 1e-9,
    saveat: Times | None = None,
) -> Path:
    """Write a simulator that runs without symnum to ``path``; returns the path.

    model: a Problem, with its start, parameters, span and events; or a system whose declared starts and
    defaults are to be used. kind: "c" (C99 and the standard library) or "numba" (a Python module that needs
    numpy and numba). method: "Rodas5P" (the default) or "Tsit5". rtol, atol, saveat: as in `solve`, here the
    numbers that the file starts with. Events, limits and algebraic equations are part of the file;
    checks of parameter values (guards) are not. Raises ModelError for what cannot be exported.
    """
    if kind not in _WRITERS:
        raise ModelError(f"export: there is no kind {kind!r}; choose one of {', '.join(_WRITERS)}")
    problem = model if isinstance(model, Problem) else Problem(model)
    problem.require_unknowns()
    begin, end = problem.span
    saved = save_times(np.linspace(begin, end, _POINTS) if saveat is None else saveat, problem.span)
    chosen = find("Rodas5P" if method is None else method)
    simulator = simulator_of(problem, chosen, rtol, tolerances(problem.flat, rtol, atol), saved)
    target = Path(path)
    if kind == "numba" and not (target.stem.isidentifier() and target.suffix == ".py"):
        raise ModelError(f"export: {target.name!r} cannot be imported; call the module model.py, say")
    target.write_text(_WRITERS[kind](simulator), encoding="utf-8")
    return target
