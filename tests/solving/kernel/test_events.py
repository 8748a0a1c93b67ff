"""Event location, restarts after events, Zeno behaviour, and hard limits inside the kernels."""

from itertools import pairwise

import numpy as np
import pytest
import sympy

from symnum.solving.integrator import Integrator
from symnum.solving.statistics import Status
from symnum.solving.step_options import StepOptions
from symnum.solving.tableaus import METHODS

t, v, x, y, z, p, q = sympy.symbols("t v x y z p q")
NONE = np.zeros(0)


def started(model, method, u0, parameters=NONE, t0=0.0, **options):
    tolerances = {"rtol": 1e-9, "atol": np.full(model.n, 1e-11)} | options
    integrator = Integrator(model, METHODS[method], StepOptions(**tolerances))
    integrator.start(t0, np.array(u0, dtype=float), parameters)
    return integrator


# --- location
# ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_an_event_is_located_to_round_off_of_the_interpolant(build, method):
    # g is the first component itself; the state returned must be just beyond its sign change
    model = build([x, y], [y, -x], events=[x - 0.3], directions=[0])
    integrator = started(model, method, [0.0, 1.0], rtol=1e-6, atol=np.full(2, 1e-6))
    times = []
    previous = -0.3
    while integrator.advance(20.0) is Status.EVENT:
        g = integrator.u[0] - 0.3
        assert integrator.fired == [0]
        assert g * previous < 0, "the point returned is not beyond the sign change"
        assert abs(g) < 1e-14
        previous = g
        times.append(integrator.t)
        integrator.changed_parameters()
    exact = np.sort(
        np.concatenate(
            [np.arcsin(0.3) + 2 * np.pi * np.arange(4), np.pi - np.arcsin(0.3) + 2 * np.pi * np.arange(3)]
        )
    )
    exact = exact[exact < 20]
    assert len(times) == len(exact)
    # methods of order 2, and those with large error constants, drift in phase over three periods
    coarse = METHODS[method].order == 2 or method in ("SRKTASE3", "RKTASE3")
    assert np.max(np.abs(np.array(times) - exact)) < (2e-3 if coarse else 2e-4)
    assert integrator.stats.events == len(exact)


def test_location_error_follows_the_tolerance(build):
    model = build([x, y], [y, -x], events=[x**3 - 0.027], directions=[-1])
    errors = []
    for rtol in (1e-5, 1e-7, 1e-9, 1e-11):
        integrator = started(model, "Rodas5P", [0.0, 1.0], rtol=rtol, atol=np.full(2, rtol))
        assert integrator.advance(20.0) is Status.EVENT
        errors.append(abs(integrator.t - (np.pi - np.arcsin(0.3))))
    assert errors[-1] < 1e-11
    assert all(b < 0.2 * a for a, b in pairwise(errors[:3]))


@pytest.mark.parametrize(("direction", "count"), [(1, 3), (-1, 3), (0, 6)])
def test_direction(build, direction, count):
    model = build([x, y], [y, -x], events=[x], directions=[direction])
    integrator = started(model, "Tsit5", [np.sin(0.1), np.cos(0.1)])
    found = []
    while integrator.advance(20.0) is Status.EVENT:
        found.append(integrator.u[1])
        integrator.changed_parameters()
    assert len(found) == count
    if direction:
        assert np.allclose(found, direction, atol=1e-6)


def test_the_earliest_of_several_wins_and_equal_ones_come_together(build):
    # all in one long step: signs change at 0.7, 0.5 (twice), 0.6
    events = [x - 0.7, 2 * x - 1, sympy.exp(x) - sympy.exp(sympy.Rational(1, 2)), sympy.sin(x - 0.6)]
    model = build([x, y], [1 + 0 * x, 0 * y], events=events, directions=[0, 0, 1, 0])
    integrator = started(model, "Tsit5", [0.0, 0.0], first_step=1.0)
    found = []
    while integrator.advance(1.0) is Status.EVENT:
        found.append((integrator.t, integrator.fired))
        integrator.changed_parameters()
    assert [fired for _, fired in found] == [[1, 2], [3], [0]]
    assert [time for time, _ in found] == pytest.approx([0.5, 0.6, 0.7], abs=1e-14)


