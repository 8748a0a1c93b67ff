"""Robertson's problem with numbalsoda."""

import json
from importlib.metadata import version

import numpy as np
from numba import cfunc
from numbalsoda import lsoda, lsoda_sig


@cfunc(lsoda_sig, cache=True)
def rhs(t, u, du, p):
    a, b, c = u[0], u[1], u[2]
    du[0] = -0.04 * a + 1e4 * b * c
    du[1] = 0.04 * a - 1e4 * b * c - 3e7 * b**2
    du[2] = 3e7 * b**2


y, success = lsoda(rhs.address, np.array([1.0, 0.0, 0.0]), np.array([0.0, 1e11]), rtol=1e-6, atol=1e-10)
assert success
print(json.dumps({"y": y[-1].tolist(), "version": version("numbalsoda")}), flush=True)
