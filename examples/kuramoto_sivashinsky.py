"""Waves that grow, merge and never repeat: the Kuramoto-Sivashinsky equation, in Fourier space.

``python examples/kuramoto_sivashinsky.py`` writes ``kuramoto_sivashinsky.png`` (Kassam & Trefethen, SIAM J.
Sci. Comput. 26 (2005) 1214, whose start this is).
"""

import argparse
import math
import time

import symnum as sn

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--points", type=int, default=256, help="points around the ring (default: 256)")
parser.add_argument("--end", type=float, default=150.0, help="time to simulate (default: 150)")
arguments = parser.parse_args()

x = sn.coordinate("x", 0, 32 * math.pi, periodic=True)
u = sn.field("u", x)
model = sn.PDE(
    "kuramoto_sivashinsky",
    [sn.D(u) + sn.D(u**2 / 2, x) + sn.D(u, x, 2) + sn.D(u, x, 4) == 0],
    initial={u: sn.cos(x / 16) * (1 + sn.sin(x / 16))},
)
system = sn.discretize(model, {x: sn.Fourier(arguments.points, dealias=True)})
problem = sn.Problem(system, span=(0, arguments.end))
begin = time.perf_counter()
solution = sn.solve(problem, "ETDRK4", rtol=1e-6, saveat=arguments.end / 150)
print(f"{solution.stats.steps} steps to t = {arguments.end:g} in {time.perf_counter() - begin:.2f} s")
solution.plot(u).figure.savefig("kuramoto_sivashinsky.png", dpi=150)
