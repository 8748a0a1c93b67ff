"""Exact methods against exact moments and distributions.

The models are those of T. W. Evans, C. S. Gillespie, D. J. Wilkinson, "The SBML discrete stochastic models
test suite", Bioinformatics 24 (2008) 285: birth-death, immigration-death, dimerisation, batch
immigration-death. The moments of the linear ones follow from their moment equations and are given beside.
"""

import numpy as np
import pytest

import symnum as sn

EXACT = ("Direct", "SortingDirect", "CompositionRejection")
TIMES = np.array([5.0, 20.0, 50.0])


def runs(network, start, method, members, *, times=TIMES, seed=7, **options):
    problem = sn.Problem(network.jumps(**options), start, span=(0, float(times[-1])))
    return sn.solve(sn.Ensemble(problem, members=members), method, seed=seed, saveat=times)


def birth_death(birth=0.1, death=0.11):
    (x,) = sn.species("X")
    return x, sn.ReactionNetwork("birth_death", [sn.Reaction(birth, x >> 2 * x), sn.Reaction(death, x >> 0)])


def immigration_death(batch=1):
    (x,) = sn.species("X")
    reactions = [sn.Reaction(1.0, 0 >> batch * x), sn.Reaction(0.1, x >> 0)]
    return x, sn.ReactionNetwork("immigration_death", reactions)


def dimerisation():
    p, p2 = sn.species("P P2")
    forward = sn.Reaction(0.001 / 2 * p * (p - 1), [2 * p], [p2], law="rate")
    return p, p2, sn.ReactionNetwork("dimerisation", [forward, sn.Reaction(0.01, p2 >> 2 * p)])


def check_birth_death(method, members, moments):
    x, network = birth_death()
    samples = runs(network, {x: 100}, method, members)[x]
    growth = np.exp((0.1 - 0.11) * TIMES)
    moments.agree(samples, 100 * growth, 100 * (0.1 + 0.11) / (0.1 - 0.11) * growth * (growth - 1))


def check_immigration_death(method, members, moments):
    x, network = immigration_death()
    poisson = 1.0 / 0.1 * (1 - np.exp(-0.1 * TIMES))  # a Poisson distribution at all times
    moments.agree(runs(network, {x: 0}, method, members)[x], poisson, poisson)


def check_batch_immigration(method, members, moments):
    x, network = immigration_death(batch=5)
    # dm/dt = 5 alpha - mu m; dV/dt = 25 alpha + mu m - 2 mu V
    mean = 5 * 1.0 / 0.1 * (1 - np.exp(-0.1 * TIMES))
    variance = mean + 1.0 * 5 * 4 / (2 * 0.1) * (1 - np.exp(-0.2 * TIMES))
    moments.agree(runs(network, {x: 0}, method, members)[x], mean, variance)


def check_dimerisation(method, members, moments, master):
    p, p2, network = dimerisation()
    found = runs(network, {p: 100, p2: 0}, method, members)
    chance = master(
        list(range(51)),
        lambda d: [(0.0005 * (100 - 2 * d) * (99 - 2 * d), d + 1), (0.01 * d, d - 1)],
        0, TIMES,
    )  # fmt: skip
    dimers = np.arange(51)
    mean = chance @ dimers
    variance = chance @ dimers**2 - mean**2
    moments.agree(found[p2], mean, variance)
    np.testing.assert_array_equal(found[p] + 2 * found[p2], 100.0)


@pytest.mark.parametrize("method", EXACT)
def test_moments(method, moments, master):
    check_birth_death(method, 3000, moments)
    check_immigration_death(method, 10000, moments)
    check_batch_immigration(method, 10000, moments)
    check_dimerisation(method, 10000, moments, master)


@pytest.mark.slow
@pytest.mark.parametrize("method", EXACT)
def test_moments_over_100_000_runs(method, moments, master):
    check_birth_death(method, 100_000, moments)
    check_immigration_death(method, 100_000, moments)
    check_batch_immigration(method, 100_000, moments)
    check_dimerisation(method, 100_000, moments, master)


