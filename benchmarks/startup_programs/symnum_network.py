"""A network of 40 nonlinear states with symnum."""

import json

import symnum as sn

rtol, atol = globals().get("tolerances", (1e-6, 1e-9))
n = 40
x = sn.variables(" ".join(f"x{i}" for i in range(n)))
k, q, s = sn.parameters(k=30.0, q=0.8, s=1.5)
rates = [
    k * (x[i - 1] - 2 * x[i] + x[(i + 1) % n])
    - q * x[i] * x[(i + 7) % n]
    + s * sn.sin(x[(i + 3) % n]) / (1 + x[i] ** 2)
    + 0.1 * (i % 5)
    for i in range(n)
]
system = sn.System("network", [sn.D(v) == rate for v, rate in zip(x, rates, strict=True)])
start = {v: 1 + 0.5 * (-1) ** i for i, v in enumerate(x)}
solution = sn.solve(sn.Problem(system, start, span=(0, 10)), rtol=rtol, atol=atol)
print(json.dumps({"y": solution.y[:, -1].tolist(), "version": sn.__version__}), flush=True)
