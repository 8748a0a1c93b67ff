"""``simplify``: cheaper expressions with the same values.

The stages, each of which keeps what the one before it found: canonical form (expressions always have it) ->
a look whether anything can be won -> factoring of wide sums -> e-graph -> extraction over all roots together
-> numerical check. Whatever fails, runs out of its budget or does not pay leaves the expressions as they came
in.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from symnum.errors import ModelError
from symnum.rewriting.binary import Binary, raised
from symnum.rewriting.cost import dag_cost
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr, as_expr
from symnum.rewriting.factor import absorbed, factored
from symnum.rewriting.opportunity import worth_rewriting
from symnum.rewriting.rules.rule import LEVELS, Level
from symnum.rewriting.verify import mismatch
from symnum.rewriting.walk import postorder

T = TypeVar("T")
Expressions = tuple[Expr, ...]

_LOG = logging.getLogger("symnum")

PATIENCE = 3
"""Extractions from one e-graph that find nothing better before the rest is left out."""

GROUP_SIZE = 1500
"""Roots are rewritten together up to this number of distinct nodes; beyond it, in groups."""


def simplify(
    exprs: T, level: str = "default", *, free: Iterable[Expr] = (), budget: float = 2.0, nodes: int = 12_000
) -> T:
    """The same structure with expressions of the same value that cost less to evaluate.

    exprs: an expression or equation, a SymPy expression or matrix, nested lists or tuples of these, or a
        system. All are rewritten together, so that they share what they can. SymPy objects come back as
        expressions.
    level: ``strict`` uses only identities that hold for doubles, operation by operation (signs, absolute
        values, selections); ``default`` also factors, expands and splits angles; ``fast`` also merges
        exponentials and logarithms, which may move overflows.
    free: leaves (parameters) whose subexpressions are computed outside of the evaluation, hence cost nothing.
    budget: seconds of processor time, for all of it together, so that a loaded machine finds the same.
    nodes: size of the largest e-graph.

    The result never costs more than the input (`cost.dag_cost`) and agrees with it at random points; where
    nothing better is found it is the input. Raises ModelError for an unknown level, TypeError for what is no
    expression.
    """
    chosen = next((known for known in LEVELS if known == level), None)
    if chosen is None:
        raise ModelError(f"simplify: there is no level {level!r}. Choose one of {', '.join(LEVELS)}.")
    found: dict[Expr, None] = {}

    def collect(expr: Expr) -> Expr:
        found.setdefault(expr)
        return expr

    collected = _mapped(exprs, collect)
    roots = tuple(found)
    cheaper = _rewritten(roots, _Search(chosen, tuple(free), nodes), budget)
    if cheaper is roots:
        return collected  # type: ignore[no-any-return]
    table = dict(zip(roots, cheaper, strict=True))
    return _mapped(collected, table.__getitem__)  # type: ignore[no-any-return]


def _mapped(value: Any, function: Callable[[Expr], Expr]) -> Any:
    """The same structure with the function applied to every expression in it."""
    if isinstance(value, Expr):
        return function(value)
    if isinstance(value, Equation):
        return Equation(function(value.lhs), function(value.rhs))
    if isinstance(value, list):
        return [_mapped(item, function) for item in value]
    if isinstance(value, tuple):
        return tuple(_mapped(item, function) for item in value)
    if hasattr(value, "map_expressions"):  # a system, from a room above this one
        return value.map_expressions(function)
    if hasattr(value, "tolist") and getattr(value, "shape", None):  # a matrix of SymPy or NumPy
        return _mapped(value.tolist(), function)
    return function(as_expr(value))


class _Search(NamedTuple):
    """What one call of `simplify` searches with."""

    level: Level
    free: Expressions
    nodes: int

    def cost(self, exprs: Expressions) -> float:
        return dag_cost(exprs, self.free)


def _rewritten(roots: Expressions, search: _Search, budget: float) -> Expressions:
    """The roots themselves (the same object) when nothing better was found."""
    if not worth_rewriting(roots):
        return roots
    deadline = time.thread_time() + budget
    forms = [roots]
    if search.level != LEVELS[0]:
        open_form = absorbed(roots, search.free) if search.free else roots
        starts = dict.fromkeys((roots, open_form))
        others = dict.fromkeys(
            form for s in starts for form in (s, factored(s), factored(s, ties=-1)) if form is not roots
        )
        forms += [other for other in others if other != roots and _holds(roots, other)]
    best = min(forms, key=search.cost)
    groups = _groups(roots)
    for number, group in enumerate(groups):
        remaining = deadline - time.thread_time()
        if remaining <= 0:
            _LOG.info("simplify: out of time after %d of %d groups of expressions", number, len(groups))
            break
        parts = [tuple(form[k] for k in group) for form in forms]
        found = _searched(parts, search, remaining / (len(groups) - number))
        changed = list(best)
        for k, expr in zip(group, found, strict=True):
            changed[k] = expr
        # The whole counts: what is cheaper for one group alone may be dearer for all.
        best = min(best, tuple(changed), key=search.cost)
    return roots if search.cost(best) >= search.cost(roots) else best


def _groups(roots: Expressions) -> list[list[int]]:
    """Positions of the roots that are rewritten together, neighbours first."""
    groups: list[list[int]] = [[]]
    seen: set[Expr] = set()
    for k, root in enumerate(roots):
        nodes = set(postorder(root))
        if groups[-1] and len(seen) + len(nodes - seen) > GROUP_SIZE:
            groups.append([])
            seen = set()
        groups[-1].append(k)
        seen |= nodes
    return groups


def _searched(forms: list[Expressions], search: _Search, seconds: float) -> Expressions:
    """The cheapest that the e-graph finds for equal forms of the same expressions and the check accepts.

    A second round starts from the result of the first: its factors and sums are cut differently, and that is
    what the e-graph, which has no associativity, can combine anew.
    """
    best = min(forms, key=search.cost)
    deadline = time.thread_time() + seconds
    for patience in (0.5, 1.0):
        limit = search.cost(best) - 1e-9
        found = _candidates(forms, search, patience * (deadline - time.thread_time()))
        costs = {candidate: search.cost(candidate) for candidate in found}
        ranked = sorted((c for c in found if costs[c] < limit), key=costs.__getitem__)
        accepted = next((candidate for candidate in ranked if _holds(forms[0], candidate)), None)
        if accepted is None or time.thread_time() > deadline:
            return best if accepted is None else accepted
        best = accepted
        forms = [forms[0], best]
        if search.level != LEVELS[0]:
            forms.append(factored(best))
    return best


def _candidates(forms: list[Expressions], search: _Search, seconds: float) -> list[Expressions]:
    """What the e-graph makes of several equal forms of the same expressions; nothing where it fails."""
    from symnum.rewriting.egraph import EGraphFailed, Limits, saturate
    from symnum.rewriting.extract import selections

    count = len(forms[0])
    binary = Binary([expr for form in forms for expr in form], search.free)
    if len(binary.nodes) * 2 > search.nodes:
        _LOG.info("simplify: %d operations are too many for the e-graph", len(binary.nodes))
        return []
    same = tuple((binary.roots[k % count], root) for k, root in enumerate(binary.roots[count:]))
    # A small problem is searched to the end in a small graph. Without a bound of its own it would fill the
    # large one with ever more ways to write the same.
    limits = Limits(seconds / 3, min(search.nodes, 3000 + 20 * len(binary.nodes)))
    end = time.thread_time() + seconds
    candidates: dict[Expressions, None] = {}
    try:
        # More iterations are not always better for a heuristic extraction, so it is tried on the way too.
        for classes in saturate(binary, search.level, limits, same=same, checkpoints=lambda i: i in (2, 4)):
            wanted = classes.roots[:count]
            least, disappointing = float("inf"), 0
            for selection in selections(classes, end):
                cost = float("inf")
                for grouped in (False, True):
                    built = raised(
                        selection.order(), binary.leaves, grouped=grouped, free=classes.free.__getitem__
                    )
                    candidate = tuple(built[c] for c in wanted)
                    candidates.setdefault(candidate)
                    cost = min(cost, search.cost(candidate))
                disappointing = 0 if cost < least else disappointing + 1
                least = min(least, cost)
                if disappointing == PATIENCE:
                    break
    except EGraphFailed as error:
        _LOG.warning("simplify: the e-graph failed and is left out (%s)", error)
    except ModelError as error:  # a rewriting that divides by zero where the input does not get that far
        _LOG.info("simplify: a rewriting was dropped (%s)", error)
    return list(candidates)


def _holds(old: Expressions, new: Expressions) -> bool:
    """Whether the numerical check accepts the new expressions; says so in the log where it does not."""
    found = mismatch(old, new)
    if found is not None:
        _LOG.warning("simplify: a rewriting was rejected by the numerical check, %s", found)
    return found is None
