"""The description of a functional mock-up unit: its variables and their dependencies, in XML."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

import numpy as np

from symnum.errors import ModelError
from symnum.record import record
from symnum.solving.problem import Problem
from symnum.solving.simulator import Simulator

__all__ = ["Variables", "description"]


@record
class Variable:
    """One variable. start: where it is given and not computed; state: that of which it is the derivative."""

    name: str
    reference: int
    causality: str
    variability: str
    initial: str | None
    start: float | None = None
    state: int | None = None
    about: str | None = None
    unit: str | None = None


@record
class Variables:
    """All variables, time first; the references as ``fmu.c.in`` counts them.

    states, derivatives: their references, one for one. indicators: those of the event functions.
    """

    all: tuple[Variable, ...]
    states: tuple[int, ...]
    derivatives: tuple[int, ...]
    outputs: tuple[int, ...]
    inputs: tuple[int, ...]
    indicators: tuple[int, ...]

    @classmethod
    def of(
        cls, problem: Problem, simulator: Simulator, inputs: Sequence[str], outputs: Sequence[str]
    ) -> Variables:
        flat, values = problem.flat, simulator.values
        start, p = np.asarray(values["START"]), np.asarray(values["PARAMETER_VALUE"])
        n = flat.n
        found = [Variable("time", 0, "independent", "continuous", None)]
        states, derivatives = [], []
        for i, name in enumerate(flat.state_names):
            about, unit = _told(problem, int(flat.vector[i]))
            is_state = bool(flat.mass[i])
            found.append(
                Variable(
                    name, 1 + i, "output", "continuous", "exact" if is_state else "calculated",
                    float(start[i]) if is_state else None, None, about, unit,
                )
            )  # fmt: skip
            if is_state:
                states.append(1 + i)
                derivatives.append(1 + n + i)
        for state, derivative in zip(states, derivatives, strict=True):
            name = f"der({flat.state_names[state - 1]})"
            found.append(Variable(name, derivative, "local", "continuous", "calculated", None, state))
        changed = {int(i) for i in np.asarray(values["ACTION_PARAMETER"]) if i >= 0}
        following = {int(i) for i in np.asarray(values["FOLLOWER"])}
        hidden = {int(i) for i in np.asarray(values["LIMIT_PARAMETER"])}
        names = [info.name for info in flat.parameters]
        for name in inputs:
            if name not in names:
                raise ModelError(f"export_fmu: the input {name} is not a parameter of {flat.name}")
        for i, info in enumerate(flat.parameters):
            if i in hidden:
                continue
            reference, value = 1 + 2 * n + i, float(p[i])
            kind: tuple[str, str, str | None] = ("parameter", "tunable", "exact")
            if info.name in inputs:
                kind = ("input", "continuous", None)
            elif i in changed:
                kind = ("local", "discrete", "exact")
            elif i in following:
                kind = ("calculatedParameter", "tunable", "calculated")
            given = None if kind[2] == "calculated" else value
            found.append(Variable(info.name, reference, *kind, given, None, info.about, info.unit))
        first = 1 + 2 * n + len(p)
        taken = {variable.name for variable in found}
        for k, name in enumerate(outputs):
            if name in taken:
                raise ModelError(f"export_fmu: the output {name} is called like a variable of the model")
            found.append(Variable(name, first + k, "output", "continuous", "calculated"))
        counts = [values["EVENTS"], values["LIMITS"]]
        first += len(outputs)
        indicators = range(first, first + int(sum(counts)))
        found += [
            Variable(f"event_function({k})", r, "local", "continuous", "calculated")
            for k, r in enumerate(indicators)
        ]
        return cls(
            tuple(found), tuple(states), tuple(derivatives),
            tuple(v.reference for v in found if v.causality == "output"),
            tuple(v.reference for v in found if v.causality == "input"), tuple(indicators),
        )  # fmt: skip


def _told(problem: Problem, number: int) -> tuple[str | None, str | None]:
    n = len(problem.flat.unknowns)
    if number >= n:
        return None, None
    info = problem.flat.unknowns[number]
    return info.about, info.unit


def description(
    name: str, version: str, token: str, variables: Variables, problem: Problem, rtol: float
) -> str:
    """The text of ``modelDescription.xml``."""
    write = _second if version == "2.0" else _third
    begin, end = problem.span
    experiment = f'<DefaultExperiment startTime="{begin!r}" stopTime="{end!r}" tolerance="{rtol!r}"/>'
    units = sorted({variable.unit for variable in variables.all if variable.unit})
    known = "".join(f"\n    <Unit name={quoteattr(unit)}/>" for unit in units)
    defined = f"  <UnitDefinitions>{known}\n  </UnitDefinitions>\n" if units else ""
    return write(name, token, variables, problem.flat.name, experiment, defined)


_CATEGORIES = """  <LogCategories>
    <Category name="logStatusError" description="why a call has failed"/>
  </LogCategories>
