"""``simplify``: cheaper expressions with the same values.

The stages, each of which keeps what the one before it found: canonical form (expressions always have it) ->
a look whether anything can be won -> factoring of wide sums -> e-graph -> extraction over all roots together
-> numerical check. Whatever fails, runs out of its budget or does not pay leaves the expressions as they came
in.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from symnum.errors import ModelError
from symnum.rewriting.bounds import Where, checked
from symnum.rewriting.cost import CPU, cost_table
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr, as_expr
from symnum.rewriting.judgement import Judgement, Stake, judged
from symnum.rewriting.opportunity import needs_egraph, worth_rewriting
from symnum.rewriting.rewriter import (
    DEFAULT,
    MANY,
    REWRITERS,
    Expressions,
    Factoring,
    Rewriter,
    Search,
)
from symnum.rewriting.rules.rule import LEVELS
from symnum.rewriting.verify import mismatch, same_rounding
from symnum.rewriting.walk import postorder

if TYPE_CHECKING:
    from symnum.rewriting.certificate import Certificate

T = TypeVar("T")

_LOG = logging.getLogger("symnum")


@overload
def simplify(
    exprs: T,
    level: str = ...,
    target: str = ...,
    using: Sequence[Rewriter | str] = ...,
    *,
    free: Iterable[Expr] = ...,
    where: Where | None = ...,
    budget: float = ...,
    nodes: int = ...,
    worth: float | None = ...,
    certificate: Literal[False] = ...,
) -> T: ...
@overload
def simplify(
    exprs: T,
    level: str = ...,
    target: str = ...,
    using: Sequence[Rewriter | str] = ...,
    *,
    free: Iterable[Expr] = ...,
    where: Where | None = ...,
    budget: float = ...,
    nodes: int = ...,
    worth: float | None = ...,
    certificate: Literal[True],
) -> tuple[T, Certificate]: ...
def simplify(
    exprs: T,
    level: str = "default",
    target: str = "cpu",
    using: Sequence[Rewriter | str] = DEFAULT,
    *,
    free: Iterable[Expr] = (),
    where: Where | None = None,
    budget: float = 2.0,
    nodes: int = 12_000,
    worth: float | None = None,
    certificate: bool = False,
) -> T | tuple[T, Certificate]:
    """The same structure with expressions of the same value that cost less to evaluate.

    exprs: an expression or equation, a SymPy expression or matrix, nested lists or tuples of these, or a
        system. All are rewritten together, so that they share what they can. SymPy objects come back as
        expressions.
    level: ``strict`` uses only identities that hold for doubles, operation by operation (signs, absolute
        values, selections); ``default`` also factors, expands and splits angles; ``fast`` also merges
        exponentials and logarithms, which may move overflows.
    target: whose costs count: ``cpu`` (the shipped table) or ``native`` (measured here, see `calibrate`). Or
        ``accuracy``: the digits count instead, measured in double against high precision at points in
        ``where``; the result may cost more, and ``level`` and ``using`` do not matter.
    using: the rewriters, in order: values from `rewriter`, or the names classical, factor, egraph.
    free: leaves (parameters) whose subexpressions are computed outside of the evaluation, hence cost nothing.
    where: bounds ``{leaf: (low, high)}``, both included, in which the expressions are used. They prove signs
        that rules ask for, and the numerical check looks at points inside them.
    budget: seconds of processor time, for all of it together, so that a loaded machine finds the same.
        Systems of more than 20,000 nodes are left alone where it is too short to look at all of them.
    nodes: size of the largest e-graph.
    worth: seconds that one operation less is worth to the caller. Given, searches that take longer than what
        they can win are left out, by an estimate from the structure, see `judgement`.
    certificate: also return a `Certificate`, which `certificate.check` verifies independently. Forms that
        cannot be explained are not used then.

    The result never costs more than the input (`cost.dag_cost`) and agrees with it at random points; where
    nothing better is found it is the input. Partial sums and products that several expressions share come
    back in parentheses (operator ``group``). Raises ModelError for an unknown level, target or rewriter and
    for bounds that are none, TypeError for what is no expression.
    """
    chosen = next((known for known in LEVELS if known == level), None)
    if chosen is None:
        raise ModelError(f"simplify: there is no level {level!r}. Choose one of {', '.join(LEVELS)}.")
    rewriters = DEFAULT if using is DEFAULT else [_rewriter(one) for one in using]
    bounds = {leaf: (found.low, found.high) for leaf, found in checked(where or {}).items()}
    costs = CPU if target == ACCURACY else cost_table(target)
    deadline = time.thread_time() + budget
    search = Search(chosen, tuple(free), nodes, costs, bounds, deadline, certificate)
    found: dict[Expr, None] = {}

    def collect(expr: Expr) -> Expr:
        found.setdefault(expr)
        return expr

    collected: T = _mapped(exprs, collect)
    roots = tuple(found)
    cheaper = _accurate(roots, search) if target == ACCURACY else _rewritten(roots, search, rewriters, worth)
    table = dict(zip(roots, cheaper, strict=True))
    result: T = collected if cheaper is roots else _mapped(collected, table.__getitem__)
    if not certificate:
        return result
    from symnum.rewriting.certificate import explain

    proof = explain(roots, cheaper, bounds)
    assert proof is not None  # `_holds` has asked for it
    return result, proof


ACCURACY = "accuracy"
_WITHOUT_EGRAPH: tuple[Rewriter, ...] = (Factoring(),)


def _accurate(roots: Expressions, search: Search) -> Expressions:
    from symnum.rewriting.accuracy import accurate

    found = tuple(accurate(root, search.where, search.deadline) for root in roots)
    if search.certified:
        pairs = zip(roots, found, strict=True)
        found = tuple(new if _explained((old,), (new,), search) else old for old, new in pairs)
    return roots if found == roots else found


def _rewriter(given: Rewriter | str) -> Rewriter:
    if not isinstance(given, str):
        return given
    if given not in REWRITERS:
        raise ModelError(f"simplify: there is no rewriter {given!r}. Choose from {', '.join(REWRITERS)}.")
    return REWRITERS[given]


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
        return value.map_expressions(lambda sides: [function(side) for side in sides])
    if hasattr(value, "tolist") and getattr(value, "shape", None):  # a matrix of SymPy or NumPy
        return _mapped(value.tolist(), function)
    return function(as_expr(value))


def _rewritten(
    roots: Expressions, search: Search, using: Sequence[Rewriter], worth: float | None
) -> Expressions:
    """The roots themselves (the same object) when nothing better was found."""
    if not worth_rewriting(roots):
        return roots
    forms = [roots]
    nodes = sum(1 for _ in postorder(roots))
    if using is DEFAULT and not needs_egraph(roots):
        using = _WITHOUT_EGRAPH
        if nodes > MANY:
            _LOG.info("simplify: a polynomial system of this size is left as it is: too little to win")
            return roots
    if nodes > MANY and nodes * SECONDS_A_NODE > search.seconds:
        _LOG.info(
            "simplify: %d operations are left as they are: factoring and checking them takes longer than the "
            "budget of %.1f s, and about as long as compiling them",
            nodes, search.seconds,
        )  # fmt: skip
        return roots
    if worth is not None:
        judgement = judged(roots, search.free, search.table, worth)
        using = [rewriter for rewriter in dict.fromkeys(using) if _pays(rewriter, judgement)]
        search = search._replace(variants=judgement.variants)
    cost = cache(search.cost)
    for rewriter in using:
        if search.seconds <= 0:
            _LOG.info("simplify: out of time before the rewriter %r", rewriter.name)
            break
        found = dict.fromkeys(form for form in rewriter.forms(_teaching(forms, cost), search))
        ranked = sorted((form for form in found if form not in forms), key=cost)
        # The check costs as much as many searches: only what may be used is checked, best first.
        accepted = 0
        for form in ranked:
            if accepted == ACCEPTED or (accepted and search.seconds <= 0):
                break
            if _holds(roots, form, search):
                forms.append(form)
                accepted += 1
    best = min(forms, key=cost)
    return roots if cost(best) >= cost(roots) else best


def pays(roots: Sequence[Expr], worth: float) -> bool:
    """Whether any rewriter of `DEFAULT` may win more than it takes, where one operation less is worth so many
    seconds; says so in the log where not. It takes microseconds a node, before anything is prepared."""
    wanted = tuple(roots)
    if not worth_rewriting(wanted):
        return False
    judgement = judged(wanted, (), CPU, worth)
    answers = [_pays(rewriter, judgement) for rewriter in dict.fromkeys(DEFAULT)]
    return any(answers)


def _pays(rewriter: Rewriter, judgement: Judgement) -> bool:
    stake = getattr(judgement, rewriter.name, None)
    if not isinstance(stake, Stake) or stake.pays:
        return True  # a rewriter of the caller's is wanted
    if judgement.nodes >= _SPOKEN_OF:
        _LOG.info(
            "simplify: %d operations: the rewriter %r steps aside; it would take about %.2g s "
            "and win %.2g s of compiling and running",
            judgement.nodes, rewriter.name, stake.spent, stake.gain,
        )  # fmt: skip
    return False


_SPOKEN_OF = 60
"""Operations from which the log says that a rewriter steps aside: below nobody expects one."""


def _teaching(forms: list[Expressions], cost: Callable[[Expressions], float]) -> list[Expressions]:
    """The input and the best forms found: what the next rewriter starts from."""
    return [forms[0], *sorted(forms[1:], key=cost)[:ACCEPTED]]


SECONDS_A_NODE = 1e-4
"""What factoring, finding pairs and checking take for one node of a large system; linear in the size."""

ACCEPTED = 4
"""Forms of one rewriter that go on to the next."""


def _holds(old: Expressions, new: Expressions, search: Search) -> bool:
    """Whether the numerical check accepts the new expressions; says so in the log where it does not."""
    if search.certified and not _explained(old, new, search):
        _LOG.info("simplify: a rewriting was left out because no certificate was found")
        return False
    if search.strict and not same_rounding(old, new, search.where):
        return False  # sums in another order
    found = mismatch(old, new, where=search.where)
    if found is not None:
        _LOG.info("simplify: a rewriting was rejected by the numerical check, %s", found)
    return found is None


def _explained(old: Expressions, new: Expressions, search: Search) -> bool:
    from symnum.rewriting.certificate import explain

    return explain(old, new, search.where) is not None
