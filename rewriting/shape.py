"""Shapes: expressions that differ in nothing but their leaves share one template.

`canonical` replaces the leaves of some expressions by numbered slots, so that all expressions that are equal
up to a renaming of leaves give the same template object. Slots are numbered by first occurrence in a walk
that sorts commutative children by structure; where structure does not decide, by Weisfeiler-Lehman colours of
the leaves, and where these tie, the first tied leaf gets a colour of its own, until none is left.

What decides is split in two, because most expressions of a model repeat a shape already seen:

* the *skeleton*: one traversal that sorts children by a hash that is blind to leaves (kept on every node);
* the *labelling* of a skeleton, which needs the colours and is remembered.

A bad order can only cost an extra template, never a wrong one: putting the leaves back gives the original
node, whatever the order was.

Exponents and coefficients +1 and -1 belong to the shape. All other numbers (coefficients, constants of sums,
numeric arguments) become slots of class ``c``, each occurrence its own.

Sums and products wider than 12 terms get their order from a few rounds of colouring alone: fast, but
symmetric ones may give several templates for one shape. They should be rows of a table, not templates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple
from zlib import crc32

from symnum.record import record
from symnum.rewriting.expr import TIME, Expr, Rational, apply, linear, multiply, number, power, slot
from symnum.rewriting.show import natural

_WIDE = 12
_MOST_INDIVIDUALISED = 200_000  # vertices times leaves given their own colour: about a second


@record
class Template:
    """Expressions over slots, and the leaf that each slot stands for.

    ``roots`` hold ``slot(letters[k], k)`` for k = 0, 1, ...; ``leaves[k]`` is what was there: a symbol,
    ``D(x)`` or, for letter ``c``, a number. Equal shapes have the same ``roots`` and ``letters``.
    """

    roots: tuple[Expr, ...]
    letters: tuple[str, ...]
    leaves: tuple[Expr, ...]


def canonical(roots: Sequence[Expr], classify: Callable[[Expr], str]) -> Template:
    """The template of some expressions together, and their leaves in the order of its slots.

    ``classify`` gives the class letter of a symbol, a ``D(x)`` or a slot; it is called once for each. Time
    stays as it is. With ``leaves`` in place of the slots the template is ``roots`` again, node for node.
    """
    tokens, leaves, letters = _skeleton(roots, classify)
    labelling = _labelled(tokens, letters)
    return Template(
        labelling.roots,
        tuple([letters[k] for k in labelling.order]),
        tuple([leaves[k] for k in labelling.order]),
    )


def residual_template(residual: Expr, classify: Callable[[Expr], str]) -> Template:
    """The template of an equation ``residual == 0``, whose sign is arbitrary: the smaller of those of
    ``residual`` and ``-residual``. The leaves give one or the other back."""
    plain = canonical((residual,), classify)
    turned = canonical((-residual,), classify)
    return plain if plain.roots[0].key <= turned.roots[0].key else turned


# ---- the skeleton ---------------------------------------------------------------------------------
class Blind(NamedTuple):
    """What is known of a node without looking at which leaves it has."""

    hash: int
    order: tuple[int, ...]  # positions of the arguments, sorted for commutative operators
    token: tuple[Any, ...]  # what the skeleton says of the node, arguments in that order


def _label(value: Rational) -> int:
    """A natural number of its own for every rational (Cantor's pairing), to sort and to hash by.

    Not the number itself: Python's hash(-1) equals hash(-2).
    """
    top = 2 * value.numerator if value >= 0 else 1 - 2 * value.numerator
    diagonal = top + value.denominator
    return diagonal * (diagonal + 1) // 2 + top


@cache
def _code(word: str) -> int:
    return crc32(word.encode())


@cache
def _leaf_blind(kind: str) -> Blind:
    return Blind(_code(kind), (), ())


def _coefficient_class(coefficient: Rational) -> int:
    return 0 if coefficient == 1 else 1 if coefficient == -1 else 2


def _blind(expr: Expr) -> Blind:
    """Computed once for a node and kept on it."""
    found: Blind | None = expr.blind
    if found is None:
        stack = [expr]
        while stack:
            top = stack[-1]
            if top.blind is None:
                waiting = [arg for arg in top.args if arg.blind is None]
                if waiting:
                    stack.extend(waiting)
                    continue
                top.blind = _new_blind(top)
            stack.pop()
        found = expr.blind
    return found


def _new_blind(expr: Expr) -> Blind:
    op, args = expr.op, expr.args
    if op == "symbol":
        return _leaf_blind(expr.data.kind)
    if op == "slot":
        return _leaf_blind("slot " + expr.data[0])
    if op == "number" or op == "D":
        return _leaf_blind(op)
    hashes = [arg.blind.hash for arg in args]
    if op == "+":
        constant, coefficients = expr.data
        keys = [(_coefficient_class(c), h) for c, h in zip(coefficients, hashes, strict=True)]
        order = _sorted_positions(keys, args)
        token: tuple[Any, ...] = ("+", constant != 0, tuple([keys[k][0] for k in order]))
        return Blind(hash((1, constant != 0, *[keys[k] for k in order])), order, token)
    if op == "*":
        keys = [(_label(e), h) for e, h in zip(expr.data, hashes, strict=True)]
        order = _sorted_positions(keys, args)
        return Blind(hash((2, *[keys[k] for k in order])), order, ("*", tuple([expr.data[k] for k in order])))
    return Blind(hash((3, _code(op), *hashes)), tuple(range(len(args))), (op, len(args)))


def _sorted_positions(keys: list[tuple[int, int]], args: tuple[Expr, ...]) -> tuple[int, ...]:
    """Ties go by a leaf's name, so that x1, x2, ... stay in order: then columns of slots are regular."""
    positions = range(len(keys))
    if len(set(keys)) == len(keys):
        return tuple(sorted(positions, key=keys.__getitem__))
    return tuple(sorted(positions, key=lambda k: (keys[k], _some_name(args[k]))))


def _some_name(expr: Expr) -> tuple[tuple[int, int | str], ...]:
    """The name of the first leaf of a node, if it is not too far below."""
    for _ in range(16):
        if expr.op == "symbol":
            return natural(expr.name)
        if expr.op == "slot":
            return ((1, expr.data[0]), (0, expr.data[1]))
        if not expr.args:
            break
        expr = expr.args[expr.blind.order[0] if expr.op != "D" else 0]
    return ()


_Tokens = tuple[Any, ...]


def _skeleton(
    roots: Sequence[Expr], classify: Callable[[Expr], str]
) -> tuple[_Tokens, list[Expr], tuple[str, ...]]:
    """The expressions in preorder, with leaves and numbers numbered as they come.

    The first token is the number of roots. Then a token is the description of a node, whose arguments follow;
    ``k >= 0``, leaf number k; ``k < 0``, node number ``-k - 1`` once more; ``"c"``, a number; ``"t"``, time.
    The constant and the coefficients of a sum take their leaf numbers when the sum comes, the constant first.
    """
    tokens: list[Any] = [len(roots)]
    leaves: list[Expr] = []
    letters: list[str] = []
    seen: dict[int, int] = {}
    nodes = 0
    stack = list(roots)
    stack.reverse()
    while stack:
        expr = stack.pop()
        known = seen.get(id(expr))
        if known is not None:
            tokens.append(known)
            continue
        op = expr.op
        if op == "number":
            tokens.append("c")
            leaves.append(expr)
            letters.append("c")
            continue
        if expr is TIME:
            tokens.append("t")
            continue
        if op in ("symbol", "slot", "D"):
            seen[id(expr)] = len(leaves)
            tokens.append(len(leaves))
            leaves.append(expr)
            letters.append(classify(expr))
            continue
        nodes += 1
        seen[id(expr)] = -nodes
        blind = _blind(expr)
        tokens.append(blind.token)
        if op == "+":
            constant, coefficients = expr.data
            values = [coefficients[k] for k in blind.order if coefficients[k] not in (1, -1)]
            for value in [constant, *values] if constant else values:
                leaves.append(number(value))
                letters.append("c")
        args = expr.args
        stack.extend([args[k] for k in reversed(blind.order)])
    return tuple(tokens), leaves, tuple(letters)


# ---- the labelling --------------------------------------------------------------------------------
class _Labelling(NamedTuple):
    roots: tuple[Expr, ...]
    order: tuple[int, ...]  # slot k is leaf number order[k] of the skeleton


class _Vertex:
    """A node of a skeleton, a leaf, or a coefficient times a term (which gives the coefficient its place)."""

    __slots__ = ("build", "code", "kids", "leaf", "number")

    def __init__(self, code: int, build: Callable[..., Any] | None, leaf: int = -1) -> None:
        self.code = code
        self.build = build  # the expression from those of the kids; None for leaves
        self.leaf = leaf  # number of the leaf in the skeleton
        self.kids: list[tuple[int, _Vertex]] = []  # (label, child); equal labels may change places
        self.number = -1  # position in the list of vertices, children before parents


@lru_cache(maxsize=65536)
def _labelled(tokens: _Tokens, letters: tuple[str, ...]) -> _Labelling:
    top, vertices, leaf_vertices = _parsed(tokens, letters)
    colours = _colours(vertices, leaf_vertices)
    for vertex in vertices:
        vertex.kids.sort(key=lambda kid: (kid[0], colours[kid[1].number]))
    order: list[int] = []
    placed: set[int] = set()
    stack = [top]
    while stack:
        vertex = stack.pop()
        if vertex.number in placed:
            continue
        placed.add(vertex.number)
        if vertex.leaf >= 0:
            order.append(vertex.leaf)
        stack.extend([kid for _, kid in reversed(vertex.kids)])
    place = {leaf: k for k, leaf in enumerate(order)}
    built: list[Any] = []
    for vertex in vertices:
        if vertex.leaf >= 0:
            built.append(slot(letters[vertex.leaf], place[vertex.leaf]))
        elif vertex.build is None:
            built.append(TIME)
        else:
            built.append(vertex.build(*[built[kid.number] for _, kid in vertex.kids]))
    return _Labelling(built[top.number], tuple(order))


def _parsed(tokens: _Tokens, letters: tuple[str, ...]) -> tuple[_Vertex, list[_Vertex], list[_Vertex]]:
    """The skeleton as vertices: the top one (its kids are the roots), all, and those of the leaves."""
    leaf_vertices = [_Vertex(_code("leaf " + letter), None, leaf=k) for k, letter in enumerate(letters)]
    time = _Vertex(_code("time"), None)
    top = _Vertex(0, lambda *built: built)
    inner: list[_Vertex] = []
    next_leaf = 0
    open_places: list[tuple[_Vertex, int]] = [(top, k) for k in reversed(range(tokens[0]))]
    for token in tokens[1:]:
        parent, label = open_places.pop()
        if isinstance(token, int):
            if token == next_leaf:
                next_leaf += 1
            vertex = leaf_vertices[token] if token >= 0 else inner[-token - 1]
        elif token == "c":
            vertex = leaf_vertices[next_leaf]
            next_leaf += 1
        elif token == "t":
            vertex = time
        else:
            op = token[0]
            vertex = _Vertex(_code(op), _builder(token))
            inner.append(vertex)
            if op == "+":
                _, has_constant, classes = token
                places: list[tuple[_Vertex, int]] = []
                if has_constant:
                    vertex.kids.append((3, leaf_vertices[next_leaf]))
                    next_leaf += 1
                for each in classes:
                    if each < 2:
                        places.append((vertex, each))
                        continue
                    scaled = _Vertex(1, lambda factor, term: multiply(((factor, 1), (term, 1))))
                    scaled.kids.append((0, leaf_vertices[next_leaf]))
                    next_leaf += 1
                    vertex.kids.append((2, scaled))
                    places.append((scaled, 1))
            elif op == "*":
                places = [(vertex, _label(exponent)) for exponent in token[1]]
            else:
                places = [(vertex, k) for k in range(token[1])]
            open_places.extend(reversed(places))
        parent.kids.append((label, vertex))
    vertices = list(_children_first(top))
    for k, vertex in enumerate(vertices):
        vertex.number = k
    return top, vertices, leaf_vertices


def _builder(token: tuple[Any, ...]) -> Callable[..., Expr]:
    """The expression of a node from those of its kids, which come sorted by label."""
    op = token[0]
    if op == "+":
        _, has_constant, classes = token
        signs = [-1 if each == 1 else 1 for each in sorted(classes)] + [1] * has_constant
        return lambda *terms: linear(zip(terms, signs, strict=True))
    if op == "*":
        exponents = sorted(token[1], key=_label)
        return lambda *bases: multiply(zip(bases, exponents, strict=True))
    return power if op == "pow" else lambda *args: apply(op, *args)


def _children_first(top: _Vertex) -> Iterator[_Vertex]:
    seen: set[int] = set()
    stack = [top]
    while stack:
        vertex = stack[-1]
        if id(vertex) in seen:
            stack.pop()
            continue
        waiting = [kid for _, kid in vertex.kids if id(kid) not in seen]
        if waiting:
            stack.extend(reversed(waiting))
            continue
        stack.pop()
        seen.add(id(vertex))
        yield vertex


def _colours(vertices: list[_Vertex], leaf_vertices: list[_Vertex]) -> list[int]:
    """A number for each vertex that depends on its place in the whole, not on the order of its neighbours.

    Vertices with equal numbers may change places without changing the template, save in wide sums.
    """
    colours = [vertex.code for vertex in vertices]
    up = _upwards(vertices, colours)
    repeated = _repeated(vertices)
    if not _undecided(vertices, up, repeated):
        return up
    wide = any(len(vertex.kids) > _WIDE and vertex.code for vertex in vertices)
    suspects = [vertex.number for vertex in leaf_vertices if vertex.number >= 0 and repeated[vertex.number]]
    steps = 0
    while True:
        _refine(vertices, colours, leaf_vertices, rounds=4 if wide else len(vertices))
        sizes = Counter(colours[k] for k in suspects)
        tied = [colour for colour, size in sizes.items() if size > 1]
        steps += 1
        if not tied or wide or steps * len(vertices) > _MOST_INDIVIDUALISED:
            return _upwards(vertices, colours)
        chosen = min(tied)
        first = min((vertices[k].leaf, k) for k in suspects if colours[k] == chosen)[1]
        colours[first] = hash((colours[first], 1))


def _upwards(vertices: list[_Vertex], colours: list[int]) -> list[int]:
    """Hashes of everything below each vertex."""
    up: list[int] = []
    for vertex, colour in zip(vertices, colours, strict=True):
        if vertex.kids:
            colour = hash((colour, *sorted([(label, up[kid.number]) for label, kid in vertex.kids])))
        up.append(colour)
    return up


def _repeated(vertices: list[_Vertex]) -> list[bool]:
    """Which vertices occur more than once when the graph is written as a tree."""
    repeated = [False] * len(vertices)
    reached = [False] * len(vertices)
    for vertex in reversed(vertices):
        for _, kid in vertex.kids:
            if reached[kid.number] or repeated[vertex.number]:
                repeated[kid.number] = True
            reached[kid.number] = True
    return repeated


def _undecided(vertices: list[_Vertex], up: list[int], repeated: list[bool]) -> bool:
    """Whether children tie that hold a repeated leaf: then their order is not free."""
    holds: list[bool] = []
    for vertex in vertices:
        holds.append(
            repeated[vertex.number] if vertex.leaf >= 0 else any(holds[kid.number] for _, kid in vertex.kids)
        )
    for vertex in vertices:
        if len(vertex.kids) > 1:
            groups = Counter((label, up[kid.number]) for label, kid in vertex.kids)
            if any(groups[label, up[kid.number]] > 1 and holds[kid.number] for label, kid in vertex.kids):
                return True
    return False


def _refine(vertices: list[_Vertex], colours: list[int], leaf_vertices: list[_Vertex], rounds: int) -> None:
    """Weisfeiler-Lehman: each leaf learns the hash of its surroundings, until no more can be told apart."""
    leaves = [vertex.number for vertex in leaf_vertices if vertex.number >= 0]
    count = len({colours[k] for k in leaves})
    for _ in range(rounds):
        up = _upwards(vertices, colours)
        contexts: list[list[tuple[int, int]]] = [[] for _ in vertices]
        for vertex in reversed(vertices):
            around = hash((up[vertex.number], *sorted(contexts[vertex.number])))
            for label, kid in vertex.kids:
                contexts[kid.number].append((label, around))
        for k in leaves:
            colours[k] = hash((colours[k], *sorted(contexts[k])))
        found = len({colours[k] for k in leaves})
        if found == count:
            return
        count = found
