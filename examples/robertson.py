"""Robertson's chemical kinetics, the standard stiff problem: ``python examples/robertson.py``.

Three species, rate constants from 0.04 to 3e7 and a span of 1e11 s. The sum of the species is one; here it
takes the place of the third rate equation, which makes the system a DAE of index 1. Reference values:
Mazzia & Magherini, Test Set for Initial Value Problem Solvers, problem ROBER.
"""

import numpy as np

import symnum as sn

a, b, c = sn.variables("a b c")
k1, k2, k3 = sn.parameters(k1=0.04, k2=3e7, k3=1e4)
robertson = sn.System(
    "robertson",
    [
        sn.D(a) == -k1 * a + k3 * b * c,
        sn.D(b) == k1 * a - k3 * b * c - k2 * b**2,
        a + b + c == 1,
    ],
)
problem = sn.Problem(robertson, {a: 1, b: 0}, span=(0, 1e11))
times = [0, *10.0 ** np.arange(-5, 12)]
solution = sn.solve(problem, "Rodas5P", rtol=1e-8, atol={a: 1e-12, b: 1e-18}, saveat=times)

print(f"{'t':>8} {'a':>13} {'b':>13} {'c':>13}")
for time, *species in zip(solution.t, solution[a], solution[b], solution[c], strict=True):
    print(f"{time:8.0e} " + " ".join(f"{value:13.6e}" for value in species))

expected = (2.083340149701255e-08, 8.333360770334713e-14, 0.9999999791665050)
errors = [abs(solution[x][-1] / value - 1) for x, value in zip((a, b, c), expected, strict=True)]
print(f"\nrelative error at 1e11: {max(errors):.1e}")
print(f"{solution.stats.steps} steps, {solution.stats.rhs_evaluations} right-hand sides")