def test_a_touching_function_and_a_start_on_the_sign_change(build):
    # g >= 0 touches zero: no event. The other starts at zero exactly and leaves upwards: no event either.
    model = build([x, y], [1 + 0 * x, 0 * y], events=[(x - 0.5) ** 2, x], directions=[0, 0])
    integrator = started(model, "Tsit5", [0.0, 0.0])
    assert integrator.advance(1.0) is Status.DONE
    assert integrator.stats.events == 0


def test_two_crossings_inside_a_step_are_seen_by_the_samples(build):
    # below zero for 0.3 < x < 0.7 only, in a step from 0 to 1
    model = build([x, y], [1 + 0 * x, 0 * y], events=[(x - 0.3) * (x - 0.7)], directions=[0])
    integrator = started(model, "Rodas5P", [0.0, 0.0], first_step=1.0)
    assert integrator.advance(1.0) is Status.EVENT
    assert integrator.t == pytest.approx(0.3, abs=1e-13)
    integrator.changed_parameters()
    assert integrator.advance(1.0) is Status.EVENT
    assert integrator.t == pytest.approx(0.7, abs=1e-13)
    integrator.changed_parameters()
    assert integrator.advance(1.0) is Status.DONE


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P", "ROS34PW2"])
def test_bouncing_ball(build, method):
    model = build([x, v], [v, -9.81 + 0 * x], events=[x], directions=[-1])
    integrator = started(model, method, [1.0, 0.0], rtol=1e-8, atol=np.full(2, 1e-10))
    fall = np.sqrt(2 / 9.81)
    for bounce in range(60):
        assert integrator.advance(20.0, saveat=np.linspace(0, 20, 2001)) is Status.EVENT
        exact = fall * (1 + 2 * np.sum(0.9 ** np.arange(1, bounce + 1)))
        assert integrator.t == pytest.approx(exact, abs=1e-6)
        integrator.u[1] *= -0.9
        integrator.changed_parameters()
    times, states = integrator.saved()
    assert np.all(states[0] > -1e-12), "the ball is below the floor"
    assert np.array_equal(times, np.linspace(0, 20, 2001)[: len(times)])


@pytest.mark.parametrize("restitution", [0.9, 0.5, 0.1])
def test_zeno(build, restitution):
    model = build([x, v], [v, -1 + 0 * x], events=[x], directions=[-1])
    integrator = started(model, "Tsit5", [0.5, 0.0])
    status = integrator.advance(100.0)
    bounces = 0
    while status is Status.EVENT and bounces < 2000:
        bounces += 1
        integrator.u[1] *= -restitution
        integrator.changed_parameters()
        status = integrator.advance(100.0)
    assert status is Status.ZENO
    assert integrator.t == pytest.approx(1 + 2 * restitution / (1 - restitution), abs=1e-6)
    assert integrator.u[0] > -1e-9


def test_an_event_may_reset_far_away(build):
    # integrate and fire: x rises with rate 1 and goes back to 0 at 1
    model = build([x, y], [1 + 0 * x, -y], events=[x - 1], directions=[1])
    integrator = started(model, "Tsit5", [0.0, 1.0])
    count = 0
    while integrator.advance(10.5) is Status.EVENT:
        count += 1
        assert integrator.t == pytest.approx(count, abs=1e-12)
        integrator.u[0] = 0.0
        integrator.changed_parameters()
    assert count == 10
    assert integrator.u[0] == pytest.approx(0.5, abs=1e-12)


def test_dense_output_stops_at_the_event(build):
    model = build([x, v], [v, -1 + 0 * x], events=[x], directions=[-1])
    integrator = started(model, "Rodas5P", [0.5, 0.0])
    integrator.advance(3.0, dense=True)
    first = integrator.dense_output()
    assert first.end[-1] == integrator.t == pytest.approx(1.0, abs=1e-12)
    integrator.u[1] = 1.0
    integrator.changed_parameters()
    integrator.advance(2.0, dense=True)
    second = integrator.dense_output()
    assert first(1.0 - 1e-9)[1] == pytest.approx(-1.0, abs=1e-8)
    assert second(integrator.t)[1] == pytest.approx(0.0, abs=1e-12)
    assert second(1.0 + 1e-9)[1] == pytest.approx(1.0, abs=1e-8)