@pytest.mark.parametrize("method", EXACT)
def test_the_whole_distribution_of_a_nonlinear_network(method, master):
    # Schlögl's model with few molecules, by chi-squared against the master equation
    (x,) = sn.species("X")
    rates = (0.12, 0.006, 4.0, 1.0)
    network = sn.ReactionNetwork(
        "schloegl",
        [
            sn.Reaction(rates[0], 2 * x >> 3 * x), sn.Reaction(rates[1], 3 * x >> 2 * x),
            sn.Reaction(rates[2], 0 >> x), sn.Reaction(rates[3], x >> 0),
        ],
    )  # fmt: skip
    problem = sn.Problem(network.jumps(constants="stochastic"), {x: 10}, span=(0, 3))
    samples = sn.solve(sn.Ensemble(problem, members=8000), method, seed=3)[x][:, 0]
    chance = master(
        list(range(70)),
        lambda n: [
            (rates[0] * n * (n - 1) / 2 + rates[2], n + 1),
            (rates[1] * n * (n - 1) * (n - 2) / 6 + rates[3] * n, n - 1),
        ],
        10, [3.0],
    )[0]  # fmt: skip
    expected = 8000 * chance
    found = np.bincount(samples.astype(int), minlength=70)
    common = expected >= 10
    statistic = ((found - expected)[common] ** 2 / expected[common]).sum()
    degrees = int(common.sum())
    assert abs(statistic - degrees) < 4.5 * np.sqrt(2 * degrees)
    assert abs(found[~common].sum() - expected[~common].sum()) < 4.5 * np.sqrt(expected[~common].sum()) + 1


def test_the_readings_of_one_constant():
    # dimerisation with a macroscopic, a stochastic and a literal rate, in counts and with a volume
    a, b = sn.species("A B")
    (volume,) = sn.parameters(V=8.0)

    def first(reaction, **options):
        network = sn.ReactionNetwork("once", [reaction, sn.Reaction(1.0, a >> b)])
        problem = sn.Problem(network.jumps(**options), {a: 10, b: 0}, span=(0, 1e-9))
        return sn.solve(problem, seed=0, saveat=[0])["once.rate[0]"][0]

    assert first(sn.Reaction(3.0, 2 * a >> b)) == 3.0 * 10 * 9
    assert first(sn.Reaction(3.0, 2 * a >> b), constants="stochastic") == 3.0 * 10 * 9 / 2
    assert first(sn.Reaction(3.0 * a**2, 2 * a >> b, law="rate")) == 3.0 * 100
    assert first(sn.Reaction(3.0, 2 * a >> b), volume=8) == 3.0 * 10 * 9 / 8
    assert first(sn.Reaction(3.0, 2 * a >> b), volume=volume) == 3.0 * 10 * 9 / 8
    assert first(sn.Reaction(3.0, 0 >> b), volume=8) == 3.0 * 8
    assert first(sn.Reaction(3.0, 2 * a + a >> b), volume=8) == 3.0 * 10 * 9 * 8 / 64
    hill = sn.Reaction(2.0 * a / (1.0 + a), a >> b, law="rate")
    assert first(hill, volume=8) == pytest.approx(8 * 2.0 * (10 / 8) / (1 + 10 / 8), rel=1e-15)


def test_declared_starts_are_concentrations_where_there_is_a_volume():
    a, b = sn.species(A=2.5, B=0.24)
    network = sn.ReactionNetwork("decay", [sn.Reaction(1.0, a >> b)])
    problem = sn.Problem(network.jumps(volume=10), {b: 7}, span=(0, 1))
    sol = sn.solve(problem, seed=0)
    assert (sol[a][0], sol[b][0]) == (25, 7)
    with pytest.raises(sn.ModelError, match=r"A = 2\.5 is no whole number"):
        sn.Problem(network.jumps())


