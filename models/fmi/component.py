"""`import_fmu`: a functional mock-up unit becomes a class of components."""

from __future__ import annotations

import keyword
import re
import shutil
import tempfile
import weakref
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from symnum.errors import ModelError, UnitError
from symnum.language.hosted import HostedComponent, HostedUnit, hidden_quantities
from symnum.language.variables import Declaration, check_unit
from symnum.models.fmi.sampled_unit import SampledUnit, checked_step
from symnum.models.fmi.unit import Interface, Unit

__all__ = ["import_fmu"]

_REAL = ("Real", "Float64")


def import_fmu(path: str | Path, *, step: float | None = None) -> type[HostedComponent]:
    """The unit at ``path`` as a class of components, by the package FMPy (the extra ``fmi``).

    For FMI 2.0 and 3.0, model exchange or, with ``step=``, co-simulation.
    ``Ball = import_fmu("Ball.fmu")``, then ``ball = Ball("b", e=0.8)`` like any component: real
    parameters are parameters, continuous inputs and outputs and the continuous states are variables. Their
    names are those of the unit with _ for what Python's names cannot hold (``renamed`` says which). Every
    input needs an equation: ``sn.System(name, [ball.u == 1], parts=[ball])``. Parameters of other types keep
    the values in the unit; discrete outputs are not seen.

    Values come from the unit's C functions, called in every evaluation; the Jacobian is exact where the unit
    gives directional derivatives, else by central differences (errors of about 1e-10 relative). Events at
    the unit's indicators and at times that it plans are located like others. Starts that are not given are
    those that the unit computes. Such a system is solved on one processor, one run at a time, and
    cannot be exported, saved, or differentiated by its parameters.

    step: seconds between two samples of a unit for co-simulation, which may be left out where the unit has
    nothing else and proposes a step. It then has no states; its inputs are taken at the beginning of each
    step and its outputs held between samples.

    Raises ModelError for a file that is no unit, has no binary for this platform, or has
    inputs that are not continuous real scalars.
    """
    fmpy = _fmpy()
    source = Path(path)
    if not source.is_file():
        raise ModelError(f"import_fmu: there is no file {source}")
    try:
        known = fmpy.read_model_description(str(source), validate=False)
        platforms = fmpy.supported_platforms(str(source))
    except (zipfile.BadZipFile, KeyError) as error:
        raise ModelError(f"import_fmu: {source} is not a functional mock-up unit: {error}") from error
    except Exception as error:  # of any kind: FMPy raises plain ones for files it cannot read
        raise ModelError(f"import_fmu: the description in {source} cannot be read: {error}") from error
    if known.fmiMajorVersion not in (2, 3):
        raise ModelError(f"import_fmu: {source} is of FMI {known.fmiVersion}; 2.0 and 3.0 can be imported")
    sampled = step is not None or known.modelExchange is None
    use = known.coSimulation if sampled else known.modelExchange
    if use is None:
        kind = "co-simulation" if sampled else "model exchange"
        raise ModelError(f"import_fmu: {source} is not for {kind}")
    own = fmpy.platform_tuple if known.fmiMajorVersion == 3 else fmpy.platform
    if own not in platforms and fmpy.platform not in platforms:
        there = ", ".join(p for p in platforms if p != "c-code") or "none"
        compiles = " It holds C code: `fmpy compile` makes a binary of it." if "c-code" in platforms else ""
        raise ModelError(f"import_fmu: {source} has no binary for {own}; it has: {there}.{compiles}")
    folder = Path(tempfile.mkdtemp(prefix="symnum-fmu-"))
    try:
        fmpy.extract(str(source), str(folder))
        made = _class_of(known, folder, source, step, sampled)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(made, shutil.rmtree, folder, ignore_errors=True)
    return made


def _fmpy() -> Any:
    try:
        import fmpy
    except ImportError as error:
        raise ModelError("import_fmu needs the package FMPy: pip install symnum-modeling[fmi]") from error
    return fmpy


