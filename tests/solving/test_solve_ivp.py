"""`solve_ivp` beside SciPy's: the same calls, answers within the tolerances, and what SciPy has not."""

import math

import numba
import numpy as np
import pytest
import scipy.integrate
import scipy.sparse

import symnum as sn
from symnum.errors import ModelError
from symnum.solving.user_function import column_groups, pattern_of


def prey(t, y):
    return [1.5 * y[0] - y[0] * y[1], y[0] * y[1] - 3.0 * y[1]]


@numba.njit
def stiff(t, y):
    r1, r2, r3 = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
    return np.array([r2 - r1, r1 - r2 - r3, r3])


def robertson(t, y):
    return stiff.py_func(t, y)


# y(40), from the Test Set for IVP Solvers; see tests/data/ivp_reference_values.json
ROBERTSON_40 = [0.7158270687193941, 9.185534764557338e-06, 0.2841637457458413]


def oscillator(t, y, omega, forcing):
    return np.array([y[1], -(omega**2) * y[0] + forcing[0] * np.sin(forcing[1] * t)])


@pytest.mark.parametrize("method", [None, "BS3", "Tsit5", "Vern7", "DOP853", "Rodas5P", "MSRKTASE3"])
def test_like_scipy(method):
    times = np.linspace(0, 10, 30)
    found = sn.solve_ivp(prey, (0, 10), [1.0, 1.0], method, times, rtol=1e-6, atol=1e-9)
    wanted = scipy.integrate.solve_ivp(prey, (0, 10), [1.0, 1.0], "DOP853", times, rtol=1e-11, atol=1e-12)
    assert (found.status, found.success, found.sol, found.t_events) == (0, True, None, None)
    np.testing.assert_array_equal(found.t, times)
    assert found.y.shape == wanted.y.shape
    np.testing.assert_allclose(found.y, wanted.y, rtol=2e-4)
    assert found.nfev > 0
    assert set(wanted) <= set(found)


@pytest.mark.parametrize("method", [None, "Rodas5P"])
@pytest.mark.parametrize("fun", [robertson, stiff], ids=["python", "numba"])
def test_stiff_with_differences(fun, method):
    found = sn.solve_ivp(fun, (0, 40), [1.0, 0.0, 0.0], method, rtol=1e-7, atol=[1e-10, 1e-13, 1e-10])
    assert found.method.endswith("Rodas5P")
    np.testing.assert_allclose(found.y[:, -1], ROBERTSON_40, rtol=1e-5)


def test_numba_runs_without_the_interpreter():
    calls = []

    def python(t, y):
        calls.append(t)
        return stiff.py_func(t, y)

    call = {"t_span": (0, 40), "y0": [1.0, 0.0, 0.0], "method": "Rodas5P", "rtol": 1e-6, "atol": 1e-10}
    steps = sn.solve_ivp(python, **call).stats.steps
    assert len(calls) > 10 * steps  # eight stages and the differences of every step
    assert sn.solve_ivp(stiff, **call).stats.steps == steps


@numba.njit
def forced(t, y, omega, forcing):
    return np.array([y[1], -(omega**2) * y[0] + forcing[0] * np.sin(forcing[1] * t)])


def test_arguments_and_backwards_in_time():
    arguments = (2.0, np.array([0.5, 3.0]))
    wanted = scipy.integrate.solve_ivp(
        oscillator, (4, -1), [0.3, 1.0], "DOP853", rtol=1e-11, atol=1e-12, args=arguments, t_eval=[3, 0.5, -1]
    )
    for fun in (oscillator, forced):
        for method in ("Vern7", "Rodas5P"):
            found = sn.solve_ivp(
                fun, (4, -1), [0.3, 1.0], method, [3, 0.5, -1], rtol=1e-8, atol=1e-10, args=arguments
            )
            np.testing.assert_array_equal(found.t, [3, 0.5, -1])
            np.testing.assert_allclose(found.y, wanted.y, atol=1e-6)
    # other values of the arguments are read, not compiled in
    other = sn.solve_ivp(forced, (0, 1), [0.3, 1.0], "Vern7", rtol=1e-9, args=(3.0, np.array([0.0, 0.0])))
    np.testing.assert_allclose(other.y[0, -1], 0.3 * np.cos(3) + np.sin(3) / 3, atol=1e-6)


def hit_ground(t, y):
    return y[0]


hit_ground.terminal, hit_ground.direction = True, -1


def apex(t, y):
    return y[1]


@numba.njit
def fall(t, y):
    return np.array([y[1], -9.81])


