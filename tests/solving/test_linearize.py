"""Linearization of systems whose modes are known."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import scipy.linalg

import symnum as sn
from symnum.errors import ModelError, SymnumError

D = sn.D


def test_two_masses_and_two_springs() -> None:
    """Natural frequencies and damping ratios of the textbook 2-DOF chain, against the quadratic pencil."""
    p, q = sn.variables("p q")
    m1, m2, k1, k2, c = sn.parameters(m1=2.0, m2=1.0, k1=50.0, k2=30.0, c=0.4)
    system = sn.System(
        "chain",
        [m1 * D(p, 2) == -k1 * p - c * D(p) + k2 * (q - p), m2 * D(q, 2) == -k2 * (q - p)],
        defaults={p: 0.0, q: 0.0, D(p): 0.0, D(q): 0.0},
    )
    modes = sn.linearize(sn.Problem(system))
    mass, stiffness = np.diag([2.0, 1.0]), np.array([[80.0, -30.0], [-30.0, 30.0]])
    damping = np.diag([0.4, 0.0])
    companion = np.block(
        [[np.zeros((2, 2)), np.eye(2)], [-np.linalg.solve(mass, stiffness), -np.linalg.solve(mass, damping)]]
    )
    expected = np.linalg.eigvals(companion)
    np.testing.assert_allclose(np.sort_complex(modes.eigenvalues), np.sort_complex(expected), atol=1e-10)
    np.testing.assert_allclose(modes.frequencies, np.abs(modes.eigenvalues.imag) / (2 * np.pi))
    np.testing.assert_allclose(modes.damping, -modes.eigenvalues.real / np.abs(modes.eigenvalues))
    assert set(modes.states) == {"p", "q", "D(p)", "D(q)"}
    pairs = modes.modes(oscillating=True)
    assert len(pairs) == 2
    assert pairs[0].damping < pairs[1].damping or pairs[0].eigenvalue.real >= pairs[1].eigenvalue.real
    np.testing.assert_allclose(modes.participation.sum(axis=0), 1)


def test_participation_tells_uncoupled_states_apart() -> None:
    x, y = sn.variables("x y")
    system = sn.System("s", [D(x) == -x, D(y) == -5 * y + 1e-9 * x])
    modes = sn.linearize(sn.Problem(system, {x: 0, y: 0}))
    np.testing.assert_allclose(modes.eigenvalues, [-1, -5])
    np.testing.assert_allclose(modes.participation, np.eye(2), atol=1e-8)
    first, second = modes.modes()
    assert (first.participation[0][0], second.participation[0][0]) == ("x", "y")
    assert first.damping == 1.0
    assert "x 1.00" in repr(first)


def test_a_dae_has_the_finite_eigenvalues_of_its_pencil() -> None:
    x, y, z, w = sn.variables("x y z w")
    system = sn.System(
        "dae",
        [D(x) == y - 2 * x, D(w) == -w + z * x, y + sn.exp(y) == sn.cos(x) + z, z**3 + z == y + w + 1],
    )
    point = sn.linearize(sn.Problem(system, {x: 0.3, w: 0.2}))
    values = scipy.linalg.eigvals(point.A, point.E)
    finite = values[np.isfinite(values) & (np.abs(values) < 1e8)]
    np.testing.assert_allclose(np.sort_complex(point.eigenvalues), np.sort_complex(finite), rtol=1e-8)
    np.testing.assert_array_equal(np.diag(point.E), point.E.sum(axis=0))
    assert point.states == ("x", "w")
    assert set(point.states) < set(point.names)


def test_at_a_time_of_the_solution_with_the_parameters_of_that_time() -> None:
    (x,) = sn.variables("x")
    (k,) = sn.parameters(k=1.0)
    system = sn.System("s", [D(x) == -k * x**2], events=[sn.Event(at=1, then={k: 3})])
    problem = sn.Problem(system, {x: 1}, (0, 4))
    assert sn.linearize(problem).eigenvalues[0] == pytest.approx(-2)
    half = sn.linearize(problem, at=0.5)
    assert half.eigenvalues[0] == pytest.approx(-2 / 1.5, rel=1e-6)
    late = sn.linearize(problem, at=2.0)  # x = 1/(2 + 3)
    assert late.u[0] == pytest.approx(0.2, rel=1e-6)
    assert late.eigenvalues[0] == pytest.approx(-6 * 0.2, rel=1e-6)
    assert late.t == 2.0
    ended = sn.System("s", [D(x) == -k * x**2], events=[sn.Event(at=1, terminal=True)])
    with pytest.raises(ModelError, match="an event ends the run at t = 1, before at=2"):
        sn.linearize(sn.Problem(ended, {x: 1}, (0, 4)), at=2.0)


def test_a_circuit_rings_at_its_known_frequency(electrical: ModuleType) -> None:
    src, r, l, c = (
        electrical.Source("src"),
        electrical.Resistor("r", R=10.0),
        electrical.Inductor("l", L=1e-3),
        electrical.Capacitor("c", C=1e-6),
    )
    ground = electrical.Ground("ground")
    system = sn.System(
        "rlc",
        [
            sn.connect(src.p, r.p),
            sn.connect(r.n, l.p),
            sn.connect(l.n, c.p),
            sn.connect(c.n, src.n, ground.p),
        ],
    )
    (mode,) = sn.linearize(sn.Problem(system)).modes()
    natural = 1 / np.sqrt(1e-9)
    assert mode.damping == pytest.approx(10 / 2 * np.sqrt(1e-6 / 1e-3), rel=1e-9)
    assert abs(mode.eigenvalue) == pytest.approx(natural, rel=1e-9)


def test_a_bad_linearization_says_what_is_wrong() -> None:
    x, y = sn.variables("x y")
    problem = sn.Problem(sn.System("s", [D(x) == -sn.sqrt(x)]), {x: 0}, (0, 1))
    with pytest.raises(ModelError, match=r"linearize: at=5 lies outside the span 0 \.\.\. 1"):
        sn.linearize(problem, at=5)
    with pytest.raises(
        ModelError, match=r"the Jacobian is not finite at t = 0, in the equation D\(x\) == -sqrt\(x\)"
    ):
        sn.linearize(problem)
    with pytest.raises(ModelError, match="linearize takes a Problem"):
        sn.linearize(problem.compiled)  # type: ignore[arg-type]
    singular = sn.System("s", [D(x) == y, y**2 == x])
    with pytest.raises(SymnumError, match=r"do not determine the algebraic unknowns here \(y\)"):
        _ = sn.linearize(sn.Problem(singular, {x: 0, y: 0})).eigenvalues


def motor() -> tuple[sn.Problem, dict[str, float], tuple[sn.Expr, ...]]:
    """A direct-current motor: L i' = v - R i - k w, J w' = k i - b w."""
    i, w, power = sn.variables("i w power")
    values = {"R": 2.0, "L": 0.5, "k": 0.1, "J": 0.02, "b": 0.2}
    R, L, k, J, b, v = sn.parameters(**values, v=3.0)
    equations = [L * D(i) == v - R * i - k * w, J * D(w) == k * i - b * w, power == v * i]
    return sn.Problem(sn.System("motor", equations), {i: 1.0, w: 0.5}), values, (i, w, power, v)


def test_the_transfer_function_of_a_motor() -> None:
    """w/v = k/((L s + R)(J s + b) + k^2); i/v has a zero at -b/J; v i passes through at once."""
    problem, c, (_, w, power, v) = motor()
    i = sn.variable("i")
    model = sn.linearize(problem, inputs=[v], outputs={"speed": w, "current": i, "power": power}).state_space
    bottom = np.array([c["L"] * c["J"], c["L"] * c["b"] + c["R"] * c["J"], c["R"] * c["b"] + c["k"] ** 2])
    np.testing.assert_allclose(np.sort(model.poles), np.sort(np.roots(bottom)), rtol=1e-10)
    speed = model.transfer_function("speed")
    np.testing.assert_allclose(speed.den, bottom / bottom[0], rtol=1e-9)
    np.testing.assert_allclose(speed.num, [c["k"] / bottom[0]], rtol=1e-9)
    np.testing.assert_allclose(model.zeros("current"), [-c["b"] / c["J"]], rtol=1e-9)
    assert len(model.zeros("speed")) == 0
    omega = np.logspace(-2, 3, 50)
    s = 1j * omega
    exact = (c["J"] * s + c["b"]) / np.polyval(bottom, s)
    np.testing.assert_allclose(model.response(omega, "current"), exact, rtol=1e-9)
    # d(v i) = i dv + v di at i = 1, v = 3
    np.testing.assert_allclose(model.response(omega, "power"), 1.0 + 3.0 * exact, rtol=1e-9)
    _, by_scipy = model.single("current").to_scipy().freqresp(omega)
    np.testing.assert_allclose(by_scipy, exact, rtol=1e-9)


def test_a_transfer_function_through_algebraic_equations() -> None:
    """x' = z - x with z + z^3 = v + x: dz = (dv + dx)/(1 + 3 z^2), here a quarter of it."""
    x, z = sn.variables("x z")
    v = sn.parameter(1.0, name="v")
    system = sn.System("s", [D(x) == z - x, z + z**3 == v + x])
    model = sn.linearize(sn.Problem(system, {x: 1.0, z: 1.0}), inputs=[v], outputs=[z]).state_space
    np.testing.assert_allclose([model.A[0, 0], model.B[0, 0], model.C[0, 0], model.D[0, 0]],
                               [-0.75, 0.25, 0.25, 0.25], rtol=1e-9)  # fmt: skip
    np.testing.assert_allclose(model.zeros(), [-1.0], rtol=1e-9)


