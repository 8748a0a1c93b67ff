"""Frozen records that cost nothing at import.

`dataclasses` writes and compiles the methods of each class, 0.3 to 0.5 ms apiece; with some forty records a
tenth of a process that solves a small problem from a warm cache went into it. These share one `__init__`.
"""

from __future__ import annotations

from typing import Any, TypeVar, dataclass_transform

__all__ = ["keyword_record", "record", "replace"]

T = TypeVar("T")
_REQUIRED = object()


@dataclass_transform(frozen_default=True, eq_default=False)
def record(cls: type[T]) -> type[T]:
    """What ``dataclass(frozen=True, eq=False)`` makes of a class: its annotations are its fields.

    Fields are given by position or name, those of base classes first; a value in the class is a default and
    must not be changed by anybody. Instances are equal when they are identical. ``__post_init__`` is called
    where the class has one.
    """
    fields: dict[str, Any] = dict(getattr(cls, "_record_fields", {}))
    for name, annotation in cls.__annotations__.items():
        if not str(annotation).startswith("ClassVar"):
            fields[name] = cls.__dict__.get(name, _REQUIRED)
    methods = {"__init__": _init, "__setattr__": _frozen, "__delattr__": _frozen, "__repr__": _repr}
    for name, method in methods.items():
        if name not in cls.__dict__:
            setattr(cls, name, method)
    cls._record_fields = fields  # type: ignore[attr-defined]
    return cls


@dataclass_transform(frozen_default=True, eq_default=False, kw_only_default=True)
def keyword_record(cls: type[T]) -> type[T]:
    """A record whose fields are given by name, so that one with a default may stand before one without."""
    return record(cls)


def replace(instance: T, **changes: Any) -> T:
    """The same record with other values of some fields."""
    values = {name: getattr(instance, name) for name in instance._record_fields}  # type: ignore[attr-defined]
    return type(instance)(**(values | changes))


def _init(self: Any, *args: Any, **named: Any) -> None:
    fields = self._record_fields
    values = self.__dict__  # written to directly: the record is frozen
    values.update(zip(fields, args, strict=False))
    if not named and len(args) == len(fields):
        if hasattr(self, "__post_init__"):
            self.__post_init__()
        return
    for name in named:
        if name not in fields or name in values:
            raise TypeError(f"{type(self).__name__}: field {name!r} is unknown or given twice")
    values.update(named)
    if len(values) < len(fields):
        for name, default in fields.items():
            if name not in values:
                if default is _REQUIRED:
                    raise TypeError(f"{type(self).__name__}: field {name!r} is missing")
                values[name] = default
    if len(args) > len(fields):
        raise TypeError(f"{type(self).__name__} takes {len(fields)} fields, but {len(args)} were given")
    if hasattr(self, "__post_init__"):
        self.__post_init__()


def _frozen(self: Any, name: str, *value: Any) -> None:
    raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be changed; use replace()")


def _repr(self: Any) -> str:
    values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._record_fields)
    return f"{type(self).__name__}({values})"
