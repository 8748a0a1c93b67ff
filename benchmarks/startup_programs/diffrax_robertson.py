"""Robertson's problem with diffrax."""

import json

import diffrax
import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)


def rhs(t, y, args):
    a, b, c = y
    return jnp.stack([-0.04 * a + 1e4 * b * c, 0.04 * a - 1e4 * b * c - 3e7 * b**2, 3e7 * b**2])


@jax.jit
def run(start):
    return diffrax.diffeqsolve(
        diffrax.ODETerm(rhs), diffrax.Kvaerno5(), 0.0, 1e11, 1e-6, start, max_steps=100000,
        stepsize_controller=diffrax.PIDController(rtol=1e-6, atol=1e-10),
    ).ys  # fmt: skip


end = run(jnp.array([1.0, 0.0, 0.0]))[-1]
print(json.dumps({"y": end.tolist(), "version": diffrax.__version__}), flush=True)
