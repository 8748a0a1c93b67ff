"""A compiled system as one file, without any code in it: structure, names, events and expressions as data.

The file is a head line with the version of the format, a digest of the rest, and a NumPy archive: tables as
arrays, everything else as one JSON text over them. Machine code is made (or taken from this machine's cache)
when the file is loaded, so a file serves every processor and is safe to take from others. Expressions are
kept node by node and come back as the same objects that the running program writes.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Mapping
from fractions import Fraction
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import CodegenError, ModelError
from symnum.language.block import GridNames, Quantities
from symnum.language.event import DIRECTIONS, Event
from symnum.lowering.delays import Delay
from symnum.lowering.families import Family
from symnum.lowering.flat import FlatSystem
from symnum.lowering.names import Names
from symnum.lowering.raw import LimitFamily, Sums
from symnum.lowering.structure import StateChoice, Structure
from symnum.rewriting.expr import Expr, Symbol
from symnum.rewriting.node_table import NodeTable, nodes_of

__all__ = ["pack", "read", "unpack", "write"]

_HEAD = b"symnum model "
_VERSION = 4
_DIGEST_BYTES = 32
_RECORDS: dict[str, type] = {
    cls.__name__: cls for cls in (FlatSystem, Structure, StateChoice, Sums, LimitFamily, Family, Delay)
}
_TRIGGER = ("trigger", "delay", "priority", "persistent", "initially", "values")

Json: TypeAlias = Any
log = logging.getLogger("symnum")


def write(path: str | Path, flat: FlatSystem, defaults: Mapping[Expr, Any], simplify: str | None) -> Path:
    """Write a flattened system with the level of its rewriting to ``path``; returns the path.

    Guards are functions and stay behind, with a warning.
    """
    if flat.guards:
        log.warning("%s: checks of parameter values (guards) are functions and are not saved", flat.name)
    target = Path(path)
    target.write_bytes(pack(flat, defaults, simplify))
    return target


def pack(flat: FlatSystem, defaults: Mapping[Expr, Any], simplify: str | None) -> bytes:
    """What `write` writes: the same bytes for the same system in every process."""
    if flat.hosted:
        raise ModelError(f"{flat.name}: {flat.hosted[0].path} is computed by other code, which is not saved")
    writer = _Writer()
    tree = {
        "name": flat.name,
        "simplify": simplify,
        "system": writer.value(flat),
        "defaults": [[writer.value(key), writer.value(value)] for key, value in defaults.items()],
        "guards": len(flat.guards),
    }
    text = json.dumps({**tree, "nodes": writer.nodes.rows}, ensure_ascii=False, separators=(",", ":"))
    buffer = io.BytesIO()
    arrays = {f"a{k}": array for k, array in enumerate(writer.arrays)}
    np.savez_compressed(buffer, text=np.frombuffer(text.encode(), np.uint8), **arrays)  # type: ignore[arg-type]
    payload = buffer.getvalue()
    head = _HEAD + str(_VERSION).encode() + b"\n"
    return head + blake2b(payload, digest_size=_DIGEST_BYTES).digest() + payload


def read(path: str | Path) -> tuple[FlatSystem, dict[Expr, Any], str | None]:
    """(system, defaults, level of rewriting) from a file that `write` made.

    ModelError for a file that is missing, of another kind or version, cut off or damaged.
    """
    source = Path(path)
    try:
        data = source.read_bytes()
    except OSError as error:
        raise ModelError(f"load: {source} cannot be read: {error.strerror}") from error
    flat, defaults, simplify, guards = unpack(data, str(source))
    if guards:
        log.warning("%s: loaded without the checks of parameter values that its system makes", flat.name)
    return flat, defaults, simplify


def unpack(data: bytes, source: str) -> tuple[FlatSystem, dict[Expr, Any], str | None, int]:
    """(system without guards, defaults, level of rewriting, how many guards it had) from what `pack` made.

    source: where it is from, for errors.
    """
    line, _, rest = data.partition(b"\n")
    if not line.startswith(_HEAD) or not line[len(_HEAD) :].isdigit():
        raise ModelError(f"load: {source} is not a saved model; model.save(path) writes one")
    version = int(line[len(_HEAD) :])
    if version != _VERSION:
        raise ModelError(
            f"load: {source} has version {version} of the format and this symnum reads version {_VERSION}. "
            "Save the model again with this symnum, or use the one that wrote it."
        )
    digest, payload = rest[:_DIGEST_BYTES], rest[_DIGEST_BYTES:]
    if digest != blake2b(payload, digest_size=_DIGEST_BYTES).digest():
        raise ModelError(f"load: {source} is cut off or damaged (its digest does not match); copy it again")
    try:
        with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
            arrays = [archive[f"a{k}"] for k in range(len(archive.files) - 1)]
            tree = json.loads(archive["text"].tobytes())
        reader = _Reader(arrays, tree["nodes"])
        flat = reader.value(tree["system"])
        defaults = {reader.value(key): reader.value(value) for key, value in tree["defaults"]}
        if not isinstance(flat, FlatSystem):
            raise TypeError("there is no system in it")
    except (KeyError, TypeError, ValueError, IndexError, OSError, CodegenError) as error:
        raise ModelError(
            f"load: {source} was written by another symnum and does not fit this one: {error}"
        ) from error
    return flat, defaults, tree["simplify"], tree["guards"]


class _Writer:
    """Values as JSON over two tables: arrays and expression nodes."""

    def __init__(self) -> None:
        self.arrays: list[NDArray[Any]] = []
        self.nodes = NodeTable(self.value)

    def value(self, value: Any) -> Json:
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, Expr):
            return {"expr": self.nodes.add(value)}
        if isinstance(value, (int, np.integer)):
            return int(value)
        if isinstance(value, (float, np.floating)):
            return {"float": float(value).hex()}
        if isinstance(value, Fraction):
            return {"fraction": str(value)}
        if isinstance(value, np.ndarray):
            self.arrays.append(value)
            return {"array": len(self.arrays) - 1}
        if isinstance(value, Symbol):
            return {"symbol": [self.value(field) for field in value]}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        if isinstance(value, Names):
            return {"names": [self.value(part) for part in value.parts()]}
        if isinstance(value, Quantities):
            rest = (value.values, value.unit, value.axes)
            return {"quantities": [value.kind, self.names(value), *map(self.value, rest)]}
        if isinstance(value, Event):
            return {"event": self.event(value)}
        name = type(value).__name__
        if _RECORDS.get(name) is type(value):
            fields = {field: self.field(value, field) for field in _fields(type(value))}
            return {"record": name, "fields": fields}
        raise ModelError(f"save: {value!r} is a {name}, which cannot be saved")

    def field(self, record: Any, name: str) -> Json:
        if name == "guards":
            return []
        if name == "labels":
            return list(record.labels)
        if name == "origin":  # a function of the copy: its texts
            return [record.label(copy) for copy in range(record.count)]
        return self.value(getattr(record, name))

    def names(self, quantities: Quantities) -> Json:
        names = quantities.names
        if isinstance(names, GridNames):
            return {"grid": names.name, "shape": list(names.shape)}
        return list(names)

    def event(self, event: Event) -> Json:
        then = [[self.value(target), self.value(value)] for target, value in event.then.items()]
        times = None if event.at is None else self.value(event.at)
        more = [self.value(getattr(event, name)) for name in _TRIGGER]
        return [times, self.value(event.when), event.crossing, then, event.terminal, event.name, more]


class _Reader:
    def __init__(self, arrays: list[NDArray[Any]], nodes: list[Json]) -> None:
        self.arrays = arrays
        self.exprs: list[Expr] = []  # grows with the rows: symbols may hold expressions of earlier ones
        nodes_of(nodes, self.value, self.exprs)

    def value(self, value: Json) -> Any:
        if isinstance(value, list):
            return tuple(self.value(item) for item in value)
        if not isinstance(value, dict):
            return value
        if "record" in value:
            return self.record(_RECORDS[value["record"]], value["fields"])
        ((kind, content),) = value.items()
        if kind == "expr":
            return self.exprs[content]
        if kind == "float":
            return float.fromhex(content)
        if kind == "fraction":
            return Fraction(content)
        if kind == "array":
            return self.arrays[content]
        if kind == "symbol":
            return Symbol(*(self.value(field) for field in content))
        if kind == "names":
            return self.names(content)
        if kind == "quantities":
            return self.quantities(*content)
        if kind == "event":
            return self.event(*content)
        raise ValueError(f"there is nothing called {kind!r}")

    def record(self, cls: type, fields: dict[str, Json]) -> Any:
        if set(fields) != set(_fields(cls)):
            raise ValueError(f"the fields of {cls.__name__} have changed")
        values = {name: self.value(field) for name, field in fields.items()}
        if "origin" in values:
            labels = values["origin"]
            values["origin"] = (labels.__getitem__, np.arange(len(labels)))
        return cls(**values)

    def names(self, parts: list[Json]) -> Names:
        names = Names()
        for part in map(self.value, parts):
            if isinstance(part, Symbol):
                names.add(part)
            else:
                names.add_block(part)
        return names

    def quantities(self, kind: str, names: Json, values: Json, unit: str | None, axes: Json) -> Quantities:
        found = GridNames(names["grid"], tuple(names["shape"])) if isinstance(names, dict) else tuple(names)
        grid = tuple((name, self.value(x)) for name, x in axes)
        return Quantities(kind, found, self.value(values), unit, grid)

    def event(
        self, times: Json, when: Json, crossing: int, then: list[Json], terminal: bool, name: str | None,
        more: list[Json],
    ) -> Event:
        direction = next(text for text, sign in DIRECTIONS.items() if sign == crossing)
        targets = {self.value(target): self.value(value) for target, value in then}
        return Event(
            at=self.value(times), when=self.value(when), crossing=direction, then=targets,
            terminal=terminal, name=name,
            **{name: self.value(value) for name, value in zip(_TRIGGER, more, strict=True)},
        )  # fmt: skip


def _fields(cls: type) -> tuple[str, ...]:
    return tuple(cls.__annotations__)
