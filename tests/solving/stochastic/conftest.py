"""Exact references for random processes: moments by formula, distributions by the master equation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csc_array
from scipy.sparse.linalg import expm_multiply


class Moments:
    """Compares samples with an exact mean and variance, in units of the sampling error."""

    @staticmethod
    def agree(samples: Any, mean: Any, variance: Any, *, sigmas: float = 4.5, bias: float = 0.0) -> None:
        """samples: (members, times). bias: relative error that the method itself may have."""
        members = len(samples)
        mean, variance = np.atleast_1d(mean).astype(float), np.atleast_1d(variance).astype(float)
        found, spread = samples.mean(axis=0), samples.var(axis=0, ddof=1)
        # rare events may be missing in the samples: no less than the fourth moment of a Poisson number
        fourth = np.maximum(((samples - found) ** 4).mean(axis=0), variance + 3 * variance**2)
        error_of_mean = np.sqrt(variance / members)
        error_of_variance = np.sqrt((fourth - variance**2) / members)
        assert (np.abs(found - mean) <= sigmas * error_of_mean + bias * np.abs(mean)).all(), (found, mean)
        assert (np.abs(spread - variance) <= sigmas * error_of_variance + bias * variance).all()


@pytest.fixture(scope="session")
def moments() -> type[Moments]:
    return Moments


def _master(
    states: list[Any], transitions: Callable[[Any], list[tuple[float, Any]]], start: Any, times: Any
) -> np.ndarray[Any, Any]:
    """(times, states) probabilities: dp/dt = A p over all states."""
    number = {state: i for i, state in enumerate(states)}
    rows, columns, values = [], [], []
    for state, i in number.items():
        for rate, target in transitions(state):
            if rate > 0 and target in number:
                rows += [number[target], i]
                columns += [i, i]
                values += [rate, -rate]
    matrix = csc_array((values, (rows, columns)), shape=(len(states),) * 2)
    begin = np.zeros(len(states))
    begin[number[start]] = 1.0
    return np.array([expm_multiply(matrix * float(t), begin) for t in times])


@pytest.fixture(scope="session")
def master() -> Callable[..., np.ndarray[Any, Any]]:
    return _master
