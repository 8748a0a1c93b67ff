"""Templates: equal shapes meet in one object, and the leaves put back give the original node."""

import itertools
import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symnum.rewriting.expr import TIME, Symbol, add, multiply, node, number, slot, symbol
from symnum.rewriting.operators import cos, exp, ifelse, maximum, sin, sqrt
from symnum.rewriting.shape import canonical, residual_template
from symnum.rewriting.walk import leaves, substitute


def variable(name):
    return symbol(Symbol(name, "variable"))


def parameter(name):
    return symbol(Symbol(name, "parameter"))


x, y, z = map(variable, "xyz")
k = parameter("k")


def classify(leaf):
    return "d" if leaf.op == "D" else {"variable": "u", "parameter": "p"}[leaf.kind]


def put_back(template):
    slots = {slot(letter, n): template.leaves[n] for n, letter in enumerate(template.letters)}
    return substitute(template.roots, slots)


def shape(*roots):
    """The template, checked: its leaves put back give the original nodes, slots are numbered without gaps."""
    template = canonical(roots, classify)
    assert all(a is b for a, b in zip(put_back(template), roots, strict=True))
    for letter, leaf in zip(template.letters, template.leaves, strict=True):
        assert letter == ("c" if leaf.is_number else classify(leaf))
    assert set(leaves(template.roots)) - {TIME} == {slot(a, n) for n, a in enumerate(template.letters)}
    return template.roots


@given(data=st.data())
def test_leaves_put_back_give_the_original(broken, data):
    shape(*(data.draw(broken) for _ in range(data.draw(st.integers(1, 3)))))


@settings(max_examples=60)
@given(data=st.data())
def test_renaming_leaves_keeps_the_template(broken, data):
    roots = tuple(data.draw(broken) for _ in range(2))
    first = shape(*roots)
    for seed in range(4):
        names = [f"n{m}" for m in range(40)]
        random.Random(seed).shuffle(names)
        new = {leaf: symbol(Symbol(names.pop(), leaf.kind)) for leaf in leaves(roots) if leaf is not TIME}
        assert shape(*substitute(roots, new)) == first


def _cycle(n):
    return lambda v: add(v[i] * v[(i + 1) % n] for i in range(n))


SYMMETRIC = {
    "square": (4, _cycle(4)),
    "pentagon": (5, _cycle(5)),
    "hexagon": (6, _cycle(6)),
    "two triangles": (6, lambda v: _cycle(3)(v[:3]) + _cycle(3)(v[3:])),
    "complete": (5, lambda v: add(a * b for a, b in itertools.combinations(v, 2))),
    "cube": (8, lambda v: add(v[i] * v[i ^ b] for i in range(8) for b in (1, 2, 4) if i < i ^ b)),
    "cubic": (8, lambda v: add(v[i] * v[(i + 1) % 8] * v[(i + 3) % 8] for i in range(8))),
    "star": (3, lambda v: v[0] * v[1] + v[0] * v[2]),
    "sines": (4, lambda v: v[2] * sin(v[0] - v[1]) + v[3] * sin(v[1] - v[0]) + v[0] ** 2 + v[1] ** 3),
    "shared sine": (3, lambda v: sin(v[0]) * v[1] + sin(v[0]) * v[2] + sin(v[1])),
    "numbers": (3, lambda v: 2.5 * v[0] * v[1] - 3.5 * v[1] * v[2] + 0.7 + sqrt(2 * v[0])),
    "coupled": (4, lambda v: (v[0] - v[1]) ** 2 / (v[2] + v[3]) + exp(v[0] * v[3]) * exp(v[1] * v[2])),
    "nested": (6, lambda v: multiply((add((v[i], v[i + 1], sin(v[i] * v[i + 1]))), 1) for i in (0, 2, 4))),
}


@pytest.fixture(scope="module")
def templates():
    """The template of each structure over 60 random choices of names."""
    source = random.Random(3)
    found = {}
    for name, (count, build) in SYMMETRIC.items():
        choices = [source.sample(range(50), count) for _ in range(60)]
        found[name] = {shape(build([variable(f"v{n}") for n in chosen])) for chosen in choices}
    return found


