"""How the parts of a grid meet: terminals at a bus, and the rotating frame that all phasors refer to."""

from __future__ import annotations

import symnum as sn


class Terminal(sn.Connector):
    """A three-phase terminal, balanced, as a phasor in pu: voltage, and current into the component.

    Real and imaginary parts, not magnitude and angle: the network is then linear, and has no false root at
    zero voltage, which the polar power balance has.
    """

    v_re = sn.potential(unit="pu", about="real part of the voltage")
    v_im = sn.potential(unit="pu", about="imaginary part of the voltage")
    i_re = sn.flow(unit="pu", about="real part of the current into the component")
    i_im = sn.flow(unit="pu", about="imaginary part of the current into the component")


class Frame(sn.Connector):
    """The frame that phasors and rotor angles are measured in: it turns with the centre of inertia.

    In a frame at synchronous speed all phasors turn as soon as the frequency is off nominal, and a solver
    follows that rotation with small steps; seen from the centre of inertia only the swings remain.
    Momentum is inertia times speed against the frame: the sum over all machines is zero, and that defines
    the speed of the frame.
    """

    slip = sn.potential(unit="rad/s", about="speed of the frame above nominal")
    angle = sn.potential(unit="rad", about="angle of the frame ahead of the synchronous one")
    momentum = sn.flow(unit="rad", about="2 H times the speed against the frame, on the system base")