@pytest.mark.parametrize("fun", [fall.py_func, fall], ids=["python", "numba"])
def test_events_as_scipy_has_them(fun):
    call = {"events": [hit_ground, apex], "dense_output": True, "rtol": 1e-8, "atol": 1e-10}
    found = sn.solve_ivp(fun, (0, 100), [0.0, 10.0], "Tsit5", **call)
    wanted = scipy.integrate.solve_ivp(fall.py_func, (0, 100), [0.0, 10.0], **call)
    assert found.status == wanted.status == 1
    for k in (0, 1):
        np.testing.assert_allclose(found.t_events[k], wanted.t_events[k], atol=1e-7)
        assert found.y_events[k].shape == wanted.y_events[k].shape
        np.testing.assert_allclose(found.y_events[k], wanted.y_events[k], atol=1e-6)
    assert found.t[-1] == found.t_events[0][0]
    np.testing.assert_allclose(found.sol(0.7), [7 - 9.81 * 0.49 / 2, 10 - 9.81 * 0.7], atol=1e-7)
    assert found.sol([0.1, 0.2, 0.3]).shape == (2, 3)
    assert (found.sol.t_min, found.sol.t_max) == (0, found.t[-1])


def test_an_event_that_ends_the_run_at_its_third_time():
    def zero(t, y):
        return y[0]

    zero.terminal = 3
    found = sn.solve_ivp(lambda t, y: [y[1], -y[0]], (0, 100), [1.0, 0.0], events=zero, rtol=1e-8)
    np.testing.assert_allclose(found.t_events[0], np.pi * np.array([0.5, 1.5, 2.5]), atol=1e-5)
    assert found.t[-1] == pytest.approx(2.5 * np.pi, abs=1e-5)


def test_groups_of_columns_and_the_number_of_evaluations():
    n = 50
    band = scipy.sparse.diags_array([1.0, 1.0, 1.0], offsets=[-1, 0, 1], shape=(n, n))
    group = column_groups(*pattern_of(band, n))
    assert group.max() == 2
    for k in range(3):
        assert (band.toarray()[:, group == k].sum(axis=1) <= 1).all()

    calls = [0]

    def heat(t, y):
        calls[0] += 1
        padded = np.concatenate([[0.0], y, [0.0]])
        return (n + 1) ** 2 * np.diff(padded, 2)

    x = np.arange(1, n + 1) / (n + 1)
    decay = 4 * (n + 1) ** 2 * np.sin(np.pi / 2 / (n + 1)) ** 2
    matrix = (n + 1) ** 2 * (band - 3 * scipy.sparse.eye_array(n)).tocsc()
    for options in ({"jac_sparsity": band}, {"jac": matrix}):
        calls[0] = 0
        found = sn.solve_ivp(heat, (0, 0.1), np.sin(np.pi * x), "Rodas5P", rtol=1e-6, atol=1e-8, **options)
        np.testing.assert_allclose(found.y[:, -1], np.exp(-0.1 * decay) * np.sin(np.pi * x), atol=1e-6)
        assert calls[0] < 20 * (found.stats.steps + found.stats.rejected) + 20


@numba.njit
def jacobian_of_stiff(t, y):
    return np.array([
        [-0.04, 1e4 * y[2], 1e4 * y[1]],
        [0.04, -1e4 * y[2] - 6e7 * y[1], -1e4 * y[1]],
        [0.0, 6e7 * y[1], 0.0],
    ])  # fmt: skip


def test_jacobians_that_are_given():
    for fun in (robertson, stiff):
        for jac in (jacobian_of_stiff, jacobian_of_stiff.py_func):
            found = sn.solve_ivp(fun, (0, 40), [1.0, 0, 0], "Rodas5P", rtol=1e-7, atol=1e-12, jac=jac)
            np.testing.assert_allclose(found.y[:, -1], ROBERTSON_40, rtol=1e-5)
    vectorized = sn.solve_ivp(
        lambda t, y: np.array([-50 * (y[0] - np.cos(t)), y[0] - y[1]]), (0, 2), [0.0, 0.0], "Rodas5P",
        vectorized=True, rtol=1e-8, atol=1e-10,
    )  # fmt: skip
    assert vectorized.success


def test_arguments_may_be_an_array():
    found = sn.solve_ivp(lambda t, y, a, b: a * y + b, (0, 1), [1.0], args=np.array([-1.0, 2.0]), rtol=1e-8)
    np.testing.assert_allclose(found.y[0, -1], 2 - np.exp(-1), rtol=1e-6)


@pytest.mark.parametrize(("name", "here"), [("RK45", "Tsit5"), ("RK23", "BS3"), ("Radau", "RadauIIA5")])
def test_names_of_scipy(name, here):
    """A script for SciPy runs as it is, and its result says by which method."""
    times = np.linspace(0, 3, 7)
    found = sn.solve_ivp(prey, (0, 3), [1.0, 1.0], method=name, t_eval=times, rtol=1e-6, atol=1e-9)
    wanted = scipy.integrate.solve_ivp(prey, (0, 3), [1.0, 1.0], name, times, rtol=1e-6, atol=1e-9)
    assert found.method == here
    np.testing.assert_allclose(found.y, wanted.y, rtol=1e-4)