@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric_structures_have_one_template(templates, name):
    assert len(templates[name]) == 1


def test_different_structures_have_different_templates(templates):
    every = set().union(*templates.values())
    assert len(every) == len(SYMMETRIC)


def test_the_class_of_a_leaf_is_part_of_the_shape():
    assert shape(x * y) == shape(z * y)
    assert shape(x * y) != shape(x * k)
    assert shape(node("D", (x,)) - y) == shape(node("D", (z,)) - x)
    assert shape(node("D", (x,)) - y) != shape(z - y)
    assert shape(x * x) != shape(x * y)
    assert shape(x * TIME) == shape(y * TIME)
    assert shape(x * TIME) != shape(x * y)


def test_numbers_are_leaves_and_signs_are_structure():
    assert shape(2 * x + 3) == shape(0.7 * y - 11)
    assert shape(x - y) != shape(x + y)
    assert shape(2 * x) != shape(x)
    assert shape(x**2) != shape(x**3)
    assert shape(sin(2 * x) + cos(5 * x)) == shape(sin(7 * y) + cos(6 * y))
    assert shape(maximum(x, 2)) == shape(maximum(z, 5))
    assert shape(sqrt(2) * x) == shape(sqrt(3) * y)
    assert shape(2 * sqrt(2) * x) == shape(5 * sqrt(3) * y)
    assert shape(ifelse(x < 1, 2, y)) == shape(ifelse(z < 3, 4, x))
    template = canonical((2 * x + 2 * y + 2,), classify)
    assert template.letters.count("c") == 3  # equal numbers are not the same number
    assert canonical((number(3),), classify).leaves == (number(3),)


def test_roots_share_leaves_and_keep_their_order():
    assert shape(x + y, x - y) == shape(z + x, z - x)
    assert shape(x + y, sin(x)) != shape(sin(x), x + y)
    assert shape(x, x) != shape(x, y)
    assert shape() == ()


def test_exponents_of_either_sign_are_told_apart():
    for p, q in itertools.combinations([-3, -2, -1, Fraction(-1, 2), Fraction(1, 2), 2, 3], 2):
        assert shape(x**p * y**q) == shape(y**p * x**q)
        assert shape(x**p + y) != shape(x**q + y)


def test_neighbours_come_in_order():
    # u[i-1] + u[i+1] - 2 u[i]: slots must take their leaves in the same order in every copy
    u = [variable(f"u{n}") for n in range(200)]
    columns = [canonical((u[n - 1] + u[n + 1] - 2 * u[n],), classify).leaves for n in range(1, 199)]
    offsets = {
        tuple(u.index(leaf) - n if not leaf.is_number else None for leaf in row)
        for n, row in enumerate(columns, start=1)
    }
    assert len(offsets) == 1


def test_classify_is_called_once_for_each_leaf():
    calls = []

    def counted(leaf):
        calls.append(leaf)
        return "u"

    canonical((x * y + sin(x) * TIME, x - y), counted)
    assert sorted(leaf.name for leaf in calls) == ["x", "y"]


def test_the_sign_of_a_residual_is_arbitrary():
    for residual in (x - k * y, sin(x) + y - 2, node("D", (x,)) - k * x * y, -x * y):
        plain, turned = residual_template(residual, classify), residual_template(-residual, classify)
        assert plain.roots == turned.roots
        (back,) = put_back(plain)
        assert back is residual or back is -residual


def test_wide_and_deep_expressions():
    u = [variable(f"u{n}") for n in range(2_000)]
    shape(add(u))
    shape(add(a * b for a, b in zip(u, u[1:] + u[:1], strict=True)))
    shape(add((n + 2) * a for n, a in enumerate(u)))
    deep = x
    for n in range(5_000):
        deep = sin(deep) + (y if n % 2 else 2)
    shape(deep)
    shared = x
    for _ in range(100):  # as a tree: 2**100 nodes
        shared = sin(shared) * cos(shared)
    shape(shared)
