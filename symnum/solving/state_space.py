"""A linear model between inputs and outputs, x' = A x + B v and y = C x + D v: zeros, responses, pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.record import record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["StateSpace"]

FloatArray: TypeAlias = NDArray[np.float64]
ComplexArray: TypeAlias = NDArray[np.complex128]

_INFINITE = 1e8  # times the size of the matrices: zeros beyond it are at infinity


@record
class StateSpace:
    """A (n, n), B (n, inputs), C (outputs, n), D (outputs, inputs), in deviations from the point.

    states, inputs, outputs: their names. Where a method takes ``output`` and ``input``, these are names, or
    may be left out where there is only one.
    """

    A: FloatArray
    B: FloatArray
    C: FloatArray
    D: FloatArray
    states: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def poles(self) -> ComplexArray:
        """(n,) eigenvalues of A, those with the largest real part first."""
        values = np.linalg.eigvals(self.A).astype(complex)
        result: ComplexArray = values[np.lexsort((-values.imag, -values.real))]
        return result

    def zeros(self, output: Any = None, input: Any = None) -> ComplexArray:
        """The finite s at which nothing passes from the input to the output.

        They are the finite eigenvalues of the pencil [[A, B], [C, D]] - s [[I, 0], [0, 0]]: A. Emami-Naeini,
        P. Van Dooren, Automatica 18 (1982) 415.
        """
        from scipy.linalg import eigvals

        one = self.single(output, input)
        n = len(one.A)
        pencil = np.block([[one.A, one.B], [one.C, one.D]])
        mass = np.zeros_like(pencil)
        mass[:n, :n] = np.eye(n)
        with np.errstate(all="ignore"):
            found = eigvals(pencil, mass)
        size = max(1.0, float(np.abs(pencil).max(initial=0.0)))
        finite = found[np.isfinite(found) & (np.abs(found) < _INFINITE * size)].astype(complex)
        result: ComplexArray = finite[np.lexsort((-finite.imag, -finite.real))]
        return result

    def single(self, output: Any = None, input: Any = None) -> StateSpace:
        """The part between one input and one output."""
        i, j = _place(self.outputs, output, "output"), _place(self.inputs, input, "input")
        return StateSpace(
            self.A, self.B[:, [j]], self.C[[i]], self.D[[i]][:, [j]], self.states, (self.inputs[j],),
            (self.outputs[i],),
        )  # fmt: skip

    def response(
        self, omega: Sequence[float] | FloatArray, output: Any = None, input: Any = None
    ) -> ComplexArray:
        """(len(omega),) C (i omega - A)^-1 B + D at angular frequencies in rad per unit of time."""
        one = self.single(output, input)
        n = len(one.A)
        s = 1j * np.asarray(omega, float).reshape(-1)
        inner = np.linalg.solve(
            s[:, None, None] * np.eye(n) - one.A, np.broadcast_to(one.B, (len(s), n, 1))
        )
        result: ComplexArray = (one.C @ inner + one.D)[:, 0, 0].astype(complex)
        return result

    def to_scipy(self) -> Any:
        """As `scipy.signal.StateSpace`."""
        from scipy import signal

        return signal.StateSpace(self.A, self.B, self.C, self.D)

    def transfer_function(self, output: Any = None, input: Any = None) -> Any:
        """As `scipy.signal.TransferFunction`, from zeros, poles and one value: a ratio of polynomials.

        Coefficients of polynomials lose digits with their degree; beyond some twenty states keep `to_scipy`.
        """
        from scipy import signal

        one = self.single(output, input)
        zeros, poles = one.zeros(), one.poles
        top, bottom = np.atleast_1d(np.poly(zeros)), np.atleast_1d(np.poly(poles))
        # the gain at a point away from all zeros and poles
        s = 1.0 + 2 * float(np.abs(np.concatenate([zeros, poles, [0.0]])).max())
        value = (one.C @ np.linalg.solve(s * np.eye(len(one.A)) - one.A, one.B) + one.D)[0, 0]
        ratio = np.polyval(top, s) / np.polyval(bottom, s)
        return signal.TransferFunction(np.real(top * (value / ratio)), np.real(bottom))

    def to_control(self) -> Any:
        """As `control.StateSpace` of python-control, with names. ModelError where that is not installed."""
        try:
            import control
        except ImportError as error:
            raise ModelError("to_control needs python-control: pip install control") from error
        named = {"states": list(self.states), "inputs": list(self.inputs), "outputs": list(self.outputs)}
        return control.StateSpace(self.A, self.B, self.C, self.D, **named)

    def bode(
        self, omega: Sequence[float] | FloatArray | None = None, output: Any = None, input: Any = None,
        axes: Sequence[Axes] | None = None,
    ) -> Any:  # fmt: skip
        """Gain in dB and phase in degrees over the angular frequency; returns the two axes of matplotlib.

        Without ``omega`` two decades beyond the slowest and the fastest pole or zero.
        """
        one = self.single(output, input)
        at = one._frequencies() if omega is None else np.asarray(omega, float)
        found = one.response(at)
        gain, phase = axes if axes is not None else _plots(2)
        gain.semilogx(at, 20 * np.log10(np.maximum(np.abs(found), 1e-300)))
        gain.set_ylabel("gain / dB")
        gain.set_title(f"{one.inputs[0]} to {one.outputs[0]}")
        phase.semilogx(at, np.degrees(np.unwrap(np.angle(found))))
        phase.set_ylabel("phase / degrees")
        phase.set_xlabel("angular frequency")
        for each in (gain, phase):
            each.grid(True, which="both", alpha=0.3)
        return gain, phase

    def closed_loop_poles(
        self, gains: Sequence[float] | FloatArray, output: Any = None, input: Any = None
    ) -> ComplexArray:
        """(gains, n) poles with the feedback v = -gain y, branch by branch along the columns."""
        from scipy.optimize import linear_sum_assignment

        one = self.single(output, input)
        found: list[ComplexArray] = []
        for gain in np.asarray(gains, float).reshape(-1):
            through = 1.0 + gain * one.D[0, 0]
            if through == 0.0:
                raise ModelError(f"closed_loop_poles: with the gain {gain:g} the loop has no solution")
            poles = np.linalg.eigvals(one.A - gain / through * one.B @ one.C).astype(complex)
            if found:
                rows, columns = linear_sum_assignment(np.abs(found[-1][:, None] - poles[None, :]))
                poles = poles[columns[np.argsort(rows)]]
            found.append(poles)
        return np.array(found)

    def root_locus(
        self, gains: Sequence[float] | FloatArray | None = None, output: Any = None, input: Any = None,
        ax: Axes | None = None,
    ) -> Any:  # fmt: skip
        """Where the poles go with the feedback v = -gain y; returns the axes of matplotlib."""
        one = self.single(output, input)
        at = np.concatenate([[0.0], np.logspace(-3, 3, 400)]) if gains is None else np.asarray(gains, float)
        branches = one.closed_loop_poles(at)
        axes = _plots(1)[0] if ax is None else ax
        axes.plot(branches.real, branches.imag, linewidth=1)
        axes.plot(one.poles.real, one.poles.imag, "x", color="black", label="poles")
        zeros = one.zeros()
        axes.plot(zeros.real, zeros.imag, "o", color="black", fillstyle="none", label="zeros")
        axes.axvline(0, color="0.7", linewidth=0.7)
        axes.set_xlabel("real part")
        axes.set_ylabel("imaginary part")
        axes.set_title(f"{one.inputs[0]} = -gain * {one.outputs[0]}")
        axes.legend()
        return axes

    def _frequencies(self) -> FloatArray:
        corners = np.abs(np.concatenate([self.poles, self.zeros()]))
        corners = corners[corners > 1e-9]
        low, high = (corners.min(), corners.max()) if len(corners) else (1.0, 1.0)
        return np.logspace(np.log10(low) - 2, np.log10(high) + 2, 600)

    def __repr__(self) -> str:
        return (
            f"<StateSpace: {len(self.states)} states, inputs {', '.join(self.inputs) or 'none'}, "
            f"outputs {', '.join(self.outputs) or 'none'}>"
        )


def _place(names: tuple[str, ...], wanted: Any, kind: str) -> int:
    if wanted is None and len(names) == 1:
        return 0
    if wanted is None or str(wanted) not in names:
        raise ModelError(
            f"linearize: choose one {kind} of {', '.join(names) or 'none'}, not {wanted}; give them by "
            f"linearize(..., {kind}s=[...])"
        )
    return names.index(str(wanted))


def _plots(count: int) -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ModelError('pictures need matplotlib: pip install "symnum-modeling[plot]"') from error
    axes = plt.subplots(count, sharex=True, layout="constrained")[1]
    return axes if count > 1 else [axes]
