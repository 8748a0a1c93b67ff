"""Mechanics: along a line, about an axis, and of rigid bodies in a plane."""
