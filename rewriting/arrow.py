"""Arrows: what ``>>`` between expressions builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from symnum.rewriting.expr import Operand


class Arrow:
    """``left >> right``, structure only: the two sides of a reaction. None or 0 is the empty side."""

    __slots__ = ("left", "right")

    def __init__(self, left: Operand | None, right: Operand | None) -> None:
        self.left = left
        self.right = right

    def __repr__(self) -> str:
        return f"{_side(self.left)} >> {_side(self.right)}"


def _side(side: Operand | None) -> str:
    return "0" if side is None else str(side)
