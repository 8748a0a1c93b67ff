"""Controllers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import symnum as sn


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