def test_algebraic_variables_jump_at_an_event(build):
    # z = p x; p doubles when x falls through 1/2
    model = build(
        [x, z],
        [-x, z - p * x],
        parameters=[p],
        mass=[1, 0],
        events=[x - sympy.Rational(1, 2)],
        directions=[-1],
    )
    integrator = started(model, "Rodas5P", [1.0, 1.0], np.array([1.0]))
    assert integrator.advance(2.0) is Status.EVENT
    assert integrator.t == pytest.approx(np.log(2), abs=1e-9)
    integrator.p[0] = 2.0
    integrator.changed_parameters()
    assert integrator.reinitialize().converged
    assert integrator.u == pytest.approx([0.5, 1.0], abs=1e-9)
    assert integrator.advance(2.0) is Status.DONE
    assert integrator.u == pytest.approx([np.exp(-2), 2 * np.exp(-2)], rel=1e-8)


# --- limits
# ------------------------------------------------------------------------------------------------------


def lag(build, extra=None):
    """x' = p (2 sin t - x), held between -1 and 1; a second state integrates x."""
    drive = 2 * sympy.sin(t) - x
    right = [p * q * drive, x]
    return build(
        [x, y],
        right,
        t=t,
        parameters=[p, q],
        limits=[(x - 1, drive), (-1 - x, -drive)],
        limit_parameters=[0, 0],
    )


def exact_lag(end):
    """The same by pieces, and how often it is held and released; the release is known in closed form."""
    from scipy.integrate import solve_ivp

    def hit(time, u):
        return abs(u[0]) - 1

    hit.terminal, hit.direction = True, 1
    time, u, switches = 0.0, np.zeros(2), 0
    while time < end:
        found = solve_ivp(
            lambda s, w: [2 * np.sin(s) - w[0], w[0]],
            (time, end),
            u,
            "DOP853",
            events=hit,
            rtol=1e-13,
            atol=1e-14,
        )
        time, u = found.t[-1], found.y[:, -1]
        if found.status == 1:
            side = np.sign(u[0])
            # released when side (2 sin t - x) < 0, i.e. sin t falls through side / 2
            k = np.ceil((time - np.pi * (side < 0) - 5 * np.pi / 6) / (2 * np.pi))
            release = 5 * np.pi / 6 + np.pi * (side < 0) + 2 * np.pi * k
            switches += 1 + (release < end)
            release = min(release, end)
            u = np.array([side, u[1] + side * (release - time)])
            time = release
    return u, switches


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P", "ROS34PW2", "MSRKTASE3"])
def test_hard_limit(build, method):
    integrator = started(
        lag(build), method, [0.0, 0.0], np.array([1.0, 1.0]), rtol=1e-7, atol=np.full(2, 1e-9)
    )
    grid = np.linspace(0, 20, 401)
    assert integrator.advance(20.0, saveat=grid) is Status.DONE
    _, states = integrator.saved()
    assert np.max(np.abs(states[0])) < 1 + 1e-12
    assert np.sum(np.abs(np.abs(states[0]) - 1) < 1e-12) > 100  # it does lie on the bound
    exact, switches = exact_lag(20.0)
    assert np.max(np.abs(integrator.u - exact)) < 1e-5
    assert integrator.stats.limit_switches == switches > 10
    assert integrator.held == []


def test_limits_keep_the_order(build):
    # switched at step ends instead, the error would be of first order in the step
    exact, _ = exact_lag(20.0)
    errors = []
    for rtol in (1e-4, 1e-6, 1e-8, 1e-10):
        integrator = started(
            lag(build), "Rodas5P", [0.0, 0.0], np.array([1.0, 1.0]), rtol=rtol, atol=np.full(2, rtol)
        )
        integrator.advance(20.0)
        errors.append(np.max(np.abs(integrator.u - exact)))
    assert errors[-1] < 1e-9
    assert all(b < 0.1 * a for a, b in pairwise(errors))


