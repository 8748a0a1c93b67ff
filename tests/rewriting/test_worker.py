"""Large searches run in a process of their own: the same graphs, and one that hangs or dies costs nothing."""

import logging

import pytest

from symnum.rewriting import rewriter, worker
from symnum.rewriting.binary import Binary
from symnum.rewriting.egraph import EGraphFailed, Limits, saturate
from symnum.rewriting.expr import Expr, Symbol, add, symbol
from symnum.rewriting.operators import cos, sin
from symnum.rewriting.schedule import simplify
from symnum.rewriting.walk import cost

ANGLES = [symbol(Symbol(f"angle{k}", "variable")) for k in range(6)]
NETWORK: list[Expr] = [
    add(sin(a - b) + 2 * cos(a - b) for b in ANGLES if b is not a) for a in ANGLES
]  # fmt: skip
HANGS = ("-c", "import time; time.sleep(600)")
DIES = ("-c", "import os; os.abort()")
LIMITS = Limits(5.0, 20_000, iterations=3)


def test_a_worker_finds_the_same_graph() -> None:
    binary = Binary(NETWORK)
    (here,) = saturate(binary, "default", LIMITS, checkpoints=lambda i: False)
    (there,) = worker.saturated(binary, "default", LIMITS)
    assert len(there.nodes) == len(here.nodes)
    assert len(there.members) == len(here.members)
    assert sorted(n.op for n in there.nodes) == sorted(n.op for n in here.nodes)


@pytest.mark.parametrize(("command", "says"), [(HANGS, "was killed"), (DIES, "ended with status")])
def test_hanging_and_dying_workers_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    command: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.setattr(worker, "_COMMAND", command)
    monkeypatch.setattr(worker, "START", 0.2)
    monkeypatch.setattr(worker, "APART_FROM", 0)
    with pytest.raises(EGraphFailed, match=says):
        worker.saturated(Binary(NETWORK), "default", Limits(0.1, 20_000))
    with caplog.at_level(logging.INFO, "symnum"):
        found = simplify(NETWORK, budget=0.5)
    assert any("the e-graph failed and is left out" in text and says in text for text in caplog.messages)
    assert cost(found) <= cost(NETWORK)


def test_simplify_through_a_worker_splits_the_angles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "APART_FROM", 0)
    found = simplify(NETWORK, using=[rewriter.EGraph()], budget=20.0)
    assert cost(found) < 0.6 * cost(NETWORK)
