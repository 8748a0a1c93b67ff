"""Interning: one object for every structure, whatever made it.

The table maps (operator, data, arguments) to the one node that has them, weakly: a node that nobody uses any
more gives its place back.
"""

from __future__ import annotations

import gc
from fractions import Fraction
from functools import lru_cache
from operator import attrgetter
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from weakref import ref
from zlib import crc32

if TYPE_CHECKING:
    from symnum.rewriting.expr import Expr, Operand

_MASK = (1 << 60) - 1
_MINUS_ONE = 0x5BD1E995


class Symbol(NamedTuple):
    """What is known about a named leaf. Part of its identity: two declarations that differ are two leaves."""

    name: str
    kind: str  # "variable" | "parameter" | "time"
    unit: str | None = None
    about: str | None = None
    default: Operand | None = None  # parameter: its value; variable: its start
    guess: Operand | None = None  # variable: where Newton begins when it is not a start
    nominal: float | None = None  # variable: its usual size; the absolute tolerance is a multiple of it
    state_priority: float | None = None  # variable: how much it is wanted as a state, 0 without one
    condition: Expr | None = None  # parameter: it is 1 where this holds and 0 elsewhere, kept so by events


class Node:
    """What every node holds. `Expr`, the one class derived from it, is what `node` makes."""

    __slots__ = ("__weakref__", "args", "blind", "data", "height", "key", "op")

    op: str
    args: tuple[Expr, ...]
    data: Any
    key: int
    blind: Any  # a note that `shape` keeps on the node, or None
    height: int  # a note that `pickling` keeps on the node, not there before somebody asked

    def __init_subclass__(cls) -> None:
        global _made
        _made = cls


_made: type[Any]

# (op, data, arguments) -> node. The place of a node that nobody uses any more stays behind, and keeps the
# arguments, until the next sweep or until an equal node takes it.
_Identity: TypeAlias = tuple[str, Any, "tuple[Expr, ...]"]
_TABLE: dict[_Identity, ref[Expr]] = {}
_LOCK = RLock()  # reentrant: what is freed below it may run code of a user
_LEAST_SWEPT = 1 << 16
_sweep_at = _LEAST_SWEPT


def _sweep() -> None:
    """Clear the places of nodes that nobody uses any more. The table at most doubles between two sweeps."""
    global _sweep_at
    with _LOCK:
        waiting = [identity for identity, entry in list(_TABLE.items()) if entry() is None]
        while waiting:
            identity = waiting.pop()
            entry = _TABLE.get(identity)
            if entry is not None and entry() is None:
                del _TABLE[identity]
                below = [(arg.op, arg.data, arg.args) for arg in identity[2]]
                del identity  # the last that held the arguments: each may be dead from here on
                waiting += [found for found in below if (entry := _TABLE.get(found)) and entry() is None]
        _sweep_at = max(2 * len(_TABLE), _LEAST_SWEPT)


class in_bulk:
    """Where many nodes are made: the search for garbage in cycles, which they never form, takes no part. It
    would be up to half of the time, for each new node brings several small objects for it to look at."""

    __slots__ = ("_running",)

    def __enter__(self) -> None:
        self._running = gc.isenabled()
        gc.disable()

    def __exit__(self, *raised: object) -> None:
        if self._running:
            gc.enable()


def _data_key(data: Any) -> int:
    """A hash of operator data that does not depend on the process (``hash(str)`` does)."""
    kind = type(data)
    if kind is int:
        return _MINUS_ONE if data == -1 else data  # Python's hash(-1) is that of -2
    if data is None:
        return 0
    if isinstance(data, tuple):
        if isinstance(data, Symbol):
            data = _given(data)
        return hash(tuple([_data_key(item) for item in data]))
    if issubclass(kind, Fraction):
        return hash((_data_key(data.numerator), data.denominator))
    if isinstance(data, Node):
        return data.key
    return crc32(str(data).encode())


_ALWAYS = Symbol._fields.index("state_priority")


def _given(info: Symbol) -> tuple[Any, ...]:
    """The fields that take part in the key of a symbol.

    Later ones do, with their places, where they say something: a symbol without them keeps the key, and so
    the order of terms and the place of stored code, that it had before they existed.
    """
    later = enumerate(info[_ALWAYS:], _ALWAYS)
    return (*info[:_ALWAYS], *[said for said in later if said[1] is not None])


_numbers_key = lru_cache(maxsize=1 << 14)(_data_key)  # coefficients and exponents repeat


@lru_cache(maxsize=256)
def _name_key(op: str) -> int:
    return crc32(op.encode())


def node(op: str, args: tuple[Expr, ...] = (), data: Any = None) -> Expr:
    """The one node with this operator, arguments and data. No simplification: see `apply`."""
    identity = (op, data, args)
    place = _TABLE.get(identity)
    if place is not None:
        known = place()
        if known is not None:
            return known
    data_key = 0 if data is None else _numbers_key(data) if op == "+" or op == "*" else _data_key(data)
    found: Expr = _new(_made)
    found.op, found.args, found.data, found.blind = op, args, data, None
    found.key = hash((_name_key(op), data_key, *map(by_key, args))) & _MASK
    entry = ref(found)
    if place is None and _TABLE.setdefault(identity, entry) is entry:
        if len(_TABLE) > _sweep_at:
            _sweep()
        return found
    with _LOCK:  # the place is that of a dead node, or another thread was faster
        known = _TABLE.setdefault(identity, entry)()
        if known is not None:
            return known
        _TABLE[identity] = entry
    return found


by_key = attrgetter("key")
_new = object.__new__