def test_compartments_turn_concentrations_into_counts():
    # a dimer forms in one compartment and leaves for another one; starts 4.0 and 0.5 per volume
    a, b, c = sn.species(A=4.0, B=0.5, C=7)
    (volume,) = sn.parameters(V=10.0)
    cell = sn.Compartment("cell", volume, [a, b])
    outside = sn.Compartment("outside", 100.0, amounts=[c])
    network = sn.ReactionNetwork(
        "leak",
        [sn.Reaction(0.3, 2 * a >> b), sn.Reaction(2.0 * b / (1.0 + b), b >> c, law="rate")],
        compartments=[cell, outside],
    )
    problem = sn.Problem(network.jumps(), span=(0, 1))
    sol = sn.solve(problem, seed=0, saveat=[0.0])
    assert (sol[a][0], sol[b][0], sol[c][0]) == (40, 5, 7)
    # k (A/V)^2 V with A(A-1) in place of A^2; the second rate is an amount per time of the concentration B/V
    assert sol["leak.rate[0]"][0] == pytest.approx(0.3 * 40 * 39 / 10, rel=1e-14)
    assert sol["leak.rate[1]"][0] == pytest.approx(2.0 * 0.5 / 1.5, rel=1e-14)


def test_large_and_small_propensities_side_by_side(moments):
    # composition and rejection with propensities over 14 powers of ten, many of them zero at times
    m = 60
    names = sn.species(" ".join(f"S{i}" for i in range(m)))
    rates = 10.0 ** np.linspace(-6, 8, m)
    flips = [sn.Reaction(float(rate), s >> 0) for rate, s in zip(rates, names, strict=True)]
    network = sn.ReactionNetwork("decays", flips)
    problem = sn.Problem(network.jumps(), dict.fromkeys(names, 5), span=(0, 1.0))
    times = np.array([1e-6, 1e-3, 1.0])
    found = sn.solve(sn.Ensemble(problem, members=4000), "CompositionRejection", seed=5, saveat=times)
    left = np.exp(-np.outer(rates, times))
    for i in (0, 20, 25, 30, 40, 50, 59):
        moments.agree(found[names[i]], 5 * left[i], 5 * left[i] * (1 - left[i]))


def test_runs_are_reproducible_and_do_not_depend_on_threads():
    x, network = immigration_death()
    problem = sn.Problem(network.jumps(), {x: 3}, span=(0, 20))
    one = sn.solve(sn.Ensemble(problem, members=200), seed=11, saveat=1.0, threads=1)
    two = sn.solve(sn.Ensemble(problem, members=700), seed=11, saveat=1.0, threads=5)
    np.testing.assert_array_equal(one[x], two[x][:200])
    alone = sn.solve(problem, seed=11, saveat=1.0)
    np.testing.assert_array_equal(alone[x], one[x][0])
    same = sn.solve(problem, seed=np.random.SeedSequence(11), saveat=1.0)
    np.testing.assert_array_equal(alone[x], same[x])
    other = sn.solve(problem, seed=12, saveat=1.0)
    assert (other[x] != alone[x]).any()
    unseeded = [sn.solve(problem, saveat=1.0)[x] for _ in range(2)]
    assert (unseeded[0] != unseeded[1]).any()


def test_members_with_parameters_of_their_own(moments):
    (x,) = sn.species(X=0)
    (k,) = sn.parameters(k=1.0)
    network = sn.ReactionNetwork("immigration", [sn.Reaction(k, 0 >> x), sn.Reaction(0.1, x >> 0)])
    problem = sn.Problem(network.jumps(), span=(0, 30))
    found = sn.solve(sn.Ensemble(problem, {k: np.repeat([1.0, 4.0], 2000)}), seed=2)
    for members, rate in ((slice(0, 2000), 1.0), (slice(2000, None), 4.0)):
        mean = rate / 0.1 * (1 - np.exp(-3.0))
        moments.agree(found[x][members], mean, mean)


def test_every_event_is_kept_and_values_between_are_those_before():
    x, network = immigration_death()
    sol = sn.solve(sn.Problem(network.jumps(), {x: 0}, span=(0, 20)), seed=4)
    assert (np.abs(np.diff(sol[x])[:-1]) == 1).all()
    middle = (sol.t[3] + sol.t[4]) / 2
    assert sol(middle)[x] == sol[x][3]
    assert sol(sol.t[4])[x] == sol[x][4]
    assert sol.stats.events == len(sol.t) - 2
    assert sol.t[-1] == 20


