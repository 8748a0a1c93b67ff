"""Pickling systems: a flattened one as what is saved to a file, a compiled one with its code as well.

A process that gets a compiled system loads the code from its own cache. Where nothing is stored there what
came along is stored first, so that all processes on machines of one kind run the same code; on another kind
of processor, or with another version of symnum, the code is made anew. A system that comes back to a process
that still has it is the one that went out.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakKeyDictionary, WeakValueDictionary

from symnum.codegen import cache
from symnum.record import replace

if TYPE_CHECKING:
    from symnum.language.system import Guard
    from symnum.lowering.compile import CompiledSystem
    from symnum.lowering.flat import FlatSystem
    from symnum.rewriting.expr import Expr

__all__ = ["Entry", "adopt", "reduced", "reduced_flat"]

Entry: TypeAlias = tuple[str, str, bytes]
"""Kind, key and content of something in the cache of generated code."""

log = logging.getLogger("symnum")

_packed: WeakKeyDictionary[FlatSystem, bytes] = WeakKeyDictionary()
_known: WeakValueDictionary[str, FlatSystem] = WeakValueDictionary()


def reduced(compiled: CompiledSystem) -> tuple[Any, ...]:
    """What ``__reduce__`` of a compiled system returns."""
    options = compiled.defaults, compiled.simplify, compiled.backend, compiled.threads
    return restored, (compiled.flat, *options, compiled.model.stored())


def restored(
    flat: FlatSystem, defaults: Mapping[Expr, Any], simplify: str | None, backend: str, threads: int,
    entries: Iterable[Entry],
) -> CompiledSystem:  # fmt: skip
    """The compiled system in this process."""
    from symnum.lowering.compile import compile_flat

    adopt(entries)
    return compile_flat(flat, defaults, simplify, backend, threads)


def adopt(entries: Iterable[Entry]) -> None:
    """Entries of another process's cache become entries of this one's."""
    for kind, key, data in entries:
        if cache.fetch(kind, key) != data:
            cache.store(kind, key, data)


def reduced_flat(flat: FlatSystem) -> tuple[Any, ...]:
    """What ``__reduce__`` of a flattened system returns."""
    from symnum.lowering.save import pack

    data, guards = _packed.get(flat), _packed_guards(flat)
    if data is None:
        data = _packed[flat] = pack(flat, {}, None)
    if guards is not None or not flat.guards:
        _known[_key(data, guards)] = flat
    return restored_flat, (data, guards)


def restored_flat(data: bytes, packed_guards: bytes | None) -> FlatSystem:
    """The flattened system in this process."""
    from symnum.lowering.save import unpack

    found = _known.get(_key(data, packed_guards))
    if found is None:
        found, *_ = unpack(data, "a pickled system")
        if packed_guards is not None:
            found = replace(found, guards=_restored_guards(packed_guards))
        _packed[found] = data
        _known[_key(data, packed_guards)] = found
    return found


def _key(data: bytes, packed_guards: bytes | None) -> str:
    return cache.digest(data, packed_guards or b"")


def _packed_guards(flat: FlatSystem) -> bytes | None:
    if not flat.guards:
        return None
    try:
        return pickle.dumps(flat.guards)
    except (pickle.PicklingError, AttributeError, TypeError):
        log.warning(
            "%s: the checks of parameter values (guards) stay behind in this process: functions that "
            "pickle cannot take along. Define them at the top of a module.", flat.name,
        )  # fmt: skip
        return None


def _restored_guards(data: bytes) -> tuple[Guard, ...]:
    try:
        found: tuple[Guard, ...] = pickle.loads(data)
    except (pickle.UnpicklingError, AttributeError, ImportError):  # defined in a program that is not here
        log.warning("checks of parameter values (guards) of a pickled system are not known in this process")
        return ()
    return found
