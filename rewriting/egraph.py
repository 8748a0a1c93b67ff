"""Everything that touches egglog: rules as program text, bulk loading, bounded saturation, reading back.

Expressions enter as tables, one tab-separated file per operator, and leave through ``freeze()``; both are
orders of magnitude faster than building terms through the high-level interface. egglog saturates and nothing
else: cost and extraction are ours (`symnum.rewriting.extract`).

egglog can stop neither on time nor on size inside a query, and its Rust core panics past ``except
Exception``. So iterations are run one at a time, each is refused when the last one grew or lasted too much,
and every failure becomes `EGraphFailed`, after which the prepared graph is thrown away.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from symnum.rewriting.binary import ARITY, COMMUTATIVE, Binary, BinaryNode
from symnum.rewriting.expr import Expr, Rational
from symnum.rewriting.operators import OPERATORS
from symnum.rewriting.rules import rule_sets
from symnum.rewriting.rules.rule import FACTS, LEVELS, Level, Rule, RuleSet


class EGraphFailed(Exception):
    """egglog raised or panicked; the caller goes on without it. Never reaches the user."""


class Limits(NamedTuple):
    """When to stop saturating."""

    seconds: float  # of this thread's processor time
    nodes: int
    iterations: int = 10
    growth: float = 4.0  # an iteration that multiplies the size by more than this is the last


@dataclass(frozen=True)
class Classes:
    """A saturated graph: e-nodes whose arguments are classes, numbered from 0 without gaps.

    ``members[c]`` are the e-nodes of class c; ``roots[i]`` the class of root i; ``free[c]`` says that class c
    depends on free leaves and numbers only.
    """

    nodes: tuple[BinaryNode, ...]
    members: tuple[tuple[int, ...], ...]
    roots: tuple[int, ...]
    free: tuple[bool, ...]


# ---- the program ----------------------------------------------------------------------------------
# Rules of the binary form. What they do, the canonical form of expressions does by itself; here it has to be
# said. The names x, y, z match any class, m and n rational numbers.
_EXACT = """
(rewrite (Neg (Neg x)) x)
(rewrite (Neg (Num n)) (Num (- (bigrat (bigint 0) (bigint 1)) n)))
(rewrite (Mul (Neg x) y) (Neg (Mul x y)))
(rewrite (Inv (Neg x)) (Neg (Inv x)))
(rewrite (Inv (Inv x)) x)
(rewrite (Add (Neg x) (Neg y)) (Neg (Add x y)))
(rewrite (Neg (Add x y)) (Add (Neg x) (Neg y)))
(rewrite (Add x (Neg y)) (Neg (Add y (Neg x))))
(rewrite (Add x (Neg x)) (Num (bigrat (bigint 0) (bigint 1))))
(rewrite (Add x (Num n)) x :when ((= n (bigrat (bigint 0) (bigint 1)))))
(rewrite (Mul x (Num n)) x :when ((= n (bigrat (bigint 1) (bigint 1)))))
(rewrite (Mul x (Num n)) (Num n) :when ((= n (bigrat (bigint 0) (bigint 1)))))
(rewrite (Mul (Num n) x) (Neg (Mul (Num (- (bigrat (bigint 0) (bigint 1)) n)) x))
  :when ((< n (bigrat (bigint 0) (bigint 1)))))
(rewrite (Add (Num m) (Num n)) (Num (+ m n)))
(rewrite (Mul (Num m) (Num n)) (Num (* m n)))
(rewrite (Inv (Num n)) (Num (/ (bigrat (bigint 1) (bigint 1)) n))
  :when ((!= n (bigrat (bigint 0) (bigint 1)))))
