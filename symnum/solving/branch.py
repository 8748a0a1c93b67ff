"""A branch of steady states over a parameter: stability, bifurcations, and its picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.record import record
from symnum.rewriting.expr import Expr
from symnum.solving.solution import Sample

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Bifurcation", "Branch"]

FloatArray: TypeAlias = NDArray[np.float64]
ComplexArray: TypeAlias = NDArray[np.complex128]

_LOOKS = {
    "fold": ("o", "#bf616a"), "Hopf": ("s", "#5e81ac"), "branch point": ("D", "#a3be8c"),
}  # fmt: skip


@record
class Bifurcation:
    """Where stability changes: kind "fold", "Hopf" or "branch point".

    value: of the parameter. point: ``point[expr]`` is any expression of the model there. eigenvalues: the
    largest real part first. frequency: of the oscillation that begins at a Hopf point, in rad per time, else
    0.
    """

    kind: str
    parameter: str
    value: float
    point: Sample
    eigenvalues: ComplexArray
    frequency: float = 0.0

    def __getitem__(self, key: Expr | str) -> float:
        return float(self.point[key])

    def __repr__(self) -> str:
        period = f", frequency {self.frequency:.6g}" if self.kind == "Hopf" else ""
        return f"<{self.kind} at {self.parameter} = {self.value:.10g}{period}>"


@record
class Branch:
    """Steady states along a curve: ``branch[expr]`` is any expression of the model at its points.

    values: (k,) of the parameter, in order along the curve (they turn back at folds). y: (n, k). unstable:
    (k,) how many eigenvalues have a positive real part. stops: why the curve ends, at either end.
    """

    parameter: str
    sample: Sample
    values: FloatArray
    unstable: NDArray[np.int64]
    bifurcations: tuple[Bifurcation, ...]
    stops: tuple[str, str]

    @property
    def y(self) -> FloatArray:
        return self.sample.y

    @property
    def stable(self) -> NDArray[np.bool_]:
        """(k,) where all eigenvalues have negative real parts."""
        return np.asarray(self.unstable == 0)

    def __getitem__(self, key: Expr | str) -> FloatArray:
        return self.sample[key]

    def of_kind(self, kind: str) -> tuple[Bifurcation, ...]:
        """The bifurcations of one kind."""
        return tuple(found for found in self.bifurcations if found.kind == kind)

    def plot(self, *what: Expr | str, ax: Axes | None = None, **options: Any) -> Axes:
        """The bifurcation diagram of expressions (the first unknown without any); returns the axes.

        Stable parts are solid, unstable ones dashed; bifurcations are marked.
        """
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ModelError('branch.plot needs matplotlib: pip install "symnum-modeling[plot]"') from error
        axes = plt.subplots(layout="constrained")[1] if ax is None else ax
        shown = what or (self.sample.flat.state_names[0],)
        labelled: set[str] = set()
        for number, item in enumerate(shown):
            height = self[item]
            color = options.get("color", f"C{number}")
            for begin, end in _runs(self.stable):
                style = "-" if self.stable[begin] else "--"
                line = {"color": color, "linestyle": style, **options}
                label = f"{item}, {'stable' if style == '-' else 'unstable'}"
                axes.plot(
                    self.values[begin : end + 1], height[begin : end + 1],
                    label=None if label in labelled else label, **line,
                )  # fmt: skip
                labelled.add(label)
            for found in self.bifurcations:
                marker, mark_color = _LOOKS[found.kind]
                axes.plot(
                    [found.value], [found[item]], marker, color=mark_color, zorder=3, linestyle="",
                    label=None if found.kind in labelled else found.kind,
                )  # fmt: skip
                labelled.add(found.kind)
        axes.set_xlabel(self.parameter)
        if len(shown) == 1:
            axes.set_ylabel(str(shown[0]))
        axes.legend()
        return axes

    def __repr__(self) -> str:
        low, high = self.values.min(), self.values.max()
        return (
            f"<Branch over {self.parameter} = {low:.6g} ... {high:.6g}: {len(self.values)} points, "
            f"{', '.join(map(repr, self.bifurcations)) or 'no bifurcation'}>"
        )


def _runs(stable: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, last) of stretches of equal stability; neighbours share the point between them."""
    bounds = np.flatnonzero(np.diff(stable.astype(int))) + 1
    begins = [0, *bounds.tolist()]
    ends = [*bounds.tolist(), len(stable) - 1]
    return list(zip(begins, ends, strict=True))
