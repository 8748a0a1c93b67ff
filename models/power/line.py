"""Line: a line or a transformer as a pi section."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import symnum as sn
from symnum.models.power.connectors import Terminal


class Line(sn.Component):
    """Pi section with an ideal transformer at its start, ratio ``tap * exp(j phase)``.

    With series admittance y, end admittances y1, y2 and m = tap exp(j phase), the currents into the ends are

        I1 = (y + y1)/tap^2 V1 - y/conj(m) V2 ,    I2 = (y + y2) V2 - y/m V1 ,

    times ``closed``, which an event sets to 0 to trip the line. ``b`` and ``g`` are shared by the ends.
    ``guard`` is added to r and to x: 0 in a model of one's own, 1e-8 where results of ANDES are to be met,
    which protects its divisions that way.
    """

    start, end = Terminal(), Terminal()
    r = sn.parameter(0.0, unit="pu", about="series resistance")
    x = sn.parameter(unit="pu", about="series reactance")
    b = sn.parameter(0.0, unit="pu", about="shunt susceptance, half at each end")
    g = sn.parameter(0.0, unit="pu", about="shunt conductance, half at each end")
    b1 = sn.parameter(0.0, unit="pu", about="further susceptance at the start")
    g1 = sn.parameter(0.0, unit="pu", about="further conductance at the start")
    b2 = sn.parameter(0.0, unit="pu", about="further susceptance at the end")
    g2 = sn.parameter(0.0, unit="pu", about="further conductance at the end")
    tap = sn.parameter(1.0, unit="pu", about="off-nominal ratio of the transformer at the start")
    phase = sn.parameter(0.0, unit="rad", about="phase shift of the transformer at the start")
    guard = sn.parameter(0.0, unit="pu", about="added to r and x, see above")
    closed = sn.parameter(1.0, unit="1", about="1 in service, 0 tripped")

    def equations(self) -> Sequence[Any]:
        r, x = self.r + self.guard, self.x + self.guard
        conductance = self.closed * r / (r**2 + x**2)
        susceptance = -self.closed * x / (r**2 + x**2)
        cosine, sine = sn.cos(self.phase) / self.tap, sn.sin(self.phase) / self.tap
        # y / conj(m) couples the start to the end, y / m the end to the start
        g12, b12 = conductance * cosine - susceptance * sine, susceptance * cosine + conductance * sine
        g21, b21 = conductance * cosine + susceptance * sine, susceptance * cosine - conductance * sine
        g11 = (conductance + self.closed * (self.g1 + self.g / 2)) / self.tap**2
        b11 = (susceptance + self.closed * (self.b1 + self.b / 2)) / self.tap**2
        g22 = conductance + self.closed * (self.g2 + self.g / 2)
        b22 = susceptance + self.closed * (self.b2 + self.b / 2)
        p, q = self.start, self.end
        return [
            p.i_re == g11 * p.v_re - b11 * p.v_im - g12 * q.v_re + b12 * q.v_im,
            p.i_im == b11 * p.v_re + g11 * p.v_im - b12 * q.v_re - g12 * q.v_im,
            q.i_re == g22 * q.v_re - b22 * q.v_im - g21 * p.v_re + b21 * p.v_im,
            q.i_im == b22 * q.v_re + g22 * q.v_im - b21 * p.v_re - g21 * p.v_im,
        ]
