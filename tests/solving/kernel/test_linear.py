"""Factorizations and solves of the kernels against NumPy and SciPy."""

import ctypes

import numpy as np
import pytest
import scipy.sparse

from symnum.solving import linear_system, pivot_order
from symnum.solving.kernel import library, slot
from symnum.solving.kernel.call import kernel
from symnum.solving.linear_system import LinearSystem, Pattern


def random_matrix(n, per_row, seed):
    """Unsymmetric, a random transversal and hardly any diagonal, entries over six orders of magnitude."""
    rng = np.random.default_rng(seed)
    dense = np.zeros((n, n))
    dense[np.arange(n), rng.permutation(n)] = rng.uniform(1, 2, n) * rng.choice([-1, 1], n)
    for _ in range(per_row * n):
        dense[rng.integers(n), rng.integers(n)] += rng.standard_normal() * 10.0 ** rng.uniform(-5, 0)
    return dense * 10.0 ** rng.uniform(-2, 2, n)[:, None]


def system_of(jacobian, differential, scale, mode, rows=None):
    """A linear system scale D - J, with J from a dense matrix."""
    sparse = scipy.sparse.csc_matrix(jacobian)
    sparse.sort_indices()
    pattern = Pattern(
        sparse.indptr.astype(np.int64),
        sparse.indices.astype(np.int64),
        np.asarray(differential, dtype=np.int64),
        np.arange(len(jacobian)) if rows is None else np.asarray(rows),
    )
    return LinearSystem(pattern, sparse.data.copy(), np.array([scale]), mode)


def factored(system):
    """Factor, choosing a pivot order when asked for one; the status."""
    factor = library.addresses("linear")["factor"]
    status = kernel(factor, system.table)
    if status == slot.REPIVOT:
        if not system.analyse():
            return slot.SINGULAR
        status = kernel(factor, system.table)
    return status


def solved(system, right, unit="linear"):
    solution = right.copy()
    system.table[slot.RIGHT] = solution.ctypes.data
    assert kernel(library.addresses(unit)["solve"], system.table) == slot.OK
    return solution


@pytest.mark.parametrize("mode", ["dense", "own", "sparse", "columns", "tail"])
@pytest.mark.parametrize("n", [1, 2, 5, 17, 74, 150])
def test_solutions_agree_with_numpy(n, mode, monkeypatch):
    if mode in ("columns", "tail"):
        monkeypatch.setattr(pivot_order, "LISTED", -1)
    if mode == "tail":  # half of the pivots, or all of them
        monkeypatch.setattr(pivot_order, "SMALLEST_TAIL", 1)
        monkeypatch.setattr(pivot_order, "UPDATE", 1.0)
        monkeypatch.setattr(pivot_order, "DENSE_UPDATE", 1e-3)
    if mode == "own":
        monkeypatch.setattr(linear_system, "lapack", lambda: (0, 0))
    else:
        monkeypatch.setattr(linear_system, "LAPACK_FROM", 1)
    jacobian = random_matrix(n, 2, seed=n)
    differential = np.arange(0, n, 2)
    kind = {"own": "dense", "columns": "sparse", "tail": "sparse"}.get(mode, mode)
    system = system_of(jacobian, differential, 3.0, kind)
    matrix = -jacobian
    matrix[differential, differential] += 3.0
    right = np.random.default_rng(1).standard_normal(n)
    assert factored(system) == slot.OK
    expected = np.linalg.solve(matrix, right)
    assert solved(system, right) == pytest.approx(expected, rel=1e-9, abs=1e-9 * np.max(np.abs(expected)))
    transposed = np.linalg.solve(matrix.T, right)
    found = solved(system, right, "linear_transposed")
    assert found == pytest.approx(transposed, rel=1e-9, abs=1e-9 * np.max(np.abs(transposed)))
    wanted = {
        "dense": slot.DENSE_LAPACK,
        "own": slot.DENSE_OWN,
        "sparse": slot.SPARSE,
        "columns": slot.COLUMNS,
        "tail": slot.COLUMNS,
    }
    assert system.table[slot.KIND] == wanted[mode]
    assert (system.table[slot.TAIL] > 0) == (mode == "tail" and n > 2)


def test_refactorization_with_other_numbers():
    n = 60
    sparse = scipy.sparse.csc_matrix(random_matrix(n, 2, seed=3))
    sparse.sort_indices()
    system = system_of(sparse.toarray(), np.arange(n), 1.0, "sparse")
    rng = np.random.default_rng(5)
    for scale in (1e4, 30.0, 1.0):
        sparse.data *= rng.uniform(0.8, 1.2, len(sparse.data))
        system._scale[0] = scale
        system._jacobian[:] = sparse.data
        assert factored(system) == slot.OK
        expected = np.linalg.solve(scale * np.eye(n) - sparse.toarray(), np.ones(n))
        assert solved(system, np.ones(n)) == pytest.approx(
            expected, rel=1e-8, abs=1e-10 * np.max(np.abs(expected))
        )


