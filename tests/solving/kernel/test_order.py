"""Every method's measured order against its record, with fixed steps."""

import numpy as np
import pytest
import scipy.integrate
import sympy

from symnum.record import replace
from symnum.solving.integrator import Integrator
from symnum.solving.statistics import Status
from symnum.solving.step_options import StepOptions
from symnum.solving.tableaus import METHODS

t, x, y, z = sympy.symbols("t x y z")
NAMES = sorted(METHODS)
DAE_NAMES = [name for name in NAMES if METHODS[name].dae]
W_NAMES = [name for name in NAMES if METHODS[name].w]


def run(model, method, u0, end, steps, **options):
    integrator = Integrator(
        model,
        METHODS[method] if isinstance(method, str) else method,
        # with fixed steps only iterations have use for them
        StepOptions(
            rtol=1e-11, atol=np.full(model.n, 1e-11), adaptive=False, first_step=end / steps, **options
        ),
    )
    integrator.start(0.0, np.array(u0), np.zeros(0))
    assert integrator.advance(end) is Status.DONE
    assert integrator.t == end
    assert integrator.stats.steps == steps
    return integrator


def measured_order(model, method, u0, exact, end, steps, component=slice(None)):
    errors = []
    for count in (steps, 2 * steps):
        integrator = run(model, method, u0, end, count)
        errors.append(np.max(np.abs(integrator.u - exact(end))[component]))
    assert errors[1] > 1e-14, "too close to round-off to measure an order"
    return np.log2(errors[0] / errors[1])


@pytest.fixture(scope="module")
def ode(build):
    # predator and prey, forced; the reference is a tight high-order run of another library
    right = [x * (1 - y) + sympy.sin(5 * t) / 3, y * (x - 1)]
    evaluate = sympy.lambdify([t, x, y], right)
    found = scipy.integrate.solve_ivp(
        lambda time, u: evaluate(time, *u),
        (0, 4),
        [1.2, 0.7],
        "DOP853",
        rtol=3e-14,
        atol=1e-16,
        dense_output=True,
    )
    return [x, y], right, found.sol


# of the backward differentiation formulas. Hairer and Wanner II, V.2, rounded down
BDF_ANGLES = (90.0, 90.0, 86.0, 73.0, 51.0)
# steps in which the error is asymptotic and well above round-off
STEPS = {
    "BS3": 64, "Tsit5": 48, "Vern7": 24, "DOP853": 12,
    "Rosenbrock23": 64, "Rodas23W": 64, "Rodas3P": 64, "Rodas4P": 96, "Rodas5P": 64, "Rodas6P": 24,
    "ROS34PW2": 64, "Rodas4PW": 96, "MSRKTASE2": 64, "MSRKTASE3": 64, "MSRKTASE4": 256, "SRKTASE3": 256,
    "KenCarp4": 64, "Kvaerno5": 64, "RadauIIA5": 24, "RKTASE2": 256, "RKTASE3": 256,
    "BDF": 128, "exprb32": 64, "exprb43": 64,
}  # fmt: skip
# the error constants of the DAE below are smaller, which leaves a multistep method at the tolerance of its
# iterations sooner
DAE_STEPS = {**STEPS, "BDF": 48}


@pytest.mark.parametrize("name", NAMES)
def test_order_on_an_ode(build, ode, name):
    states, right, exact = ode
    model = build(states, right, t=t)
    order = measured_order(model, name, exact(0.0), exact, 4.0, STEPS[name])
    stated = METHODS[name].order
    # the error constants of the highest orders are so small that at these steps the next power shows; that
    # they are not of higher order is checked on their coefficients
    assert stated - 0.2 < order < stated + (0.2 if stated < 6 else 2.0)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_each_formula_of_bdf_has_its_order(build, ode, order):
    states, right, exact = ode
    model = build(states, right, t=t)
    whole = METHODS["BDF"]
    kappa, angles = whole.kappa[:order], whole.angles[:order]
    method = replace(whole, order=order, kappa=kappa, angles=angles, angle=angles[-1])
    method.check()
    found = measured_order(model, method, exact(0.0), exact, 4.0, 256)
    assert found == pytest.approx(order, abs=0.2)
    # as backward differentiation formulas their errors are larger by what kappa saves
    plain = replace(method, kappa=(0.0,) * order, angles=BDF_ANGLES[:order], angle=BDF_ANGLES[order - 1])
    plain.check()
    errors = [np.abs(run(model, one, exact(0.0), 4.0, 512).u - exact(4.0)).max() for one in (method, plain)]
    gamma = sum(1 / m for m in range(1, order + 1))
    saved = (whole.kappa[order - 1] * gamma + 1 / (order + 1)) * (order + 1)
    assert errors[0] / errors[1] == pytest.approx(saved, rel=0.1)


