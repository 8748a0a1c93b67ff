"""The methods for random processes: each a record that says what it is good for."""

from __future__ import annotations

import difflib

from symnum.errors import ModelError
from symnum.record import record

__all__ = ["STOCHASTIC_METHODS", "StochasticMethod", "find"]


@record
class StochasticMethod:
    """A method for networks read as ``reading``.

    unit, function: the kernel that advances it; no unit: one of others is chosen. weak, strong: orders in the
    step size, None where the method is exact. uses: which of the options ``epsilon`` and ``step`` it takes.
    """

    name: str
    reading: str
    unit: str
    about: str
    cite: str
    weak: float | None = None
    strong: float | None = None
    uses: tuple[str, ...] = ()
    function: str = "advance"

    @property
    def exact(self) -> bool:
        """Whether the distribution of the results is that of the process."""
        return self.weak is None

    def __str__(self) -> str:
        return self.name


_ALL = (
    StochasticMethod(
        name="SSA", reading="jumps", unit="",
        about="exact; the sorting direct method for small networks, composition and rejection for large ones",
        cite="D. T. Gillespie, J. Phys. Chem. 81 (1977) 2340",
    ),
    StochasticMethod(
        name="Direct", reading="jumps", unit="direct",
        about="exact; the time of an event grows with the network",
        cite="D. T. Gillespie, J. Phys. Chem. 81 (1977) 2340",
    ),
    StochasticMethod(
        name="SortingDirect", reading="jumps", unit="sorting_direct",
        about="exact; frequent reactions are found first",
        cite="J. M. McCollum et al., Comput. Biol. Chem. 30 (2006) 39",
    ),
    StochasticMethod(
        name="CompositionRejection", reading="jumps", unit="composition_rejection",
        about="exact; the time of an event hardly depends on the number of reactions",
        cite="A. Slepoy, A. P. Thompson, S. J. Plimpton, J. Chem. Phys. 128 (2008) 205101",
    ),
    StochasticMethod(
        name="TauLeaping", reading="jumps", unit="tau_leaping", weak=2.0, strong=0.5, uses=("epsilon",),
        about="leaps over many events in which no propensity changes by more than epsilon, of second order; "
        "never negative",
        cite="D. F. Anderson, M. Koyama, Multiscale Model. Simul. 10 (2012) 1493; "
        "Y. Cao, D. T. Gillespie, L. R. Petzold, J. Chem. Phys. 124 (2006) 044109",
    ),
    StochasticMethod(
        name="WeakTrapezoidal", reading="langevin", unit="langevin", function="weak_trapezoidal",
        weak=2.0, strong=0.5, uses=("epsilon", "step"), about="moments of second order in the step",
        cite="D. F. Anderson, J. C. Mattingly, Commun. Math. Sci. 9 (2011) 301",
    ),
    StochasticMethod(
        name="EulerMaruyama", reading="langevin", unit="langevin", function="euler_maruyama",
        weak=1.0, strong=0.5, uses=("epsilon", "step"), about="the simplest",
        cite="G. Maruyama, Rend. Circ. Mat. Palermo 4 (1955) 48",
    ),
)  # fmt: skip

STOCHASTIC_METHODS: dict[str, StochasticMethod] = {method.name: method for method in _ALL}


def find(method: object, reading: str) -> StochasticMethod:
    """The method of this name for this reading; without one the first that fits."""
    fitting = [known for known in _ALL if known.reading == reading]
    if method is None:
        return fitting[0]
    if isinstance(method, StochasticMethod):
        return method
    names = [known.name for known in fitting]
    found = STOCHASTIC_METHODS.get(method) if isinstance(method, str) else None
    if found in fitting and found is not None:
        return found
    near = difflib.get_close_matches(str(method), names, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    if found is not None:
        hint = f" {found} is for network.{found.reading}()."
    raise ModelError(
        f"method={method!r}: a network read by .{reading}() is solved by one of {', '.join(names)}.{hint} "
        "For a method for differential equations take network.system()."
    )
