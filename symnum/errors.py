"""Every error that symnum raises on purpose.

::

    SymnumError
    ├── ModelError             the description is wrong: a name, a value, a unit, a connection
    │   ├── UnitError          a unit is unknown, or two quantities in a sum differ in unit
    │   ├── UnknownName        a system or component has no part or symbol of that name
    │   └── TraceError         a NumPy function does what cannot be traced
    ├── LoweringError          the equations cannot become a system that can be solved
    │   └── UnbalancedSystem   equations and unknowns do not match one to one
    ├── CodegenError           no code could be generated, compiled or loaded for a sound system
    └── SolveFailed            the run stopped before the end of the span

A message names the user's own variables and equations, then the stage, then the next thing to try.
"""

from typing import Any

__all__ = [
    "CodegenError",
    "LoweringError",
    "ModelError",
    "SolveFailed",
    "SymnumError",
    "TraceError",
    "UnbalancedSystem",
    "UnitError",
    "UnknownName",
]


class SymnumError(Exception):
    """Root of all errors raised by symnum; catch this to catch them all.

    ``findings``: what is wrong piece by piece, where a pass of lowering has told; see `symnum.explain`.
    ``solution``: what a run had computed when the error stopped it, or None.
    """

    findings: tuple[Any, ...] = ()  # of Finding; the room that defines it is above this one
    solution: Any = None  # a Solution, likewise


class ModelError(SymnumError):
    """The user's description is wrong: a misspelt or duplicated name, a missing value, an open connection."""


class UnitError(ModelError):
    """A unit is unknown or badly written, or the quantities of one sum or equation differ in unit."""


class UnknownName(ModelError, AttributeError):
    """A system or component has nothing of that name; an AttributeError too, for Python's own look-ups."""


class TraceError(ModelError):
    """A NumPy function does what cannot be traced into equations; the message names its line."""


class LoweringError(SymnumError):
    """The description is well-formed, but its equations cannot be turned into a solvable system."""


class UnbalancedSystem(LoweringError):
    """Equations and unknowns cannot be paired one to one; the message lists both kinds of leftovers."""


class CodegenError(SymnumError):
    """A sound system could not be turned into machine code, or the code failed its check."""


class SolveFailed(SymnumError):
    """The run stopped before the end of the span: start, step size, events or linear algebra."""
