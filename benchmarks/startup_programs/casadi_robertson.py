"""Robertson's problem with CasADi."""

import json

import casadi as ca

y = ca.SX.sym("y", 3)
a, b, c = y[0], y[1], y[2]
rate = ca.vertcat(-0.04 * a + 1e4 * b * c, 0.04 * a - 1e4 * b * c - 3e7 * b**2, 3e7 * b**2)
options = {"reltol": 1e-6, "abstol": 1e-10, "max_num_steps": 100000}
solver = ca.integrator("robertson", "cvodes", {"x": y, "ode": rate}, 0, 1e11, options)
end = solver(x0=[1, 0, 0])["xf"]
print(json.dumps({"y": end.full().ravel().tolist(), "version": ca.__version__}), flush=True)
