"""Bodies that attract each other, and the pendulum as constrained motion."""

from __future__ import annotations

import symnum as sn
from symnum.solving.problem import Problem

D = sn.D


def arenstorf() -> Problem:
    """A satellite between earth and moon, in turning coordinates, on an orbit that closes after one period.

    Parameter mu, the moon's share of the mass. Hairer, Norsett & Wanner I, (II.0.1) and (II.0.2).
    """
    x, y, vx, vy = sn.variables("x y vx vy")
    (mu,) = sn.parameters(mu=0.012277471)
    earth = ((x + mu) ** 2 + y**2) ** 1.5
    moon = ((x - (1 - mu)) ** 2 + y**2) ** 1.5
    equations = [
        D(x) == vx,
        D(y) == vy,
        D(vx) == x + 2 * vy - (1 - mu) * (x + mu) / earth - mu * (x - (1 - mu)) / moon,
        D(vy) == y - 2 * vx - (1 - mu) * y / earth - mu * y / moon,
    ]
    start = {x: 0.994, y: 0.0, vx: 0.0, vy: -2.0015851063790824}
    return sn.Problem(sn.System("arenstorf", equations), start, span=(0, 17.065216560157964))


class Star(sn.Component):
    """A point of mass m in the plane; what pulls it is given to the system."""

    m = sn.parameter(1.0)
    x, y = sn.variable(), sn.variable()
    vx, vy = sn.variable(), sn.variable()

    def equations(self) -> list[sn.Equation]:
        return [D(self.x) == self.vx, D(self.y) == self.vy]


def pleiades() -> Problem:
    """Seven stars in the plane with masses 1 ... 7, some of which come very close to each other.

    Hairer, Norsett & Wanner I, (II.10.2).
    """
    starts = zip(
        (3, 3, -1, -3, 2, -2, 2),
        (3, -3, 2, 0, 0, -4, 4),
        (0, 0, 0, 0, 0, 1.75, -1.5),
        (0, 0, 0, -1.25, 1, 0, 0),
        strict=True,
    )
    stars = [
        Star(f"star{i}", m=float(i), x=float(x), y=float(y), vx=float(vx), vy=float(vy))
        for i, (x, y, vx, vy) in enumerate(starts, 1)
    ]
    equations = []
    for star in stars:
        pulls = [
            (other.m / ((other.x - star.x) ** 2 + (other.y - star.y) ** 2) ** 1.5, other)
            for other in stars
            if other is not star
        ]
        equations.append(D(star.vx) == sum(pull * (other.x - star.x) for pull, other in pulls))
        equations.append(D(star.vy) == sum(pull * (other.y - star.y) for pull, other in pulls))
    return sn.Problem(sn.System("pleiades", equations, parts=stars), span=(0, 3))


def pendulum(end: float = 10.0) -> Problem:
    """A point on the unit circle that falls from the horizontal: index 3, `tension` is its multiplier.

    Parameter g. Hairer & Wanner II, (VII.1.13).
    """
    x, y, vx, vy, tension = sn.variables("x y vx vy tension")
    (g,) = sn.parameters(g=9.81)
    equations = [
        D(x) == vx,
        D(y) == vy,
        D(vx) == -tension * x,
        D(vy) == -tension * y - g,
        x**2 + y**2 == 1,
    ]
    return sn.Problem(sn.System("pendulum", equations), {x: 1.0, y: 0.0, vx: 0.0, vy: 0.0}, span=(0, end))
