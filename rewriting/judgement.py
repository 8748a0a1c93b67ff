"""Whether a search pays: what rewriting takes against what its result saves when compiled and run.

Both sides are estimates from the structure alone and from constants measured once, never from a clock, so
that every process judges the same and makes the same code. The gains were measured on machines, networks,
gene circuits and random equations: factoring and pairs take off a tenth of the arithmetic, the e-graph a
twelfth of what is left; how many functions of sums of angles the e-graph can do without is counted.
"""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

from symnum.rewriting.cost import CostTable, free_among, ordered_cost
from symnum.rewriting.expr import Expr
from symnum.rewriting.walk import postorder

COMPILED = 6e-5
"""Seconds of processor time that emitting and compiling one operation takes."""

EVALUATED = 1.2e-10
"""Seconds that one addition takes beside others: measured as the gain of whole models per operation saved."""

EVALUATIONS = 1e6
"""Times that compiled code is evaluated: some ten long solves, or a small fit or ensemble."""

_VARIANT = 8e-5  # seconds a node: factoring, pairing and checking one variant
_EGRAPH = 4e-4  # seconds a node: one search with an e-graph, from loading to the check
_EGRAPH_START = 0.2  # seconds: importing egglog, reading the rules
_CLASSICAL = 8e-4  # seconds a node: matching every rule everywhere
_FACTORING_GAIN, _EGRAPH_GAIN, _CLASSICAL_GAIN = 0.10, 0.08, 0.02  # shares of the arithmetic
_TRIGONOMETRIC = ("sin", "cos")


_MOST_COPIES = 1000
"""Copies that count: loops over more wait for memory rather than for arithmetic, and a model of that size is
evaluated fewer times. So the time to compile does not grow with the number of copies."""


def worth(copies: int) -> float:
    """Seconds that one operation less is worth in code that is compiled once for so many copies."""
    return COMPILED + min(copies, _MOST_COPIES) * EVALUATIONS * EVALUATED


class Stake(NamedTuple):
    """Seconds that one rewriter may win, and that it takes."""

    gain: float
    spent: float

    @property
    def pays(self) -> bool:
        return self.gain > self.spent


class Judgement(NamedTuple):
    """What each rewriter has to win; for factoring: by one variant."""

    nodes: int
    factor: Stake
    egraph: Stake
    classical: Stake

    @property
    def variants(self) -> int:
        """How many variants of factoring pay."""
        return int(self.factor.gain / self.factor.spent)


_LOOKED_AT = 2000
"""Nodes that are weighed. Those after them are taken to be like them: looking at all would be a part of the
compile time that judging must not cost."""


def judged(roots: tuple[Expr, ...], free: tuple[Expr, ...], table: CostTable, worth: float) -> Judgement:
    """What searching for cheaper forms of the roots is worth, where ``worth`` is the value of one operation
    less, in seconds."""
    walk = postorder(roots)  # once: most of the time that a judgement takes is this walk
    order = [*islice(walk, _LOOKED_AT)]
    nodes = len(order) + sum(1 for _ in walk)
    fixed = free_among(order, free)
    functions = split = 0.0
    angles: set[Expr] = set()
    for expr in order:
        if expr.op not in table.functions or expr in fixed:
            continue
        functions += table.functions[expr.op]
        if expr.op in _TRIGONOMETRIC and expr.args[0].op == "+":
            moving = [term for term in expr.args[0].args if term not in fixed]
            if len(moving) == 2:
                split += table.functions[expr.op] - 3.0  # two products and a sum instead
                angles.update(moving)
    split -= sum(table.functions[name] for name in _TRIGONOMETRIC) * len(angles)
    arithmetic = max(ordered_cost(order, fixed, table) - functions, 0.0)
    value = worth * nodes / max(len(order), 1)
    return Judgement(
        nodes,
        Stake(value * _FACTORING_GAIN * arithmetic, max(nodes, 1) * _VARIANT),
        Stake(value * (_EGRAPH_GAIN * arithmetic + max(split, 0.0)), _EGRAPH_START + nodes * _EGRAPH),
        Stake(value * _CLASSICAL_GAIN * arithmetic, nodes * _CLASSICAL),
    )