def test_events_at_given_times():
    (x,) = sn.species("X")
    (k,) = sn.parameters(k=0.0)
    network = sn.ReactionNetwork("pulse", [sn.Reaction(k, x >> 0)])
    events = [sn.Event(at=1.0, then={x: x + 50}), sn.Event(at=2.0, then={k: 1e9})]
    sol = sn.solve(sn.Problem(network.jumps(events=events), {x: 1}, span=(0, 3)), seed=0)
    assert sol(0.5)[x] == 1
    assert sol(1.5)[x] == 51
    assert sol[x][-1] == 0
    assert [h.t for h in sol.events] == [1.0, 2.0]
    bad = sn.Event(at=1.0, then={x: x / 3})
    with pytest.raises(sn.ModelError, match="no whole number"):
        sn.solve(sn.Problem(network.jumps(events=[bad]), {x: 1}, span=(0, 3)), seed=0)


def test_a_network_of_24388_reactions(shared_data):
    # receptors that bind their kinases: the part of molecules that are bound follows the deterministic system
    network = sn.read(shared_data / "bng_net" / "bcr" / "bcr.net")
    jumps = sn.Problem(network.jumps(volume=1), span=(0, 0.04))
    system = sn.Problem(network.system(), span=(0, 0.04))
    deterministic = sn.solve(system, "Tsit5", rtol=1e-4, saveat=[0.04])
    for method in ("SSA", "TauLeaping"):
        sol = sn.solve(jumps, method, seed=1, saveat=[0.04])
        assert sol.stats.events > 10_000
        for name in ("Autoinhibited_Lyn", "Autoinhibited_Fyn"):
            # 300,000 molecules less those that are bound, whose number is about a Poisson number
            bound = 3e5 - deterministic[name][-1]
            assert abs(sol[name][-1] - deterministic[name][-1]) < 4.5 * np.sqrt(bound)


