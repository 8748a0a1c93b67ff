"""All methods, by name."""

from __future__ import annotations

import difflib

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
    """The method of that name, in any case; a record is returned as it is. ModelError for an unknown name."""
    if isinstance(method, Method):
        return method
    lower = {name.lower(): record for name, record in METHODS.items()}
    if method.lower() in lower:
        return lower[method.lower()]
    near = [name for name in METHODS if name.lower() in difflib.get_close_matches(method.lower(), lower)]
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ModelError(f"There is no method {method!r}.{hint} Known methods: {', '.join(METHODS)}.")
