"""`distinct`, `difference` and `distinct_rows` against NumPy."""

import numpy as np
import pytest

from symnum.codegen.distinct import difference, distinct, distinct_rows

random = np.random.default_rng(1)
ARRAYS = [
    np.zeros(0, np.int64),
    np.array([7]),
    random.integers(-5, 5, 100),
    random.integers(0, 3, (4, 5)),
    np.array([2.5, -1.0, 2.5]),
]


@pytest.mark.parametrize("values", ARRAYS, ids=lambda a: str(a.shape))
def test_agrees_with_numpy(values):
    found = distinct(values)
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, np.unique(values))


@pytest.mark.parametrize("values", ARRAYS[:3], ids=lambda a: str(a.shape))
@pytest.mark.parametrize("others", [np.zeros(0, np.int64), np.array([3]), np.arange(-2, 9)], ids=str)
def test_difference_agrees_with_numpy(values, others):
    np.testing.assert_array_equal(difference(values, others), np.setdiff1d(values, others))


@pytest.mark.parametrize("shape", [(0, 2), (1, 3), (200, 1), (200, 3)], ids=str)
@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_rows_agree_with_numpy(shape, kind):
    rows = random.integers(-2, 3, shape).astype(kind)
    found, number = distinct_rows(rows)
    expected, inverse = np.unique(rows, axis=0, return_inverse=True)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(number, inverse.reshape(-1))
