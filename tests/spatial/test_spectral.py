"""Spectral schemes: their matrices, what they do in several dimensions, and that Jacobians stay exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.lowering.schemes.spectral import Spectral

D, pi = sn.D, np.pi


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("points", [15, 16])
def test_derivatives_of_waves_and_polynomials(order: int, points: int) -> None:
    low, high = -1.0, 2.5
    ring = sn.Fourier(points)
    x = ring.places(low, high)
    k = 2 * pi / (high - low) * 5
    expected = k**order * np.sin(k * x + 1 + order * pi / 2)
    found = ring.differentiation(low, high, order) @ np.sin(k * x + 1)
    np.testing.assert_allclose(found, expected, atol=1e-11 * k**order)
    chebyshev = sn.Chebyshev(points)
    x = chebyshev.places(low, high)
    assert (x[0], x[-1]) == (low, high)
    polynomial = np.polynomial.Polynomial(np.cos(np.arange(points)))  # of the highest degree that is exact
    found = chebyshev.differentiation(low, high, order) @ polynomial(x)
    expected = polynomial.deriv(order)(x)
    np.testing.assert_allclose(found, expected, atol=1e-12 * points ** (2 * order) * abs(polynomial(x)).max())


@pytest.mark.parametrize(
    "scheme", [sn.Fourier(16), sn.Fourier(15), sn.Chebyshev(17), sn.Chebyshev(16)], ids=str
)
def test_values_between_points_and_integrals(scheme: Spectral) -> None:
    low, high = 0.0, 3.0
    x = scheme.places(low, high)
    if isinstance(scheme, sn.Fourier):
        k = 2 * pi / 3
        f, area = lambda q: 2 + np.cos(3 * k * q + 0.4), 6.0
    else:
        f, area = lambda q: q**5 - 2 * q, 3.0**6 / 6 - 9
    for place in (0.123, 1.5, 2.999, float(x[4])):
        assert scheme.interpolation(low, high, place) @ f(x) == pytest.approx(f(place), abs=1e-11)
    assert scheme.weights(low, high) @ f(x) == pytest.approx(area, rel=1e-13)


def test_two_thirds_of_the_waves_are_kept() -> None:
    scheme = sn.Fourier(24)
    x = scheme.places(0, 2 * pi)
    cut = scheme.differentiation(0, 2 * pi, 0, filtered=True)
    for wave in range(13):
        expected = np.cos(wave * x) if wave <= 8 else 0 * x
        np.testing.assert_allclose(cut @ np.cos(wave * x), expected, atol=1e-13)
    np.testing.assert_allclose(cut @ cut, cut, atol=1e-13)
    packed = sn.Chebyshev(13)
    projection = packed.differentiation(-1, 1, 0, filtered=True)
    q = packed.places(-1, 1)
    for degree in range(13):
        expected = np.cos(degree * np.arccos(q)) if degree <= 8 else 0 * q
        np.testing.assert_allclose(projection @ np.cos(degree * np.arccos(q)), expected, atol=1e-12)


def burgers(product: bool) -> sn.PDE:
    x = sn.coordinate("x", 0, 2 * pi, periodic=True)
    u = sn.field("u", x)
    (nu,) = sn.parameters(nu=0.05)
    transport = u * D(u, x) if product else D(u**2 / 2, x)
    return sn.PDE("burgers", [D(u) + transport == nu * D(u, x, 2)], initial={u: sn.sin(x) + sn.cos(2 * x)})


@pytest.mark.parametrize("product", [False, True], ids=["flux", "product"])
@pytest.mark.parametrize("dealias", [False, True])
def test_right_hand_side_and_jacobian(product: bool, dealias: bool) -> None:
    """Against transforms by NumPy; the Jacobian against differences in the direction of every unknown."""
    n = 24
    model = burgers(product)
    compiled = sn.compile(sn.discretize(model, {model.x: sn.Fourier(n, dealias)}))
    assert len(compiled.states) == n
    p = np.array([0.05])
    kept = abs(np.fft.fftfreq(n, 1 / n)) <= (n // 3 if dealias else n)
    k = 1j * np.fft.fftfreq(n, 1 / n) * (np.arange(n) != n // 2)

    def expected(u: Any) -> Any:
        if product:
            transport = np.fft.ifft(kept * np.fft.fft(u * np.fft.ifft(k * np.fft.fft(u)).real))
        else:
            transport = np.fft.ifft(kept * k * np.fft.fft(u**2 / 2))
        second = np.fft.ifft(-(np.fft.fftfreq(n, 1 / n) ** 2) * np.fft.fft(u)).real
        return -transport.real + 0.05 * second

    u = np.random.default_rng(3).standard_normal(n)
    np.testing.assert_allclose(compiled.rhs(0, u, p), expected(u), atol=1e-12)
    jacobian = compiled.jacobian(0, u, p).toarray()
    for j, direction in enumerate(np.eye(n)):  # quadratic in u, so that central differences are exact
        slope = (expected(u + direction) - expected(u - direction)) / 2
        np.testing.assert_allclose(jacobian[:, j], slope, atol=1e-11)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_back_ends_agree(backend: str) -> None:
    model = burgers(True)
    system = sn.discretize(model, {model.x: sn.Fourier(12, dealias=True)})
    ours, other = sn.compile(system), sn.compile(system, backend=backend)
    u, p = np.random.default_rng(1).standard_normal(12), np.array([0.05])
    np.testing.assert_allclose(other.rhs(0, u, p), ours.rhs(0, u, p), atol=1e-13)
    np.testing.assert_allclose(
        other.jacobian(0, u, p).toarray(), ours.jacobian(0, u, p).toarray(), atol=1e-13
    )


@pytest.mark.parametrize("across", [sn.Chebyshev(14), sn.Central(41, 4)], ids=str)
def test_a_channel(across: Any) -> None:
    """Periodic along, walls across; a flux whose coefficient varies along both, a mixed derivative."""
    x, y = sn.coordinate("x", 0, 2 * pi, periodic=True), sn.coordinate("y", 0, 1)
    u = sn.field("u", x, y)
    k = 2 + sn.cos(x) * y
    operator = D(k * D(u, x), x) + D(u, y, 2) + D(u, x, y)
    source = sn.exp(-sn.t) * (
        -sn.sin(x) - D(k * sn.cos(x), x) - sn.sin(x) - sn.cos(x)
    ) * sn.exp(y)
    model = sn.PDE(
        "channel",
        [D(u) == operator + source],
        boundary=[u.at(y, 0) == sn.exp(-sn.t) * sn.sin(x), (D(u, y) - u).at(y, 1) == 0],
        initial={u: sn.sin(x) * sn.exp(y)},
    )
    problem = sn.Problem(sn.discretize(model, {x: sn.Fourier(10), y: across}), span=(0, 0.5))
    run = sn.solve(problem, "Rodas5P", rtol=1e-9, atol=1e-11, saveat=[0, 0.5])
    mesh = np.meshgrid(2 * pi * np.arange(10) / 10, _points(across), indexing="ij")
    expected = np.exp(-0.5) * np.sin(mesh[0]) * np.exp(mesh[1])
    assert abs(run[u][-1] - expected).max() < (1e-8 if isinstance(across, sn.Chebyshev) else 2e-6)


def _points(scheme: Any) -> Any:
    return scheme.places(0, 1) if isinstance(scheme, sn.Chebyshev) else np.linspace(0, 1, scheme.points)


def test_integrals_and_places_between_points() -> None:
    """The mean of a field and its value at a point drive ordinary equations."""
    x = sn.coordinate("x", -1, 1)
    u = sn.field("u", x)
    total, there = sn.variable("total", start=0), sn.variable("there", start=0)
    model = sn.PDE(
        "decay",
        [
            D(u) == D(u, x, 2) - 2 * u,
            D(total) == sn.integral(u, x),
            D(there) == D(u, x).at(x, 0.3),
        ],
        boundary=[u.at(x, -1) == sn.exp(-1 - sn.t), D(u, x).at(x, 1) == sn.exp(1 - sn.t)],
        initial={u: sn.exp(x)},
    )
    run = sn.solve(
        sn.Problem(sn.discretize(model, {x: sn.Chebyshev(16)}), span=(0, 1)), "Rodas5P",
        rtol=1e-10, atol=1e-12, saveat=[0, 1],
    )  # fmt: skip
    gone = 1 - np.exp(-1)
    assert run[total][-1] == pytest.approx(gone * (np.exp(1) - np.exp(-1)), rel=1e-9)
    assert run[there][-1] == pytest.approx(gone * np.exp(0.3), rel=1e-9)
