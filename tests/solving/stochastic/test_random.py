"""The random numbers of the kernels: bit by bit against the published recurrence, and their distributions."""

import numpy as np
import pytest
from scipy import stats

from symnum.codegen import machine
from symnum.solving.kernel.call import kernel
from symnum.solving.kernel.pointers import Integers, compiled, floats
from symnum.solving.kernel.random import exponential, normal, poisson, uniform
from symnum.solving.kernel.translate import kernel_text
from symnum.solving.stochastic.simulation import streams

KINDS = ("uniform", "exponential", "normal", "poisson")


@compiled
def draw(a: Integers) -> int:
    """a: kind, count, address of the stream, address of the results, address of the mean."""
    out = floats(a[3])
    for k in range(a[1]):
        if a[0] == 0:
            out[k] = uniform(a[2])
        elif a[0] == 1:
            out[k] = exponential(a[2])
        elif a[0] == 2:
            out[k] = normal(a[2])
        else:
            out[k] = poisson(a[2], floats(a[4])[0])
    return 0


@pytest.fixture(scope="module")
def drawn():
    code = machine.compile_text(kernel_text({"draw": draw_name()}), passes=2, codegen=2)
    loaded = machine.load_object(code)

    def sample(kind, count, *, seed=1, mean=0.0, state=None):
        block = np.zeros(6, np.int64)
        block[:4] = streams(seed, 1)[0] if state is None else state
        out, means = np.zeros(count), np.array([mean])
        table = np.array(
            [KINDS.index(kind), count, block.ctypes.data, out.ctypes.data, means.ctypes.data], np.int64
        )
        kernel(loaded.address("draw"), table)
        return out

    return sample


def draw_name():
    from symnum.solving.kernel.pointers import FUNCTIONS

    return next(name for name, entry in FUNCTIONS.items() if entry.function.__name__ == "draw")


def reference(state, count):
    """xoshiro256++ as published, in whole numbers of any size."""
    mask = (1 << 64) - 1

    def rotated(x, k):
        return ((x << k) | (x >> (64 - k))) & mask

    s = [int(x) & mask for x in state]
    for _ in range(count):
        yield (rotated((s[0] + s[3]) & mask, 23) + s[0]) & mask
        t = (s[1] << 17) & mask
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotated(s[3], 45)


@pytest.mark.parametrize("seed", [0, 1, 2, 77])
def test_the_generator_is_xoshiro256_plus_plus(drawn, seed):
    state = streams(seed, 3)[2]
    expected = [((bits >> 11) + 1) * 2.0**-53 for bits in reference(state, 500)]
    np.testing.assert_array_equal(drawn("uniform", 500, state=state), expected)


def test_streams_do_not_depend_on_how_many_there_are_and_differ():
    few, many = streams(5, 10), streams(5, 1000)
    np.testing.assert_array_equal(few, many[:10])
    assert len(np.unique(many)) == 4000
    assert not np.isin(streams(6, 1000), many).any()


@pytest.mark.parametrize(
    ("kind", "law"), [("uniform", stats.uniform), ("exponential", stats.expon), ("normal", stats.norm)]
)
def test_distributions_of_real_numbers(drawn, kind, law):
    sample = drawn(kind, 200_000, seed=3)
    assert stats.kstest(sample, law.cdf).pvalue > 1e-4
    # neighbours, and every second one: deviates that are made in pairs
    for lag in (1, 2):
        assert abs(np.corrcoef(sample[:-lag], sample[lag:])[0, 1]) < 4.5 / np.sqrt(len(sample))


@pytest.mark.parametrize("mean", [0.01, 0.7, 3.0, 9.99, 10.0, 12.5, 40.0, 333.3, 2e4])
def test_poisson_numbers(drawn, mean):
    count = 200_000
    sample = drawn("poisson", count, seed=11, mean=mean)
    low, high = int(stats.poisson.ppf(1e-4, mean)), int(stats.poisson.ppf(1 - 1e-4, mean)) + 1
    width = max((high - low) // 60, 1)
    edges = np.array([-1, *range(low, high, width), np.inf])
    expected = count * np.diff(stats.poisson.cdf(edges, mean))
    found = np.histogram(sample, bins=edges + 0.5)[0]
    kept = expected > 5
    statistic = ((found - expected)[kept] ** 2 / expected[kept]).sum()
    assert stats.chi2.sf(statistic, kept.sum() - 1) > 1e-4
    assert (sample == np.round(sample)).all()


def test_large_poisson_numbers(drawn):
    mean = 1e12
    sample = drawn("poisson", 100_000, seed=2, mean=mean)
    assert stats.kstest((sample - mean) / np.sqrt(mean), stats.norm.cdf).pvalue > 1e-4
