"""Connections between the connectors of components."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symnum.errors import ModelError

if TYPE_CHECKING:
    from symnum.language.component import Connector


class Connection:
    """Connectors that meet in one node: their potentials are equal and their flows sum to zero."""

    __slots__ = ("ports",)

    def __init__(self, ports: tuple[Connector, ...]) -> None:
        self.ports = ports

    def __repr__(self) -> str:
        return f"connect({', '.join(port.path for port in self.ports)})"


def connect(*ports: Connector) -> Connection:
    """Join connectors of one class; the result stands among the equations.

    One connector alone is left open: its flows are zero.
    """
    from symnum.language.component import Connector

    for port in ports:
        if not isinstance(port, Connector):
            raise ModelError(
                f"connect takes the connectors of components; {port!r} is a {type(port).__name__}"
            )
    if not ports:
        raise ModelError("connect needs connectors: two or more to be joined, or one that is left open")
    if len(set(ports)) < len(ports):
        twice = next(port for port in ports if ports.count(port) > 1)
        raise ModelError(f"connect: {twice.path} is named twice; a connector cannot be joined to itself")
    kinds = {type(port) for port in ports}
    if len(kinds) > 1:
        names = ", ".join(f"{port.path} is a {type(port).__name__}" for port in ports)
        raise ModelError(f"only connectors of one class can be joined: {names}")
    return Connection(ports)
