"""Places and patterns of Jacobians found from runs, against sorting."""

import numpy as np
import pytest

import symnum as sn
from symnum.codegen.pattern import Ordering, Pattern, Places
from symnum.codegen.runs import Runs, are_distinct, expanded, runs_of
from symnum.models.spatial import diffusion, reaction_diffusion, transport


def sorted_places(parts, n):
    row = np.concatenate([part.row for part in parts]).astype(np.int64)
    column = np.concatenate([part.column for part in parts]).astype(np.int64)
    order = np.lexsort((row, column))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    indptr = np.append(0, np.cumsum(np.bincount(column, minlength=n)))
    bounds = np.cumsum([len(part.row) for part in parts])[:-1]
    return indptr, row[order], np.split(place, bounds)


def neighbours(shape, periodic, fields=2):
    """Each field of a grid reads its neighbours and, at the same point, the other fields."""
    size = int(np.prod(shape))
    grid = np.arange(size).reshape(shape)
    parts = []
    for field in range(fields):
        parts += [Places(field * size + grid.ravel(), k * size + grid.ravel()) for k in range(fields)]
        for axis in range(len(shape)):
            for shift in (1, -1):
                here, there = grid, np.roll(grid, -shift, axis)
                if not periodic:
                    inside = [slice(None)] * len(shape)
                    inside[axis] = slice(None, -1) if shift == 1 else slice(1, None)
                    here, there = here[tuple(inside)], there[tuple(inside)]
                parts.append(Places(field * size + here.ravel(), field * size + there.ravel()))
    return parts, fields * size


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("shape", [(2000,), (40, 50), (12, 14, 100)])
def test_grids_are_placed_by_their_runs(shape, periodic):
    parts, n = neighbours(shape, periodic)
    ordering = Ordering(parts, n)
    assert ordering.pieces is not None
    assert ordering.shared() is None
    pattern, places = ordering.placed()
    indptr, indices, expected = sorted_places(parts, n)
    assert np.array_equal(pattern.indptr, indptr)
    assert np.array_equal(pattern.indices, indices)
    assert pattern.size == len(indices)
    for found, wanted in zip(places, expected, strict=True):
        assert np.array_equal(found, wanted)
        known, anew = runs_of(found), runs_of(found.copy())
        assert (known is None) == (anew is None)
        if known is not None:  # what is known from the pieces is what would be found
            assert all(map(np.array_equal, known, anew))


@pytest.mark.parametrize(
    ("model", "scheme"),
    [
        (reaction_diffusion.gray_scott(), sn.Central(40)),
        (reaction_diffusion.fitzhugh_nagumo(), sn.Central(100)),
        (diffusion.heat(), sn.Central(1500, 4)),
        (transport.burgers(), sn.Central(1500, 4)),
    ],
    ids=["periodic", "two dimensions", "fixed ends", "nonlinear"],
)
def test_fields_are_compiled_without_sorting_their_entries(model, scheme, monkeypatch):
    """What keeps the time to compile a field from growing with its points."""
    system = sn.discretize(model, dict.fromkeys(model.coordinates, scheme))
    monkeypatch.setattr(Ordering, "_sorted", property(lambda self: pytest.fail("entries are sorted")))
    compiled = sn.compile(system, backend="numpy", simplify=None)
    u = np.random.default_rng(0).uniform(0.5, 1.0, compiled.flat.n)
    p = [info.default for info in compiled.flat.parameters]
    v = np.random.default_rng(1).standard_normal(len(u))
    step = 1e-6
    slope = (compiled.rhs(0.0, u + step * v, p) - compiled.rhs(0.0, u - step * v, p)) / (2 * step)
    found = compiled.jacobian(0.0, u, p) @ v
    np.testing.assert_allclose(found, slope, rtol=1e-5, atol=1e-4 * abs(slope).max())


def test_columns_without_entries_and_scattered_entries_among_runs():
    run = np.arange(3000)
    single = Places(np.array([1, 7000, 2, 9000]), np.array([6000, 6000, 3, 9999]))
    parts = [Places(run + 10, run + 5000), single]
    ordering = Ordering(parts, 10_000)
    assert ordering.pieces is not None
    pattern, places = ordering.placed()
    indptr, indices, expected = sorted_places(parts, 10_000)
    assert np.array_equal(pattern.indptr, indptr)
    assert np.array_equal(pattern.indices, indices)
    assert all(map(np.array_equal, places, expected))


def test_scattered_entries_are_sorted():
    rng = np.random.default_rng(2)
    key = rng.choice(40_000, 3000, replace=False)
    parts = [Places(key[:1000] % 200, key[:1000] // 200), Places(key[1000:] % 200, key[1000:] // 200)]
    ordering = Ordering(parts, 200)
    assert ordering.pieces is None
    pattern, places = ordering.placed()
    indptr, indices, expected = sorted_places(parts, 200)
    assert np.array_equal(pattern.indptr, indptr)
    assert np.array_equal(pattern.indices, indices)
    assert all(map(np.array_equal, places, expected))


@pytest.mark.parametrize("scattered", [False, True])
def test_entries_at_one_place_are_found(scattered):
    run = np.arange(4000)
    order = np.random.default_rng(5).permutation(4000) if scattered else run
    some = order[:3000]
    parts = [Places(run, run), Places(some, np.where(some < 100, some, some + 1))]
    shared = Ordering(parts, 4001).shared()
    assert shared is not None
    assert np.array_equal(shared[0], np.isin(run, some[some < 100]))
    assert np.array_equal(shared[1], some < 100)


def test_a_pattern_of_single_columns_gives_back_what_it_was_made_of():
    indptr, indices = np.array([0, 2, 2, 5]), np.array([0, 2, 0, 1, 2])
    pattern = Pattern.of(indptr, indices)
    assert np.array_equal(pattern.indptr, indptr)
    assert np.array_equal(pattern.indices, indices)
    assert pattern.size == 5


@pytest.mark.parametrize("step", [1, 6, -2])
def test_runs_give_back_their_places(step):
    index = (np.repeat([100, 40_000, 9000], [40, 500, 60]) + step * np.arange(600)).astype(np.int32)
    runs = runs_of(index)
    assert runs is not None
    assert runs.step == step
    assert runs.start.tolist() == [0, 40, 540, 600]
    assert np.array_equal(expanded(runs), index)
    assert np.array_equal(runs.last, index[[39, 539, 599]])


def test_scattered_places_have_no_runs():
    assert runs_of(np.random.default_rng(0).permutation(5000)) is None


def test_interleaved_runs_are_distinct_until_they_meet():
    def runs(first, count):
        return expanded(Runs(np.array([0, count]), np.array([first]), 3))

    assert are_distinct([runs(0, 600), runs(1, 900), runs(1800, 600)])
    assert not are_distinct([runs(0, 600), runs(1797, 600)])
    assert not are_distinct([runs(0, 600), runs(1, 600), np.array([4], np.int32)])
    assert are_distinct([runs(0, 600), runs(1, 600), np.array([5], np.int32)])
