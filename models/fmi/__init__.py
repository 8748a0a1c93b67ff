"""Functional mock-up units of other tools as components (https://fmi-standard.org)."""

from symnum.models.fmi.component import import_fmu

__all__ = ["import_fmu"]
