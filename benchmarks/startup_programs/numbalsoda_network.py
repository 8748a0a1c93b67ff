"""A network of 40 nonlinear states with numbalsoda."""

import json
import math
from importlib.metadata import version

import numpy as np
from numba import cfunc
from numbalsoda import lsoda, lsoda_sig

n = 40


@cfunc(lsoda_sig, cache=True)
def rhs(t, x, dx, p):
    k, q, s = 30.0, 0.8, 1.5
    for i in range(n):
        dx[i] = (
            k * (x[(i - 1) % n] - 2 * x[i] + x[(i + 1) % n])
            - q * x[i] * x[(i + 7) % n]
            + s * math.sin(x[(i + 3) % n]) / (1 + x[i] ** 2)
            + 0.1 * (i % 5)
        )


start = 1 + 0.5 * (-1.0) ** np.arange(n)
y, success = lsoda(rhs.address, start, np.array([0.0, 10.0]), rtol=1e-6, atol=1e-9)
assert success
print(json.dumps({"y": y[-1].tolist(), "version": version("numbalsoda")}), flush=True)