def _class_of(
    known: Any, folder: Path, source: Path, step: float | None, sampled: bool
) -> type[HostedComponent]:
    slopes = [] if sampled else [unknown.variable for unknown in known.derivatives]
    states = [variable.derivative for variable in slopes]
    by_cause: dict[str, list[Any]] = {"input": [], "output": [], "parameter": []}
    for variable in known.modelVariables:
        if variable.causality in by_cause:
            by_cause[variable.causality].append(variable)
    for variable in by_cause["input"]:
        if not _is_plain(variable):
            raise ModelError(
                f"import_fmu: the input {variable.name} of {source} is of type {variable.type}"
                f"{', discrete' if variable.variability == 'discrete' else ''}; inputs that can be connected "
                "are continuous real scalars"
            )
    if any(variable is None or variable.type not in _REAL or variable.dimensions for variable in states):
        raise ModelError(f"import_fmu: {source} has states that are not real scalars")
    taken = {variable.valueReference for variable in states}
    inputs = by_cause["input"]
    outputs = [v for v in by_cause["output"] if _is_plain(v) and v.valueReference not in taken]
    settable = [
        v for v in by_cause["parameter"] if v.type in _REAL and not v.dimensions and v.start is not None
    ]
    use = known.coSimulation if sampled else known.modelExchange
    lists = {
        "states": states, "derivatives": slopes, "inputs": inputs, "outputs": outputs, "settable": settable
    }  # fmt: skip
    references = {name: tuple(v.valueReference for v in each) for name, each in lists.items()}
    interface = Interface(
        folder=folder, version=known.fmiMajorVersion, title=known.modelName,
        identifier=use.modelIdentifier,
        token=known.guid if known.fmiMajorVersion == 2 else known.instantiationToken,
        indicators=0 if sampled else _indicators(known),
        directional=not sampled and _gives_derivatives(folder),
        steps=not sampled and bool(known.modelExchange.needsCompletedIntegratorStep), **references,
    )  # fmt: skip
    names = _Names()
    body: dict[str, Any] = {
        "states": tuple(map(names.of, states)),
        "inputs": tuple(map(names.of, inputs)),
        "outputs": tuple(map(names.of, outputs)),
        "settable": tuple(map(names.of, settable)),
        "indicators": interface.indicators,
        "reads": () if sampled else _reads(known, states, inputs, outputs),
        "interface": interface,
        "renamed": names.renamed,
        "__doc__": f"{known.modelName}: {known.description or 'an imported unit'}",
        "__module__": __name__,
        "unit": _unit,
        "sample": None if sampled is False else checked_step(step, _proposed(known), known.modelName),
    }
    first, _ = _made(interface, body["sample"]).begin(0.0, [float(v.start) for v in settable])
    for variable, name, start in zip(states, body["states"], first.tolist(), strict=True):
        body[name] = _declared("variable", variable, start)
    for variable, name in zip((*inputs, *outputs), (*body["inputs"], *body["outputs"]), strict=True):
        body[name] = _declared("variable", variable, None)
    for variable, name in zip(settable, body["settable"], strict=True):
        body[name] = _declared("parameter", variable, float(variable.start))
    counts = ("states", "inputs", "outputs", "indicators", "reads")
    body |= hidden_quantities(**{name: body[name] for name in counts})
    title = re.sub(r"\W", "_", str(known.modelName))
    return type(title if title.isidentifier() else f"Unit_{title}", (HostedComponent,), body)


def _unit(self: Any) -> HostedUnit:
    return _made(type(self).interface, type(self).sample)


def _made(interface: Interface, sample: float | None) -> HostedUnit:
    return Unit(interface) if sample is None else SampledUnit(interface, sample)


def _proposed(known: Any) -> Any:
    """The step that a unit for co-simulation proposes, or None."""
    fixed = known.coSimulation.fixedInternalStepSize
    return fixed or (known.defaultExperiment.stepSize if known.defaultExperiment else None)


def _is_plain(variable: Any) -> bool:
    return variable.type in _REAL and not variable.dimensions and variable.variability in (None, "continuous")


def _indicators(known: Any) -> int:
    if known.fmiMajorVersion == 2:
        return int(known.numberOfEventIndicators or 0)
    return len(known.eventIndicators)


def _gives_derivatives(folder: Path) -> bool:
    """Whether there are directional derivatives; the name for it in FMI 3.0 is not known to FMPy."""
    use = ElementTree.parse(folder / "modelDescription.xml").find("ModelExchange")
    names = ("providesDirectionalDerivative", "providesDirectionalDerivatives")
    return use is not None and any(use.get(name) in ("true", "1") for name in names)


def _reads(
    known: Any, states: list[Any], inputs: list[Any], outputs: list[Any]
) -> tuple[tuple[int, int], ...]:
    """(row, column) of what depends on what; everything where the unit does not say."""
    columns = {v.valueReference: k for k, v in enumerate((*states, *inputs))}
    told = {unknown.variable.valueReference: unknown.dependencies for unknown in known.outputs}
    every = range(len(columns))
    found = []
    rows = [u.dependencies for u in known.derivatives] + [told.get(v.valueReference) for v in outputs]
    for row, dependencies in enumerate(rows):
        if dependencies is None:
            found += [(row, column) for column in every]
        else:
            read = {columns[v.valueReference] for v in dependencies if v.valueReference in columns}
            found += [(row, column) for column in sorted(read)]
    return tuple(found)


def _declared(kind: str, variable: Any, value: float | None) -> Declaration:
    unit = variable.unit or (variable.declaredType.unit if variable.declaredType else None)
    try:
        check_unit(unit)
    except UnitError:
        unit = None  # of another system of units: numbers stay what they are
    return Declaration(kind, value, unit, variable.description)


class _Names:
    """Names that Python can hold, different ones for different variables."""

    def __init__(self) -> None:
        self.renamed: dict[str, str] = {}
        self._taken = {"states", "inputs", "outputs", "settable", "indicators", "reads", "interface", "unit",
                       "renamed", "sample", "path", "settings", "parent", "t"}  # fmt: skip

    def of(self, variable: Any) -> str:
        plain = re.sub(r"\W+", "_", variable.name).strip("_") or "x"
        if plain[0].isdigit() or keyword.iskeyword(plain):
            plain = f"v_{plain}"
        name, count = plain, 1
        while name in self._taken or hasattr(HostedComponent, name):
            count += 1
            name = f"{plain}_{count}"
        self._taken.add(name)
        if name != variable.name:
            self.renamed[variable.name] = name
        return name