def test_a_pivot_that_fades_asks_for_a_new_order():
    # the first column has its pivot in its second row, until that entry has faded
    jacobian = np.array([[-1.0, 2.0, 0.0], [3.0, 0.5, 1.0], [0.0, 1.0, 0.7]])
    system = system_of(jacobian, [], 0.0, "sparse")
    assert factored(system) == slot.OK
    order = [np.ctypeslib.as_array((ctypes.c_int32 * 3).from_address(int(system.table[where]))).copy()
             for where in (slot.ROW_ORDER, slot.COLUMN_ORDER)]  # fmt: skip
    row, column = order[0][0], order[1][0]
    jacobian[row, column] *= 1e-9
    rows, columns = jacobian.T.nonzero()[::-1]  # by columns, as the values are stored
    system._jacobian[(rows == row) & (columns == column)] *= 1e-9
    assert kernel(library.addresses("linear")["factor"], system.table) == slot.REPIVOT
    assert factored(system) == slot.OK
    assert solved(system, np.ones(3)) == pytest.approx(np.linalg.solve(-jacobian, np.ones(3)), rel=1e-12)


def test_runs_of_a_pattern_share_its_pivot_order():
    first = system_of(random_matrix(30, 2, seed=9), np.arange(30), 1.0, "sparse")
    assert factored(first) == slot.OK
    second = LinearSystem(first.pattern, first._jacobian * 1.1, np.array([2.0]), "sparse")
    assert kernel(library.addresses("linear")["factor"], second.table) == slot.OK
    values = first.pattern.values(second._jacobian, np.array([2.0]))
    matrix = scipy.sparse.csc_matrix((values, first.pattern.indices, first.pattern.indptr)).toarray()
    assert solved(second, np.ones(30)) == pytest.approx(np.linalg.solve(matrix, np.ones(30)), rel=1e-9)
    # but not their memory
    assert solved(first, np.ones(30)) != pytest.approx(solved(second, np.ones(30)), rel=1e-3)


def test_no_order_lasts_means_dense_pivoting():
    system = system_of(random_matrix(30, 2, seed=9), np.arange(30), 1.0, "sparse")
    for _ in range(21):
        assert system.analyse()
    assert system.kind.startswith("dense")
    assert factored(system) == slot.OK


@pytest.mark.parametrize("mode", ["dense", "sparse"])
@pytest.mark.parametrize("jacobian", [
    [[1.0, 2.0], [2.0, 4.0]],                       # singular in its numbers
    [[1.0, 0.0], [1.0, 0.0]],                       # singular in its pattern
    [[1.0, np.nan], [1.0, 0.0]],
])  # fmt: skip
def test_singular_systems_are_told(jacobian, mode):
    assert factored(system_of(np.array(jacobian), [], 0.0, mode)) == slot.SINGULAR


def test_a_block_of_rows():
    jacobian = random_matrix(12, 2, seed=4)
    rows = np.array([2, 3, 7, 11])
    for mode in ("dense", "sparse"):
        block = jacobian.copy()
        block[np.ix_(rows, rows)] += 3 * np.eye(4)
        system = system_of(block, [], 0.0, mode, rows)
        assert factored(system) == slot.OK
        expected = np.linalg.solve(-block[np.ix_(rows, rows)], np.ones(4))
        assert solved(system, np.ones(4)) == pytest.approx(expected, rel=1e-11)


def test_large_systems_take_their_order_from_superlu(monkeypatch):
    monkeypatch.setattr(linear_system, "LARGE", 50)
    monkeypatch.setattr(pivot_order, "LARGE", 50)
    n = 120
    jacobian = random_matrix(n, 2, seed=8)
    system = system_of(jacobian, np.arange(0, n, 3), 2.0, "auto")
    assert factored(system) == slot.OK
    matrix = -jacobian
    matrix[np.arange(0, n, 3), np.arange(0, n, 3)] += 2.0
    expected = np.linalg.solve(matrix, np.ones(n))
    assert solved(system, np.ones(n)) == pytest.approx(
        expected, rel=1e-8, abs=1e-9 * np.max(np.abs(expected))
    )
    singular = jacobian.copy()
    singular[5] = 0.0
    assert factored(system_of(singular, [], 0.0, "auto")) == slot.SINGULAR


def test_structure_decides():
    rng = np.random.default_rng(0)
    full = rng.standard_normal((40, 40)) + 10 * np.eye(40)
    band = np.triu(np.tril(full, 1), -1)
    for matrix, kind in ((full, "dense"), (band, "sparse"), (band[:6, :6], "dense")):
        system = system_of(matrix, [], 0.0, "auto")
        assert factored(system) == slot.OK
        assert system.kind == kind


def test_fill_stays_small():
    # an arrow pointing the wrong way: natural order fills it completely, a good one not at all
    n = 50
    arrow = np.eye(n) * 4
    arrow[0, :] = arrow[:, 0] = 1.0
    arrow[0, 0] = 60.0
    system = system_of(arrow, [], 0.0, "sparse")
    assert factored(system) == slot.OK
    assert system.table[slot.LOWER_COUNT] + system.table[slot.UPPER_COUNT] == 2 * (n - 1)
    assert system.table[slot.LEVELS] == 2
