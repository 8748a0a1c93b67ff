"""Bad input of every kind gives an error of symnum's own that names what is wrong and what to do about it.

One test for each kind of mistake that the library promises to explain; the tests of the rooms hold the
variations. A trip that islands a power network is among the tests of the power models.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import (
    CodegenError,
    ModelError,
    SolveFailed,
    SymnumError,
    UnbalancedSystem,
    UnitError,
)

D = sn.D
x, y, z = sn.variables("x y z")
a, b = sn.parameters("a", b=2.0)


def says(kind: type[SymnumError], action: Callable[[], object], *pieces: str) -> None:
    """The action raises exactly this kind of error, and its message holds all the pieces."""
    with pytest.raises(SymnumError) as caught:
        action()
    assert type(caught.value) is kind
    for piece in pieces:
        assert piece in str(caught.value)


def says_part(action: Callable[[], object], *pieces: str) -> None:
    """As `says`, for any error of the library."""
    with pytest.raises(SymnumError) as caught:
        action()
    for piece in pieces:
        assert piece in str(caught.value)


def decay(**options: Any) -> sn.System:
    return sn.System("decay", [D(x) == -b * x], **options)


def test_one_equation_too_many() -> None:
    system = sn.System("heater", [D(x) == -x + y, y == x**2, y == 3 * x])
    says(
        UnbalancedSystem,
        lambda: sn.compile(system),
        "heater: 3 equations for 2 unknowns",
        "y == 3*x",
        "y == x**2",
        "Remove",
    )


def test_one_equation_too_few() -> None:
    system = sn.System("heater", [D(x) == -x + y])
    says(
        UnbalancedSystem,
        lambda: sn.compile(system),
        "1 equation for 2 unknowns",
        "Nothing determines\n    y",
        "Add",
    )


def test_a_misspelt_name() -> None:
    says(
        ModelError,
        lambda: sn.Problem(decay(), {"xx": 1}),
        "start: decay has no variable called xx",
        "Did you mean x?",
    )
    says(
        ModelError,
        lambda: sn.Problem(decay(), {x: 1}, parameters={"bb": 1}),
        "no parameter called bb",
        "Did you mean b?",
    )
    with pytest.raises(SymnumError, match="decay has no part or symbol called xb"):
        _ = decay().xb


def test_a_misspelt_setting_of_a_component(electrical: ModuleType) -> None:
    says(
        ModelError,
        lambda: electrical.Diode("d", saturaton=1),
        "Diode('d')",
        "saturaton",
        "Did you mean saturation?",
    )


def test_a_duplicated_name() -> None:
    twin = sn.variable("x", unit="V")
    says(
        ModelError,
        lambda: sn.System("s", [D(x) == -twin]),
        "two different symbols are called x",
        "Rename one",
    )


def test_a_duplicated_part(electrical: ModuleType) -> None:
    parts = [electrical.Resistor("r"), electrical.Resistor("r")]
    says(ModelError, lambda: sn.System("s", parts=parts), "two parts are called r", "give each its own name")


def test_a_parameter_without_value() -> None:
    system = sn.System("decay", [D(x) == -a * x])
    says(
        ModelError, lambda: sn.Problem(system, {x: 1}), "no value for the parameter a", "parameters={a: ...}"
    )


def test_a_state_without_start() -> None:
    says(ModelError, lambda: sn.Problem(decay()), "no start for x", "Problem(system, {x: 0.0}, ...)")


def test_a_start_that_cannot_be_repaired_lists_residuals_and_unknowns() -> None:
    system = sn.System("pipe", [D(x) == -y, y**2 + sn.exp(y) + x**2 == 0])
    says(
        SolveFailed, lambda: sn.solve(sn.Problem(system, {x: 1})),
        "pipe: no consistent start at t = 0", "== 0: x**2 + y**2 + exp(y) == 0", "y: 0 -> ",
        "Give better guesses",
    )  # fmt: skip


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), np.float64("nan")])
def test_a_parameter_that_is_not_finite(value: float) -> None:
    says(
        ModelError,
        lambda: sn.Problem(decay(), {x: 1}, parameters={b: value}),
        "decay: parameter b is",
        "must be finite",
    )
    says(ModelError, lambda: sn.parameter(value, name="k"), "parameter k:", "cannot be part of an expression")


def test_wrong_units() -> None:
    v, i = sn.variable("v", unit="V"), sn.variable("i", unit="A")
    says(
        UnitError,
        lambda: sn.compile(sn.System("s", [D(v) == i, i == 1])),
        "D(v) is in V/s, but i is in A",
        "Correct",
    )
    says(UnitError, lambda: sn.variable("p", unit="Watt"), "unknown unit 'Watt'", "Did you mean W?")


def test_an_unconnected_pin(electrical: ModuleType) -> None:
    r, ground = electrical.Resistor("r1"), electrical.Ground("ground")
    system = sn.System("s", [sn.connect(r.p, ground.p)])
    says(
        ModelError,
        lambda: sn.compile(system),
        "the connector r1.n (Pin) is not connected",
        "sn.connect(r1.n, ...)",
    )


def test_an_unknown_method() -> None:
    problem = sn.Problem(decay(), {x: 1})
    says(ModelError, lambda: sn.solve(problem, "Rodas5"), "no method 'Rodas5'", "Did you mean", "Rodas5P")
    says(ModelError, lambda: sn.solve(problem, 5), "method=5", "Tsit5")  # type: ignore[arg-type]


def test_an_event_that_never_ends() -> None:
    h, v = sn.variables("h v")
    ball = sn.System(
        "ball", [D(h) == v, D(v) == -9.81],
        events=[sn.Event(when=h, crossing="down", then={v: -0.7 * v}, name="bounce")],
    )  # fmt: skip
    says(
        SolveFailed, lambda: sn.solve(sn.Problem(ball, {h: 1, v: 0}, (0, 20))),
        "ball: stopped at t = 2.5", "(Zeno): bounce", "Let the event change the model",
    )  # fmt: skip


def test_a_step_size_that_collapses() -> None:
    system = sn.System("blow_up", [D(x) == x**2])
    says(
        SolveFailed, lambda: sn.solve(sn.Problem(system, {x: 1}, (0, 2))),
        "blow_up: stopped at t = 1.0000", "the step size collapsed", "D(x) == x**2",
        "Does the solution blow up",
    )  # fmt: skip


def test_too_few_steps() -> None:
    problem = sn.Problem(decay(), {x: 1})
    says(
        SolveFailed,
        lambda: sn.solve(problem, rtol=1e-12, max_steps=2),
        "2 steps were not enough",
        "raise max_steps=",
    )


def test_a_function_that_leaves_its_domain() -> None:
    system = sn.System("tank", [D(x) == -1, D(y) == sn.sqrt(x)])
    says(
        SolveFailed, lambda: sn.solve(sn.Problem(system, {x: 1, y: 0}, (0, 2))),
        "tank: stopped at t = 1", "not finite in\n    D(y) == sqrt(x)", "domain of a function",
    )  # fmt: skip
    first = sn.System("tank", [D(x) == 1 / x])
    says(
        ModelError,
        lambda: sn.solve(sn.Problem(first, {x: 0})),
        "not finite at the start",
        "D(x) == 1/x   gives inf",
    )



def test_a_circuit_without_a_ground(electrical: ModuleType) -> None:
    """The sums of currents at its two nodes say the same: one is left over, and a potential is free."""
    r, c = electrical.Resistor("r"), electrical.Capacitor("c", v=1.0)
    floating = sn.System("floating", [sn.connect(r.p, c.p), sn.connect(r.n, c.n)])
    says(
        UnbalancedSystem,
        lambda: sn.solve(sn.Problem(floating)),
        "4 equations for 5 unknowns",
        "r.p.v",
        "the ground of a circuit",
    )


def test_equations_of_which_one_says_the_same_as_another() -> None:
    system = sn.System("twice", [D(x) == -y, y + z == x, 2 * y + 2 * z == 3 + x])
    with pytest.raises(SymnumError, match=r"twice.*(singular|no consistent start)"):
        sn.solve(sn.Problem(system, {x: 1}))


def test_what_is_no_equation() -> None:
    says(ModelError, lambda: sn.System("s", [D(x)]), "equation 1 is D(x)", "Write `left == right`")  # type: ignore[list-item]
    says(ModelError, lambda: sn.System("s", [2 == 3]), "equation 1 is just False", "an equation needs")  # type: ignore[list-item]


def test_what_is_no_problem_and_no_system() -> None:
    says(ModelError, lambda: sn.solve(decay()), "solve takes a Problem", "write sn.Problem(")  # type: ignore[arg-type]
    says(ModelError, lambda: sn.compile("decay"), "compile takes a System", "write sn.System(")  # type: ignore[arg-type]
    says(ModelError, lambda: sn.compile(decay(), simplify="most"), "simplify='most'", "strict, default, fast")
    says(CodegenError, lambda: sn.compile(decay(), backend="fortran"), "unknown back end 'fortran'", "llvm")
    says(CodegenError, lambda: sn.compile(decay()).source("pascal"), "unknown back end 'pascal'", "llvm")


@pytest.mark.parametrize(
    ("options", "piece"),
    [
        ({"rtol": -1}, "rtol=-1: give a relative tolerance between"),
        ({"rtol": float("nan")}, "rtol=nan"),
        ({"rtol": "tight"}, "rtol=tight"),
        ({"atol": 0}, "atol=0: absolute tolerances are positive"),
        ({"atol": "tight"}, "atol='tight': give numbers"),
        ({"atol": {"y": 1}}, "atol: decay has no variable called y"),
        ({"atol": {x: "s"}}, "atol of x='s': give numbers"),
        ({"atol": [1e-6, 1e-6]}, "atol has shape (2,)"),
        ({"saveat": "often"}, "saveat='often': give numbers"),
        ({"saveat": -1}, "saveat=-1: a spacing is positive"),
        ({"saveat": [0, 2]}, "leave the span 0 ... 1"),
        ({"saveat": [0.5, 0.2]}, "increasing times"),
        ({"saveat": [0.1, float("nan")]}, "increasing times"),
        ({"saveat": [[0.1], [0.2]]}, "increasing times"),
        ({"max_step": 0}, "max_step=0: give a positive number"),
        ({"max_step": "a"}, "max_step='a'"),
        ({"first_step": 0}, "first_step=0"),
        ({"first_step": float("inf")}, "first_step=inf"),
        ({"max_steps": 0}, "max_steps=0"),
        ({"max_steps": 2.5}, "max_steps=2.5"),
        ({"max_steps": "a"}, "max_steps='a'"),
    ],
    ids=str,
)
def test_options_of_solve(options: dict[str, Any], piece: str) -> None:
    says(ModelError, lambda: sn.solve(sn.Problem(decay(), {x: 1}), **options), piece)


def test_vectors_of_the_wrong_length_never_reach_the_machine_code() -> None:
    model = sn.compile(decay())
    for u, p in (([1, 2], [1]), ([], [1]), ([1], []), ([1], [1, 2]), ([[1]], [1])):
        for function in (model.rhs, model.jacobian, model.time_gradient):
            says(CodegenError, lambda function=function, u=u, p=p: function(0, u, p), "has shape")  # type: ignore[misc]


def test_an_extra_event_that_the_compiled_system_cannot_know() -> None:
    compiled = sn.compile(decay())
    event = sn.Event(when=x - 0.5, terminal=True)
    says(ModelError, lambda: sn.Problem(compiled, {x: 1}, events=[event]), "sn.compile(system, events=...)")


def test_a_guard_that_asks_for_an_unknown_parameter() -> None:
    system = decay(guards=[lambda values: "off" if values["bb"] else None])
    says_part(
        lambda: sn.solve(sn.Problem(system, {x: 1})), "a guard asks for the parameter bb", "Did you mean b?"
    )


def test_transitions_of_a_machine_that_are_forgotten() -> None:
    heater = sn.StateMachine(
        "heater", ["on", "off"], [sn.Transition("on", "off", x > 2), sn.Transition("off", "on", x < 1)]
    )
    equations = [sn.D(x) == sn.ifelse(heater["on"], 3, 0) - x]
    says(
        ModelError,
        lambda: sn.compile(sn.System("hot", equations)),
        "hot: the state machine heater stays in its state for ever",
        "events=heater.events",
    )
    assert sn.solve(sn.Problem(sn.System("hot", equations, events=heater.events), {x: 0}, (0, 5))).events
    assert sn.solve(sn.Problem(sn.System("hot", equations), {x: 0}, (0, 5), events=heater.events)).events


def test_nothing_to_integrate() -> None:
    compiled = sn.compile(sn.System("formula", [x == sn.t, y == 2 * x]))
    says(
        ModelError,
        lambda: sn.solve(sn.Problem(compiled)),
        "formula: nothing to integrate",
        "of the System itself",
    )


def test_a_guard_that_objects() -> None:
    system = decay(guards=[lambda values: f"b = {values['b']:g} is negative" if values["b"] < 0 else None])
    says(
        ModelError,
        lambda: sn.solve(sn.Problem(system, {x: 1}, parameters={b: -1})),
        "decay: b = -1 is negative",
    )


def test_an_error_in_the_middle_leaves_nothing_behind() -> None:
    """After each failure the same objects still give the right answer."""
    system = decay()
    problem = sn.Problem(system, {x: 1})
    for bad in ({"method": "no"}, {"rtol": 0}, {"saveat": [5]}, {"max_steps": 1, "rtol": 1e-12}):
        with pytest.raises(SymnumError):
            sn.solve(problem, **bad)
    assert sn.solve(problem, rtol=1e-9)[x][-1] == pytest.approx(np.exp(-2), rel=1e-7)
