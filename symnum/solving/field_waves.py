"""Fields of a periodic grid as waves, and waves as the unknowns of a system."""

from __future__ import annotations

import numpy as np

from symnum.codegen.model_functions import FloatArray, IntArray
from symnum.errors import ModelError
from symnum.lowering.flat import FlatSystem
from symnum.lowering.fourier_form import FourierForm
from symnum.rewriting.expr import Expr
from symnum.solving.fourier_method import ComplexArray

__all__ = ["FieldWaves"]


class FieldWaves:
    """Between states (n,) of a flat system and waves (components, points), unscaled as of `numpy.fft.fftn`.

    places: of each component, where its points and those of its imaginary part stand among the states.
    """

    def __init__(self, form: FourierForm, flat: FlatSystem) -> None:
        self.shape, self.n = form.grid.shape, flat.n
        self.places = [
            (_places(flat, c.real), None if c.imaginary is None else _places(flat, c.imaginary))
            for c in form.components
        ]

    def of(self, u: FloatArray) -> ComplexArray:
        """(components, points) of states (n,)."""
        found = [
            np.fft.fftn((u[real] if imaginary is None else u[real] + 1j * u[imaginary]).reshape(self.shape))
            for real, imaginary in self.places
        ]
        return np.array(found).reshape(len(found), -1)

    def states(self, waves: ComplexArray) -> FloatArray:
        """(n,) states of (components, points)."""
        u = np.empty(self.n)
        for (real, imaginary), one in zip(self.places, waves, strict=True):
            values = np.fft.ifftn(one.reshape(self.shape)).ravel()
            u[real] = values.real
            if imaginary is not None:
                u[imaginary] = values.imag
        return u


def _places(flat: FlatSystem, u: Expr) -> IntArray:
    """Where the points of a field stand among the states."""
    found = flat.unknowns.grid(u.name)
    assert found is not None
    first, quantities = found
    places: IntArray = flat.position[flat.structure.representative[first : first + len(quantities)]]
    if (places < 0).any():
        raise ModelError(f"{u} is not among the unknowns at all of its points")
    return places
