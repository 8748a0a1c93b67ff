"""Tau-leaping and the chemical Langevin equation: moments, orders, bounds."""

import numpy as np
import pytest

import symnum as sn


def immigration_death(rate=1000.0, death=1.0):
    (x,) = sn.species("X")
    return x, sn.ReactionNetwork("immigration", [sn.Reaction(rate, 0 >> x), sn.Reaction(death, x >> 0)])


def dimerisation(rate=2e-4):
    p, p2 = sn.species("P P2")
    network = sn.ReactionNetwork(
        "dimerisation", [sn.Reaction(rate, 2 * p >> p2), sn.Reaction(0.05, p2 >> 2 * p)]
    )
    return p, p2, network


def sampled(problem, method, members, at, seed=1, **options):
    return sn.solve(sn.Ensemble(problem, members=members), method, seed=seed, saveat=at, **options)


# ---- tau-leaping ----------------------------------------------------------------------------------
def check_leaping(members, moments):
    # from 4000 down to 1000 molecules; nothing but sampling error is seen
    x, network = immigration_death()
    at = np.array([0.5, 1.0, 4.0])
    found = sampled(
        sn.Problem(network.jumps(), {x: 4000}, span=(0, 4)), "TauLeaping", members, at, epsilon=0.01
    )
    left = np.exp(-at)
    mean = 1000 + 3000 * left
    moments.agree(found[x], mean, 4000 * left * (1 - left) + 1000 * (1 - left))
    assert (found.stats.steps * 50 < found.stats.events).all()  # these were leaps


def check_leaping_of_dimers(members, moments, master):
    p, p2, network = dimerisation(5e-5)
    at = [1.0, 10.0]
    problem = sn.Problem(network.jumps(), {p: 4000, p2: 0}, span=(0, 10))
    found = sampled(problem, "TauLeaping", members, at, epsilon=0.03)
    chance = master(
        list(range(2001)),
        lambda d: [(5e-5 * (4000 - 2 * d) * (3999 - 2 * d), d + 1), (0.05 * d, d - 1)],
        0, at,
    )  # fmt: skip
    dimers = np.arange(2001)
    mean = chance @ dimers
    moments.agree(found[p2], mean, chance @ dimers**2 - mean**2)
    np.testing.assert_array_equal(found[p] + 2 * found[p2], 4000)
    assert (found.stats.steps * 4 < found.stats.events).all()


def check_few_molecules(members, moments):
    # where leaps would be short every event is followed, so that nothing but sampling error is left
    x, network = immigration_death(1.0, 0.1)
    at = np.array([5.0, 40.0])
    found = sampled(sn.Problem(network.jumps(), {x: 0}, span=(0, 40)), "TauLeaping", members, at)
    mean = 10 * (1 - np.exp(-0.1 * at))
    moments.agree(found[x], mean, mean)


def test_moments_of_leaps(moments, master):
    check_leaping(3000, moments)
    check_leaping_of_dimers(2000, moments, master)
    check_few_molecules(5000, moments)


@pytest.mark.slow
def test_moments_of_leaps_over_100_000_runs(moments, master):
    check_leaping(100_000, moments)
    check_leaping_of_dimers(100_000, moments, master)
    check_few_molecules(100_000, moments)


def test_the_error_of_leaps_is_proportional_to_the_square_of_epsilon():
    x, network = immigration_death()
    problem = sn.Problem(network.jumps(), {x: 100_000}, span=(0, 1))
    exact = 1000 + 99_000 * np.exp(-1)
    errors = [
        sampled(problem, "TauLeaping", 2000, [1.0], epsilon=epsilon)[x].mean() - exact
        for epsilon in (0.4, 0.2, 0.1)
    ]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.15)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.15)


def test_leaps_never_make_counts_negative():
    # decays that all use up the same species within one leap of the fast pair
    a, b, c = sn.species("A B C")
    network = sn.ReactionNetwork(
        "race",
        [
            sn.Reaction(50.0, a >> b),
            sn.Reaction(30.0, a + b >> c),
            sn.Reaction(20.0, 2 * b >> c),
            sn.Reaction(1.0, c >> a),
        ],
    )
    problem = sn.Problem(network.jumps(), {a: 5000, b: 40, c: 0}, span=(0, 2))
    found = sn.solve(sn.Ensemble(problem, members=200), "TauLeaping", seed=3, saveat=0.01, epsilon=0.5)
    assert (found.y >= 0).all()
    assert (found.y == np.round(found.y)).all()


def test_growth_without_bound_ends_where_molecules_cannot_be_counted():
    # 10 exp(t) passes 2**53 at t = 34; events one by one would then change nothing, without end
    (x,) = sn.species("X")
    network = sn.ReactionNetwork("growth", [sn.Reaction(1.0, x >> 2 * x)])
    problem = sn.Problem(network.jumps(), {x: 10}, span=(0, 1000))
    with pytest.raises(sn.SolveFailed, match=r"growth: stopped at t = 3\d.*2\*\*53 molecules"):
        sn.solve(problem, "TauLeaping", seed=1)
    runs = sn.solve(sn.Ensemble(problem, members=3), "TauLeaping", seed=1, saveat=[0.0, 1000.0])
    assert list(runs.status) == ["uncountable"] * 3
    with pytest.raises(sn.ModelError, match=r"X = 1e\+16 is above 2\*\*53"):
        sn.Problem(network.jumps(), {x: 1e16}, span=(0, 1))


