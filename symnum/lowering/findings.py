"""Findings: what is wrong with a model, for messages and for reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from symnum.errors import SymnumError
from symnum.record import record

E = TypeVar("E", bound=SymnumError)
_SHOWN = 6


@record
class Finding:
    """One thing that is wrong. names: equations, unknowns and components, the most suspicious first."""

    kind: str  # over-determined, under-determined, singular, index, description
    names: tuple[str, ...]
    text: str
    suggestion: str


def with_findings(error: E, findings: Sequence[Finding]) -> E:
    """The error, which carries its findings to `symnum.explain`."""
    error.findings = tuple(findings)
    return error


def listed(lines: Sequence[str]) -> str:
    """Lines of a message, indented; long lists are cut."""
    shown = [f"    {line}" for line in lines[:_SHOWN]]
    if len(lines) > _SHOWN:
        shown.append(f"    ... and {len(lines) - _SHOWN} more")
    return "\n".join(shown)
