"""A network of 40 nonlinear states with CasADi."""

import json

import casadi as ca

n = 40
x = ca.SX.sym("x", n)
k, q, s = 30.0, 0.8, 1.5
rate = ca.vertcat(
    *[
        k * (x[(i - 1) % n] - 2 * x[i] + x[(i + 1) % n])
        - q * x[i] * x[(i + 7) % n]
        + s * ca.sin(x[(i + 3) % n]) / (1 + x[i] ** 2)
        + 0.1 * (i % 5)
        for i in range(n)
    ]
)
options = {"reltol": 1e-6, "abstol": 1e-9, "max_num_steps": 100000}
solver = ca.integrator("network", "cvodes", {"x": x, "ode": rate}, 0, 10, options)
end = solver(x0=[1 + 0.5 * (-1) ** i for i in range(n)])["xf"]
print(json.dumps({"y": end.full().ravel().tolist(), "version": ca.__version__}), flush=True)
