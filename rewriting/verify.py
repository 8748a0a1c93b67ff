"""The numerical check of a rewriting: old and new expressions at random points.

Both sides are evaluated in double and in extended precision. What the two precisions of one side differ by is
the rounding error of that side, so a difference between the sides that is larger than both rounding errors is
a wrong rewriting and not a matter of cancellation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from symnum.rewriting.expr import Expr
from symnum.rewriting.walk import evaluate_arrays, leaves

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

POINTS = 24
"""Points drawn in one batch."""

ENOUGH = 6
"""Points with finite values that every expression must have been compared at."""

BATCHES = 12
"""Batches drawn before an expression that is hardly ever finite counts as unchecked."""

TOLERANCE = 1e-9

LOSS = 3.0
"""Times that the worst relative rounding error may grow inside declared bounds. Without bounds it is not
looked at: among points from everywhere some lie next to a cancellation that the model never comes near."""


class Mismatch(NamedTuple):
    """Where and how much two lists of expressions differ; ``root`` counts from 0."""

    root: int
    old: float
    new: float
    point: dict[Expr, float]
    reason: str

    def __str__(self) -> str:
        where = ", ".join(f"{leaf} = {value:.6g}" for leaf, value in self.point.items())
        return f"expression {self.root}: {self.reason} ({self.old!r} before, {self.new!r} after) at {where}"


def mismatch(
    old: Sequence[Expr],
    new: Sequence[Expr],
    *,
    seed: int = 0,
    where: Mapping[Expr, tuple[float, float]] | None = None,
) -> Mismatch | None:
    """The first difference found between two lists of expressions, or None when they agree.

    Points are drawn until each expression has been finite at `ENOUGH` of them, so that the domain need not be
    known. At points with small whole coordinates the new expression must be finite wherever the old one is:
    there a rewriting would show a division by zero that it has brought in. ``where`` gives bounds of leaves:
    all points lie within them, and rounding errors may not become more than `LOSS` times as large.
    """
    import numpy as np

    changed = [k for k, (before, after) in enumerate(zip(old, new, strict=True)) if before is not after]
    if not changed:
        return None
    before, after = [old[k] for k in changed], [new[k] for k in changed]
    unknown = leaves((*before, *after))
    random = np.random.default_rng(seed)
    corner = {leaf: random.integers(-1, 2, POINTS).astype(float) for leaf in unknown}
    for leaf in unknown:
        corner[leaf][:3] = (0.0, 1.0, -1.0)
    inside = where or {}
    checked = [0] * len(changed)
    for batch in range(BATCHES):
        points = _draw(unknown, random, batch, inside)
        if not batch:  # together: the number of operations counts, hardly that of points
            points = {
                leaf: np.concatenate((_clipped(corner[leaf], inside.get(leaf)), values))
                for leaf, values in points.items()
            }
        found = _compare(before, after, points, bounded=bool(inside))
        if found.mismatch is not None:
            return found.mismatch._replace(root=changed[found.mismatch.root])
        checked = [a + b for a, b in zip(checked, found.good, strict=True)]
        if min(checked) >= ENOUGH:
            return None
    worst = min(range(len(changed)), key=lambda k: checked[k])
    if checked[worst] >= 1:
        return None  # rarely finite, yet never different
    return Mismatch(changed[worst], float("nan"), float("nan"), {}, "no point with a finite value was found")


def same_rounding(
    old: Sequence[Expr], new: Sequence[Expr], where: Mapping[Expr, tuple[float, float]], *, seed: int = 1
) -> bool:
    """Whether both give the same doubles, bit for bit (but for the sign of zero), at random points."""
    import numpy as np

    unknown = leaves((*old, *new))
    random = np.random.default_rng(seed)
    for batch in range(3):
        points = _draw(unknown, random, batch, where)
        for before, after in zip(evaluate_arrays(old, points), evaluate_arrays(new, points), strict=True):
            equal = (before == after) | (np.isnan(before) & np.isnan(after))
            if not np.all(equal):
                return False
    return True


class _Comparison(NamedTuple):
    good: list[int]
    mismatch: Mismatch | None


def _clipped(values: NDArray[Any], bounds: tuple[float, float] | None) -> NDArray[Any]:
    import numpy as np

    return values if bounds is None else np.clip(values, *bounds)


def _draw(
    unknown: Sequence[Expr],
    random: np.random.Generator,
    batch: int,
    where: Mapping[Expr, tuple[float, float]],
) -> dict[Expr, NDArray[Any]]:
    """One batch: a third of both signs, a third positive, a third positive and below one, later ever
    wider."""
    import numpy as np

    third = POINTS // 3
    spread = 1.0 + 0.5 * batch
    points: dict[Expr, NDArray[Any]] = {}
    for leaf in unknown:
        values = np.concatenate(
            (
                random.uniform(-2.0 * spread, 2.0 * spread, third),
                random.lognormal(0.0, 0.7 * spread, third),
                random.uniform(0.02, 0.98, POINTS - 2 * third),
            )
        )
        usual = _usual_value(leaf)
        if usual is not None:
            values[::2] = usual * random.uniform(0.9, 1.1, values[::2].size)
        bounds = where.get(leaf)
        if bounds is not None:
            low, high = bounds
            if high - low < np.inf:
                values[1::2] = random.uniform(low, high, values[1::2].size)
            elif low > 0 or high < 0:  # far from zero: the default points would all end at the bound
                values[1::2] = (low if low > 0 else high) * random.lognormal(1.0, 1.0, values[1::2].size)
            values = np.clip(values, low, high)
        points[leaf] = values
    return points


def _usual_value(leaf: Expr) -> float | None:
    """The default of a parameter, around which the model certainly makes sense."""
    default = leaf.data.default if leaf.op == "symbol" else None
    if isinstance(default, Expr):
        return float(default) if default.is_number else None
    return None if default is None else float(default)


def _compare(
    before: Sequence[Expr], after: Sequence[Expr], points: dict[Expr, NDArray[Any]], *, bounded: bool
) -> _Comparison:
    import numpy as np

    wide = {leaf: values.astype(np.longdouble) for leaf, values in points.items()}
    both, count = (*before, *after), len(before)  # in one go: most of their parts are the same
    narrow_values, wide_values = evaluate_arrays(both, points), evaluate_arrays(both, wide)
    olds, news = narrow_values[:count], narrow_values[count:]
    wide_olds, wide_news = wide_values[:count], wide_values[count:]
    shape = np.broadcast_shapes(*(values.shape for values in points.values()), (1,))
    good: list[int] = []
    with np.errstate(all="ignore"):
        for k, values in enumerate(zip(olds, news, wide_olds, wide_news, strict=True)):
            old, new, wide_old, wide_new = (np.broadcast_to(value, shape) for value in values)
            finite = np.isfinite(old) & np.isfinite(wide_old)
            lost = finite & ~np.isfinite(new)
            rounding = np.abs(old - wide_old) + np.abs(new - wide_new)
            allowed = TOLERANCE * np.abs(wide_old) + rounding + 1e-14
            wrong = finite & ~lost & (np.abs(wide_old - wide_new) > allowed)
            reason = "the value is lost" if lost.any() else "the values differ"
            if bounded and not (lost.any() or wrong.any()):
                size = np.where(finite & (wide_old != 0), np.abs(wide_old), np.inf)
                errors = np.abs(new - wide_new) / size
                wrong = errors > LOSS * max(float(np.max(np.abs(old - wide_old) / size)), 2.0**-53)
                reason = "digits are lost"
            if lost.any() or wrong.any():
                at = int(np.argmax(lost if lost.any() else wrong))
                point = {leaf: float(coordinates[at]) for leaf, coordinates in points.items()}
                return _Comparison(good, Mismatch(k, float(old[at]), float(new[at]), point, reason))
            good.append(int(finite[-POINTS:].sum()))  # corners prove no more than that
    return _Comparison(good, None)
