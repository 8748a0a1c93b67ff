"""Multiple shooting: a fit over short pieces of the trajectories, whose starts are found with the rest."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError, SolveFailed
from symnum.solving.fit_objective import Objective, Trajectory
from symnum.solving.solution_map import SolutionMap

__all__ = ["shot"]

FloatArray: TypeAlias = NDArray[np.float64]

# The weights of the gaps between pieces, one search each: at first the pieces follow the data, at last they
# are one trajectory to about a ten-thousandth of its size, from which the ordinary fit goes on.
_WEIGHTS = (0.1, 1.0, 10.0, 100.0)
_WALL = 1e3  # a point that cannot be computed counts so many times as much as the first of its search


def shot(
    objective: Objective, theta: FloatArray, limits: FloatArray, pieces: int, options: Mapping[str, Any],
    evaluations: int,
) -> FloatArray:  # fmt: skip
    """(m,) where an ordinary fit shall begin: what multiple shooting found, or theta where that is better.

    The least squares of the data's residuals and of the gaps between the end of each piece and the start of
    the next, by the starts of the pieces as well. A start begins with the data where these are of the state
    itself, else with the end of the piece before. Ctrl-C ends the searches with the best found.
    Bock, in Deuflhard, Hairer (eds.), Numerical Treatment of Inverse Problems in Differential and Integral
    Equations (1983), 95; with gaps as residuals, as in Turan, Jaeschke, IEEE Control Systems Letters 6 (2022)
    1897.
    """
    found = theta
    made = [_Chain(one, theta, pieces, options) for one in objective.trajectories]
    search = _Shooting(objective, made, theta, limits)
    try:
        for weight in _WEIGHTS:
            found = search.found(weight, evaluations)
    except KeyboardInterrupt:
        logging.getLogger("symnum").warning("fit: shooting interrupted; the fit goes on from the best found")
        found = search.point[: len(theta)]
    return found if _loss(objective, found) < _loss(objective, theta) else theta


def _loss(objective: Objective, theta: FloatArray) -> float:
    try:
        residuals = objective.residuals(theta)
    except SolveFailed:
        return np.inf
    loss = float(residuals @ residuals)
    return loss if np.isfinite(loss) else np.inf


class _Chain:
    """One trajectory in pieces.

    maps: of each piece, from its numbers to the data and, last, the states. columns: of each piece the
    columns of the data in it. starts: (pieces - 1, n) those of all pieces but the first. size: (n,) of the
    states.
    """

    def __init__(
        self, trajectory: Trajectory, theta: FloatArray, pieces: int, options: Mapping[str, Any]
    ) -> None:
        problem, times = trajectory.mapping.problem, trajectory.mapping.t
        flat, where = problem.flat, trajectory.where
        if not flat.mass.all() or flat.events or problem.events:
            what = "events" if flat.mass.all() else "algebraic unknowns"
            raise ModelError(
                f"{where}: shooting= is for differential equations alone; {flat.name} has {what}"
            )
        inner = np.linspace(0, len(times) - 1, pieces + 1)[1:-1].round().astype(int)
        if len({*inner.tolist(), 0, len(times) - 1}) < pieces + 1 or times[inner[0]] <= problem.span[0]:
            raise ModelError(
                f"{where}: shooting={pieces} pieces need more than {pieces} times of data; "
                f"there are {len(times)}"
            )
        self.trajectory, self.n = trajectory, flat.n
        cuts = np.concatenate([[-1], inner, [len(times) - 1]])
        self.columns = [slice(a + 1, b + 1) for a, b in pairwise(cuts.tolist())]
        learnt = trajectory.mapping.parameters
        self.shared = np.array([flat.parameters.find(name) is not None for name in learnt])
        states = list(flat.state_names)
        inside = [name for name, shared in zip(learnt, self.shared, strict=True) if shared]
        outputs = [*trajectory.keys, *states]
        self.maps: list[SolutionMap] = []
        self.starts = np.empty((pieces - 1, flat.n))
        for k, columns in enumerate(self.columns):
            one, keys = problem, list(learnt)
            if k:
                begin = float(times[columns.start - 1])
                self.starts[k - 1] = self._guessed(k, theta, states)
                start = dict(zip(states, self.starts[k - 1].tolist(), strict=True))
                one = problem.with_(span=(begin, float(times[columns][-1])), start=start)
                keys = [*inside, *states]
            self.maps.append(SolutionMap(one, outputs, at=times[columns], parameters=keys, **options))
        self.size = np.abs(self.starts).max(axis=0)
        self.size[self.size == 0.0] = self.size.max() or 1.0

    def _guessed(self, k: int, theta: FloatArray, states: list[str]) -> FloatArray:
        """Of piece k: the end of the piece before, with what is measured put right.

        Unknowns that are not measured so follow those that are.
        """
        trajectory, before = self.trajectory, self.maps[k - 1]
        names = [str(key) for key in trajectory.keys]
        try:
            found = before(self.numbers(k - 1, theta, self.starts))[len(names) :, -1].copy()
        except SolveFailed:
            found = before.problem.u.copy()
        for i, state in enumerate(states):
            if state in names:
                row = names.index(state)
                known = trajectory.present[row]
                if known.any():
                    found[i] = np.interp(
                        before.t[-1], trajectory.mapping.t[known], trajectory.data[row, known]
                    )
        return found

    def numbers(self, k: int, theta: FloatArray, starts: FloatArray) -> FloatArray:
        """What piece k is a function of."""
        return theta if k == 0 else np.concatenate([theta[self.shared], starts[k - 1]])


class _Shooting:
    """point: what is learnt, then the starts of all pieces but the first of each trajectory."""

    def __init__(
        self, objective: Objective, chains: list[_Chain], theta: FloatArray, limits: FloatArray
    ) -> None:
        self.objective, self.chains, self.m = objective, chains, len(theta)
        inside: FloatArray = np.clip(theta, limits[:, 0], limits[:, 1])
        self.point = np.concatenate([inside, *(chain.starts.ravel() for chain in chains)])
        self.gaps = sum(chain.starts.size for chain in chains)
        free = np.tile([-np.inf, np.inf], (len(self.point) - self.m, 1))
        self.limits = np.concatenate([limits, free])
        level = sum(float(((one.trajectory.weight * one.trajectory.data) ** 2).sum()) for one in chains)
        # a gap of the size of a state counts as much as data that are missed altogether
        self.scale = (objective.share * np.sqrt(level) or 1.0) / np.sqrt(self.gaps)

    def found(self, weight: float, evaluations: int) -> FloatArray:
        """(m,) after the search with this weight of the gaps."""
        from scipy.optimize import least_squares

        first = self.residuals(self.point, weight)
        bad = np.full(len(first), np.sqrt(_WALL * max(float(first @ first), 1e-30) / len(first)))
        best = float(first @ first)

        def function(point: FloatArray) -> FloatArray:
            nonlocal best
            try:
                residuals = self.residuals(point, weight)
            except SolveFailed:
                return bad
            value = float(residuals @ residuals)
            if not np.isfinite(value):
                return bad
            if value < best:
                best, self.point = value, point.copy()
            return residuals

        least_squares(
            function, self.point, lambda point: self.jacobian(point, weight), x_scale="jac", ftol=1e-6,
            xtol=1e-8, bounds=(self.limits[:, 0], self.limits[:, 1]), max_nfev=evaluations,
        )  # fmt: skip
        return self.point[: self.m]

    def pieces(self, point: FloatArray) -> list[tuple[_Chain, int, FloatArray, int]]:
        """(chain, piece, its numbers, place of the starts of its chain in the point)."""
        made, place = [], self.m
        for chain in self.chains:
            starts = point[place : place + chain.starts.size].reshape(-1, chain.n)
            made += [
                (chain, k, chain.numbers(k, point[: self.m], starts), place) for k in range(len(chain.maps))
            ]
            place += chain.starts.size
        return made

    def residuals(self, point: FloatArray, weight: float) -> FloatArray:
        """Those of the data and the gaps piece by piece, then the penalties."""
        parts = []
        for chain, k, numbers, place in self.pieces(point):
            one, columns = chain.trajectory, chain.columns[k]
            try:
                outputs = chain.maps[k](numbers)
            except SolveFailed as error:
                raise one.failed(error) from error
            rows = len(one.keys)
            missed = one.weight[:, columns] * (outputs[:rows] - one.data[:, columns])
            parts.append(self.objective.share * missed[one.present[:, columns]])
            if k < len(chain.maps) - 1:
                begin = place + k * chain.n
                gap = outputs[rows:, -1] - point[begin : begin + chain.n]
                parts.append(weight * self.scale * gap / chain.size)
        return np.concatenate([*parts, self.objective.penalty.residuals(point[: self.m])])

    def jacobian(self, point: FloatArray, weight: float) -> FloatArray:
        """(residuals, numbers of the point)"""
        parts = []
        for chain, k, numbers, place in self.pieces(point):
            one, columns = chain.trajectory, chain.columns[k]
            rows, last = len(one.keys), k == len(chain.maps) - 1
            wanted = np.zeros((rows + chain.n, len(chain.maps[k].t)), bool)
            wanted[:rows] = one.present[:, columns]
            wanted[rows:, -1] = not last
            derivatives = chain.maps[k].jacobian(numbers, wanted)
            own = np.arange(self.m)
            if k:
                own = np.concatenate([own[chain.shared], place + (k - 1) * chain.n + np.arange(chain.n)])
            present = one.present[:, columns]
            part = np.zeros((int(present.sum()), len(point)))
            scaled = self.objective.share * one.weight[:, columns, None] * derivatives[:rows]
            part[:, own] = scaled[present]
            parts.append(part)
            if not last:
                gap = np.zeros((chain.n, len(point)))
                gap[:, own] = derivatives[rows:, -1]
                gap[np.arange(chain.n), place + k * chain.n + np.arange(chain.n)] -= 1.0
                parts.append(weight * self.scale * gap / chain.size[:, None])
        penalty = np.zeros((self.m, len(point)))
        penalty[:, : self.m] = np.diag(self.objective.penalty.root)
        return np.concatenate([*parts, penalty])
