"""Expressions as rows of plain values, and back."""

import json
from fractions import Fraction

import pytest

import symnum as sn
from symnum.errors import ModelError
from symnum.rewriting.expr import TIME, slot
from symnum.rewriting.node_table import NodeTable, nodes_of
from symnum.rewriting.operators import exp, ifelse, sin


def test_expressions_come_back_as_the_same_objects():
    x, p, c = slot("u", 0), slot("p", 1), slot("c", 2)
    shared = sin(x) + Fraction(1, 3) * p
    roots = [
        shared**2 / (1 + x), exp(-shared) * c, ifelse(x < p, shared, 2.5), x ** Fraction(1, 2),
        sin(TIME) + 7, 0.1 * x,
    ]  # fmt: skip
    table = NodeTable()
    numbers = [table.add(root) for root in roots]
    assert len(table.rows) == len({id(row) for row in table.rows})
    nodes = nodes_of(json.loads(json.dumps(table.rows)))
    assert all(nodes[number] is root for number, root in zip(numbers, roots, strict=True))
    assert len(set(nodes)) == len(nodes)  # what is shared is written once


def test_names_have_no_place_without_a_way_to_write_them():
    with pytest.raises(ModelError, match="only expressions over slots"):
        NodeTable().add(sn.variables("x y")[0] + TIME)


def test_unknown_operators_are_refused():
    with pytest.raises(ValueError, match="no operator 'launch'"):
        nodes_of([["launch", [], None]])
