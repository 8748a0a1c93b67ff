"""YAML as nodes that know their lines.

PyYAML composes the nodes (``pip install symnum-modeling[cantera]``); what a scalar means is decided by the
reader that asks: the species NO is a name and no truth value.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from symnum.errors import ModelError

__all__ = ["Node", "parsed"]


class Node:
    """A mapping, sequence or scalar of a file. ``what`` names it in messages."""

    def __init__(self, path: Path, node: Any, what: str) -> None:
        self._path, self._node, self.what = path, node, what
        self.kind: str = node.id  # "mapping", "sequence", "scalar"

    @property
    def line(self) -> int:
        """Counted from 1."""
        return int(self._node.start_mark.line) + 1

    def fail(self, problem: str) -> NoReturn:
        """Raise ModelError with file and line."""
        raise ModelError(f"{self._path}, line {self.line}: {problem}")

    # ---- mappings ---------------------------------------------------------------------------------
    def items(self) -> Iterator[tuple[str, Node]]:
        """Keys and values of a mapping."""
        if self.kind != "mapping":
            self.fail(f"{self.what} should be a list of 'key: value', not {self.shown()}")
        seen: set[str] = set()
        for key, value in self._node.value:
            if key.id != "scalar":
                self.fail(f"{self.what} has a key that is no name")
            if key.value in seen:
                self.fail(f"{self.what} has {key.value!r} twice")
            seen.add(key.value)
            yield key.value, Node(self._path, value, f"{key.value!r} of {self.what}")

    def mapping(self) -> dict[str, Node]:
        """A mapping as a dictionary."""
        return dict(self.items())

    # ---- sequences and scalars --------------------------------------------------------------------
    def members(self) -> list[Node]:
        """The members of a sequence."""
        if self.kind != "sequence":
            self.fail(f"{self.what} should be a list, not {self.shown()}")
        return [
            Node(self._path, value, f"entry {i} of {self.what}")
            for i, value in enumerate(self._node.value, start=1)
        ]

    def text(self) -> str:
        """A scalar as it stands in the file."""
        if self.kind != "scalar":
            self.fail(f"{self.what} should be a word or number, not a {self.kind}")
        return str(self._node.value)

    def number(self) -> float:
        """A finite number."""
        text = self.text()
        try:
            value = float(text)
        except ValueError:
            self.fail(f"{self.what} is {text!r}, not a number")
        if not abs(value) < float("inf"):
            self.fail(f"{self.what} is {text}, not a finite number")
        return value

    def truth(self) -> bool:
        """``true`` or ``false``."""
        text = self.text()
        if text.lower() not in ("true", "false"):
            self.fail(f"{self.what} is {text!r}; write true or false")
        return text.lower() == "true"

    def shown(self) -> str:
        """The node in a message."""
        return repr(self._node.value) if self.kind == "scalar" else f"a {self.kind}"


def parsed(path: Path, text: str) -> Node:
    """The first document of a file with this text, as a mapping."""
    try:
        yaml = import_module("yaml")
    except ImportError as error:
        raise ModelError(
            f"{path}: reading YAML needs PyYAML: pip install symnum-modeling[cantera]"
        ) from error
    try:
        # libyaml is ten times faster than the parser in Python, which serves where it is absent
        node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise ModelError(
            f"{path}{line}: this is no YAML ({error.problem}). Is the file cut off or a bracket missing?"
        ) from error
    except yaml.YAMLError as error:
        raise ModelError(f"{path}: this is no YAML: {error}") from error
    except RecursionError as error:
        raise ModelError(f"{path}: lists within lists without end") from error
    if node is None or node.id != "mapping":
        raise ModelError(f"{path}: the file is not a mapping of sections")
    return Node(path, node, "the file")
