"""Differential equations between random events: times of events, moments, what is refused."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import solve_ivp

import symnum as sn


def gene(switch_on=0.5, switch_off=0.3, make=20.0, decay=0.1):
    """A gene that switches at random and a protein that is made and decays continuously."""
    off, on, protein = sn.species("Off On P")
    network = sn.ReactionNetwork(
        "gene",
        [
            sn.Reaction(switch_on, off >> on, name="on"), sn.Reaction(switch_off, on >> off, name="off"),
            sn.Reaction(make, on >> on + protein, name="make"),
            sn.Reaction(decay, protein >> 0, name="decay"),
        ],
    )  # fmt: skip
    return off, on, protein, network


def gene_moments(times, switch_on=0.5, switch_off=0.3, make=20.0, decay=0.1):
    """Mean and variance of P from its moment equations, without the noise of single molecules."""

    def slope(_, z):
        p, m, c, q = z  # P(on), E(P), E(P; on), E(P^2)
        return [
            switch_on * (1 - p) - switch_off * p,
            make * p - decay * m,
            make * p + switch_on * (m - c) - switch_off * c - decay * c,
            2 * make * c - 2 * decay * q,
        ]

    found = solve_ivp(slope, (0, times[-1]), np.zeros(4), t_eval=times, rtol=1e-10, atol=1e-12).y
    return found[1], found[3] - found[1] ** 2


def check_gene(members, moments):
    off, on, protein, network = gene()
    at = np.array([5.0, 20.0])
    problem = sn.Problem(network.hybrid(["make", "decay"]), {off: 1, on: 0, protein: 0}, span=(0, 20))
    found = sn.solve(sn.Ensemble(problem, members=members), "Tsit5", seed=3, saveat=at)
    moments.agree(found[protein], *gene_moments(at))
    chance = 0.5 / 0.8 * (1 - np.exp(-0.8 * at))
    moments.agree(found[on], chance, chance * (1 - chance))


def test_moments_of_a_switching_gene(moments):
    check_gene(800, moments)


@pytest.mark.slow
def test_moments_of_a_switching_gene_over_100_000_runs(moments):
    check_gene(100_000, moments)


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P", None])
def test_times_of_events_where_rates_hold_the_time(method):
    # one molecule that decays with the rate 1 + sin(3 t): the integral of the rate at its end is exponential
    a, b = sn.species("A B")
    network = sn.ReactionNetwork("season", [sn.Reaction(1 + sn.sin(3 * sn.t), a >> b)])
    problem = sn.Problem(network.hybrid([]), {a: 1, b: 0}, span=(0, 40))
    ends = []
    for seed in range(200):
        sol = sn.solve(problem, method, seed=seed, rtol=1e-8, atol=1e-10)
        assert sol[b][-1] == 1
        ends.append(sol.t[np.flatnonzero(sol[b] == 1)[0]])
    ends = np.array(ends)
    hazards = ends + (1 - np.cos(3 * ends)) / 3
    assert stats.kstest(hazards, stats.expon.cdf).pvalue > 1e-3


def test_no_event_is_missed_in_the_first_part_of_a_step():
    # many fast events in steps that are as long as allowed: each has to be found
    (x,) = sn.species("X")
    network = sn.ReactionNetwork("fast", [sn.Reaction(100.0, 0 >> x)])
    problem = sn.Problem(network.hybrid([]), {x: 0}, span=(0, 100))
    sol = sn.solve(problem, "Tsit5", seed=1, saveat=[100.0], max_steps=10**6)
    assert abs(sol[x][-1] - 10_000) < 4.5 * 100


def test_all_reactions_as_events_are_the_jump_process(moments):
    (x,) = sn.species("X")
    network = sn.ReactionNetwork("immigration", [sn.Reaction(5.0, 0 >> x), sn.Reaction(0.5, x >> 0)])
    problem = sn.Problem(network.hybrid([]), {x: 3}, span=(0, 2))
    found = sn.solve(sn.Ensemble(problem, members=1500), "Tsit5", seed=1)
    left = np.exp(-1.0)
    moments.agree(found[x], 3 * left + 10 * (1 - left), 3 * left * (1 - left) + 10 * (1 - left))
    np.testing.assert_allclose(found[x], np.round(found[x]), atol=1e-12)  # interpolated


def test_a_continuous_species_does_not_become_negative():
    # random decays of what decays continuously as well: the last part of a molecule cannot take part
    a, b = sn.species("A B")
    network = sn.ReactionNetwork("pairs", [sn.Reaction(0.5, a >> 0), sn.Reaction(0.5, a >> b)])
    problem = sn.Problem(network.hybrid([0]), {a: 6, b: 0}, span=(0, 30))
    found = sn.solve(sn.Ensemble(problem, members=100), "Tsit5", seed=1, saveat=0.5)
    assert (found[a] >= -1e-8).all()
    assert found[b][:, -1].max() <= 6


def test_all_reactions_continuous_are_the_deterministic_system():
    a, b = sn.species("A B")
    network = sn.ReactionNetwork("pair", [sn.Reaction(0.2, a >> b), sn.Reaction(0.1, b >> a)])
    start = {a: 10, b: 0}
    hybrid = sn.solve(sn.Problem(network.hybrid([0, 1]), start, span=(0, 5)), "Tsit5", seed=1, saveat=1.0)
    plain = sn.solve(sn.Problem(network.system(), start, span=(0, 5)), "Tsit5", saveat=1.0)
    np.testing.assert_allclose(hybrid[a], plain[a], rtol=1e-6)


def test_a_trajectory_is_the_same_whatever_is_saved_and_however_many_threads_run():
    off, on, protein, network = gene()
    problem = sn.Problem(network.hybrid(["make", "decay"]), {off: 1, on: 0, protein: 0}, span=(0, 20))
    every = sn.solve(problem, "Tsit5", seed=8, rtol=1e-9, atol=1e-9)
    at = np.linspace(0, 20, 41)
    grid = sn.solve(problem, "Tsit5", seed=8, saveat=at, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(every(at)[protein], grid[protein], rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(every[off] + every[on], 1)
    jumps = np.flatnonzero(np.diff(every[on]))
    assert (np.diff(every.t)[jumps] == 0).all()  # both values at the time of an event
    np.testing.assert_array_equal(every[protein][jumps], every[protein][jumps + 1])
    ensembles = [
        sn.solve(sn.Ensemble(problem, members=members), "Tsit5", seed=8, saveat=at, threads=threads)
        for members, threads in ((6, 1), (9, 4))
    ]
    np.testing.assert_array_equal(ensembles[0][protein], ensembles[1][protein][:6])


def test_parameters_events_and_volumes():
    off, on, protein, network = gene()
    (volume,) = sn.parameters(V=5.0)
    dose = sn.Event(at=2.0, then={protein: protein + 100})
    full = sn.Event(when=protein - 110, crossing="down", terminal=True)
    hybrid = network.hybrid(["make", "decay"], volume=volume, events=[dose, full])
    problem = sn.Problem(hybrid, {off: 1, on: 0, protein: 50}, span=(0, 100))
    sol = sn.solve(problem, "Tsit5", seed=2)
    assert sol.status == "terminated"
    assert sol[protein][-1] == pytest.approx(110, abs=1e-3)
    assert sol(2.0 + 1e-9)[protein] - sol(2.0)[protein] == pytest.approx(100, rel=1e-6)


def check_partition(members, moments):
    # the immigration starts singly and becomes continuous at 50 molecules: the mean is exact throughout, of
    # the variance the part that comes later is missing
    (x,) = sn.species("X")
    network = sn.ReactionNetwork("immigration", [sn.Reaction(40.0, 0 >> x), sn.Reaction(0.2, x >> 0)])
    at = np.array([0.5, 15.0])
    problem = sn.Problem(network.hybrid(molecules=50), {x: 0}, span=(0, 15))
    found = sn.solve(sn.Ensemble(problem, members=members), "Tsit5", seed=5, saveat=at)
    mean = 200 * (1 - np.exp(-0.2 * at))
    moments.agree(found[x][:, :1], mean[:1], mean[:1])  # still single events
    late = found[x][:, 1]
    assert late.min() > 180
    assert abs(late.mean() - mean[1]) < 4.5 * np.sqrt(mean[1] / members)
    assert late.var() < 0.3 * mean[1]
    assert found.stats.events.max() < 150


def test_reactions_become_continuous_where_molecules_are_many(moments):
    check_partition(300, moments)


def test_conservation_through_changes_of_the_partition():
    # an oscillation that carries all species through the bounds again and again, among a fixed number
    a, b, c = sn.species("A B C")
    reactions = [sn.Reaction(0.02, x + y >> 2 * y) for x, y in ((a, b), (b, c), (c, a))]
    network = sn.ReactionNetwork("rock_paper_scissors", reactions)
    problem = sn.Problem(network.hybrid(molecules=60), {a: 150, b: 80, c: 20}, span=(0, 6))
    for seed in range(3):
        sol = sn.solve(problem, "Tsit5", seed=seed, saveat=0.05, rtol=1e-8)
        np.testing.assert_allclose(sol[a] + sol[b] + sol[c], 250, rtol=1e-9)
        assert (sol.y[:3] > -1e-6).all()
        assert sol.stats.events > 20
    every = sn.solve(problem, "Tsit5", seed=0, rtol=1e-8)
    few = np.flatnonzero((every[a] < 29) & (every[b] < 29))
    np.testing.assert_allclose(every[c][few], np.round(every[c][few]), atol=1e-6)


def test_what_is_refused():
    off, on, protein, network = gene()
    with pytest.raises(sn.ModelError, match="names 9"):
        network.hybrid([9])
    with pytest.raises(sn.ModelError, match="called on, off, make, decay"):
        network.hybrid(["mak"])
    with pytest.raises(sn.ModelError, match="give a list"):
        network.hybrid("make")
    hybrid = network.hybrid(["make", "decay"])
    with pytest.raises(sn.ModelError, match=r"Off = 0\.5 is no whole number"):
        sn.Problem(hybrid, {off: 0.5, on: 0, protein: 0})
    sn.Problem(hybrid, {off: 1, on: 0, protein: 0.5})
    leak = sn.ReactionNetwork("leak", [sn.Reaction(1.0, off >> on, law="rate")])
    with pytest.raises(sn.SolveFailed, match="used up"):
        sn.solve(sn.Problem(leak.hybrid([]), {off: 1, on: 0}, span=(0, 100)), "Tsit5", seed=0, saveat=1.0)
    with pytest.raises(sn.SolveFailed, match="used up"):
        sn.solve(sn.Problem(leak.hybrid([]), {off: 1, on: 0}, span=(0, 100)), "Tsit5", seed=0)
