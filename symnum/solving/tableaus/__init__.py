"""All methods, by name."""

from __future__ import annotations

from symnum.errors import ModelError
from symnum.solving.method import Method
from symnum.solving.tableaus.esdirk import KENCARP4, KVAERNO5
from symnum.solving.tableaus.explicit import BS3, TSIT5
from symnum.solving.tableaus.explicit_high import DOP853, VERN7
from symnum.solving.tableaus.exponential import EXPRB32, EXPRB43
from symnum.solving.tableaus.fourier import ARK436, ETDRK4
from symnum.solving.tableaus.multistep import BDF
from symnum.solving.tableaus.outside import CVODE, IDA
from symnum.solving.tableaus.radau import RADAUIIA5
from symnum.solving.tableaus.rosenbrock import RODAS4P, RODAS5P, ROS34PW2
from symnum.solving.tableaus.rosenbrock_high import RODAS6P
from symnum.solving.tableaus.rosenbrock_low import RODAS3P, RODAS4PW, RODAS23W, ROSENBROCK23
from symnum.solving.tableaus.tase import MSRKTASE2, MSRKTASE3, MSRKTASE4, RKTASE2, RKTASE3, SRKTASE3

__all__ = ["METHODS", "find"]

_ALL = (
    BS3, TSIT5, VERN7, DOP853,
    ROSENBROCK23, RODAS23W, RODAS3P, RODAS4P, RODAS5P, RODAS6P,
    ROS34PW2, RODAS4PW, KENCARP4, KVAERNO5, RADAUIIA5, BDF, EXPRB32, EXPRB43,
    MSRKTASE2, MSRKTASE3, MSRKTASE4, SRKTASE3, RKTASE2, RKTASE3,
)  # fmt: skip
METHODS: dict[str, Method] = {method.name: method for method in _ALL}
# of other programs: known to `find`, but no records of coefficients
OUTSIDE: dict[str, Method] = {method.name: method for method in (CVODE, IDA)}
# for equations of a form of their own: the linear part is diagonal in Fourier space
IN_FOURIER_SPACE: dict[str, Method] = {method.name: method for method in (ETDRK4, ARK436)}
_KNOWN = METHODS | IN_FOURIER_SPACE | OUTSIDE

# Methods of SciPy, MATLAB and others that have another name here.
_ELSEWHERE = {
    "rk45": "Tsit5", "dopri5": "Tsit5", "ode45": "Tsit5", "rk23": "BS3", "ode23": "BS3",
    "ode23s": "Rosenbrock23", "radau": "RadauIIA5", "vode": "BDF", "ode15s": "BDF",
    "lsoda": "no method at all",
}  # fmt: skip


def find(method: str | Method) -> Method:
    """The method of that name, in any case. A record is checked and returned.

    Raises ModelError for an unknown name and for what is none, InvalidTableau for a record whose numbers are
    not what it states.
    """
    if isinstance(method, Method):
        if METHODS.get(method.name) is not method:
            method.check()
        return method
    if not isinstance(method, str):
        raise ModelError(f"method={method!r}: give the name of a method, one of {', '.join(METHODS)}")
    if method in METHODS:
        return METHODS[method]
    lower = {name.lower(): record for name, record in _KNOWN.items()}
    if method.lower() in lower:
        return lower[method.lower()]
    from difflib import get_close_matches

    from symnum.solving.stochastic.methods import STOCHASTIC_METHODS

    random = STOCHASTIC_METHODS.get(method)
    if random is not None:
        raise ModelError(
            f"{random} is a method for random processes: it solves a network read by .{random.reading}()"
        )
    near = [name for name in _KNOWN if name.lower() in get_close_matches(method.lower(), lower)]
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    if method.lower() in _ELSEWHERE:
        hint = f" Here its place is taken by {_ELSEWHERE[method.lower()]}."
    raise ModelError(f"There is no method {method!r}.{hint} Known methods: {', '.join(_KNOWN)}.")