"""


def _second(
    name: str, token: str, variables: Variables, title: str, experiment: str, units: str
) -> str:
    place = {variable.reference: k for k, variable in enumerate(variables.all, start=1)}
    lines = []
    for v in variables.all:
        initial = f' initial="{v.initial}"' if v.initial else ""
        real = "".join([
            f" unit={quoteattr(v.unit)}" if v.unit else "",
            f' start="{v.start!r}"' if v.start is not None else "",
            f' derivative="{place[v.state]}"' if v.state is not None else "",
        ])  # fmt: skip
        lines.append(
            f'    <ScalarVariable name={quoteattr(v.name)} valueReference="{v.reference}" '
            f'causality="{v.causality}" variability="{v.variability}"{initial}{_about(v)}>'
            f"<Real{real}/></ScalarVariable>"
        )

    def unknowns(references: Sequence[int]) -> str:
        return "".join(f'\n      <Unknown index="{place[r]}"/>' for r in references)

    calculated = [
        v.reference
        for v in variables.all
        if v.initial == "calculated" and v.reference not in variables.indicators
    ]
    initially = [r for r in calculated if r not in variables.derivatives] + list(variables.derivatives)
    structure = [
        f"    <{tag}>{unknowns(found)}\n    </{tag}>"
        for tag, found in (
            ("Outputs", variables.outputs), ("Derivatives", variables.derivatives),
            ("InitialUnknowns", sorted(initially, key=lambda r: place[r])),
        )
        if found
    ]  # fmt: skip
    shared = (
        f'modelIdentifier="{name}" canGetAndSetFMUstate="true" canSerializeFMUstate="true" '
        'canNotUseMemoryManagementFunctions="true" providesDirectionalDerivative="true"'
    )
    source = f'<SourceFiles>\n      <File name="{name}.c"/>\n    </SourceFiles>'
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<fmiModelDescription fmiVersion="2.0" modelName={quoteattr(title)} guid="{token}"
  generationTool="symnum" numberOfEventIndicators="{len(variables.indicators)}">
  <ModelExchange {shared}{"" if variables.indicators else ' completedIntegratorStepNotNeeded="true"'}>
    {source}
  </ModelExchange>
  <CoSimulation {shared} canHandleVariableCommunicationStepSize="true">
    {source}
  </CoSimulation>
{units}{_CATEGORIES}  {experiment}
  <ModelVariables>
{chr(10).join(lines)}
  </ModelVariables>
  <ModelStructure>
{chr(10).join(structure)}
  </ModelStructure>
</fmiModelDescription>
"""


def _third(name: str, token: str, variables: Variables, title: str, experiment: str, units: str) -> str:
    lines = []
    for v in variables.all:
        rest = "".join([
            f' initial="{v.initial}"' if v.initial else "",
            f" unit={quoteattr(v.unit)}" if v.unit else "",
            f' start="{v.start!r}"' if v.start is not None else "",
            f' derivative="{v.state}"' if v.state is not None else "",
        ])  # fmt: skip
        lines.append(
            f'    <Float64 name={quoteattr(v.name)} valueReference="{v.reference}" '
            f'causality="{v.causality}" variability="{v.variability}"{rest}{_about(v)}/>'
        )
    structure = [f'    <Output valueReference="{r}"/>' for r in variables.outputs]
    structure += [f'    <ContinuousStateDerivative valueReference="{r}"/>' for r in variables.derivatives]
    structure += [
        f'    <InitialUnknown valueReference="{v.reference}"/>'
        for v in variables.all
        if v.initial == "calculated" and v.reference not in variables.indicators
    ]
    structure += [f'    <EventIndicator valueReference="{r}"/>' for r in variables.indicators]
    shared = (
        f'modelIdentifier="{name}" canGetAndSetFMUState="true" canSerializeFMUState="true" '
        'providesDirectionalDerivatives="true"'
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<fmiModelDescription fmiVersion="3.0" modelName={quoteattr(title)} instantiationToken="{token}"
  generationTool="symnum">
  <ModelExchange {shared} needsCompletedIntegratorStep="{"true" if variables.indicators else "false"}"/>
  <CoSimulation {shared} canHandleVariableCommunicationStepSize="true"/>
{units}{_CATEGORIES}  {experiment}
  <ModelVariables>
{chr(10).join(lines)}
  </ModelVariables>
  <ModelStructure>
{chr(10).join(structure)}
  </ModelStructure>
</fmiModelDescription>
"""


def _about(variable: Variable) -> str:
    return f" description={quoteattr(variable.about)}" if variable.about else ""