def test_lsoda_is_the_choice_that_changes_with_the_system():
    named, free = (
        sn.solve_ivp(stiff, (0, 1), [1.0, 0.0, 0.0], method, rtol=1e-6, atol=1e-9)
        for method in ("LSODA", None)
    )
    assert named.method == free.method
    np.testing.assert_array_equal(named.y, free.y)


def test_algebraic_equations():
    # x' = -y, 0 = x - y^3: the start of y is made consistent
    found = sn.solve_ivp(
        lambda t, u: [-u[1], u[0] - u[1] ** 3], (0, 1), [1.0, 0.7], rtol=1e-8, atol=1e-10, mass=[1, 0]
    )
    assert found.method == "Rodas5P"
    assert found.y[1, 0] == pytest.approx(1.0, abs=1e-8)
    np.testing.assert_allclose(found.y[0], (1 - 2 * found.t / 3) ** 1.5, atol=1e-6)  # (x^(2/3))' = -2/3


def test_a_domain_error_shortens_the_step_and_another_exception_passes_through():
    found = sn.solve_ivp(lambda t, y: [-1.0 if y[0] > 1 else -math.sqrt(y[0])], (0, 2.9), [2.0], rtol=1e-8)
    assert found.success
    np.testing.assert_allclose(found.y[0, -1], (1 - 1.9 / 2) ** 2, atol=1e-5)
    # it runs into the end of the domain: what was reached is returned
    stopped = sn.solve_ivp(lambda t, y: [-1.0 - math.log(y[0] + 1e-300)], (0, 9), [1.0], "Tsit5", rtol=1e-6)
    assert stopped.status in (-1, 0)
    blown = sn.solve_ivp(lambda t, y: [-1.0 / math.sqrt(y[0])], (0, 2), [1.0], "Tsit5", rtol=1e-6, atol=1e-9)
    assert blown.status == -1
    assert not blown.success
    assert "math domain error" in blown.message or "y[0]" in blown.message
    assert blown.t[-1] == pytest.approx(2 / 3, abs=1e-3)

    def broken(t, y):
        if t > 0.5:
            raise LookupError("no data beyond 0.5")
        return -y

    with pytest.raises(LookupError, match=r"beyond 0\.5"):
        sn.solve_ivp(broken, (0, 1), [1.0])


def test_where_jacobians_are_dear_they_are_kept():
    n = 40
    calls = [0]

    def brusselator(t, y):
        calls[0] += 1
        u, v = y[:n], y[n:]
        spread = 0.02 * (n + 1) ** 2
        return np.concatenate([
            1 + u**2 * v - 4 * u + spread * np.diff(np.concatenate([[1.0], u, [1.0]]), 2),
            3 * u - u**2 * v + spread * np.diff(np.concatenate([[3.0], v, [3.0]]), 2),
        ])  # fmt: skip

    start = np.concatenate([1 + np.sin(2 * np.pi * np.arange(1, n + 1) / (n + 1)), np.full(n, 3.0)])
    used = {}
    for method in (None, "Rodas5P"):
        calls[0] = 0
        found = sn.solve_ivp(brusselator, (0, 10), start, method, rtol=1e-5, atol=1e-8)
        used[found.method] = calls[0]
        # u at the first point, from the reference problem of this name (Hairer and Wanner II, IV.1)
        assert found.y[0, -1] == pytest.approx(0.936913341720646, rel=1e-4)
    (chosen,) = set(used) - {"Rodas5P"}
    assert chosen.endswith("BDF")
    assert used[chosen] < 0.7 * used["Rodas5P"]


def test_a_smooth_start_that_becomes_stiff_changes_the_method():
    found = sn.solve_ivp(robertson, (0, 40), [1.0, 0.0, 0.0], rtol=1e-5, atol=1e-10, dense_output=True)
    assert ", Rodas5P" in found.method
    assert "held back" in found.stats.choice
    np.testing.assert_allclose(found.sol(found.t), found.y, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(("call", "message"), [
    ({"fun": 3}, "function of"), ({"t_span": (0, 0)}, "two different"), ({"y0": [1j, 0]}, "complex"),
    ({"y0": [[1.0]]}, "shape"), ({"fun": lambda t, y: [1.0]}, "1 values for 2 unknowns"),
    ({"method": "ode45"}, "taken by Tsit5"), ({"method": "Rodas5"}, "Did you mean"),
    ({"t_eval": [2.0]}, "within"),
    ({"t_eval": [0.5, 0.2]}, "begin of t_span"), ({"rtol": -1}, "rtol"), ({"mass": [1, 2]}, "ones and zeros"),
    ({"jac_sparsity": np.eye(3)}, "shape"), ({"args": 2}, r"args=\(2,\)"),
])  # fmt: skip
def test_bad_calls(call, message):
    with pytest.raises(ModelError, match=message):
        sn.solve_ivp(**({"fun": prey, "t_span": (0, 1), "y0": [1.0, 1.0]} | call))
