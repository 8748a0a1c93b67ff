"""Pictures of fields: a map over time and place in one dimension, a map of the plane in two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
Grid = tuple[tuple[str, FloatArray], ...]


def draw_field(
    axes: Axes, t: FloatArray, values: FloatArray, grid: Grid, label: str, options: dict[str, Any]
) -> None:
    """One coordinate: a map with time upwards. Two: the plane at the last time."""
    style: dict[str, Any] = {"shading": "nearest", "cmap": "viridis", "rasterized": True} | options
    if len(grid) == 1:
        ((name, x),) = grid
        image = axes.pcolormesh(x, t, values, **style)
        axes.set_xlabel(name)
        axes.set_ylabel("t")
    else:
        _two_dimensions(grid, label)
        (x_name, x), (y_name, y) = grid
        image = axes.pcolormesh(x, y, values[-1].T, **style)
        axes.set_aspect("equal")
        axes.set_xlabel(x_name)
        axes.set_ylabel(y_name)
        axes.set_title(f"t = {t[-1]:g}")
    figure: Any = axes.figure
    figure.colorbar(image, ax=axes, label=label)


def animated_field(
    t: FloatArray, values: FloatArray, grid: Grid, label: str, interval: float
) -> FuncAnimation:
    """A line that moves in one dimension, a map that changes in two; ``interval`` milliseconds a frame."""
    try:
        import matplotlib.pyplot as plt
        from matplotlib.animation import FuncAnimation
    except ImportError as error:
        raise ModelError('sol.animate needs matplotlib: pip install "symnum-modeling[plot]"') from error
    low, high = float(values.min()), float(values.max())
    room = 0.05 * (high - low) or 0.5
    figure, axes = plt.subplots(layout="constrained")
    if len(grid) == 1:
        ((name, x),) = grid
        (line,) = axes.plot(x, values[0])
        axes.set_ylim(low - room, high + room)
        axes.set_xlabel(name)
        axes.set_ylabel(label)

        def show(frame: int) -> list[Any]:
            line.set_ydata(values[frame])
            return [line, axes.set_title(f"t = {t[frame]:.4g}")]
    else:
        _two_dimensions(grid, label)
        (x_name, x), (y_name, y) = grid
        image = axes.pcolormesh(x, y, values[0].T, shading="nearest", vmin=low, vmax=high)
        axes.set_aspect("equal")
        axes.set_xlabel(x_name)
        axes.set_ylabel(y_name)
        figure.colorbar(image, ax=axes, label=label)

        def show(frame: int) -> list[Any]:
            image.set_array(values[frame].T)
            return [image, axes.set_title(f"t = {t[frame]:.4g}")]

    return FuncAnimation(figure, show, frames=len(t), interval=interval)


def _two_dimensions(grid: Grid, label: str) -> None:
    if len(grid) != 2:
        raise ModelError(
            f"{label} varies in {len(grid)} coordinates; plot a section of sol[...], which is an array"
        )
