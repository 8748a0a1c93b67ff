"""Complex fields: equations with 1j, conditions, starts and solutions as complex arrays."""

from __future__ import annotations

import numpy as np

import symnum as sn

D, pi = sn.D, np.pi


def test_a_plane_wave_of_ginzburg_and_landau() -> None:
    """A_t = A + (1 + i b) A_xx - (1 + i c) |A|^2 A; A = sqrt(1 - q^2) exp(i (q x - (c + (b - c) q^2) t))."""
    b, c, q = 0.7, -0.4, 0.5
    x = sn.coordinate("x", 0, 2 * pi / q, periodic=True)
    A = sn.field("A", x, complex=True)
    height = np.sqrt(1 - q**2)
    model = sn.PDE(
        "landau",
        [D(A) == A + (1 + 1j * b) * D(A, x, 2) - (1 + 1j * c) * abs(A) ** 2 * A],
        initial={A: height * sn.exp(1j * q * x)},
    )
    system = sn.discretize(model, {x: sn.Fourier(8)})
    run = sn.solve(sn.Problem(system, span=(0, 3)), rtol=1e-10, atol=1e-12, saveat=[0, 3])
    places = 2 * pi / q * np.arange(8) / 8
    expected = height * np.exp(1j * (q * places - (c + (b - c) * q**2) * 3))
    np.testing.assert_allclose(run[A][-1], expected, atol=1e-9)
    np.testing.assert_array_equal(run["A"], run[A])
    np.testing.assert_allclose(run[abs(A) ** 2][-1], height**2, atol=1e-9)
    assert run[D(A)].dtype == complex
    np.testing.assert_allclose(run[D(A)][0], -1j * (c + (b - c) * q**2) * run[A][0], atol=1e-12)


def test_a_particle_in_a_box() -> None:
    """i psi_t = -psi_xx, psi = 0 at the walls; integrals of both parts; the start is an array."""
    x = sn.coordinate("x", 0, 1)
    psi = sn.field("psi", x, complex=True)
    norm, overlap = sn.variable("norm", start=0), sn.variable("overlap", start=0)
    model = sn.PDE(
        "box",
        [
            1j * D(psi) == -D(psi, x, 2),
            D(norm) == sn.integral(abs(psi) ** 2, x),
            D(overlap) == sn.integral(sn.real(sn.conj(psi) * D(psi, x)), x),
        ],
        boundary=[psi.at(x, 0) == 0, psi.at(x, 1) == 0],
    )
    places = sn.Chebyshev(20).places(0, 1)
    start = (1 - 2j) * np.sin(pi * places) + 1j * np.sin(2 * pi * places)
    problem = sn.Problem(sn.discretize(model, {x: sn.Chebyshev(20)}), {psi: start}, span=(0, 1))
    run = sn.solve(problem, "Rodas5P", rtol=1e-10, atol=1e-12, saveat=[0, 1])
    expected = (1 - 2j) * np.sin(pi * places) * np.exp(-1j * pi**2)
    expected = expected + 1j * np.sin(2 * pi * places) * np.exp(-4j * pi**2)
    np.testing.assert_allclose(run[psi][-1], expected, atol=2e-7)
    np.testing.assert_allclose(run[norm][-1], (5 + 1) / 2, rtol=1e-8)
    np.testing.assert_allclose(run[overlap][-1], 0, atol=1e-8)  # half of what |psi|^2 differs at the walls


def test_a_moving_wall_and_a_phase_that_turns() -> None:
    """psi = exp(i (2 x - 4 t)): a given value that turns, and a condition on value and slope."""
    x = sn.coordinate("x", 0, 1)
    psi = sn.field("psi", x, complex=True)
    model = sn.PDE(
        "wave",
        [1j * D(psi) + D(psi, x, 2) == 0],
        boundary=[psi.at(x, 0) == sn.exp(-4j * sn.t), (D(psi, x) - 2j * psi).at(x, 1) == 0],
        initial={psi: sn.exp(2j * x)},
    )
    system = sn.discretize(model, {x: sn.Chebyshev(16)})
    run = sn.solve(sn.Problem(system, span=(0, 0.5)), "Rodas5P", rtol=1e-10, atol=1e-12, saveat=[0, 0.5])
    places = sn.Chebyshev(16).places(0, 1)
    np.testing.assert_allclose(run[psi][-1], np.exp(1j * (2 * places - 2)), atol=1e-8)