"""

_REAL = """
(rewrite (Add x x) (Mul (Num (bigrat (bigint 2) (bigint 1))) x))
(rewrite (Add (Mul (Num m) x) (Mul (Num n) x)) (Mul (Num (+ m n)) x))
(rewrite (Add (Add x y) (Neg x)) y)
(rewrite (Add (Add x y) (Neg (Add x z))) (Add y (Neg z)))
(rewrite (Inv (Mul x y)) (Mul (Inv x) (Inv y)))
(rewrite (Mul (Inv x) (Inv y)) (Inv (Mul x y)))
(rewrite (Inv (Sqrt x)) (Sqrt (Inv x)) :when ((positive x)))
(rewrite (Mul x (Inv x)) (Num (bigrat (bigint 1) (bigint 1))) :when ((nonzero x)))
(rewrite (Mul x (Inv (Mul x y))) (Inv y) :when ((nonzero x)))
(rewrite (Mul (Mul x y) (Inv x)) y :when ((nonzero x)))
(rewrite (Mul (Mul x y) (Inv (Mul x z))) (Mul y (Inv z)) :when ((nonzero x)))
(rewrite (Mul (Sqrt x) (Sqrt x)) x :when ((nonnegative x)))
(rewrite (Mul p (Mul q x)) (Mul (Mul p q) x) :when ((free p) (free q)))
(rewrite (Mul x (Mul p y)) (Mul p (Mul x y)) :when ((free p)))
(rewrite (Add p (Add q x)) (Add (Add p q) x) :when ((free p) (free q)))
(rewrite (Add x (Add p y)) (Add p (Add x y)) :when ((free p)))
"""

# Facts about real values. Nothing is concluded from a division or a root being there: it may stand in a
# branch that is never taken. Unconditional divisions are told from outside, see `_nonzero_seeds`.
_FACTS = """
(rule ((= x (Num n)) (> n (bigrat (bigint 0) (bigint 1)))) ((positive x)))
(rule ((= x (Num n)) (< n (bigrat (bigint 0) (bigint 1)))) ((nonzero x)))
(rule ((= x (Num n))) ((free x)))
(rule ((positive x)) ((nonnegative x) (nonzero x)))
(rule ((nonnegative x) (nonzero x)) ((positive x)))
(rule ((= x (Mul y y))) ((nonnegative x)))
(rule ((= x (Mul y z)) (nonnegative y) (nonnegative z)) ((nonnegative x)))
(rule ((= x (Mul y z)) (nonzero y) (nonzero z)) ((nonzero x)))
(rule ((= x (Mul y z)) (nonzero x)) ((nonzero y) (nonzero z)))
(rule ((= x (Add y z)) (nonnegative y) (nonnegative z)) ((nonnegative x)))
(rule ((= x (Add y z)) (positive y) (nonnegative z)) ((positive x)))
(rule ((= x (Inv y)) (positive y)) ((positive x)))
(rule ((= x (Neg y)) (nonzero y)) ((nonzero x)))
(rule ((= x (Sqrt y))) ((nonnegative x)))
(rule ((= x (Sqrt y)) (positive y)) ((positive x)))
(rule ((= x (exp_ y))) ((positive x)))
(rule ((= x (cosh_ y))) ((positive x)))
(rule ((= x (abs_ y))) ((nonnegative x)))
(rule ((= x (abs_ y)) (nonzero y)) ((nonzero x)))
(rule ((= x (hypot_ y z))) ((nonnegative x)))
(rule ((= x (max_ y z)) (positive y)) ((positive x)))
(rule ((= x (max_ y z)) (nonnegative y)) ((nonnegative x)))
(rule ((= x (min_ y z)) (positive y) (positive z)) ((positive x)))
(rule ((= x (min_ y z)) (nonnegative y) (nonnegative z)) ((nonnegative x)))
"""


def _name(op: str) -> str:
    """egglog's name of an operator; it has functions of its own called ``log``, ``min``, ``<``."""
    return f"{op.replace('<', 'less').replace('=', '_equal')}_" if op in OPERATORS else op


def _number_text(value: Rational) -> str:
    top, bottom = value.numerator, value.denominator
    return f'(Num (bigrat (from-string "{top}") (from-string "{bottom}")))'


def _pattern_text(expr: Expr) -> str:
    """One side of a rule, lowered as every expression is and written as an egglog term."""
    binary = Binary((expr,))
    texts: list[str] = []
    for node in binary.nodes:
        if node.op == "Num":
            texts.append(_number_text(node.payload))
        elif node.op == "Leaf":
            texts.append(binary.leaves[int(node.payload)].name)
        else:
            texts.append(f"({_name(node.op)} {' '.join(texts[arg] for arg in node.args)})")
    return texts[binary.roots[0]]


def rule_text(rule: Rule, ruleset: str) -> str:
    """The egglog command for a rule."""
    when = " ".join(f"({a.fact} {a.variable.name})" for a in rule.assume)
    condition = f" :when ({when})" if when else ""
    return f"(rewrite {_pattern_text(rule.left)} {_pattern_text(rule.right)}{condition} :ruleset {ruleset})"