def test_a_root_locus_crosses_the_axis_at_the_gain_of_routh() -> None:
    """1/(s (s + 1)(s + 2)): unstable from the gain 6 on, at +-i sqrt 2 (Routh's criterion)."""
    x, y, z = sn.variables("x y z")
    v = sn.parameter(0.0, name="v")
    system = sn.System("s", [D(x) == v - 2 * x, D(y) == x - y, D(z) == y])
    model = sn.linearize(sn.Problem(system, {x: 0, y: 0, z: 0}), inputs=[v], outputs=[z]).state_space
    branches = model.closed_loop_poles([0.0, 5.9, 6.0, 6.1])
    assert (branches[1].real < 0).all()
    assert (branches[3].real > 0).sum() == 2
    critical = branches[2][np.abs(branches[2].imag) > 1]
    np.testing.assert_allclose(np.sort_complex(critical), [-1j * np.sqrt(2), 1j * np.sqrt(2)], atol=1e-9)


def test_pictures_show_what_was_computed() -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    problem, c, (_, w, _, v) = motor()
    model = sn.linearize(problem, inputs=[v], outputs=[w]).state_space
    gain, phase = model.bode(omega=[0.01, 1.0, 1e4])
    levels = gain.lines[0].get_ydata()
    assert levels[0] == pytest.approx(20 * np.log10(c["k"] / (c["R"] * c["b"] + c["k"] ** 2)), abs=1e-3)
    assert phase.lines[0].get_ydata()[-1] == pytest.approx(-180, abs=1)
    axes = model.root_locus([0.0, 1.0, 10.0])
    np.testing.assert_allclose(axes.lines[2].get_xdata(), model.poles.real)
    plt.close("all")


def test_bad_inputs_and_outputs() -> None:
    problem, _, (_, w, power, v) = motor()
    with pytest.raises(ModelError, match="w is not a parameter of motor"):
        sn.linearize(problem, inputs=[w])
    model = sn.linearize(problem, inputs=[v], outputs=[w, power]).state_space
    with pytest.raises(ModelError, match="choose one output of w, power, not None"):
        model.zeros()


def test_python_control_gets_the_same_model() -> None:
    control = pytest.importorskip("control")
    problem, _, (_, w, _, v) = motor()
    model = sn.linearize(problem, inputs=[v], outputs=[w]).state_space
    np.testing.assert_allclose(np.sort(control.poles(model.to_control())), np.sort(model.poles), rtol=1e-10)