def test_leaps_of_other_rate_laws(moments):
    # a saturated rate: for X >> K its propensity is constant, and X falls like a Poisson number
    x, y = sn.species("X Y")
    network = sn.ReactionNetwork("saturated", [sn.Reaction(2000.0 * x / (1e-9 + x), x >> y, law="rate")])
    problem = sn.Problem(network.jumps(), {x: 50_000, y: 0}, span=(0, 5))
    found = sampled(problem, "TauLeaping", 2000, [1.0, 5.0])
    moments.agree(found[y], [2000, 10_000], [2000, 10_000])
    assert found.stats.steps.max() < 100


# ---- Langevin -------------------------------------------------------------------------------------
def recursion(method, rate, death, mean, variance, h, steps):
    """Exact moments of the numerical method itself for immigration and death."""
    for _ in range(steps):
        if method == "EulerMaruyama":
            mean, variance = (
                mean + h * (rate - death * mean),
                (1 - h * death) ** 2 * variance + h * (rate + death * mean),
            )
            continue
        half = 0.5 * h
        middle = mean + half * (rate - death * mean)
        # x* = (1 - d h/2) x + ..., then x* + (r - d (2 x* - x)) h/2
        a, c = (1 - 2 * half * death) * (1 - half * death) + half * death, 1 - 2 * half * death
        noise = half * (rate + death * mean)
        second = half * (rate + death * (2 * middle - mean))
        variance = a**2 * variance + c**2 * noise + second
        mean = middle + half * (rate - death * (2 * middle - mean))
    return mean, variance


@pytest.mark.parametrize("method", ["EulerMaruyama", "WeakTrapezoidal"])
def test_moments_of_steps_are_those_of_the_method(method, moments):
    x, network = immigration_death()
    problem = sn.Problem(network.langevin(), {x: 4000}, span=(0, 1))
    found = sampled(problem, method, 20_000, [1.0], step=0.25)
    mean, variance = recursion(method, 1000, 1.0, 4000, 0, 0.25, 4)
    moments.agree(found[x], mean, variance)


def test_weak_orders_of_the_methods():
    exact = 1000 + 3000 * np.exp(-1), 4000 * np.exp(-1) * (1 - np.exp(-1)) + 1000 * (1 - np.exp(-1))
    for method, order in (("EulerMaruyama", 1), ("WeakTrapezoidal", 2)):
        assert sn.STOCHASTIC_METHODS[method].weak == order
        errors = np.array(
            [np.subtract(recursion(method, 1000, 1.0, 4000, 0, 1 / n, n), exact) for n in (32, 64)]
        )
        np.testing.assert_allclose(np.log2(errors[0] / errors[1]), order, atol=0.08)


def check_langevin(members, moments):
    # propensities are linear: mean and variance are those of the jump process
    x, network = immigration_death()
    at = np.array([0.5, 4.0])
    left = np.exp(-at)
    for method, bias in (("WeakTrapezoidal", 0.001), ("EulerMaruyama", 0.01)):
        problem = sn.Problem(network.langevin(), {x: 4000}, span=(0, 4))
        found = sampled(problem, method, members, at, step=0.02)
        moments.agree(found[x], 1000 + 3000 * left, (4000 * left + 1000) * (1 - left), bias=bias)


def test_moments_of_the_langevin_equation(moments):
    check_langevin(4000, moments)


@pytest.mark.slow
def test_moments_of_the_langevin_equation_over_100_000_runs(moments):
    check_langevin(100_000, moments)


def test_the_langevin_equation_of_a_nonlinear_network(moments, master):
    # dimers among many molecules: the moments of the jump process up to terms of relative order 1/1000
    p, p2, network = dimerisation()
    found = sampled(
        sn.Problem(network.langevin(), {p: 1000, p2: 0}, span=(0, 2)), "WeakTrapezoidal", 4000, [2.0]
    )
    chance = master(
        list(range(501)),
        lambda d: [(2e-4 * (1000 - 2 * d) * (999 - 2 * d), d + 1), (0.05 * d, d - 1)],
        0, [2.0],
    )[0]  # fmt: skip
    mean = chance @ np.arange(501)
    moments.agree(found[p2], mean, chance @ np.arange(501) ** 2 - mean**2, bias=0.01)
    np.testing.assert_allclose(found[p] + 2 * found[p2], 1000, rtol=1e-12)


def test_rates_that_hold_the_time(moments):
    # immigration 1000 (1 + cos t) into nothing: the mean is 1000 (t + sin t), and so is the variance
    (x,) = sn.species("X")
    network = sn.ReactionNetwork("season", [sn.Reaction(1000 * (1 + sn.cos(sn.t)), 0 >> x)])
    problem = sn.Problem(network.langevin(), {x: 0}, span=(0, 2))
    found = sampled(problem, "WeakTrapezoidal", 4000, [1.0, 2.0], step=0.02)
    mean = 1000 * np.array([1.0 + np.sin(1.0), 2.0 + np.sin(2.0)])
    moments.agree(found[x], mean, mean, bias=1e-4)


def test_a_finer_epsilon_takes_more_steps():
    x, network = immigration_death()
    problem = sn.Problem(network.langevin(), {x: 4000}, span=(0, 4))
    steps = [sn.solve(problem, seed=1, saveat=1.0, epsilon=epsilon).stats.steps for epsilon in (0.1, 0.01)]
    assert 5 * steps[0] < steps[1]
    every = sn.solve(problem, "EulerMaruyama", seed=1, step=0.5)
    np.testing.assert_allclose(every.t, np.arange(0, 4.5, 0.5), rtol=1e-12)


def test_a_rate_that_is_no_number_is_told():
    (x,) = sn.species("X")
    network = sn.ReactionNetwork("root", [sn.Reaction(sn.sqrt(x - 900), x >> 0, law="rate")])
    problem = sn.Problem(network.langevin(), {x: 1000}, span=(0, 1000))
    with pytest.raises(sn.SolveFailed, match="not finite"):
        sn.solve(problem, seed=1, saveat=1.0)
