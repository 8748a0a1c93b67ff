"""Radau IIA of order 5, in closed form: Hairer and Wanner II, table IV.5.6 and section IV.8."""

from __future__ import annotations

import math

from symnum.solving.implicit_tableau import RadauTableau

__all__ = ["RADAUIIA5"]

_ROOT = math.sqrt(6.0)

RADAUIIA5 = RadauTableau(
    name="RadauIIA5",
    order=5,
    embedded=3,
    dense=3,
    dae=5,
    l_stable=True,
    stiffly_accurate=True,
    cite="Ehle (1969), Axelsson (1969); Hairer and Wanner, Solving ODEs II, IV.8",
    a=(
        ((88 - 7 * _ROOT) / 360, (296 - 169 * _ROOT) / 1800, (-2 + 3 * _ROOT) / 225),
        ((296 + 169 * _ROOT) / 1800, (88 + 7 * _ROOT) / 360, (-2 - 3 * _ROOT) / 225),
        ((16 - _ROOT) / 36, (16 + _ROOT) / 36, 1 / 9),
    ),
    e=((-13 - 7 * _ROOT) / 3, (-13 + 7 * _ROOT) / 3, -1 / 3),
)
