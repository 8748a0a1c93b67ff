"""The contract of the back ends, and the tables that generated code reads.

A back end turns named functions into a `Program` (text and tables) and a program into addresses. Everything
else - caching, checks, sparse matrices - is done by callers, the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from typing import ClassVar, NamedTuple

import numpy as np

from symnum.codegen.arrays import Arrays
from symnum.codegen.function import Array, Function
from symnum.codegen.runs import runs_of
from symnum.errors import CodegenError
from symnum.record import record

__all__ = [
    "BACKENDS",
    "Addressing",
    "Emitter",
    "Loaded",
    "Program",
    "TableBuilder",
    "Tables",
    "addressing",
    "emitter_for",
]

BACKENDS: dict[str, tuple[str, str]] = {
    "llvm": ("symnum.codegen.backend_llvm", "LlvmEmitter"),
    "numba": ("symnum.codegen.emit_numba", "NumbaEmitter"),
    "numpy": ("symnum.codegen.emit_numpy", "NumpyEmitter"),
    "c": ("symnum.codegen.emit_c", "CEmitter"),
}
"""Back end -> (module, class); a module is imported when its back end is asked for."""

_FEW = 4  # below this many copies every column looks affine by accident: a table keeps bodies shared


class Addressing(NamedTuple):
    """Where copy i reads: ``uniform`` base; ``unit`` base + i; ``strided`` base + stride*i; ``table``."""

    kind: str
    base: int
    stride: int


def addressing(index: Array) -> Addressing:
    """The simplest addressing that gives these positions."""
    first = int(index[0])
    count = len(index)
    if index[-1] == first and bool(np.all(index == first)):
        return Addressing("uniform", first, 0)
    if count < _FEW:
        return Addressing("table", 0, 0)
    runs = runs_of(index)
    if runs is not None and len(runs.first) > 1:
        return Addressing("table", 0, 0)
    stride = int(index[1]) - first
    if first + stride * (count - 1) == int(index[-1]) and bool(np.all(np.diff(index) == stride)):
        return Addressing("unit" if stride == 1 else "strided", first, stride)
    return Addressing("table", 0, 0)


@record
class Tables:
    """What compiled code reads besides its arguments: int64 descriptors, int32 positions, float64 numbers."""

    descriptors: Array
    positions: Array
    numbers: Array


class TableBuilder:
    """Collects tables; equal ones are stored once."""

    def __init__(self, reserved: int) -> None:
        """``reserved``: descriptors in front that the loader fills."""
        self.descriptors: list[int] = [0] * reserved
        self._parts: dict[str, list[Array]] = {"positions": [], "numbers": []}
        self._sizes = {"positions": 0, "numbers": 0}
        self._arrays = Arrays()
        self._known: dict[tuple[str, int], int] = {}

    def positions(self, index: Array) -> int:
        """Where the positions begin in the common int32 table."""
        return self._add("positions", np.ascontiguousarray(index, np.int32))

    def numbers(self, values: Array) -> int:
        """Where the numbers begin in the common float64 table."""
        return self._add("numbers", np.ascontiguousarray(values, np.float64))

    def _add(self, which: str, values: Array) -> int:
        key = (which, self._arrays.number(values))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._sizes[which]
            self._parts[which].append(values)
            self._sizes[which] += len(values)
        return found

    def describe(self, *values: int) -> int:
        """Append descriptors; returns the place of the first."""
        start = len(self.descriptors)
        self.descriptors.extend(values)
        return start

    def build(self) -> Tables:
        """The finished tables."""
        positions = np.concatenate([np.zeros(0, np.int32), *self._parts["positions"]])
        numbers = np.concatenate([np.zeros(0), *self._parts["numbers"]])
        return Tables(np.array(self.descriptors, np.int64), positions, numbers)


@record
class Program:
    """Emitted code: ``source`` in the language of the back end, its tables, the scratch it needs.

    ``passes``, ``codegen``: how hard to optimize, see `machine.compile_text`.
    """

    source: str
    names: tuple[str, ...]
    tables: Tables
    n_work: int
    passes: int = 0
    codegen: int = 0


class Loaded(NamedTuple):
    """Addresses of ``void f(double t, double *out, const double *u, const double *p, double *work)`` by name.

    ``owners`` must live as long as an address is used.
    """

    addresses: dict[str, int]
    owners: tuple[object, ...]


class Emitter(ABC):
    """One back end. ``load(build(emit(functions)))`` gives addresses; ``build`` is what a cache may keep."""

    name: ClassVar[str]
    cached: ClassVar[bool]  # whether the bytes of `build` are worth keeping on disk
    parallel: ClassVar[bool] = False  # whether threads may share the copies of big loops

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads

    @abstractmethod
    def emit(self, functions: Mapping[str, Function]) -> Program:
        """Text and tables for functions that share parameters and scratch; deterministic."""

    @abstractmethod
    def build(self, program: Program) -> bytes:
        """Machine code (or whatever `load` needs besides the tables)."""

    @abstractmethod
    def load(self, names: tuple[str, ...], code: bytes, tables: Tables) -> Loaded:
        """Put built code into memory."""


def emitter_for(name: str, threads: int = 1) -> Emitter:
    """The back end of this name; `CodegenError` lists the known ones.

    threads: how many share big loops; more than one with those back ends only that are ``parallel``.
    """
    if name not in BACKENDS:
        raise CodegenError(f"unknown back end {name!r}. Choose one of {', '.join(BACKENDS)}.")
    module, cls = BACKENDS[name]
    emitter: Emitter = getattr(import_module(module), cls)(threads)
    if threads > 1 and not emitter.parallel:
        raise CodegenError(f"threads={threads}: the back end {name!r} works with one thread; leave one out")
    return emitter
