"""Mechanics: along a line, about an axis, and of rigid bodies in a plane."""

from symnum.models.mechanical import planar, rotational, translational

__all__ = ["planar", "rotational", "translational"]
