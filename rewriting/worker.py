"""Saturation in a process of its own, which can be ended: within a query egglog looks at no clock.

Large graphs are the ones in which one query may run away, and beside them the start of a process is short. A
worker that does not come back in time is killed, one that crashes takes nobody with it; either way the caller
goes on without an e-graph.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from symnum.rewriting.binary import Binary
from symnum.rewriting.egraph import Classes, EGraphFailed, Limits, saturate
from symnum.rewriting.rules.rule import Level

APART_FROM = 1500
"""Nodes of the binary form from which a query is run apart. Below, whole searches take tenths of a second."""

START = 10.0
"""Seconds of wall time beyond the budget before a worker counts as runaway: starting and loading on a busy
machine."""

SLOWNESS = 3.0
"""Wall time that one second of processor time may take."""

_COMMAND = ("-c", "from symnum.rewriting.worker import serve; serve()")


def saturated(
    binary: Binary,
    level: Level,
    limits: Limits,
    *,
    same: tuple[tuple[int, int], ...] = (),
    facts: Mapping[str, list[int]] | None = None,
    checkpoints: tuple[int, ...] = (),
) -> list[Classes]:
    """`egraph.saturate` in a process of its own: the graphs after the iterations in ``checkpoints`` and at
    the end. Raises EGraphFailed for a worker that crashes or does not end within its time."""
    request = pickle.dumps((binary.bare(), level, limits, same, facts, checkpoints))
    seconds = START + SLOWNESS * limits.seconds
    paths = os.pathsep.join(path for path in sys.path if path)  # it must find the same symnum
    with subprocess.Popen(
        [sys.executable, *_COMMAND],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a panic of Rust prints forty lines there
        env=os.environ | {"PYTHONPATH": paths},
    ) as process:
        try:
            answer, _ = process.communicate(request, timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise EGraphFailed(f"its process did not end within {seconds:.0f} s and was killed") from None
        except BaseException:  # the user's interrupt too must leave no process behind
            process.kill()
            raise
    if process.returncode:
        raise EGraphFailed(f"its process ended with status {process.returncode}")
    graphs: list[Classes] | str = pickle.loads(answer)
    if isinstance(graphs, str):
        raise EGraphFailed(graphs)
    return graphs


def serve() -> None:
    """What a worker does: one request from standard input, one answer to standard output."""
    binary, level, limits, same, facts, checkpoints = pickle.load(sys.stdin.buffer)
    answer: Any
    try:
        answer = list(
            saturate(binary, level, limits, same=same, facts=facts, checkpoints=lambda i: i in checkpoints)
        )
    except EGraphFailed as error:
        answer = str(error)
    sys.stdout.buffer.write(pickle.dumps(answer))