def test_a_start_beyond_a_bound_is_held_and_then_released(build):
    model = build(
        [x, y], [p * (sympy.cos(t) - x + 1), 1 + 0 * x], t=t, parameters=[p],
        limits=[(x - 1, sympy.cos(t) - x + 1)], limit_parameters=[0],
    )  # fmt: skip
    integrator = started(model, "Tsit5", [1.0, 0.0], np.array([1.0]))
    assert integrator.advance(1.0) is Status.DONE
    assert integrator.held == [0]
    assert integrator.u == pytest.approx([1.0, 1.0], abs=1e-14)
    assert integrator.advance(3.0) is Status.DONE
    assert integrator.held == []
    assert integrator.u[0] < 1
    # held is what it starts with again, not what the last run ended with
    integrator.start(0.0, np.array([0.0, 0.0]), np.array([0.0]))
    assert integrator.p[0] == 1.0


@pytest.mark.parametrize("linear", ["dense", "sparse"])
def test_a_limit_with_algebraic_variables(build, linear):
    # z' = 0 where the state is held; the algebraic variable follows the state and a jump in p
    drive = 1 - z
    model = build(
        [x, z], [p * drive, z - x - (1 - p) / 4], parameters=[p], mass=[1, 0],
        limits=[(x - sympy.Rational(1, 2), drive)], limit_parameters=[0],
    )  # fmt: skip
    integrator = started(model, "Rodas5P", [0.0, 0.0], np.array([1.0]), linear=linear)
    assert integrator.advance(2.0, saveat=np.array([0.5, 2.0])) is Status.DONE
    assert integrator.held == [0]
    assert integrator.u == pytest.approx([0.5, 0.75], abs=1e-12)
    _, states = integrator.saved()
    assert states[0, 0] == pytest.approx(1 - np.exp(-0.5), abs=1e-9)


def test_what_is_held_stays_held_when_parameters_are_written(build):
    integrator = started(lag(build), "Tsit5", [0.0, 0.0], np.array([1.0, 1.0]))
    integrator.advance(1.7)
    assert integrator.held == [0]
    integrator.p[:] = [1.0, 0.5]
    integrator.changed_parameters()
    assert integrator.p.tolist() == [0.0, 0.5]
    integrator.advance(2.0)
    assert integrator.u[0] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("linear", ["dense", "sparse"])
def test_a_limit_beyond_its_bound_at_the_start_makes_the_algebra_consistent(build, linear):
    drive = 2 - z
    model = build(
        [x, z], [p * drive, z - x + (1 - p) / 4], parameters=[p], mass=[1, 0], limits=[(x - 1, drive)],
        limit_parameters=[0],
    )  # fmt: skip
    integrator = started(model, "Rodas5P", [1.5, 1.5], np.array([1.0]), linear=linear)
    assert integrator.advance(1.0) is Status.DONE
    assert integrator.held == [0]
    assert integrator.stats.newton_iterations > 0
    assert integrator.u == pytest.approx([1.5, 1.25], abs=1e-14)


def test_limit_and_event_at_the_same_time(build):
    model = build(
        [x, y], [p + 0 * x, 1 + 0 * y], parameters=[p], events=[x - 1], directions=[1],
        limits=[(x - 1, 1 + 0 * x)], limit_parameters=[0],
    )  # fmt: skip
    integrator = started(model, "Tsit5", [0.0, 0.0], np.array([1.0]))
    assert integrator.advance(2.0) is Status.EVENT
    assert integrator.held == [0]
    assert integrator.fired == [0]
    integrator.changed_parameters()
    assert integrator.advance(2.0) is Status.DONE
    assert integrator.u == pytest.approx([1.0, 2.0], abs=1e-12)


def test_chattering_limits_are_reported(build):
    # held, the drive points inwards at once; free, it points outwards
    model = build(
        [x, y],
        [p * (2 * p - 1), 1 + 0 * y],
        parameters=[p],
        limits=[(x - 1, 2 * p - 1)],
        limit_parameters=[0],
    )
    integrator = started(model, "Tsit5", [0.0, 0.0], np.array([1.0]))
    assert integrator.advance(2.0) is Status.CHATTER
    assert integrator.t == pytest.approx(1.0, abs=1e-9)
