"""A network of 40 nonlinear states with diffrax."""

import json

import diffrax
import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)
n = 40
number = jnp.arange(n)
k, q, s = 30.0, 0.8, 1.5


def rhs(t, x, args):
    return (
        k * (jnp.roll(x, 1) - 2 * x + jnp.roll(x, -1))
        - q * x * jnp.roll(x, -7)
        + s * jnp.sin(jnp.roll(x, -3)) / (1 + x**2)
        + 0.1 * (number % 5)
    )


@jax.jit
def run(start):
    return diffrax.diffeqsolve(
        diffrax.ODETerm(rhs), diffrax.Kvaerno5(), 0.0, 10.0, 1e-3, start, max_steps=100000,
        stepsize_controller=diffrax.PIDController(rtol=1e-6, atol=1e-9),
    ).ys  # fmt: skip


end = run(1 + 0.5 * (-1.0) ** number)[-1]
print(json.dumps({"y": end.tolist(), "version": diffrax.__version__}), flush=True)