def program_text(sets: tuple[RuleSet, ...], *, exact: bool) -> str:
    """Sort, loaders and rules. ``exact`` leaves out what changes the rounding."""
    lines = ["(datatype M (Num BigRat) (Leaf i64)"]
    lines += [f"  ({_name(op)} {' '.join(['M'] * arity)})" for op, arity in ARITY.items()]
    lines += [")", "(constructor E (i64) M :unextractable)"]
    lines += [f"(relation {fact} (M))" for fact in _SEEDED]
    lines += ["(ruleset load)", "(ruleset facts)", "(ruleset rules)"]
    lines += ["(relation in_Num (i64 String String))", "(relation in_Leaf (i64 i64))"]
    number = "(Num (bigrat (from-string p) (from-string q)))"
    lines.append(f"(rule ((in_Num i p q)) ((union (E i) {number})) :ruleset load)")
    lines.append("(rule ((in_Leaf i k)) ((union (E i) (Leaf k))) :ruleset load)")
    for op, arity in ARITY.items():
        args = [f"a{k}" for k in range(arity)]
        lines.append(f"(relation in_{_name(op)} ({' '.join(['i64'] * (arity + 1))}))")
        built = f"({_name(op)} {' '.join(f'(E {a})' for a in args)})"
        lines.append(f"(rule ((in_{_name(op)} i {' '.join(args)})) ((union (E i) {built})) :ruleset load)")
        variables = " ".join(args)
        known = " ".join(f"(free {a})" for a in args)
        lines.append(f"(rule ((= x ({_name(op)} {variables})) {known}) ((free x)) :ruleset facts)")
    for fact in _SEEDED:
        lines.append(f"(relation in_{fact} (i64))")
        lines.append(f"(rule ((in_{fact} i)) (({fact} (E i))) :ruleset load)")
    lines.append("(relation in_same_class (i64 i64))")
    lines.append("(rule ((in_same_class i j)) ((union (E i) (E j))) :ruleset load)")
    lines += [_in_ruleset(line, "facts") for line in _commands(_FACTS)]
    lines += [f"(rewrite ({_name(op)} x y) ({_name(op)} y x) :ruleset rules)" for op in sorted(COMMUTATIVE)]
    lines += [_in_ruleset(line, "rules") for line in _commands(_EXACT if exact else _EXACT + _REAL)]
    lines += [rule_text(rule, "rules") for rules in sets for rule in rules.rules]
    return "\n".join(lines)


_SEEDED = ("free", *FACTS)


def _commands(text: str) -> list[str]:
    return [line for line in text.replace("\n  ", " ").splitlines() if line]


def _in_ruleset(command: str, ruleset: str) -> str:
    return f"{command.removesuffix(')')} :ruleset {ruleset})"


@cache
def _level_text(level: Level) -> str:
    return program_text(rule_sets(level), exact=level == LEVELS[0])


# ---- a prepared graph -----------------------------------------------------------------------------
class Session:
    """One egglog graph with its rules loaded, used for one problem after the other by ``(push)`` and
    ``(pop)``."""

    def __init__(self, program: str) -> None:
        from egglog import bindings

        chatty = logging.getLogger("egglog")  # it reports every command at level INFO
        if chatty.level == logging.NOTSET:
            chatty.setLevel(logging.WARNING)
        self._folder = TemporaryDirectory(prefix="symnum-egraph-")
        self._graph = bindings.EGraph(fact_directory=self._folder.name)
        self._commands: dict[str, Any] = {}
        self.run(program)

    def run(self, text: str) -> Any:
        """Run program text; parsed texts are kept, for they repeat."""
        parsed = self._commands.get(text)
        if parsed is None:
            parsed = self._commands[text] = self._graph.parse_program(text)
        return self._graph.run_program(*parsed)

    def load(
        self, binary: Binary, same: tuple[tuple[int, int], ...], facts: Mapping[str, Iterable[int]]
    ) -> None:
        """Insert nodes, facts (nodes by fact) and known equalities between nodes."""
        tables: dict[str, list[str]] = {}
        for number, node in enumerate(binary.nodes):
            if node.op == "Num":
                row = f"{number}\t{node.payload.numerator}\t{node.payload.denominator}"
            elif node.op == "Leaf":
                row = f"{number}\t{node.payload}"
            else:
                row = "\t".join(map(str, (number, *node.args)))
            tables.setdefault(_name(node.op), []).append(row)
        leaf_rows = [str(i) for i in sorted(binary.free) if binary.nodes[i].op == "Leaf"]
        tables["free"] = leaf_rows
        for fact, holders in facts.items():
            tables[fact] = [str(i) for i in sorted(holders)]
        tables["same_class"] = [f"{i}\t{j}" for i, j in same]
        tables = {name: rows for name, rows in tables.items() if rows}
        for name, rows in tables.items():
            Path(self._folder.name, f"{name}.tsv").write_text("\n".join(rows))
        self.run(" ".join(f'(input in_{name} "{name}.tsv")' for name in sorted(tables)))
        self.run("(run load 1)")

    def step(self) -> bool:
        """Saturate the facts, then apply all rules once. False when nothing is left to do."""
        report = self.run("(run-schedule (saturate facts) (run rules))")[0].report
        return bool(report.updated)

    def size(self) -> int:
        """Number of e-nodes."""
        sizes = dict(self.run("(print-size)")[0].sizes)
        return sum(sizes.get(_name(op), 0) for op in (*ARITY, "Num", "Leaf"))

    def read(self, roots: tuple[int, ...]) -> Classes:
        """The whole graph, with classes numbered from 0 in order of first appearance."""
        self.run("(run-schedule (saturate facts))")
        functions = self._graph.freeze().functions
        key = self._graph.value_to_i64
        number: dict[int, int] = {}
        nodes: list[BinaryNode] = []
        members: list[list[int]] = []
        seen: set[tuple[int, BinaryNode]] = set()

        def class_of(value: Any) -> int:
            raw = key(value)
            found = number.get(raw)
            if found is None:
                found = number[raw] = len(members)
                members.append([])
            return found

        def add(node: BinaryNode, output: Any) -> None:
            owner = class_of(output)
            if (owner, node) not in seen:
                seen.add((owner, node))
                members[owner].append(len(nodes))
                nodes.append(node)

        for row in functions["Num"].rows:
            value = self._graph.value_to_bigrat(row.inputs[0])
            add(BinaryNode("Num", (), _whole(Fraction(value))), row.output)
        for row in functions["Leaf"].rows:
            add(BinaryNode("Leaf", (), key(row.inputs[0])), row.output)
        for op in ARITY:
            order = sorted if op in COMMUTATIVE else list
            for row in functions[_name(op)].rows:
                add(BinaryNode(op, tuple(order(class_of(a) for a in row.inputs))), row.output)
        entry = {key(row.inputs[0]): class_of(row.output) for row in functions["E"].rows}
        free = [False] * len(members)
        for row in functions["free"].rows:
            free[class_of(row.inputs[0])] = True
        wanted = tuple(entry[root] for root in roots)
        return Classes(tuple(nodes), tuple(map(tuple, members)), wanted, tuple(free))


