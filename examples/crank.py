"""A crank that drives a slide: rigid bodies with a closed loop, an index-3 system.

Prints what lowering made of it, simulates some turns, and compares the slide with the cosine law.
"""

import numpy as np

import symnum as sn
from symnum.models.mechanical import planar

RADIUS, LENGTH = 0.3, 1.0


def slider_crank() -> sn.System:
    world, pin, crank = planar.World("world"), planar.Revolute("pin"), planar.Rod("crank", rx=RADIUS)
    elbow, rod, wrist = planar.Revolute("elbow"), planar.Rod("rod", rx=LENGTH), planar.Revolute("wrist")
    slide = planar.Prismatic("slide", d=0.2)
    wheel, piston = planar.Body("wheel", m=1.0, J=0.2), planar.Body("piston", m=0.5, J=0.1)
    return sn.System(
        "slider_crank",
        [
            sn.connect(world.frame, pin.a, slide.a),
            sn.connect(pin.b, crank.a, wheel.frame),
            sn.connect(crank.b, elbow.a),
            sn.connect(elbow.b, rod.a),
            sn.connect(rod.b, wrist.a),
            sn.connect(wrist.b, slide.b, piston.frame),
        ],
    )


def main() -> None:
    system = slider_crank()
    report = sn.explain(system)
    print(f"{report.name}: index {report.index}, {report.degrees_of_freedom} degrees of freedom")
    # the crank stands at half a radian and turns; the loop is closed where the rest fits it
    tilt = -np.arcsin(RADIUS * np.sin(0.5) / LENGTH)
    reach = RADIUS * np.cos(0.5) + np.sqrt(LENGTH**2 - (RADIUS * np.sin(0.5)) ** 2)
    start = {
        "pin.angle": 0.5,
        "pin.speed": 8.0,
        "elbow.angle": tilt - 0.5,
        "wrist.angle": -tilt,
        "slide.s": reach,
    }
    solution = sn.solve(sn.Problem(system, start, (0, 5)), rtol=1e-8, atol=1e-10)
    angle, position = solution["pin.angle"], solution["slide.s"]
    law = RADIUS * np.cos(angle) + np.sqrt(LENGTH**2 - (RADIUS * np.sin(angle)) ** 2)
    turns = (angle[-1] - angle[0]) / (2 * np.pi)
    print(f"{turns:.2f} turns in {solution.stats.steps} steps")
    print(f"states were chosen anew {solution.stats.state_selections} times")
    print(f"largest distance from the cosine law: {np.abs(position - law).max():.1e} m")


if __name__ == "__main__":
    main()
