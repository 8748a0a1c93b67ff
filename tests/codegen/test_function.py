"""The IR refuses what no back end could evaluate, and says where."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from symnum.codegen.function import Column, Function, Gather, Loop, Output, compact, digest, prune
from symnum.errors import CodegenError
from symnum.rewriting.expr import Symbol, slot, symbol

I = np.arange(3)
U0 = slot("u", 0)


ROWS = (Column("u", I),)
OUT = (Output("out", I),)


def loop(name="rows", count=3, roots=(U0,), columns=ROWS, outputs=OUT) -> Loop:
    return Loop(name, count, roots, columns, outputs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0, "columns": (), "outputs": ()}, "0 copies"),
        ({"outputs": ()}, "1 roots, 0 outputs"),
        ({"columns": (Column("x", I),)}, "unknown space 'x'"),
        ({"columns": (Column("u", I[:2]),)}, r"column 0 has shape \(2,\)"),
        ({"outputs": (Output("p", I),)}, "unknown space 'p'"),
        ({"outputs": (Output("out", I[:1]),)}, r"output 0 has shape \(1,\)"),
        ({"columns": ()}, "slot u0 has no column"),
        ({"columns": (Column("p", I),)}, "slot u0 has a column of space 'p'"),
        ({"roots": (symbol(Symbol("x", "variable")),)}, "x is no slot"),
    ],
)
def test_bad_loops(change, message):
    with pytest.raises(CodegenError, match=f"loop 'rows'.*{message}"):
        loop(**change)


@pytest.mark.parametrize(
    ("items", "n_out", "n_work", "message"),
    [
        ((loop(outputs=(Output("out", I + 1),)),), 3, 0, r"writes out\[3\], but out has 3"),
        ((loop(outputs=(Output("w", I),)),), 3, 2, r"writes w\[2\], but w has 2"),
        ((loop(columns=(Column("u", I - 1),)),), 3, 0, "reads u at a negative place"),
        ((loop(outputs=(Output("out", 0 * I),)),), 3, 0, "writes a place of out in two copies"),
        ((loop(), loop()), 3, 0, r"writes out\[0\] a second time"),
        (
            (loop(roots=(slot("w", 0),), columns=(Column("w", I),)),),
            3,
            3,
            r"reads w\[0\] before it is written",
        ),
        ((loop(roots=(slot("w", 0),), columns=(Column("w", I + 9),)),), 3, 3, r"reads w\[11\], but w has 3"),
        ((loop(outputs=(Output("out", I, True),)),), 3, 0, r"adds to out\[0\], which nothing wrote"),
    ],
)
def test_bad_functions(items, n_out, n_work, message):
    with pytest.raises(CodegenError, match=f"function 'f', item 'rows' {message}"):
        Function("f", items, n_out, n_work)


def test_a_loop_may_not_read_what_it_writes():
    first = loop("first", outputs=(Output("w", I),))
    both = loop("both", roots=(slot("w", 0),), columns=(Column("w", I),), outputs=(Output("w", I, True),))
    with pytest.raises(CodegenError, match=r"'both' reads w\[0\], which it writes itself"):
        Function("f", (first, both), 3, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"output": Output("out", I[:0]), "indptr": np.array([0])}, "no rows"),
        ({"space": "c"}, "unknown space 'c'"),
        ({"output": Output("p", I)}, "unknown space 'p'"),
        ({"indptr": np.array([0, 1, 2])}, "3 rows, but indptr"),
        ({"indptr": np.array([0, 2, 1, 3])}, "indptr that grows"),
        ({"coefficient": np.ones(2)}, "3 terms, 2 coefficients"),
        ({"second": I[:2]}, "3 first factors only"),
    ],
)
def test_bad_gathers(change, message):
    fields = {
        "output": Output("out", I), "indptr": np.arange(4), "space": "u", "first": I, "second": None,
        "coefficient": np.ones(3),
    }  # fmt: skip
    with pytest.raises(CodegenError, match=f"gather 'sum' .*{message}"):
        Gather("sum", **{**fields, **change})


def test_reads_beyond_the_unknowns():
    function = Function("f", (loop(columns=(Column("u", I + 7),)),), 3, 0)
    with pytest.raises(CodegenError, match=r"item 'rows' reads u\[9\], but u has 5 places"):
        function.check(5, 0)


def test_adding_after_writing_is_allowed_and_places_may_repeat():
    add = loop("more", outputs=(Output("out", 0 * I, accumulate=True),))
    assert len(Function("f", (loop(), add), 3, 0).items) == 2


def test_compact_merges_equal_columns_and_drops_unused_ones():
    wide = loop(roots=(slot("u", 1) * slot("u", 3) + slot("p", 2),),
                columns=(Column("u", I), Column("u", I), Column("p", I), Column("u", I.copy())))  # fmt: skip
    small = compact(wide)
    assert {(c.space, tuple(c.index)) for c in small.columns} == {("u", (0, 1, 2)), ("p", (0, 1, 2))}
    assert len(small.columns) == 2
    assert str(small.roots[0]).count("u[") == 1  # it has become a square
    assert compact(small) is small


def test_prune_drops_scratch_that_nothing_reads():
    first = loop("first", roots=(U0, U0 * 2), outputs=(Output("w", I), Output("w", 3 + I)))
    unread = loop("unread", roots=(slot("w", 0),), columns=(Column("w", I),), outputs=(Output("w", 6 + I),))
    last = loop("last", roots=(slot("w", 0),), columns=(Column("w", 3 + I),))
    pruned = prune(Function("f", (first, unread, last), 3, 9))
    assert [item.name for item in pruned.items] == ["first", "last"]
    assert pruned.items[0].roots == (U0 * 2,)


def test_digest_sees_every_part():
    base = Function("f", (loop(),), 3, 3)
    others = [
        Function("g", (loop(),), 3, 3), Function("f", (loop(),), 4, 3), Function("f", (loop(),), 3, 4),
        Function("f", (loop("other"),), 3, 3), Function("f", (loop(roots=(U0 * 2,)),), 3, 3),
        Function("f", (loop(columns=(Column("u", I + 1),)),), 3, 3),
        Function("f", (loop(outputs=(Output("w", I),)),), 3, 3),
        Function("f", (loop(), Gather("s", Output("w", I), np.arange(4), "u", I, None, np.ones(3))), 3, 3),
        Function("f", (loop(), Gather("s", Output("w", I), np.arange(4), "u", I, I, np.ones(3))), 3, 3),
        Function("f", (loop(), Gather("s", Output("w", I), np.arange(4), "p", I, None, np.ones(3))), 3, 3),
    ]  # fmt: skip
    digests = [digest(function) for function in (base, *others)]
    assert len(set(digests)) == len(digests)
    assert digest(Function("f", (loop(),), 3, 3)) == digests[0]


PROGRAM = """
import numpy as np
from symnum.codegen.function import Column, Function, Loop, Output, digest
from symnum.rewriting.expr import TIME, slot
from symnum.rewriting.operators import sin
i = np.arange(3)
roots = (sin(slot("u", 0)) * slot("p", 1) / 3 + TIME + slot("c", 2) * 0.1,)
columns = (Column("u", i), Column("p", i), Column("c", i / 7))
print(digest(Function("f", (Loop("a", 3, roots, columns, (Output("out", i),)),), 3, 0)))
"""


def test_digest_is_the_same_in_every_process():
    found = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True,
            text=True, check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(found) == 1
    assert len(found.pop().strip()) == 40
