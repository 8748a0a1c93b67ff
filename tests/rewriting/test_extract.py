"""Extraction against the exact optimum of small graphs, found by trying every selection."""

import itertools
import random
import time

from symnum.rewriting.binary import BinaryNode
from symnum.rewriting.egraph import Classes
from symnum.rewriting.extract import Extractor, Selection, selections

COSTS = {"Add": 1.0, "Mul": 1.0, "Inv": 3.0, "Sqrt": 5.0, "sin": 15.0, "cos": 15.0, "exp": 8.0}


def graph(members: list[list[BinaryNode]], roots: tuple[int, ...], free: tuple[int, ...] = ()) -> Classes:
    nodes: list[BinaryNode] = []
    numbered = []
    for group in members:
        numbered.append(tuple(range(len(nodes), len(nodes) + len(group))))
        nodes += group
    return Classes(tuple(nodes), tuple(numbered), roots, tuple(c in free for c in range(len(members))))


def random_graph(seed: int) -> Classes:
    """Six classes over three leaves, up to three e-nodes each; an argument may be any class: cycles occur."""
    generator = random.Random(seed)
    members = [[BinaryNode("Leaf", (), k)] for k in range(3)]
    for owner in range(3, 9):
        group = [BinaryNode(generator.choice(["sin", "exp", "Inv"]), (generator.randrange(owner),))]
        for _ in range(generator.randrange(1, 3)):
            args = (generator.randrange(9), generator.randrange(9))
            group.append(BinaryNode(generator.choice(["Add", "Mul"]), args))
        members.append(group)
    return graph(members, (8, 7, 6))


def cost_of(selection: Selection) -> float:
    return sum(COSTS.get(node.op, 0.0) for _, node in selection.order())


def optimum(classes: Classes) -> float:
    best = float("inf")
    for choice in itertools.product(*classes.members):
        used: set[int] = set()
        if all(acyclic(classes, choice, root, frozenset(), used) for root in classes.roots):
            best = min(best, sum(COSTS.get(classes.nodes[choice[c]].op, 0.0) for c in used))
    return best


def acyclic(classes: Classes, choice: tuple[int, ...], c: int, above: frozenset[int], used: set[int]) -> bool:
    if c in above:
        return False
    used.add(c)
    return all(acyclic(classes, choice, arg, above | {c}, used) for arg in classes.nodes[choice[c]].args)


def best_of(classes: Classes) -> float:
    return min(cost_of(s) for s in selections(classes, time.thread_time() + 5.0))


def test_never_below_and_mostly_at_the_optimum() -> None:
    exact = 0
    for seed in range(150):
        classes = random_graph(seed)
        found, best = best_of(classes), optimum(classes)
        assert found >= best - 1e-9
        exact += found <= best + 1e-9
    assert exact >= 145


def test_every_selection_is_complete_and_ordered() -> None:
    for seed in range(150):
        classes = random_graph(seed)
        for selection in selections(classes, time.thread_time() + 5.0):
            done: set[int] = set()
            for owner, node in selection.order():
                assert node in [classes.nodes[k] for k in classes.members[owner]]
                assert done.issuperset(node.args)
                done.add(owner)
            assert done.issuperset(classes.roots)


def test_shared_parts_are_worth_more_than_cheap_trees() -> None:
    """Four roots: each a function of its own (cost 15), or a sum of products of two shared functions."""
    leaf, s, c = 0, 1, 2
    members = [[BinaryNode("Leaf")], [BinaryNode("sin", (leaf,))], [BinaryNode("cos", (leaf,))]]
    roots = []
    for k in range(4):
        weight = len(members)
        members.append([BinaryNode("Leaf", (), k + 1)])
        members.append([BinaryNode("Mul", (s, weight))])
        members.append([BinaryNode("Add", (c, weight + 1))])
        roots.append(len(members))
        members.append([BinaryNode("exp", (weight,)), BinaryNode("Inv", (weight + 2,))])
    classes = graph(members, tuple(roots))
    # trees: exp costs 8 < 3 + 2 + 30; together: 4*8 = 32 < 30 + 4*5
    assert best_of(classes) == 32.0
    # twelve uses of the same two functions turn the balance: 96 > 30 + 60
    for k in range(4, 12):
        weight = len(members)
        members.append([BinaryNode("Leaf", (), k + 1)])
        members.append([BinaryNode("Mul", (s, weight))])
        members.append([BinaryNode("Add", (c, weight + 1))])
        roots.append(len(members))
        members.append([BinaryNode("exp", (weight,)), BinaryNode("Inv", (weight + 2,))])
    assert best_of(graph(members, tuple(roots))) == 30.0 + 12 * 5.0


def test_what_is_hoisted_is_preferred() -> None:
    """x*(p*q) instead of (x*p)*q, when p and q are free."""
    x, p, q = (BinaryNode("Leaf", (), k) for k in range(3))
    members = [[x], [p], [q], [BinaryNode("Mul", (0, 1))], [BinaryNode("Mul", (1, 2))]]
    members.append([BinaryNode("Mul", (3, 2)), BinaryNode("Mul", (0, 4))])
    (selection, *_) = selections(graph(members, (5,), free=(1, 2, 4)), time.thread_time() + 5.0)
    assert selection.choice[5] == 6


def test_an_expired_deadline_still_gives_a_selection() -> None:
    assert len(list(Extractor(random_graph(1)).selections(time.thread_time() - 1.0))) == 1
