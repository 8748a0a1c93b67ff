"""Lumped heat: temperatures T in kelvin; a heat flow Q in watts counts positive into an element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import symnum as sn

STEFAN_BOLTZMANN = 5.670374419e-8  # W/(m^2 K^4), CODATA 2018


class HeatPort(sn.Connector):
    """Where bodies touch: temperature, and heat flow into the element."""

    T = sn.potential(unit="K")
    Q = sn.flow(unit="W")


class HeatCapacitor(sn.Component):
    """A body of one temperature: C dT/dt = Q."""

    port = HeatPort()
    C = sn.parameter(1.0, unit="J/K", about="heat capacity")
    T = sn.variable(unit="K", start=293.15)

    def equations(self) -> Sequence[Any]:
        return [self.port.T == self.T, self.C * sn.D(self.T) == self.port.Q]


class HeatPath(sn.Component):
    """What paths between two ports share: the heat flow Q from a to b."""

    a, b = HeatPort(), HeatPort()
    Q = sn.variable(unit="W")

    def ports(self) -> list[Any]:
        return [self.a.Q == self.Q, self.b.Q == -self.Q]


class ThermalConductor(HeatPath):
    """Q = G (T_a - T_b): conduction, or convection with G = h A."""

    G = sn.parameter(1.0, unit="W/K", about="conductance")

    def equations(self) -> Sequence[Any]:
        return [*self.ports(), self.Q == self.G * (self.a.T - self.b.T)]


class Convection(HeatPath):
    """Q = conductance (T_a - T_b), with a conductance that an equation of the system gives."""

    conductance = sn.variable(unit="W/K")

    def equations(self) -> Sequence[Any]:
        return [*self.ports(), self.conductance * (self.a.T - self.b.T) == self.Q]


class Radiation(HeatPath):
    """Q = sigma Gr (T_a^4 - T_b^4), with Stefan and Boltzmann's sigma."""

    Gr = sn.parameter(1.0, unit="m^2", about="area times emissivity and view factor")
    sigma = sn.parameter(STEFAN_BOLTZMANN, unit="W/(m^2*K^4)")

    def equations(self) -> Sequence[Any]:
        return [*self.ports(), self.sigma * self.Gr * (self.a.T**4 - self.b.T**4) == self.Q]


class FixedTemperature(sn.Component):
    """A body so large that its temperature stays."""

    port = HeatPort()
    T = sn.parameter(293.15, unit="K")

    def equations(self) -> Sequence[Any]:
        return [self.port.T == self.T]


class SignalTemperature(sn.Component):
    """A temperature that an equation of the system gives."""

    port = HeatPort()
    signal = sn.variable(unit="K")

    def equations(self) -> Sequence[Any]:
        return [self.signal == self.port.T]


class HeatSource(sn.Component):
    """The heat flow ``Q`` into what it touches."""

    port = HeatPort()
    Q = sn.parameter(1.0, unit="W")

    def equations(self) -> Sequence[Any]:
        return [self.port.Q == -self.Q]


class SignalHeat(sn.Component):
    """The heat flow ``signal`` into what it touches, which an equation of the system gives."""

    port = HeatPort()
    signal = sn.variable(unit="W")

    def equations(self) -> Sequence[Any]:
        return [-self.signal == self.port.Q]
