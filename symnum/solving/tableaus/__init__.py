"""All methods, by name."""

from __future__ import annotations

from symnum.errors import ModelError
from symnum.solving.tableau import Method
from symnum.solving.tableaus.explicit import TSIT5
from symnum.solving.tableaus.rosenbrock import RODAS4P, RODAS5P, ROS34PW2
from symnum.solving.tableaus.tase import MSRKTASE2, MSRKTASE3

__all__ = ["METHODS", "find"]

METHODS: dict[str, Method] = {
    method.name: method for method in (TSIT5, RODAS5P, RODAS4P, ROS34PW2, MSRKTASE2, MSRKTASE3)
}


def find(method: str | Method) -> Method:
    """The method of that name, in any case. A record is checked and returned.

    Raises ModelError for an unknown name, InvalidTableau for a record whose numbers are not what it states.
    """
    if isinstance(method, Method):
        if METHODS.get(method.name) is not method:
            method.check()
        return method
    if method in METHODS:
        return METHODS[method]
    lower = {name.lower(): record for name, record in METHODS.items()}
    if method.lower() in lower:
        return lower[method.lower()]
    from difflib import get_close_matches

    near = [name for name in METHODS if name.lower() in get_close_matches(method.lower(), lower)]
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ModelError(f"There is no method {method!r}.{hint} Known methods: {', '.join(METHODS)}.")
