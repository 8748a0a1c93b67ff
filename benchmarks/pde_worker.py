"""Other programs on the grids of `pde.py`, each in a process of its own; their Python needs no symnum.

    python pde_worker.py CASE.npz PROGRAM

CASE.npz holds ``problem``, ``start`` (fields, *points), ``end`` (time) and the constants of the equations.
Lines {"tolerance", "repeat", "states"} come in, {"seconds" of CPU, "build" seconds, "final"} go out; before
them {"rhs": CPU seconds of a right-hand side}, or null where the program gives no access to it.
"""

import json
import os
import sys
import time

import numpy as np

# one thread, as all the others: threads that wait count as CPU time
os.environ["NUMBA_NUM_THREADS"] = "1"
sys.path.pop(0)  # py-pde is called pde, as the script beside this one


def casadi_run(case, newton):
    """CVODES over expressions that CasADi differentiates."""
    import casadi

    n = case["start"].shape[-1]
    u, v = (casadi.SX.sym(name, n, n) for name in "uv")
    ahead, back = [*range(1, n), 0], [n - 1, *range(n - 1)]

    def laplacian(w):
        return w[ahead, :] + w[back, :] + w[:, ahead] + w[:, back] - 4 * w

    a, b, d = (float(case[name]) for name in ("a", "b", "diffusion"))
    rates = [
        b + u * u * v - (a + 1) * u + d * laplacian(u),
        a * u - u * u * v + d * laplacian(v),
    ]
    state = casadi.vertcat(casadi.vec(u.T), casadi.vec(v.T))
    ode = casadi.vertcat(*(casadi.vec(rate.T) for rate in rates))
    made = {}

    def run(tolerance):
        if tolerance not in made:
            options = {"reltol": tolerance, "abstol": tolerance, "newton_scheme": newton}
            made.clear()
            made[tolerance] = casadi.integrator(
                "I", "cvodes", {"x": state, "ode": ode}, 0.0, float(case["end"]), options
            )
        return np.array(made[tolerance](x0=case["start"].ravel())["xf"]).ravel()

    return run, None


def jax_rates(case):
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    roll = jnp.roll
    if str(case["problem"]) == "gray_scott":
        f, k = float(case["feed"]), float(case["kill"])
        du, dv = float(case["du"]), float(case["dv"])

        def rates(y):
            laplacian = roll(y, 1, 1) + roll(y, -1, 1) + roll(y, 1, 2) + roll(y, -1, 2) - 4 * y
            r = y[0] * y[1] ** 2
            return jnp.stack([du * laplacian[0] - r + f * (1 - y[0]), dv * laplacian[1] + r - (f + k) * y[1]])
    else:
        h, nu = float(case["h"]), float(case["nu"])

        def rates(y):
            ahead, back = roll(y, -1, 1), roll(y, 1, 1)
            return (back**2 - ahead**2) / (4 * h) + nu * (ahead + back - 2 * y) / h**2

    return jax, rates


def jax_run(case):
    jax, rates = jax_rates(case)
    from jax.experimental.ode import odeint

    compiled, start = jax.jit(rates), jax.numpy.asarray(case["start"])
    compiled(start).block_until_ready()
    times = jax.numpy.array([0.0, float(case["end"])])

    def right(y, _):
        return rates(y)  # one object: odeint compiles anew for each function it sees

    def run(tolerance):
        found = odeint(right, start, times, rtol=tolerance, atol=tolerance)
        return np.asarray(found[-1]).ravel()

    return run, fastest(lambda: compiled(start).block_until_ready())


def pypde_run(case):
    import pde

    start = case["start"]
    if str(case["problem"]) == "gray_scott":
        n = start.shape[-1]
        grid = pde.CartesianGrid([[0, 1], [0, 1]], n, periodic=True)
        scale = 1.0 / n**2
        equations = pde.PDE({
            "u": f"{float(case['du']) * scale!r} * laplace(u) - u * v**2 + {float(case['feed'])!r} * (1 - u)",
            "v": f"{float(case['dv']) * scale!r} * laplace(v) + u * v**2 "
                 f"- {float(case['feed']) + float(case['kill'])!r} * v",
        })  # fmt: skip
        state = pde.FieldCollection([pde.ScalarField(grid, field) for field in start])
    else:
        grid = pde.CartesianGrid([[-1, 1]], start.shape[-1], periodic=True)
        equations = pde.PDE({"u": f"-d_dx(u**2) / 2 + {float(case['nu'])!r} * laplace(u)"})
        state = pde.ScalarField(grid, start[0])

    made = {}

    def run(tolerance):
        # compiled once for a tolerance: its own `solve` compiles in every call
        if tolerance not in made:
            made.clear()
            solver = pde.RungeKuttaSolver(equations, adaptive=True, tolerance=tolerance, backend="numba")
            made[tolerance] = solver.make_stepper(state, dt=1e-3)
        now = state.copy()
        made[tolerance](now, 0.0, float(case["end"]))
        return np.asarray(now.data).ravel()

    right = equations.make_pde_rhs(state, backend="numba")
    data = state.data.copy()
    return run, fastest(lambda: right(data, 0.0))


def fastest(call, repeat=7):
    """CPU seconds of one call, the least of several."""
    call()
    best = np.inf
    for _ in range(repeat):
        count, began = 0, time.process_time()
        while count < 1 or time.process_time() - began < 0.05:
            call()
            count += 1
        best = min(best, (time.process_time() - began) / count)
    return best


PROGRAMS = {
    "casadi-gmres": lambda case: casadi_run(case, "gmres"),
    "casadi-direct": lambda case: casadi_run(case, "direct"),
    "jax": jax_run,
    "py-pde": pypde_run,
}


def main():
    case = dict(np.load(sys.argv[1]))
    began = time.process_time()
    run, rhs = PROGRAMS[sys.argv[2]](case)
    print(json.dumps({"rhs": rhs}), flush=True)
    build = None
    for line in sys.stdin:
        wanted = json.loads(line)
        final = run(wanted["tolerance"])
        if build is None:
            build = time.process_time() - began
        began = time.process_time()
        for _ in range(wanted["repeat"]):
            run(wanted["tolerance"])
        answer = {"seconds": (time.process_time() - began) / max(wanted["repeat"], 1), "build": build}
        if wanted["states"]:
            answer["final"] = final.tolist()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
