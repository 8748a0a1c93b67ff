"""Detailed balance, its extension to irreversible reactions, and complex balance of mass action networks.

A reversible network has detailed balance when at some positive state every reaction runs as fast as its
reverse. That is so exactly when the equilibrium constants K_r = k_r+ / k_r- have the product 1 along every
cycle: ``product of K_r**c_r == 1`` for integers c with ``sum of c_r * change_r == 0`` (Wegscheider, Monatsh.
Chem. 32 (1901) 849). A network with irreversible reactions is a limit of networks with detailed balance
exactly when (1) its reversible part satisfies these conditions and (2) no convex combination of the changes
by the irreversible reactions lies in the span of the changes by the reversible ones (Gorban, Yablonsky,
Chem. Eng. Sci. 66 (2011) 5388, theorem 1; arXiv 1101.5280).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, Any

import numpy as np

from symnum.errors import ModelError
from symnum.language.block import FloatArray, IntArray
from symnum.language.complexes import complexes_of, rate_constant
from symnum.language.conservation import left_null_space, null_space
from symnum.language.reaction_tables import Sides
from symnum.record import record
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr, Rational, add, as_expr, multiply
from symnum.rewriting.walk import evaluate, leaves, substitute

if TYPE_CHECKING:
    from symnum.language.reaction_network import ReactionNetwork

__all__ = ["DetailedBalance", "complex_balance", "detailed_balance"]

_CLOSE = 1e-9  # relative: products of rate constants that are no exact numbers are equal to this
_MOST_PAIRS = 4000  # beyond, the table of cycles needs gigabytes
_DENOMINATORS = (1, 10, 1000, 10**6, 10**9, 10**12)


@record
class DetailedBalance:
    """Whether a network has (extended) detailed balance, and what shows it.

    pairs: (reactions, reverse reactions) by number, parallel ones together. irreversible: the other ones.
    cycles: (n_cycles, n_pairs) a basis of the integer cycles. conditions: one equation of rate constants per
    cycle. algebraic: whether they hold (condition 1), None where a constant has no value. structural:
    condition 2. functional: integer weights (n_species,) of a sum of species that no reversible reaction
    changes and every irreversible one raises: proof of condition 2. combination: {reaction: weight},
    positive weights of sum 1 whose summed change lies in the span of the reversible changes: proof that
    condition 2 fails.
    """

    network: ReactionNetwork
    pairs: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    irreversible: tuple[int, ...]
    cycles: IntArray
    conditions: tuple[Equation, ...]
    algebraic: bool | None
    structural: bool
    functional: IntArray | None
    combination: dict[int, Fraction] | None

    @property
    def holds(self) -> bool | None:
        """Detailed balance, or with irreversible reactions a limit of networks with it. None: not known."""
        return self.algebraic if self.structural else False

    def quantity(self) -> Expr | None:
        """``functional`` as a sum of species."""
        if self.functional is None:
            return None
        return self.network.quantity(self.functional)

    def __str__(self) -> str:
        verdict = {True: "", False: "no ", None: "it depends: "}[self.holds]
        lines = [
            f"{self.network.name}: {len(self.pairs)} reversible and {len(self.irreversible)} irreversible "
            f"reactions, {verdict}{'extended ' * bool(self.irreversible)}detailed balance"
        ]
        word = {True: "hold", False: "do not hold", None: "must hold"}[self.algebraic]
        if self.conditions:
            lines.append(f"    conditions on rate constants, which {word}:")
            lines += [f"        {equation}" for equation in self.conditions]
        if self.functional is not None and self.irreversible:
            lines.append(f"    irreversible reactions raise {self.quantity()}, reversible ones keep it")
        if self.combination is not None:
            taken = " + ".join(
                f"{weight} ({self.network.text(j)})" for j, weight in self.combination.items()
            )
            lines.append(f"    in the span of the reversible changes: {taken}")
        return "\n".join(lines)


def detailed_balance(
    network: ReactionNetwork, parameters: Mapping[Expr | str, Any] | None = None
) -> DetailedBalance:
    """Check detailed balance at the declared values of rate constants, or at these.

    Exact where the constants are numbers; the structural part always is.
    """
    forward, backward, irreversible = _pairs(network)
    if len(forward) > _MOST_PAIRS:
        raise ModelError(
            f"{network.name}: {len(forward)} reversible reactions have too many cycles to list their "
            f"conditions (at most {_MOST_PAIRS} reactions)"
        )
    pairs = tuple(zip(forward, backward, strict=True))
    first = np.array([reactions[0] for reactions in forward], np.int64)
    span = network.change.select(first)
    cycles = null_space(span, len(first))
    constants: dict[int, Expr] = {}
    for j in {j for pair in pairs for side in pair for j in side}:
        constants[j] = rate_constant(network, j)
    k = [[add([constants[j] for j in side]) for side in sides] for sides in (forward, backward)]
    conditions = tuple(_condition(cycle, k) for cycle in cycles)
    values = _Values(network, parameters)
    algebraic: bool | None = None
    if values.known_all(expr for side in k for expr in side):
        numbers = [[values.exact(expr) for expr in side] for side in k]
        algebraic = all(values.are_equal(_products(cycle, numbers)) for cycle in cycles)
    structural, functional, combination = _structural(network, span, irreversible)
    return DetailedBalance(
        network, pairs, tuple(irreversible), cycles, conditions, algebraic, structural, functional,
        combination,
    )  # fmt: skip


def complex_balance(network: ReactionNetwork, parameters: Mapping[Expr | str, Any] | None = None) -> bool:
    """Is there a positive state at which every complex is made as fast as it is used up?

    With K_c the tree constants of a linkage class (the kernel of its Laplacian), that is so exactly when the
    network is weakly reversible and ``product of K_c**w_c == 1`` for all integers w of sum 0 in each class
    with ``sum of w_c * complex_c == 0``: as many conditions as the deficiency. Horn, Arch. Rational Mech.
    Anal. 49 (1972) 172; Craciun, Dickenstein, Shiu, Sturmfels, J. Symb. Comput. 44 (2009) 1551.
    """
    complexes = complexes_of(network)
    if not complexes.weakly_reversible:
        return False
    values = _Values(network, parameters)
    rates: list[Rational] = [values.exact(rate_constant(network, j)) for j in range(network.n_reactions)]
    if min(rates) <= 0:
        raise ModelError(f"{network.name}: complex balance is about positive rate constants; one is not")
    tree: list[Rational] = [0] * len(complexes)
    rows: list[tuple[int, int, float]] = []  # (edge of a spanning star, species, change)
    edges: list[tuple[int, int]] = []
    for members in complexes.linkage_classes:
        inside = np.flatnonzero(np.isin(complexes.reactant, members))
        ends = [(int(complexes.reactant[j]), int(complexes.product[j]), rates[j]) for j in inside.tolist()]
        for c, value in zip(members, _kernel(members, ends), strict=True):
            tree[c] = value
        for c in members[1:]:
            for sign, side in ((1.0, complexes.members[c]), (-1.0, complexes.members[members[0]])):
                rows += [(len(edges), i, sign * count) for i, count in side]
            edges.append((members[0], c))
    table = Sides.of(
        np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], float),
    )  # fmt: skip
    for cycle in null_space(table, len(edges)):
        powers: list[tuple[Rational, int]] = []
        for e in np.flatnonzero(cycle).tolist():
            begin, end = edges[e]
            powers += [(tree[end], int(cycle[e])), (tree[begin], -int(cycle[e]))]
        if not values.are_equal(_split(powers)):
            return False
    return True


# ---- rate constants -------------------------------------------------------------------------------
class _NoValue(ModelError):
    """A parameter or constant species without a number."""


class _Values:
    """Exact values of expressions of parameters; floats where there are none, noted in ``rounded``."""

    def __init__(self, network: ReactionNetwork, parameters: Mapping[Expr | str, Any] | None) -> None:
        self.network = network
        self.rounded = False
        given = {key if isinstance(key, str) else key.name: v for key, v in (parameters or {}).items()}
        known = {leaf.name for leaf in network.parameters}
        for name in given:
            if name not in known:
                raise ModelError(f"{network.name} has no parameter called {name}")
        self.given = given
        self.pending: list[Expr] = []
        self.known: dict[Expr, Expr] = {}

    def known_all(self, exprs: Iterable[Expr]) -> bool:
        try:
            for leaf in leaves(exprs):
                self.value(leaf)
        except _NoValue:
            return False
        return True

    def exact(self, expr: Expr) -> Rational:
        written = substitute(expr, {leaf: self.value(leaf) for leaf in leaves((expr,))})
        if written.is_number:
            return written.value
        self.rounded = True
        return Fraction(evaluate(written, {}))

    def value(self, leaf: Expr) -> Expr:
        if leaf in self.known:
            return self.known[leaf]
        value = self.given.get(leaf.name, leaf.data.default)
        if leaf.kind == "variable":  # a constant species
            value = self.network.starts.get(leaf, leaf.data.default)
        if value is None:
            raise _NoValue(
                f"{self.network.name}: {leaf} has no value; give it, parameters={{{leaf}: ...}}, or where it "
                "is declared"
            )
        if leaf in self.pending:
            raise ModelError(f"{self.network.name}: the parameter {leaf} is defined by itself")
        self.pending.append(leaf)
        found = as_expr(value)
        self.known[leaf] = substitute(found, {below: self.value(below) for below in leaves((found,))})
        self.pending.pop()
        return self.known[leaf]

    def are_equal(self, sides: tuple[Rational, Rational]) -> bool:
        left, right = sides
        if self.rounded:
            return abs(float(left / Fraction(right)) - 1.0) <= _CLOSE
        return left == right


def _condition(cycle: IntArray, k: Sequence[Sequence[Expr]]) -> Equation:
    """``product of forward constants == product of backward ones`` along a cycle."""
    left, right = [], []
    for r in np.flatnonzero(cycle).tolist():
        c = int(cycle[r])
        left.append((k[0 if c > 0 else 1][r], abs(c)))
        right.append((k[1 if c > 0 else 0][r], abs(c)))
    return Equation(multiply(left), multiply(right))


def _products(cycle: IntArray, k: Sequence[Sequence[Rational]]) -> tuple[Rational, Rational]:
    powers: list[tuple[Rational, int]] = []
    for r in np.flatnonzero(cycle).tolist():
        powers += [(k[0][r], int(cycle[r])), (k[1][r], -int(cycle[r]))]
    return _split(powers)


def _split(powers: Sequence[tuple[Rational, int]]) -> tuple[Rational, Rational]:
    """(product of positive powers, product of the inverses of negative ones)."""
    left: Rational = 1
    right: Rational = 1
    for base, power in powers:
        if power > 0:
            left = left * Fraction(base) ** power
        else:
            right = right * Fraction(base) ** -power
    return left, right


def _kernel(members: Sequence[int], edges: Sequence[tuple[int, int, Rational]]) -> list[Fraction]:
    """The positive kernel of a Laplacian, one entry 1: steady weights of a strongly connected class.

    Nodes are removed one by one, each replaced by edges between its neighbours (Grassmann, Taksar, Heyman,
    Oper. Res. 33 (1985) 1107): only sums, products and quotients of positive numbers.
    """
    place = {c: i for i, c in enumerate(members)}
    n = len(members)
    flow = [[Fraction(0)] * n for _ in range(n)]
    for begin, end, rate in edges:
        if begin != end:
            flow[place[begin]][place[end]] += Fraction(rate)
    leaving = [Fraction(0)] * n
    for last in range(n - 1, 0, -1):
        leaving[last] = sum(flow[last][:last], Fraction(0))
        for i in range(last):
            share = flow[i][last] / leaving[last]
            if share:
                for j in range(last):
                    if j != i:
                        flow[i][j] += share * flow[last][j]
    weight = [Fraction(1)]
    for last in range(1, n):
        weight.append(sum((weight[i] * flow[i][last] for i in range(last)), Fraction(0)) / leaving[last])
    return weight


# ---- pairs and the structural condition -----------------------------------------------------------
def _pairs(
    network: ReactionNetwork,
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]], list[int]]:
    """Forward reactions, backward reactions of each pair of sides; and those without a reverse.

    Fixed species count: a reaction is the reverse of another one only if all that takes part agrees.
    """
    by_sides: dict[tuple[Any, Any], list[int]] = {}
    for j in range(network.n_reactions):
        sides = tuple(tuple(side.of_reaction(j)) for side in (network.reactants, network.products))
        if sides[0] != sides[1]:
            by_sides.setdefault((sides[0], sides[1]), []).append(j)
    forward: list[tuple[int, ...]] = []
    backward: list[tuple[int, ...]] = []
    irreversible: list[int] = []
    done: set[tuple[Any, Any]] = set()
    for (left, right), reactions in by_sides.items():
        reverse = by_sides.get((right, left))
        if reverse is None:
            irreversible += reactions
        elif (right, left) not in done:
            done.add((left, right))
            forward.append(tuple(reactions))
            backward.append(tuple(reverse))
    return forward, backward, sorted(irreversible)


def _structural(
    network: ReactionNetwork, span: Sides, irreversible: Sequence[int]
) -> tuple[bool, IntArray | None, dict[int, Fraction] | None]:
    """Condition 2 with its proof; see `DetailedBalance`.

    A linear program in floating point finds a candidate, which exact arithmetic then checks.
    """
    m = len(network.species)
    laws = left_null_space(span, m)  # what the reversible reactions conserve
    changes = np.zeros((m, len(irreversible)), object)
    for column, j in enumerate(irreversible):
        for i, count in network.change.select(np.array([j])).of_reaction(0):
            changes[i, column] = Fraction(repr(count))
    if not irreversible:
        return True, np.zeros(m, np.int64), None
    gain = laws.astype(object) @ changes if len(laws) else np.zeros((0, len(irreversible)), object)
    none = np.flatnonzero(~(gain != 0).any(axis=0))
    if len(none):
        return False, None, {irreversible[none[0]]: Fraction(1)}
    size = np.abs(gain.astype(float)).max(axis=0)
    scaled = gain.astype(float) / size
    weights = _separating(scaled)
    for denominator in _DENOMINATORS:
        exact = [Fraction(round(float(w) * denominator), denominator) for w in weights]
        if (np.array(exact, object) @ gain > 0).all():
            return True, _whole_weights(exact, laws), None
    combination = _combination(gain, scaled)
    if combination is None:
        raise ModelError(
            f"{network.name}: the linear program of extended detailed balance gave no answer that exact "
            "arithmetic confirms; the stoichiometric coefficients differ too much in size"
        )
    return False, None, {irreversible[c]: w for c, w in combination.items()}


def _separating(scaled: FloatArray) -> FloatArray:
    """Weights w, at most 1 in size, that make the smallest ``w @ column`` as large as possible."""
    from scipy.optimize import linprog

    d, n = scaled.shape
    objective = np.concatenate([np.zeros(d), [-1.0]])
    table = np.hstack([-scaled.T, np.ones((n, 1))])
    bounds = [(-1.0, 1.0)] * d + [(None, 1.0)]
    found = linprog(objective, A_ub=table, b_ub=np.zeros(n), bounds=bounds, method="highs-ds")
    result: FloatArray = found.x[:d] if found.x is not None else np.zeros(d)
    return result


def _whole_weights(weights: Sequence[Fraction], laws: IntArray) -> IntArray:
    scale = lcm(*(w.denominator for w in weights))
    total = sum((int(w * scale) * law.astype(object) for w, law in zip(weights, laws, strict=True)),
                np.zeros(laws.shape[1], object))  # fmt: skip
    divisor = int(np.gcd.reduce(total))
    return np.array([int(value) // divisor for value in total], np.int64)


def _combination(gain: Any, scaled: FloatArray) -> dict[int, Fraction] | None:
    """Positive weights of sum 1 with ``gain @ weights == 0``, exact: those of a vertex, or None."""
    from scipy.optimize import linprog

    d, n = scaled.shape
    table = np.vstack([scaled, np.ones(n)])
    right = np.concatenate([np.zeros(d), [1.0]])
    found = linprog(np.zeros(n), A_eq=table, b_eq=right, bounds=[(0.0, None)] * n, method="highs-ds")
    if found.x is None:
        return None
    support = np.flatnonzero(found.x > 1e-9)
    rows, columns = np.nonzero(gain[:, support] != 0)
    counts = np.array([float(gain[r, support[c]]) for r, c in zip(rows, columns, strict=True)])
    vectors = null_space(Sides.of(columns, rows, counts), len(support))
    for vector in (*vectors, vectors.sum(axis=0)):
        if (vector > 0).all() or (vector < 0).all():
            total = int(vector.sum())
            return {int(support[c]): Fraction(int(v), total) for c, v in enumerate(vector)}
    return None
