"""What `simplify` finds in reference expressions, networks and machines, and that it keeps all values."""

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from rewriting_models import machine

from symnum.rewriting.cost import dag_cost
from symnum.rewriting.derivative import gradient
from symnum.rewriting.expr import Expr, Symbol, add, symbol
from symnum.rewriting.operators import cos, sin
from symnum.rewriting.schedule import simplify
from symnum.rewriting.walk import cost, evaluate, evaluate_arrays, leaves, postorder

LONG = 30.0  # seconds: enough for every test on any machine, so that results do not depend on its speed


def variable(name: str) -> Expr:
    return symbol(Symbol(name, "variable"))


def parameter(name: str) -> Expr:
    return symbol(Symbol(name, "parameter"))


def network(n: int) -> tuple[list[Expr], list[Expr], list[Expr]]:
    """Power flow into n nodes of a full network: equations, unknowns, parameters."""
    angle = [variable(f"angle{k}") for k in range(n)]
    voltage = [variable(f"voltage{k}") for k in range(n)]
    B = [[parameter(f"B{min(i, j)}_{max(i, j)}") for j in range(n)] for i in range(n)]
    G = [[parameter(f"G{min(i, j)}_{max(i, j)}") for j in range(n)] for i in range(n)]

    def flow(i: int, j: int) -> Expr:
        difference = angle[i] - angle[j]
        return voltage[i] * voltage[j] * (B[i][j] * sin(difference) + G[i][j] * cos(difference))

    equations = [add(flow(i, j) for j in range(n) if j != i) for i in range(n)]
    return equations, [*angle, *voltage], [entry for row in (*B, *G) for entry in row]


def agree(old: list[Expr], new: list[Expr]) -> None:
    """In extended precision at points of their own, independently of `verify`."""
    random = np.random.default_rng(11)
    values = {leaf: random.uniform(0.4, 1.6, 20).astype(np.longdouble) for leaf in leaves([*old, *new])}
    for before, after in zip(evaluate_arrays(old, values), evaluate_arrays(new, values), strict=True):
        both = np.isfinite(before)
        assert both.any()
        np.testing.assert_allclose(after[both], before[both], rtol=1e-13, atol=1e-13)


# ---- values and cost ------------------------------------------------------------------------------
@pytest.mark.parametrize("level", ["strict", "default", "fast"])
def test_the_reference_expressions_keep_their_values(
    level: str, published: Any, mp_value: Callable[[Expr, Any], Any]
) -> None:
    """100 expressions, 8 points each with 25 digits; in doubles the error may grow tenfold at most."""
    cheaper = 0
    for record, before, named in published:
        after = simplify(before, level, budget=LONG)
        assert dag_cost([after]) <= dag_cost([before])
        cheaper += dag_cost([after]) < dag_cost([before])
        limit = 1e-14 if record["id"].startswith("feynman") else 1e-20
        errors = []
        for point, text in zip(record["points"], record["values"], strict=True):
            with mpmath.workdps(50):
                value = mpmath.mpf(text)
                scale = abs(value) or 1
                at = {named[name]: coordinate for name, coordinate in point.items()}
                assert abs(mp_value(after, at) - value) <= limit * scale, record["id"]
                errors.append([float(abs(evaluate(e, at) - value) / scale) for e in (before, after)])
        worst_before, worst_after = np.max(errors, axis=0)
        assert worst_after <= 10 * worst_before + 2.3e-16, record["id"]
    assert cheaper >= {"strict": 0, "default": 16, "fast": 16}[level]


@pytest.mark.parametrize(("n", "share"), [(4, 0.55), (6, 0.42), (8, 0.36)])
def test_a_network_needs_the_sines_of_its_nodes_only(n: int, share: float) -> None:
    equations, _, parameters = network(n)
    found = simplify(equations, free=parameters, budget=LONG)
    functions = [e for e in postorder(found) if e.op in ("sin", "cos")]
    assert len(functions) == 2 * n
    assert all(e.args[0].op == "symbol" for e in functions)
    assert dag_cost(found, parameters) <= share * dag_cost(equations, parameters)
    agree(equations, found)


def test_a_small_network_is_left_with_its_differences() -> None:
    """Six functions of three differences are cheaper than six functions of three angles and the products."""
    equations, _, parameters = network(3)
    found = simplify(equations, free=parameters, budget=LONG)
    assert sum(e.op in ("sin", "cos") for e in postorder(found)) == 6
    assert dag_cost(found, parameters) < 0.6 * dag_cost(equations, parameters)


def test_a_network_with_its_jacobian() -> None:
    equations, unknowns, parameters = network(5)
    everything = [*equations, *(d for row in gradient(equations, unknowns) for d in row.values())]
    found = simplify(everything, free=parameters, budget=LONG)
    assert sum(e.op in ("sin", "cos") for e in postorder(found)) == 10
    assert dag_cost(found, parameters) < 0.62 * dag_cost(everything, parameters)
    agree(everything, found)


def test_a_machine_with_its_jacobian() -> None:
    case = machine()
    everything = case.everything()
    found = simplify(everything, free=case.parameters, budget=LONG)
    assert dag_cost(found, case.parameters) < 0.8 * dag_cost(everything, case.parameters)
    # what is counted agrees with the plain count, which knows nothing of parameters
    assert cost(found) < cost(everything)
    agree(everything, found)
