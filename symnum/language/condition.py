"""Conditions: what is true or false, as relations between numbers that are joined by and, or, not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from symnum.record import record
from symnum.rewriting.expr import ONE, ZERO, Expr, apply, slot
from symnum.rewriting.python_code import python_function

RELATIONS = ("<", "<=", "equal")


@record
class Condition:
    """``skeleton`` over ``slot("r", k)``, which is 1 where ``relations[k]`` holds and else 0.

    relations[k]: (distance, kind). "<" holds where the distance is above 0, "<=" where it is not below,
    "equal" where it is 0. So a relation changes where its distance crosses zero and nowhere else.
    """

    skeleton: Expr
    relations: tuple[tuple[Expr, str], ...]

    @classmethod
    def of(cls, expr: Expr) -> Condition:
        """The condition in an expression; what is a number and no relation holds where it is not 0."""
        found: dict[tuple[Expr, str], int] = {}
        return cls(_skeleton(expr, found), tuple(found))

    def holds(self, truths: Sequence[bool]) -> bool:
        """Whether the condition holds, given which relations do."""
        return bool(self._function(truths))

    @cached_property
    def _function(self) -> Callable[[Sequence[bool]], float]:
        names = {slot("r", k): f"truths[{k}]" for k in range(len(self.relations))}
        return python_function(self.skeleton, "truths", names)


def _skeleton(expr: Expr, found: dict[tuple[Expr, str], int]) -> Expr:
    if expr.op == "number":
        return ONE if expr.value else ZERO
    if expr.op in ("and", "or", "not"):
        return apply(expr.op, *(_skeleton(argument, found) for argument in expr.args))
    if expr.op == "ifelse":
        condition, then, otherwise = (_skeleton(argument, found) for argument in expr.args)
        return apply("or", apply("and", condition, then), apply("and", apply("not", condition), otherwise))
    if expr.op in RELATIONS:
        left, right = expr.args
        key = right - left, expr.op
    else:
        key = expr, "equal"
    if key[0].is_number:
        value = key[0].value
        holds = ONE if (value > 0 if key[1] == "<" else value >= 0 if key[1] == "<=" else not value) else ZERO
    else:
        holds = slot("r", found.setdefault(key, len(found)))
    return holds if expr.op in RELATIONS else apply("not", holds)
