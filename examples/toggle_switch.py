"""Bifurcation diagram of a genetic toggle switch: two genes that repress each other.

Between the two folds the cell can be in either of two states, and remembers in which.
Gardner, Cantor, Collins, Nature 403 (2000) 339.
"""

import sys

import symnum as sn

U, V = sn.species(U=0.1, V=2)
alpha, beta, n = sn.parameters(alpha=1.5, beta=3, n=2)
toggle = sn.ReactionNetwork(
    "toggle",
    [
        sn.Reaction(sn.Hill(V, alpha, 1, n, repressing=True), 0 >> U),
        sn.Reaction(1, U >> 0),
        sn.Reaction(sn.Hill(U, beta, 1, n, repressing=True), 0 >> V),
        sn.Reaction(1, V >> 0),
    ],
)
branch = sn.continuation(sn.Problem(toggle.system()), alpha, (0.5, 6))
for found in branch.bifurcations:
    print(found, f"with U = {found[U]:.6f}, V = {found[V]:.6f}")
axes = branch.plot(U, V)
axes.set_ylabel("concentration")
target = sys.argv[1] if len(sys.argv) > 1 else "toggle_switch.png"
axes.figure.savefig(target, dpi=120)
print(f"bifurcation diagram in {target}")