def test_observables_and_functions_of_a_file(shared_data):
    # rates that read functions of observables: the drift of the jumps is the deterministic system
    network = sn.read(shared_data / "bng_net" / "motor" / "motor.net")
    jumps = sn.Problem(network.jumps(), span=(0, 1))
    sol = sn.solve(jumps, seed=1, saveat=[0.0, 1.0])
    deterministic = sn.Problem(network.system())
    rates = sn.solve(deterministic.with_(span=(0, 1e-12)), saveat=[0.0])
    for j in range(0, network.n_reactions, 7):
        name = f"{network.name}.rate[{j}]"
        assert sol[name][0] == pytest.approx(rates[name][0], rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("method", EXACT)
def test_a_rate_that_does_not_vanish_is_told(method):
    a, b = sn.species("A B")
    network = sn.ReactionNetwork("leak", [sn.Reaction(1.0, a >> b, law="rate", name="leak")])
    with pytest.raises(sn.SolveFailed, match=r"used up, but\n.*leak") as caught:
        sn.solve(sn.Problem(network.jumps(), {a: 2, b: 0}, span=(0, 100)), method, seed=0)
    assert caught.value.solution.status == "negative_count"


@pytest.mark.parametrize("method", EXACT)
@pytest.mark.parametrize(("rate", "message"), [("negative", "is negative"), ("infinite", "not finite")])
def test_rates_that_are_no_probabilities_are_told(method, rate, message):
    a, b = sn.species("A B")
    laws = {"negative": a - 3 * b, "infinite": a / (a - 3)}
    network = sn.ReactionNetwork("bad", [sn.Reaction(laws[rate], a >> b, law="rate")])
    with pytest.raises(sn.SolveFailed, match=message):
        sn.solve(sn.Problem(network.jumps(), {a: 6, b: 0}, span=(0, 100)), method, seed=0)


def test_what_is_refused():
    a, b = sn.species(A=4, B=0)
    decay = sn.ReactionNetwork("decay", [sn.Reaction(sn.t, a >> b)])
    with pytest.raises(sn.ModelError, match="depends on the time itself"):
        sn.solve(sn.Problem(decay.jumps()), seed=0)
    half = sn.ReactionNetwork("half", [sn.Reaction([1.0][0], [a], [0.5 * b])])
    with pytest.raises(sn.ModelError, match="whole molecules"):
        half.jumps()
    network = sn.ReactionNetwork("decay", [sn.Reaction(1.0, a >> b)])
    problem = sn.Problem(network.jumps())
    with pytest.raises(sn.ModelError, match=r"network\.system\(\)"):
        sn.solve(problem, "Tsit5")
    with pytest.raises(sn.ModelError, match="Did you mean Direct"):
        sn.solve(problem, "Dirct")
    with pytest.raises(sn.ModelError, match="takes no step="):
        sn.solve(problem, "SSA", step=0.1)
    with pytest.raises(sn.ModelError, match="seed="):
        sn.solve(problem, seed=-1)
    with pytest.raises(sn.ModelError, match="is no random process"):
        sn.solve(sn.Problem(network.system()), seed=1)
    with pytest.raises(sn.ModelError, match="A = -1 is negative"):
        sn.Problem(network.jumps(), {a: -1})
    with pytest.raises(sn.ModelError, match="volume=-1"):
        network.jumps(volume=-1)
    with pytest.raises(sn.ModelError, match="leave volume= away"):
        network.jumps(volume=1, constants="stochastic")
    with pytest.raises(sn.ModelError, match="events at= given times only"):
        sn.Problem(network.jumps(), events=[sn.Event(when=a - 1, terminal=True)])
    with pytest.raises(sn.ModelError, match="make the problem of network"):
        sn.linearize(problem)
    with pytest.raises(sn.SolveFailed, match="max_steps"):
        sn.solve(sn.Problem(network.jumps(), span=(0, 100)), max_steps=2)


def test_ensembles_with_events():
    (x,) = sn.species(x=100)
    (k,) = sn.parameters(k=0.5)
    network = sn.ReactionNetwork("decay", [sn.Reaction(k, x >> 0)])
    events = [sn.Event(at=1.0, then={k: 1.5}), sn.Event(at=1.5, then={x: x + 20})]
    problem = sn.Problem(network.jumps(events=events), span=(0, 2))
    ensemble = sn.Ensemble(problem, members=4000)
    runs, again = (sn.solve(ensemble, seed=3, saveat=[0.5, 2.0], threads=count) for count in (1, 2))
    assert (runs[x] == again[x]).all()
    assert (runs[x][0] == sn.solve(problem, seed=3, saveat=[0.5, 2.0])[x]).all()
    # binomial numbers are left of the first molecules and of those that are added
    old, new = np.exp(-0.5 - 1.5), np.exp(-0.75)
    mean, variance = 100 * old + 20 * new, 100 * old * (1 - old) + 20 * new * (1 - new)
    end = runs[x][:, -1]
    assert end.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / 4000))
    assert end.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / 4000))


def test_an_event_ends_members():
    (x,) = sn.species(x=5)
    events = [sn.Event(at=1.0, terminal=True)]
    network = sn.ReactionNetwork("decay", [sn.Reaction(1.0, x >> 0)], events=events)
    ensemble = sn.Ensemble(sn.Problem(network.jumps(), span=(0, 2)), members=3)
    runs = sn.solve(ensemble, saveat=[0.5, 2.0], seed=0)
    assert list(runs.status) == ["terminated"] * 3
    assert np.isfinite(runs[x][:, 0]).all()
    assert np.isnan(runs[x][:, 1]).all()


def test_a_method_for_random_processes_does_not_solve_equations():
    (x,) = sn.species(x=5)
    network = sn.ReactionNetwork("decay", [sn.Reaction(1.0, x >> 0)])
    with pytest.raises(sn.ModelError, match=r"SSA is a method for random processes.*by \.jumps\(\)"):
        sn.solve(sn.Problem(network.system(), span=(0, 1)), "SSA")
