"""Pickling compiled systems: what is saved to a file, with the code that was made from it.

A process that gets one loads the code from its own cache. Where nothing is stored there what came along is
stored first, so that all processes on machines of one kind run the same code; on another kind of processor,
or with another version of symnum, the code is made anew.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from symnum.codegen import cache
from symnum.record import replace

if TYPE_CHECKING:
    from symnum.language.system import Guard
    from symnum.lowering.compile import CompiledSystem

__all__ = ["Entry", "adopt", "reduced"]

Entry: TypeAlias = tuple[str, str, bytes]
"""Kind, key and content of something in the cache of generated code."""

log = logging.getLogger("symnum")


def reduced(compiled: CompiledSystem) -> tuple[Any, ...]:
    """What ``__reduce__`` of a compiled system returns."""
    from symnum.lowering.save import pack

    saved = pack(compiled.flat, compiled.defaults, compiled.simplify)
    guards = _packed_guards(compiled)
    return restored, (saved, guards, compiled.backend, compiled.threads, compiled.model.stored())


def restored(
    saved: bytes, guards: bytes | None, backend: str, threads: int, entries: Iterable[Entry]
) -> CompiledSystem:
    """The compiled system in this process."""
    from symnum.lowering.compile import compile_flat
    from symnum.lowering.save import unpack

    flat, defaults, simplify, _ = unpack(saved, "a pickled system")
    if guards is not None:
        flat = replace(flat, guards=_restored_guards(guards, flat.name))
    adopt(entries)
    return compile_flat(flat, defaults, simplify, backend, threads)


def adopt(entries: Iterable[Entry]) -> None:
    """Entries of another process's cache become entries of this one's."""
    for kind, key, data in entries:
        if cache.fetch(kind, key) != data:
            cache.store(kind, key, data)


def _packed_guards(compiled: CompiledSystem) -> bytes | None:
    flat = compiled.flat
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


def _restored_guards(data: bytes, name: str) -> tuple[Guard, ...]:
    try:
        found: tuple[Guard, ...] = pickle.loads(data)
    except (pickle.UnpicklingError, AttributeError, ImportError):  # defined in a program that is not here
        log.warning("%s: the checks of parameter values (guards) are not known in this process", name)
        return ()
    return found
