"""Rewriters: interchangeable values that `simplify` runs one after the other.

Each is given several forms of the same expressions and returns further ones. None of them decides: the
cheapest form that passes the numerical check is kept by `schedule`, whatever a rewriter claims.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from symnum.errors import ModelError
from symnum.rewriting.binary import Binary, raised
from symnum.rewriting.bounds import Where, intervals
from symnum.rewriting.cost import CPU, CostTable, dag_cost, free_nodes, node_cost
from symnum.rewriting.expr import Expr, Rational
from symnum.rewriting.factor import absorbed, expanded, factored
from symnum.rewriting.match import Matcher
from symnum.rewriting.pairs import paired
from symnum.rewriting.rules.rule import FACTS, LEVELS, Level, Rule, RuleSet
from symnum.rewriting.term import EXPR
from symnum.rewriting.walk import is_leaf, postorder, transform

if TYPE_CHECKING:
    from symnum.rewriting.egraph import Classes, Limits

Expressions: TypeAlias = tuple[Expr, ...]

_LOG = logging.getLogger("symnum")

PATIENCE = 3
"""Extractions from one e-graph that find nothing better before the rest is left out."""

MANY = 20_000
"""Nodes beyond which factoring tries one variant instead of all: time stays linear in size, and small."""

SLACK = 1.05
"""Extractions dearer than the best one by more than this factor are not turned into expressions."""


class Search(NamedTuple):
    """What is searched for and how far.

    level: which rules. free: leaves that cost nothing (parameters). nodes: size of the largest e-graph.
    table: costs of the target. where: declared bounds of leaves. deadline: `time.thread_time`.
    certified: use only what a certificate can be made for. variants: how many forms factoring may try.
    """

    level: Level
    free: Expressions = ()
    nodes: int = 12_000
    table: CostTable = CPU
    where: Where = {}  # noqa: RUF012 - a tuple's default, never changed
    deadline: float = float("inf")
    certified: bool = False
    variants: int = 1 << 30

    def cost(self, exprs: Expressions) -> float:
        return dag_cost(exprs, self.free, self.table)

    @property
    def strict(self) -> bool:
        return self.level == LEVELS[0]

    @property
    def seconds(self) -> float:
        return self.deadline - time.thread_time()


class Rewriter(Protocol):
    """One way to find other forms of expressions."""

    @property
    def name(self) -> str:
        """For logs and for ``using``."""

    def forms(self, forms: Sequence[Expressions], search: Search) -> list[Expressions]:
        """Other forms of the same expressions; ``forms`` are equal to each other, the first is the input."""


@dataclass(frozen=True)
class Factoring:
    """Common factors, common pairs, shared reciprocals: on sums and products of any length."""

    name: str = "factor"

    def forms(self, forms: Sequence[Expressions], search: Search) -> list[Expressions]:
        if search.strict:
            return []
        found: dict[Expressions, None] = {}
        if search.variants == 1 or sum(1 for _ in postorder(forms[0])) > MANY:
            return [paired(factored(forms[0]), search.free)]
        before = search.seconds
        for other in islice(self._starts(forms, search), search.variants):
            found.setdefault(other)
            found.setdefault(paired(other, search.free))
            left = search.seconds
            if left < 2 * (before - left):  # another variant, and the checks that follow, would not fit
                break
            before = left
        return list(found)

    @staticmethod
    def _starts(forms: Sequence[Expressions], search: Search) -> Iterator[Expressions]:
        """What pairs are looked for in, made when asked for."""
        known: set[Expressions] = set()
        for form in forms:
            for opened in _openings(form, search):
                start = opened()
                makers: tuple[Callable[[Expressions], Expressions], ...] = (
                    _unfactored, factored, _factored_back, partial(factored, free=search.free)
                )  # fmt: skip
                for make in makers:
                    other = make(start)
                    if other not in known:
                        known.add(other)
                        yield other


def _unfactored(form: Expressions) -> Expressions:
    return form


def _factored_back(form: Expressions) -> Expressions:
    return factored(form, ties=-1)


def _openings(form: Expressions, search: Search) -> tuple[Callable[[], Expressions], ...]:
    """Places to start factoring from."""
    found = (partial(_unfactored, form), partial(expanded, form))
    return (found[0], partial(absorbed, form, search.free), found[1]) if search.free else found


@dataclass(frozen=True)
class Classical:
    """Ordered rules, applied bottom-up until nothing changes; a rule is kept where the term gets cheaper.

    rule_sets: empty for those of the level.
    """

    rule_sets: tuple[RuleSet, ...] = ()
    name: str = "classical"
    rounds: int = 8
    largest: int = 300
    """Nodes beyond which it is left to the others: matching here is plain Python."""

    def forms(self, forms: Sequence[Expressions], search: Search) -> list[Expressions]:
        from symnum.rewriting.rules import rule_sets

        best = min(forms, key=search.cost)
        if sum(1 for _ in postorder(best)) > self.largest:
            return []
        rules: dict[str, list[Rule]] = {}
        for s in self.rule_sets or rule_sets(search.level):
            for r in s.rules:
                rules.setdefault(r.left.op, []).append(r)
        matcher = Matcher(EXPR)
        known = intervals(best, search.where)
        fixed = free_nodes(best, search.free)
        settled: set[Expr] = set()  # no rule makes them cheaper

        def visit(expr: Expr) -> Expr:
            if not expr.args or expr in settled or search.seconds < 0:
                return expr
            for rule in rules.get(expr.op, ()):
                for new, binding in matcher.applications(rule, expr):
                    if rule.assume:
                        known.update(intervals([v for v in binding.values() if v not in known], search.where))
                    proved = all(known[binding[a.variable]].fact(a.fact) for a in rule.assume)
                    if (
                        proved
                        and _lowers(expr, new, binding.values(), fixed, search.table)
                        and search.cost((new,)) < search.cost((expr,))
                    ):
                        return new
            settled.add(expr)
            return expr

        for _ in range(self.rounds):
            new = transform(best, visit)
            if new == best:
                break
            best = new
        return [best]


def _lowers(old: Expr, new: Expr, inner: Iterable[Expr], fixed: set[Expr], table: CostTable) -> bool:
    """Whether the new term may cost less, by what stands above the parts that the rule leaves as they are: a
    quick look, for most matches lead nowhere."""
    kept = {*inner, *(set(old.args) & set(new.args))}

    def above(root: Expr) -> list[Expr]:
        """What the root needs beside the parts that stay, its arguments before it."""
        found: dict[Expr, None] = {}
        stack = [root]
        while stack:
            expr = stack.pop()
            if expr not in found and expr not in kept and expr.args and not is_leaf(expr):
                found[expr] = None
                stack.extend(expr.args)
        return [*reversed(found)]

    before, after = above(old), above(new)
    both = set(before) & set(after)

    def cost(nodes: list[Expr]) -> float:
        total, powers = 0.0, set[tuple[int, Rational]]()
        for expr in nodes:
            if all(arg in fixed or arg.op == "number" for arg in expr.args):
                fixed.add(expr)
            elif expr not in both:
                total += node_cost(expr, fixed, powers, table)
        return total

    return cost(after) < cost(before)


@dataclass(frozen=True)
class EGraph:
    """Equality saturation and extraction over all roots together.

    A second round starts from the result of the first: its factors and sums are cut differently, and that is
    what the e-graph, which has no associativity, can combine anew.
    """

    name: str = "egraph"
    group_size: int = 1500
    """Roots are rewritten together up to this number of distinct nodes; beyond it, in groups."""

    def forms(self, forms: Sequence[Expressions], search: Search) -> list[Expressions]:
        groups = _groups(forms[0], self.group_size)
        best = min(forms, key=search.cost)
        results: list[Expressions] = []
        for number, group in enumerate(groups):
            if search.seconds <= 0:
                _LOG.info("simplify: out of time after %d of %d groups of expressions", number, len(groups))
                break
            parts = [tuple(form[k] for k in group) for form in forms]
            end = time.thread_time() + search.seconds / (len(groups) - number)
            for found in self._searched(parts, search._replace(deadline=end)):
                changed = list(best)
                for k, expr in zip(group, found, strict=True):
                    changed[k] = expr
                results.append(tuple(changed))
            # The whole counts: what is cheaper for one group alone may be dearer for all.
            best = min((best, *results[-3:]), key=search.cost)
        return results

    def _searched(self, forms: list[Expressions], search: Search) -> list[Expressions]:
        best = min(forms, key=search.cost)
        results: list[Expressions] = []
        for share in (0.5, 1.0):
            found = candidates(forms, search, share * search.seconds)
            if not found:
                break
            cheapest = min(found, key=search.cost)
            if search.cost(cheapest) >= search.cost(best) - 1e-9:
                break
            best = cheapest
            results.insert(0, best)
            if search.seconds <= 0:
                break
            forms = [forms[0], best]
            if not search.strict:
                forms.append(factored(best))
        return results


def _groups(roots: Expressions, size: int) -> list[list[int]]:
    """Positions of the roots that are rewritten together, neighbours first."""
    groups: list[list[int]] = [[]]
    seen: set[Expr] = set()
    for k, root in enumerate(roots):
        nodes = set(postorder(root))
        if groups[-1] and len(seen) + len(nodes - seen) > size:
            groups.append([])
            seen = set()
        groups[-1].append(k)
        seen |= nodes
    return groups


def candidates(forms: Sequence[Expressions], search: Search, seconds: float) -> list[Expressions]:
    """What the e-graph makes of several equal forms of the same expressions; nothing where it fails."""
    from symnum.rewriting.egraph import EGraphFailed, Limits
    from symnum.rewriting.extract import selections

    count = len(forms[0])
    kept = list(forms)
    binary = Binary([expr for form in kept for expr in form], search.free)
    while len(binary.nodes) * 2 > search.nodes and len(kept) > 1:
        kept.remove(max(kept[1:], key=search.cost))  # the dearest form teaches least
        binary = Binary([expr for form in kept for expr in form], search.free)
    if len(binary.nodes) * 2 > search.nodes:
        _LOG.info("simplify: %d operations are too many for the e-graph", len(binary.nodes))
        return []
    same = tuple((binary.roots[k % count], root) for k, root in enumerate(binary.roots[count:]))
    facts = _known_facts(binary, search.where) if search.where else {}
    # A small problem is searched to the end in a small graph. Without a bound of its own it would fill the
    # large one with ever more ways to write the same.
    limits = Limits(seconds / 3, min(search.nodes, 3000 + 20 * len(binary.nodes)))
    end = time.thread_time() + seconds
    found: dict[Expressions, None] = {}
    try:
        # More rules are not always better for a heuristic extraction, so it is tried on the way too.
        for classes in _saturated(binary, search.level, limits, same, facts):
            wanted = classes.roots[:count]
            least, lowest, disappointing = float("inf"), float("inf"), 0
            for selection in selections(classes, end, search.table):
                lowest = min(lowest, selection.cost)
                cost = float("inf")
                if selection.cost <= SLACK * lowest:
                    for grouped in (False, True):
                        built = raised(
                            selection.order(), binary.leaves, grouped=grouped, free=classes.free.__getitem__
                        )
                        candidate = tuple(built[c] for c in wanted)
                        if candidate not in found:
                            found.setdefault(candidate)
                            cost = min(cost, search.cost(candidate))
                disappointing = 0 if cost < least else disappointing + 1
                least = min(least, cost)
                if disappointing == PATIENCE:
                    break
    except EGraphFailed as error:
        _LOG.info("simplify: the e-graph failed and is left out (%s)", error)
    except ModelError as error:  # a rewriting that divides by zero where the input does not get that far
        _LOG.info("simplify: a rewriting was dropped (%s)", error)
    return list(found)


_CHECKPOINTS = (2, 4)
"""Iterations after which it is extracted, beside the last."""


def _saturated(
    binary: Binary,
    level: Level,
    limits: Limits,
    same: tuple[tuple[int, int], ...],
    facts: dict[str, list[int]],
) -> Iterable[Classes]:
    """Here, or in a process of its own where a query may run away."""
    from symnum.rewriting.egraph import saturate
    from symnum.rewriting.worker import APART_FROM, saturated

    if len(binary.nodes) < APART_FROM or not sys.executable:
        return saturate(
            binary, level, limits, same=same, facts=facts, checkpoints=lambda i: i in _CHECKPOINTS
        )
    return saturated(binary, level, limits, same=same, facts=facts, checkpoints=_CHECKPOINTS)


def _known_facts(binary: Binary, where: Where) -> dict[str, list[int]]:
    """Fact -> nodes for which the declared bounds prove it."""
    proved = intervals(binary.known(), where)
    numbers = {expr: binary.id_of(expr) for expr in proved if expr.op != "number"}
    return {fact: sorted({n for expr, n in numbers.items() if proved[expr].fact(fact)}) for fact in FACTS}


DEFAULT: tuple[Rewriter, ...] = (Factoring(), EGraph(), Factoring(), Classical())
"""What `simplify` uses. The second factoring finds the pairs in what the e-graph has made; the last stage
finds what stands apart in wide sums, such as sin(x)**2 + y + cos(x)**2, where the e-graph would need
associativity. As first stage it would lead the others into worse local optima (measured on the Kundur
system)."""

REWRITERS: dict[str, Rewriter] = {r.name: r for r in (Classical(), Factoring(), EGraph())}