@pytest.mark.parametrize("name", W_NAMES)
def test_order_with_a_wrong_jacobian(build, ode, name):
    states, right, exact = ode
    model = build(states, right, t=t, wrong_jacobian=[[-0.7, 0.4], [0.9, -1.3]])
    order = measured_order(model, name, exact(0.0), exact, 4.0, 4 * STEPS[name])
    assert order == pytest.approx(METHODS[name].w, abs=0.2)


@pytest.fixture(scope="module")
def dae(build):
    # index 1, nonlinear in z, nonautonomous; the solution is x = exp(sin t), y = 1 + cos(2t)/2, z =
    # sqrt(x + t/4)
    sx, sy = sympy.exp(sympy.sin(t)), sympy.cos(2 * t) / 2 + 1
    sz = sympy.sqrt(sx + t / 4)
    right = [
        x * sympy.cos(t) + (z - sz) * y + (y - sy) * x,
        -sympy.sin(2 * t) + (x - z**2 + t / 4) * sympy.sin(x) - (y**2 - sy**2),
        (x + t / 4) * y - z**2 * y,
    ]
    exact = sympy.lambdify(t, [sx, sy, sz])
    return [x, y, z], right, lambda time: np.array(exact(time))


@pytest.mark.parametrize("component", [0, 2], ids=["differential", "algebraic"])
@pytest.mark.parametrize("name", DAE_NAMES)
def test_order_on_an_index_1_system(build, dae, name, component):
    states, right, exact = dae
    model = build(states, right, t=t, mass=[1, 1, 0])
    order = measured_order(model, name, exact(0.0), exact, 2.0, 2 * DAE_STEPS[name], component)
    assert order > METHODS[name].dae - 0.2


def dense_error(model, method, exact, end, steps, **options):
    fixed = {"adaptive": False, "first_step": end / steps}
    tight = {"rtol": 1e-11, "atol": np.full(model.n, 1e-11)}
    integrator = Integrator(model, METHODS[method], StepOptions(**tight, **fixed, **options))
    integrator.start(0.0, exact(0.0), np.zeros(0))
    integrator.advance(end, dense=True)
    times = np.linspace(0.0, end, 16 * steps + 1)
    reference = np.array([exact(time) for time in times]).T
    return np.max(np.abs(integrator.dense_output()(times) - reference))


@pytest.mark.parametrize("name", NAMES)
def test_order_of_the_dense_output_in_a_step(build, ode, name):
    states, right, exact = ode
    model = build(states, right, t=t)
    longest = 0.05 if name == "Rodas6P" else 0.1
    errors = [dense_error(model, name, exact, h, 1) for h in (longest, longest / 2)]
    assert np.log2(errors[0] / errors[1]) > min(METHODS[name].dense, METHODS[name].order) + 1 - 0.25


@pytest.mark.parametrize("linear", ["dense", "sparse"])
@pytest.mark.parametrize("name", DAE_NAMES)
def test_order_of_the_dense_output_on_an_index_1_system(build, dae, name, linear):
    # algebraic components have no derivative that would gain a power of h: the order is that of the record
    states, right, exact = dae
    model = build(states, right, t=t, mass=[1, 1, 0])
    errors = [dense_error(model, name, exact, 1.0, steps, linear=linear) for steps in (32, 64)]
    assert np.log2(errors[0] / errors[1]) > min(METHODS[name].dense, METHODS[name].dae) - 0.25


STIFF = -1e6


@pytest.fixture(scope="module")
def prothero_robinson(build):
    # u' = lambda (u - g) + g', with g = sin(t) + cos(2t)/2 as the smooth solution
    smooth = sympy.sin(t) + sympy.cos(2 * t) / 2
    model = build([x], [STIFF * (x - smooth) + sympy.diff(smooth, t)], t=t)
    return model, lambda time: np.array([np.sin(time) + np.cos(2 * time) / 2])


@pytest.mark.parametrize("name", [name for name in NAMES if METHODS[name].l_stable])
def test_stiff_decay_and_prothero_robinson(prothero_robinson, name):
    model, exact = prothero_robinson
    # what lies off the smooth solution is gone after a few steps, though each is 1e5 time constants long
    off = run(model, name, exact(0.0) + 1.0, 1.0, 10)
    assert np.abs(off.u - exact(1.0)) < 1e-2
    # on it the steps follow with the error of smooth problems, at least of first order
    errors = []
    for steps in (40, 80):
        integrator = run(model, name, exact(0.0), 1.0, steps)
        errors.append(np.abs(integrator.u - exact(1.0))[0])
    assert errors[0] < 1e-3
    assert errors[1] < 0.55 * errors[0] or errors[1] < 1e-11
