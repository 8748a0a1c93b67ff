"""Patterns of matrices as SVG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from symnum.lowering.families import IntArray

_WIDTH = 420  # pixels
_FINEST = 210  # rows and columns that are drawn one by one; more share a cell


def pattern_svg(
    rows: IntArray, columns: IntArray, size: int, title: str, frames: Sequence[tuple[int, int]] = ()
) -> str:
    """The entries of a (size, size) matrix. frames: (first, count) of diagonal blocks to be framed."""
    if not size:
        return ""
    cells = min(size, _FINEST)
    place = np.unique((rows * cells // size) * cells + columns * cells // size)
    side = _WIDTH / cells
    shown = "".join(
        f'<rect x="{k % cells * side:.2f}" y="{k // cells * side:.2f}" width="{side:.2f}" '
        f'height="{side:.2f}"/>'
        for k in place.tolist()
    )
    scale = _WIDTH / size
    framed = "".join(
        f'<rect class="frame" x="{first * scale:.2f}" y="{first * scale:.2f}" width="{count * scale:.2f}" '
        f'height="{count * scale:.2f}"/>'
        for first, count in frames
    )
    return (
        f'<svg class="pattern" role="img" viewBox="-1 -1 {_WIDTH + 2} {_WIDTH + 2}" width="{_WIDTH}" '
        f'height="{_WIDTH}"><title>{title}</title><rect class="paper" width="{_WIDTH}" height="{_WIDTH}"/>'
        f"{shown}{framed}</svg>"
    )


def bar_svg(value: float, largest: float) -> str:
    width = 120 * value / largest if largest > 0 else 0.0
    return f'<svg width="122" height="10"><rect width="{width:.1f}" height="10"/></svg>'
