"""Controllers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import symnum as sn
from symnum.rewriting.operators import equal


class PID(sn.Component):
    """y = k (e + (1/Ti) integral of e + Td d(e)/dt), e = set - u, with the derivative behind a low-pass.

    The output is held within [low, high]; while it is, the integral is drawn back with the time constant Tt
    (back-calculation; K. J. Astrom, T. Hagglund, PID Controllers, 2nd ed. 1995, section 3.5). The derivative
    acts on ``weight`` times the set point less u; its low-pass has the time constant Td/N.
    """

    set = sn.variable(about="set point")
    u = sn.variable(about="measured value")
    y = sn.variable(about="control signal")
    error = sn.variable()
    wanted = sn.variable(about="control signal without its bounds")
    integral, slow = sn.variable(start=0.0), sn.variable(start=0.0)
    k = sn.parameter(1.0)
    Ti = sn.parameter(1.0, unit="s")
    Td = sn.parameter(0.0, unit="s")
    N = sn.parameter(10.0, unit="1")
    Tt = sn.parameter(1.0, unit="s")
    weight = sn.parameter(0.0, unit="1")
    low, high = sn.parameter(-1e9), sn.parameter(1e9)

    def equations(self) -> Sequence[Any]:
        followed = self.weight * self.set - self.u
        # Td/N of the low-pass is kept away from 0, where there is no derivative part either
        time = self.Td / self.N + 1e-6
        return [
            self.error == self.set - self.u,
            time * sn.D(self.slow) == followed - self.slow,
            self.wanted == self.k * (self.error + self.Td * (followed - self.slow) / time) + self.integral,
            self.y == sn.clip(self.wanted, self.low, self.high),
            sn.D(self.integral) == self.k / self.Ti * self.error + (self.y - self.wanted) / self.Tt,
        ]


class SampledPID(sn.Component):
    """A PID controller that looks at ``u`` every ``period`` and holds its output ``y`` in between.

    With e = set - u at sample n: y_n = k (e_n + s_n + Td/period (e_n - e_(n-1))), where the sum is
    s_n = s_(n-1) + period/Ti e_n; y is held within [low, high], and while it is at a bound, s stays
    (conditional integration; Astrom, Hagglund, PID Controllers, 2nd ed. 1995, sections 3.5 and 3.6).
    ``e`` begins as 0. The samples are at 0, period, ....
    """

    set = sn.variable(about="set point")
    u = sn.variable(about="measured value")
    y = sn.variable(about="control signal")
    k = sn.parameter(1.0)
    Ti = sn.parameter(1.0, unit="s")
    Td = sn.parameter(0.0, unit="s")
    low, high = sn.parameter(-1e9), sn.parameter(1e9)
    period = sn.parameter(0.1, unit="s")
    samples = sn.parameter(0.0, unit="1", about="how many there have been")
    held = sn.parameter(0.0, about="control signal since the last sample")
    error = sn.parameter(0.0, about="error at the last sample")
    sum = sn.parameter(0.0, about="sum of the errors, times period/Ti")

    def equations(self) -> Sequence[Any]:
        return [self.y == self.held]

    def events(self) -> Sequence[sn.Event]:
        error = self.set - self.u
        total = self.sum + self.period / self.Ti * error
        wanted = self.k * (error + total + self.Td / self.period * (error - self.error))
        held = sn.clip(wanted, self.low, self.high)
        then = {
            self.held: held,
            self.error: error,
            self.sum: sn.ifelse(equal(held, wanted), total, self.sum),
            self.samples: self.samples + 1,
        }
        due = sn.t >= self.samples * self.period
        return [sn.Event(trigger=due, then=then, initially=False, name=f"{self.path}: sample")]
