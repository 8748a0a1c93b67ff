"""Chance in Schlögl's reactions: the differential equation knows one of two states, molecules visit both.

Constants: D. T. Gillespie, Markov Processes, 1992, with the amounts of A and B in them.
"""

import sys

import matplotlib.pyplot as plt

import symnum as sn

(X,) = sn.species(X=250)
network = sn.ReactionNetwork(
    "schloegl",
    [
        sn.Reaction(0.03, 2 * X >> 3 * X),  # of a pair of molecules
        sn.Reaction(1e-4, 3 * X >> 2 * X),  # of three molecules
        sn.Reaction(200, 0 >> X),
        sn.Reaction(3.5, X >> 0),
    ],
)
jumps = network.jumps(constants="stochastic")
mean_field = sn.solve(sn.Problem(jumps.drift(), span=(0, 20)), saveat=0.05)
runs = sn.solve(sn.Ensemble(sn.Problem(jumps, span=(0, 20)), members=1000), seed=1, saveat=0.05)
low = (runs[X] < 300).mean(axis=0)
events = runs.stats.events.sum()
print(f"{events / 1e6:.0f} million events in {runs.stats.solve_milliseconds / 1e3:.1f} s")
print(f"at t = 20 {100 * low[-1]:.1f} % of the runs are low; the equation has X = {mean_field[X][-1]:.1f}")

figure, (left, right) = plt.subplots(
    1, 2, sharey=True, width_ratios=[3, 1], figsize=(8, 4), layout="constrained"
)
left.plot(runs.t, runs[X][:8].T, lw=0.6)
left.plot(mean_field.t, mean_field[X], "k", lw=2, label="differential equation")
left.set(xlabel="t", ylabel="molecules of X")
left.legend()
right.hist(runs[X][:, -1], bins=80, orientation="horizontal", density=True)
right.set_xlabel("share of runs, t = 20")
target = sys.argv[1] if len(sys.argv) > 1 else "schloegl.png"
figure.savefig(target, dpi=120)
print(f"trajectories and their distribution in {target}")