def _whole(value: Fraction) -> Rational:
    return value.numerator if value.denominator == 1 else value


_SESSIONS = threading.local()  # an egglog graph belongs to the thread that made it


def saturate(
    binary: Binary,
    level: Level,
    limits: Limits,
    *,
    same: tuple[tuple[int, int], ...] = (),
    facts: Mapping[str, Iterable[int]] | None = None,
    checkpoints: Callable[[int], bool] = lambda iteration: True,
) -> Iterator[Classes]:
    """Saturate step by step; yield the graph after the iterations for which ``checkpoints`` is true, and at
    the end.

    ``same`` are pairs of nodes known to be equal; ``facts`` says for which nodes a fact (positive,
    nonnegative, nonzero) is known from outside, wherever they have a value. Raises EGraphFailed when egglog
    does.
    """
    sessions: dict[str, Session] = _SESSIONS.__dict__.setdefault("by_level", {})
    start = time.thread_time()
    try:
        session = sessions.pop(level, None) or Session(_level_text(level))
        session.run("(push)")
        known = dict(facts or {})
        known["nonzero"] = {*known.get("nonzero", ()), *_nonzero_seeds(binary)}
        session.load(binary, same, known)
        size = session.size()
        for iteration in range(1, limits.iterations + 1):
            began = time.thread_time()
            updated = session.step()
            now = time.thread_time()
            grown = session.size()
            last = (
                not updated
                or grown > limits.nodes
                or grown > limits.growth * max(size, 100)
                or iteration == limits.iterations
                # the next iteration takes at least as long as this one, usually a few times longer
                or now - start + 2 * (now - began) > limits.seconds
            )
            size = grown
            if last or checkpoints(iteration):
                yield session.read(binary.roots)
            if last:
                break
        session.run("(pop)")
        sessions[level] = session  # only a session that came through is used again
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a Rust panic is not an Exception
        raise EGraphFailed(f"{type(error).__name__}: {error}") from error


def _nonzero_seeds(binary: Binary) -> set[int]:
    """Denominators that are evaluated whatever happens: where one is zero, the input itself has no value.

    What stands only in a branch of ``ifelse`` proves nothing: the branch may be there to avoid the zero.
    """
    seeds: set[int] = set()
    seen: set[int] = set()
    stack = list(binary.roots)
    while stack:
        number = stack.pop()
        if number in seen:
            continue
        seen.add(number)
        node = binary.nodes[number]
        if node.op == "Inv":
            seeds.add(node.args[0])
        stack.extend(node.args[:1] if node.op == "ifelse" else node.args)
    return seeds
