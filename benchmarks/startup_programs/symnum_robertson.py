"""Robertson's problem with symnum."""

import json

import symnum as sn

rtol, atol = globals().get("tolerances", (1e-6, 1e-10))
a, b, c = sn.variables("a b c")
k1, k2, k3 = sn.parameters(k1=0.04, k2=3e7, k3=1e4)
D = sn.D
system = sn.System(
    "robertson", [D(a) == -k1 * a + k3 * b * c, D(b) == k1 * a - k3 * b * c - k2 * b**2, D(c) == k2 * b**2]
)
solution = sn.solve(sn.Problem(system, {a: 1, b: 0, c: 0}, span=(0, 1e11)), rtol=rtol, atol=atol)
print(json.dumps({"y": solution.y[:, -1].tolist(), "version": sn.__version__}), flush=True)
