"""Functional mock-up units: a problem as a model that other simulation tools load (https://fmi-standard.org)."""

from __future__ import annotations

import re
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.emit_c import shared_library
from symnum.errors import ModelError
from symnum.language.system import System
from symnum.lowering.compile import CompiledSystem
from symnum.lowering.written_out import over_entries
from symnum.rewriting.derivative import gradient
from symnum.rewriting.expr import Expr
from symnum.rewriting.walk import leaves
from symnum.solving.export_c import c_source, table
from symnum.solving.exported_events import straight
from symnum.solving.fmu_description import Variables, description
from symnum.solving.options import tolerances
from symnum.solving.problem import Problem
from symnum.solving.simulator import Simulator, simulator_of
from symnum.solving.tableaus import find

__all__ = ["export_fmu"]

_VERSIONS = ("2.0", "3.0")
_INCLUDED = "#include <string.h>"
_THREAD = """#if defined(_MSC_VER)
#define THREAD __declspec(thread)
#define EXPORT __declspec(dllexport)
#else
#define THREAD __thread
#define EXPORT __attribute__((visibility("default")))
#endif"""


def export_fmu(
    model: Problem | CompiledSystem | System,
    path: str | Path,
    *,
    version: str = "3.0",
    inputs: Sequence[Expr | str] = (),
    outputs: Mapping[str, Expr] | Sequence[Expr] = (),
    rtol: float = 1e-6,
    atol: float | Mapping[Any, float] | NDArray[np.float64] = 1e-9,
    binary: bool = True,
) -> Path:
    """Write a functional mock-up unit for model exchange and co-simulation to ``path``; returns the path.

    model: a Problem, with its start, parameters, span and events; or a system whose declared starts and
    defaults are to be used. version: of the interface, "2.0" or "3.0". inputs: parameters that other tools
    give as signals. outputs: {name: expression} or expressions, beside the unknowns of the model, all of
    which are outputs. rtol, atol: of the Rodas5P solver for co-simulation (tools may give another rtol), and
    of the algebraic equations, which the unit solves itself. binary: compile for this machine, with the C
    compiler; without, the unit holds its source alone, which it always does.

    The unit needs nothing but the C library. It has events, hard limits, directional derivatives (exact
    along states, by differences along parameters) and states that are saved and restored. Raises ModelError
    for what cannot be exported: delays, states that are chosen in the run, parts that other code computes.
    """
    if version not in _VERSIONS:
        raise ModelError(f"export_fmu: version={version!r}; choose one of {', '.join(_VERSIONS)}")
    target = Path(path)
    name = target.stem
    if target.suffix != ".fmu" or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ModelError(
            f"export_fmu: {target.name!r}: the name of the file is the model's identifier in C; use letters, "
            "digits and _, and end in .fmu"
        )
    problem = model if isinstance(model, Problem) else Problem(model)
    simulator = simulator_of(
        problem, find("Rodas5P"), rtol, tolerances(problem.flat, rtol, atol), np.zeros(0)
    )
    named = _named(outputs, problem)
    variables = Variables.of(problem, simulator, [str(each) for each in inputs], list(named))
    source = _source(problem, simulator, list(named.values()), version)
    token = "{" + blake2b(source.encode(), digest_size=16).hexdigest() + "}"
    source = source.replace("@TOKEN@", token)
    text = description(name, version, token, variables, problem, rtol)
    with tempfile.TemporaryDirectory(prefix="symnum-") as folder:
        code = Path(folder, f"{name}.c")
        code.write_text(source, encoding="utf-8")
        library = _compiled(code) if binary else None
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as unit:
            unit.writestr("modelDescription.xml", text)
            unit.write(code, f"sources/{name}.c")
            if version == "3.0":
                unit.writestr("sources/buildDescription.xml", _build_description(name))
            if library:
                unit.write(library, f"binaries/{_platform(version)}/{library.name}")
    return target


def _named(outputs: Mapping[str, Expr] | Sequence[Expr], problem: Problem) -> dict[str, Expr]:
    given = outputs if isinstance(outputs, Mapping) else {str(expr): expr for expr in outputs}
    flat = problem.flat
    values = flat.with_numbers(list(given.values()), "export_fmu, outputs")
    return {name: over_entries(flat, value) for name, value in zip(given, values, strict=True)}


def _source(problem: Problem, simulator: Simulator, outputs: list[Expr], version: str) -> str:
    """The file: the simulator's text with memory per thread, the outputs, and the interface."""
    entries = [
        (row, leaf.data[1], partial)
        for row, output in enumerate(outputs)
        for leaf, partial in _partials(output)
    ]
    more = {
        "outputs": straight("outputs", outputs),
        "output_gradient": straight("output_gradient", [partial for _, _, partial in entries]),
    }
    text = c_source(simulator, more)
    text = re.sub(r"(?m)^static (?=(?:double|int|char|Waiting) [^\n{]*;)", "static THREAD ", text)
    text = re.sub(r"(?m)^void (?=\w+\(double t, double \*out)", "static void ", text)
    text = re.sub(r"(?m)^const (?=char|double|int)", "static const ", text)
    rtol = f"{simulator.values['RELATIVE_TOLERANCE']!r}"
    text = text.replace(
        f"#define RELATIVE_TOLERANCE {rtol}",
        f"#define DEFAULT_TOLERANCE {rtol}\nstatic THREAD double relative_tolerance = {rtol};\n"
        "#define RELATIVE_TOLERANCE relative_tolerance",
    )
    head, rest = text.split("#include <math.h>", 1)
    kept = [
        table("NOMINAL", problem.flat.nominal),
        table("OUTPUT_ROW", np.array([row for row, _, _ in entries], np.int64)),
        table("OUTPUT_COLUMN", np.array([column for _, column, _ in entries], np.int64)),
    ]
    return "\n".join([
        head + f"#define MODEL_WITHOUT_MAIN\n#include <math.h>{rest}",
        f"#define OUTPUTS {len(outputs)}\n#define OUTPUT_ENTRIES {len(entries)}",
        '#define TOKEN "@TOKEN@"', *kept, _template("fmu"), _template(f"fmi{version[0]}"),
    ]).replace(_INCLUDED, f"{_INCLUDED}\n{_THREAD}", 1)  # fmt: skip


def _partials(output: Expr) -> list[tuple[Expr, Expr]]:
    known = [leaf for leaf in leaves((output,)) if leaf.op == "slot" and leaf.data[0] == "u"]
    found = gradient((output,), known)[0] if known else {}
    return [(leaf, found[leaf]) for leaf in known if leaf in found]


def _template(name: str) -> str:
    return (files("symnum.solving") / "templates" / f"{name}.c.in").read_text(encoding="utf-8")


def _compiled(code: Path) -> Path:
    ending = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    library = code.with_suffix(ending)
    shared_library(code, library, "-fvisibility=hidden")
    return library


def _platform(version: str) -> str:
    import platform

    wide = sys.maxsize > 2**32
    system = {"win32": "win", "darwin": "darwin"}.get(sys.platform, "linux")
    if version == "2.0":
        return f"{system}{64 if wide else 32}"
    machine = platform.machine().lower()
    arm = machine in ("arm64", "aarch64")
    kind = "aarch64" if arm else "x86_64" if wide else "x86"
    return f"{kind}-{ {'win': 'windows'}.get(system, system)}"


def _build_description(name: str) -> str:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<fmiBuildDescription fmiVersion="3.0">
  <BuildConfiguration modelIdentifier="{name}">
    <SourceFileSet language="C99"><SourceFile name="{name}.c"/></SourceFileSet>
  </BuildConfiguration>
</fmiBuildDescription>
"""
