"""Object code put into memory without LLVM, which takes 25 ms to import and a millisecond for every object.

Compiled objects on Linux for x86-64 need two kinds of relocation, since the large code model reaches
everything by 64-bit addresses (System V ABI, AMD64 supplement, section 4.4). Anything else makes `loaded`
return None, and LLVM loads the object.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Image", "loaded", "supported"]

_HEADER = b"\x7fELF\x02\x01\x01"  # 64 bits, little endian, version 1
_RELOCATABLE, _X86_64 = 1, 62
_SYMBOLS, _NO_BITS, _REL = 2, 8, 9
_RELA = 4
_WRITE, _ALLOCATED, _TLS = 1, 2, 0x400
_ABSOLUTE, _PC = 1, 24  # R_X86_64_64: S + A; R_X86_64_PC64: S + A - P
_UNDEFINED, _RESERVED = 0, 0xFF00  # sections of symbols
_LOCAL = 0
_SECTION = np.dtype(
    [("name", "<u4"), ("type", "<u4"), ("flags", "<u8"), ("address", "<u8"), ("offset", "<u8"),
     ("size", "<u8"), ("link", "<u4"), ("info", "<u4"), ("align", "<u8"), ("entry", "<u8")]
)  # fmt: skip
_SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
_RELOCATION = np.dtype([("offset", "<u8"), ("type", "<u4"), ("symbol", "<u4"), ("addend", "<i8")])


class Image:
    """The sections of an object in memory, for as long as this lives. ``symbols``: address by name."""

    def __init__(self, memory: mmap.mmap, symbols: dict[str, int]) -> None:
        self._memory = memory
        self.symbols = symbols


@functools.cache
def supported() -> bool:
    """Whether objects of this machine can be loaded here."""
    return sys.platform == "linux" and os.uname().machine == "x86_64" and sys.maxsize > 1 << 32


@functools.cache
def _process() -> Any:
    return ctypes.CDLL(None)


def _outside(name: str) -> int | None:
    """Address of a function of the C library, as LLVM finds it."""
    try:
        return ctypes.cast(getattr(_process(), name), ctypes.c_void_p).value
    except AttributeError:
        return None


def loaded(data: bytes) -> Image | None:
    """The genuine object ``data`` in memory, its code not writable; None where LLVM has to load it."""
    if not supported() or not data.startswith(_HEADER):
        return None
    if (data[16] | data[17] << 8, data[18] | data[19] << 8) != (_RELOCATABLE, _X86_64):
        return None
    start, number = int.from_bytes(data[40:48], "little"), int.from_bytes(data[60:62], "little")
    sections = np.frombuffer(data, _SECTION, number, start)
    kinds, flags = sections["type"], sections["flags"]
    if (flags & _TLS).any() or (kinds == _REL).any() or np.count_nonzero(kinds == _SYMBOLS) != 1:
        return None
    places, protected, size = _places(sections)
    memory = mmap.mmap(
        -1, max(size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ | mmap.PROT_WRITE
    )
    whole = np.frombuffer(memory, np.uint8)
    base = whole.ctypes.data
    for place, section in zip(places, sections, strict=True):
        if place >= 0 and section["type"] != _NO_BITS:
            begin, length = int(section["offset"]), int(section["size"])
            whole[place : place + length] = np.frombuffer(data, np.uint8, length, begin)
    found = _symbols(data, sections, places, base)
    if found is None:
        return None
    values, names = found
    for section in sections[kinds == _RELA]:
        place = places[section["info"]]
        if place >= 0 and not _relocate(data, section, whole, place, base, values):
            return None
    protection = mmap.PROT_READ | mmap.PROT_EXEC
    change = _process().mprotect
    change.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    if protected and change(base, protected, protection) != 0:  # a system that forbids this to everybody
        return None
    return Image(memory, names)


def _places(sections: npt.NDArray[Any]) -> tuple[list[int], int, int]:
    """Offset of each section in memory (-1: it is not there), bytes to protect and bytes in all.

    What may be written follows on pages of its own.
    """
    places, at = [-1] * len(sections), 0
    protected = 0
    for writable in (False, True):
        for e, section in enumerate(sections):
            if section["flags"] & _ALLOCATED and bool(section["flags"] & _WRITE) is writable:
                align = max(int(section["align"]), 1)
                places[e] = at = -(-at // align) * align
                at += int(section["size"])
        at = -(-at // mmap.PAGESIZE) * mmap.PAGESIZE
        if not writable:
            protected = at
    return places, protected, at


def _symbols(
    data: bytes, sections: npt.NDArray[Any], places: list[int], base: int
) -> tuple[npt.NDArray[np.uint64], dict[str, int]] | None:
    """Value of each symbol, and the addresses of the global ones by name; None where one is not found."""
    table = sections[sections["type"] == _SYMBOLS][0]
    symbols = np.frombuffer(data, _SYMBOL, int(table["size"]) // _SYMBOL.itemsize, int(table["offset"]))
    strings = int(sections[table["link"]]["offset"])
    values = np.zeros(len(symbols), np.uint64)
    names: dict[str, int] = {}
    for e, (begin, info, _, section, value, _) in enumerate(symbols.tolist()):
        if e == 0 or info & 15 == 4:  # the empty symbol; the name of the source
            continue
        name = data[strings + begin : data.index(b"\0", strings + begin)].decode()
        address: int | None
        if section == _UNDEFINED:
            address = _outside(name)
        elif section >= _RESERVED:
            return None
        elif places[section] < 0:
            continue
        else:
            address = base + places[section] + value
            if info >> 4 != _LOCAL:
                names[name] = address
        if address is None:
            return None
        values[e] = address
    return values, names


def _relocate(
    data: bytes,
    section: npt.NDArray[Any],
    whole: npt.NDArray[np.uint8],
    place: int,
    base: int,
    values: npt.NDArray[np.uint64],
) -> bool:
    """Write the addresses that a section asks for; False where one is of another kind."""
    count = int(section["size"]) // _RELOCATION.itemsize
    entries = np.frombuffer(data, _RELOCATION, count, int(section["offset"]))
    kinds = entries["type"]
    if not ((kinds == _ABSOLUTE) | (kinds == _PC)).all():
        return False
    at = entries["offset"] + np.uint64(place)
    result = values[entries["symbol"]] + entries["addend"].view(np.uint64)  # modulo 2**64
    result = result - np.where(kinds == _PC, at + np.uint64(base), np.uint64(0))
    whole[at.astype(np.int64)[:, None] + np.arange(8)] = result.astype("<u8").view(np.uint8).reshape(-1, 8)
    return True
