"""Spots that divide: two reacting substances in the plane, as the equations stand in the paper.

``python examples/gray_scott.py --points 128`` writes ``gray_scott.png`` (Pearson, Science 261 (1993) 189).
"""

import argparse
import time

import symnum as sn

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--points", type=int, default=128, help="points along each side (default: 128)")
parser.add_argument("--end", type=float, default=6000.0, help="time to simulate (default: 6000)")
arguments = parser.parse_args()

x = sn.coordinate("x", 0, 1.25, periodic=True)
y = sn.coordinate("y", 0, 1.25, periodic=True)
u, v = sn.fields("u v", x, y)
F, k = sn.parameters(F=0.035, k=0.065)
plane = sn.cartesian(x, y)
middle = (abs(x - 0.61) < 0.1) & (abs(y - 0.63) < 0.1)

model = sn.PDE(
    "gray_scott",
    [
        sn.D(u) == 2e-5 * sn.laplacian(u, plane) - u * v**2 + F * (1 - u),
        sn.D(v) == 1e-5 * sn.laplacian(v, plane) + u * v**2 - (F + k) * v,
    ],
    initial={u: sn.ifelse(middle, 0.5, 1.0), v: sn.ifelse(middle, 0.25, 0.0)},
)
begin = time.perf_counter()
system = sn.discretize(model, {x: sn.Central(arguments.points), y: sn.Central(arguments.points)})
problem = sn.Problem(system, span=(0, arguments.end))
compiled = time.perf_counter()
solution = sn.solve(problem, "BS3", rtol=1e-4, atol=1e-6, saveat=arguments.end / 4)
elapsed = time.perf_counter() - compiled
print(f"{2 * arguments.points**2} unknowns: {compiled - begin:.2f} s to compiled code")
print(f"{solution.stats.steps} steps to t = {arguments.end:g} in {elapsed:.2f} s")
solution.plot(v).figure.savefig("gray_scott.png", dpi=150)
