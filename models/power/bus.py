"""Buses: where terminals meet, and the infinite bus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import symnum as sn
from symnum.models.power.connectors import Frame, Terminal


class Bus(sn.Component):
    """A node of the network, with its voltage in the forms that one wants to see.

    ``v_re`` and ``v_im`` are in the frame of the centre of inertia, the angle ``a`` in the synchronous frame.
    """

    terminal = Terminal()
    frame = Frame()
    v_re = sn.variable(unit="pu", guess=1.0, about="real part of the voltage")
    v_im = sn.variable(unit="pu", guess=0.0, about="imaginary part of the voltage")
    v = sn.variable(unit="pu", about="voltage magnitude")
    a = sn.variable(unit="rad", about="voltage angle in the synchronous frame")

    def equations(self) -> Sequence[Any]:
        return [
            self.terminal.v_re == self.v_re,
            self.terminal.v_im == self.v_im,
            self.terminal.i_re == 0,
            self.terminal.i_im == 0,
            self.frame.momentum == 0,
            self.v == sn.sqrt(self.v_re**2 + self.v_im**2),
            self.a == sn.atan2(self.v_im, self.v_re) + self.frame.angle,
        ]


class InfiniteBus(sn.Component):
    """A grid so large that nothing moves it: it holds its voltage, and the frame at nominal speed.

    It stands for `Bus` and for the centre of inertia at once.
    """

    terminal = Terminal()
    frame = Frame()
    v = sn.parameter(1.0, unit="pu", about="voltage magnitude")
    a = sn.parameter(0.0, unit="rad", about="voltage angle")

    def equations(self) -> Sequence[Any]:
        return [
            self.terminal.v_re == self.v * sn.cos(self.a),
            self.terminal.v_im == self.v * sn.sin(self.a),
            self.frame.slip == 0,
            self.frame.angle == 0,
        ]
