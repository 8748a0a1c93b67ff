"""How steps are chosen and where they end; interrupted runs and their continuation; numbers out of bounds."""

import os
import signal
import sys
import threading
import time

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError, SolveFailed
from symnum.record import replace
from symnum.solving.controller import CONTROLLERS
from symnum.solving.integrator import Integrator
from symnum.solving.kernel import slot
from symnum.solving.step_options import StepOptions
from symnum.solving.tableaus import METHODS

D = sn.D
x, y, z = sn.variables("x y z")


def lorenz(span=(0, 20)):
    system = sn.System("lorenz", [D(x) == 10 * (y - x), D(y) == x * (28 - z) - y, D(z) == x * y - 8 / 3 * z])
    return sn.Problem(system, {x: 1, y: 0, z: 0}, span)


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P", "RKTASE3", "Vern7"])
def test_steps_of_fixed_length(method):
    problem = sn.Problem(sn.System("s", [D(x) == y, D(y) == -x]), {x: 1, y: 0}, (0, 2))
    errors = []
    for step in (0.4, 0.2) if method == "Vern7" else (0.1, 0.05):
        solution = sn.solve(problem, method, step=step)
        np.testing.assert_allclose(np.diff(solution.t), step, rtol=1e-9)
        assert solution.stats.rejected == 0
        errors.append(np.abs(solution[x] - np.cos(solution.t)).max())
    assert errors[0] / errors[1] > 2 ** (METHODS[method].order - 0.4)


def test_the_method_of_fixed_steps_is_stable():
    problem = sn.Problem(sn.System("s", [D(x) == -100 * (x - sn.cos(sn.t))]), {x: 1}, (0, 1))
    assert sn.solve(problem, step=0.1).method == "Rodas5P"
    assert sn.solve(problem, step=0.001).method in ("Tsit5", "Vern7")
    with pytest.raises(ModelError, match="step=-1"):
        sn.solve(problem, step=-1)


def test_steps_end_at_the_stops_and_begin_anew():
    # a kink at 1/3 and at 2/3: the method keeps its order with the stops, and does not see them otherwise
    force = sn.ifelse(sn.t < 1 / 3, 1.0, sn.ifelse(sn.t < 2 / 3, -3.0, 2.0))
    problem = sn.Problem(sn.System("s", [D(x) == y, D(y) == force]), {x: 0, y: 0}, (0, 1))
    end = (1 / 3 - 1 + 2 / 3, 0.5 / 9 + 1 / 9 - 1.5 / 9 - 2 / 9 + 1 / 9)
    found = sn.solve(problem, "Tsit5", rtol=1e-6, tstops=[2 / 3, 1 / 3, 7.0])
    # steps end just before a stop, so that none of their stages lies on the other side
    assert {1 / 3, 2 / 3} < set(found.t)
    assert len(set(found.t)) == len(found.t)
    np.testing.assert_allclose([found[y][-1], found[x][-1]], end, atol=1e-14)
    without = sn.solve(problem, "Tsit5", rtol=1e-6)
    assert found.stats.rejected < without.stats.rejected
    np.testing.assert_allclose(found([0.2, 0.5])[y], [0.2, 1 / 3 - 0.5], atol=1e-14)
    on_grid = sn.solve(problem, "Tsit5", rtol=1e-6, tstops=[2 / 3, 1 / 3], saveat=[0.2, 1 / 3, 0.5, 2 / 3])
    np.testing.assert_array_equal(on_grid.t, [0.2, 1 / 3, 0.5, 2 / 3])
    np.testing.assert_allclose(on_grid[y], [0.2, 1 / 3, 1 / 3 - 0.5, -2 / 3], atol=1e-14)
    with pytest.raises(ModelError, match="tstops"):
        sn.solve(problem, tstops=[np.nan])


@pytest.mark.parametrize("name", CONTROLLERS)
@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P"])
def test_controllers(method, name):
    """The sequence of steps is that of the formula, and the tolerance is kept."""
    problem, record, control = lorenz((0, 8)), METHODS[method], CONTROLLERS[name]
    rtol, atol, k = 1e-6, 1e-9, METHODS[method].error_power
    integrator = Integrator(
        problem.compiled.model.functions,
        record,
        StepOptions(rtol=rtol, atol=np.full(3, atol), controller=control),
    )
    integrator.start(0.0, problem.u, problem.p)
    before, last, compared = 1.0, 0.0, 0
    while integrator.t < 8:
        t, u, rejected = integrator.t, integrator.u.copy(), integrator.stats.rejected
        integrator.advance(8.0, pause_after=1)
        h = integrator.t - t
        scaled = integrator._memory.floats(slot.ERROR) / (
            atol + rtol * np.maximum(np.abs(u), np.abs(integrator.u))
        )
        error = float(np.sqrt(np.mean(scaled**2)))
        change = control.safety * error ** (-control.now / k) * before ** (control.before / k)
        if last:
            change *= (h / last) ** -control.ratio
        change = min(control.grow, max(control.shrink, change))
        if integrator.stats.rejected > rejected:
            change = min(change, 1.0)
        if integrator.t < 8:
            assert integrator.next_step == pytest.approx(h * change, rel=1e-9)
            compared += 1
        before, last = max(error, 1e-4), h
    assert compared > 100
    exact = sn.solve(problem, "Vern7", rtol=1e-12, atol=1e-12, saveat=[8])
    np.testing.assert_allclose(integrator.u, exact.y[:, -1], rtol=2e-3)


def test_a_controller_by_name_and_as_a_record():
    problem = lorenz((0, 8))
    steps = {name: sn.solve(problem, "Tsit5", controller=name).stats.steps for name in CONTROLLERS}
    assert len(set(steps.values())) == 3
    assert sn.solve(problem, "Tsit5").stats.steps == steps["PI"]
    own = sn.solve(problem, "Tsit5", controller=replace(CONTROLLERS["I"], safety=0.5))
    assert own.stats.steps > steps["I"]
    with pytest.raises(ModelError, match="choose one of I, PI, H211b"):
        sn.solve(problem, controller="H321")


# ---- interruption and continuation ------------------------------------------------------------------
def press_ctrl_c_when_watched(done):
    """From another thread: as soon as a run looks out for it."""
    while signal.getsignal(signal.SIGINT) is signal.default_int_handler and not done.is_set():
        time.sleep(0.01)
    if not done.is_set():
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal to itself")
def test_ctrl_c_returns_what_was_computed(caplog):
    problem = sn.Problem(sn.System("endless", [D(x) == y, D(y) == -x]), {x: 1, y: 0}, (0, 1e9))
    done = threading.Event()
    presses = threading.Thread(target=press_ctrl_c_when_watched, args=(done,))
    presses.start()
    try:
        solution = sn.solve(
            problem, "Tsit5", saveat=np.append(np.arange(100.0), 1e9), rtol=1e-7, max_steps=10**9
        )
    finally:
        done.set()
        presses.join()
    assert solution.status == "interrupted"
    assert 100 < solution.end.t < 1e9
    np.testing.assert_allclose(solution[x], np.cos(solution.t), atol=1e-3)
    assert len(solution.t) == 100
    assert "interrupted at t" in caplog.text
    # and it goes on from there
    rest = sn.solve(problem.after(solution, end=solution.end.t + 1), "Tsit5", rtol=1e-7)
    assert rest.t[0] == solution.end.t


def test_a_second_ctrl_c_is_an_exception_and_the_handler_is_put_back():
    from symnum.solving.interruption import Interruption

    before = signal.getsignal(signal.SIGINT)
    with Interruption() as interruption:
        interruption.watch()
        signal.raise_signal(signal.SIGINT)
        assert interruption.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    # in other threads nothing is touched
    worker = threading.Thread(target=lambda: sn.solve(lorenz((0, 1)), "Tsit5"))
    worker.start()
    worker.join()
    assert signal.getsignal(signal.SIGINT) is before


def bouncing(span):
    h, v, count = sn.variable("h"), sn.variable("v"), sn.parameters(count=0)[0]
    events = [
        sn.Event(when=h, crossing="down", then={v: -0.9 * v, count: count + 1}),
        sn.Event(at=[1.0, 2.0], then={v: v + 1}),
    ]
    system = sn.System("ball", [D(h) == v, D(v) == -9.81])
    return sn.Problem(system, {h: 1, v: 0}, span, events=events)


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("middle", [0.7, 1.0, 1.3])
def test_a_run_goes_on_from_where_another_ended(tmp_path, middle, on_disk):
    whole_problem = bouncing((0, 3))
    whole = sn.solve(whole_problem, "Tsit5", rtol=1e-9, atol=1e-11)
    problem = whole_problem.with_(span=(0, middle))
    first = sn.solve(problem, "Tsit5", rtol=1e-9, atol=1e-11)
    done = first.checkpoint(tmp_path / "run.npz") if on_disk else first
    second = sn.solve(problem.after(done, end=3), "Tsit5", rtol=1e-9, atol=1e-11)
    assert len(first.events) + len(second.events) == len(whole.events)
    np.testing.assert_allclose(second.y[:, -1], whole.y[:, -1], atol=1e-6)
    assert second["count"][-1] == whole["count"][-1] >= 3
    assert second.t[0] == middle
    # it goes on with the step of the first run, unless that ended at an event
    assert middle == 1.0 or second.t[1] - second.t[0] > 0.1 * (first.t[-2] - first.t[-3])


def test_what_cannot_be_continued_is_refused(tmp_path):
    first = sn.solve(bouncing((0, 0.5)))
    with pytest.raises(ModelError, match="another system"):
        lorenz().after(first)
    path = first.checkpoint(tmp_path / "ball.npz")
    with pytest.raises(ModelError, match="checkpoint of ball"):
        lorenz().after(path)
    (tmp_path / "other").write_text("no archive")
    with pytest.raises(ModelError, match="no checkpoint"):
        lorenz().after(tmp_path / "other")
    with pytest.raises(ModelError, match="from there"):
        bouncing((0, 1)).after(path).with_(parameters={"count": 3})


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    first, path = sn.solve(bouncing((0, 0.5))), tmp_path / "run.npz"
    first.checkpoint(path)
    before = path.read_bytes()

    def full(file, **arrays):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        sn.solve(bouncing((0, 0.7))).checkpoint(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_run_can_be_continued_from_where_it_failed():
    problem = sn.Problem(sn.System("s", [D(x) == -x]), {x: 1}, (0, 5))
    with pytest.raises(SolveFailed, match="raise max_steps") as caught:
        sn.solve(problem, "Tsit5", max_steps=10, rtol=1e-9)
    rest = sn.solve(problem.after(caught.value.solution), "Tsit5", rtol=1e-9)
    np.testing.assert_allclose(rest[x][-1], np.exp(-5), rtol=1e-7)


# ---- numbers out of bounds --------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["Tsit5", "Vern7", "Rodas5P", "MSRKTASE3", "RKTASE3"])
@pytest.mark.parametrize(("right", "message"), [
    (sn.exp(x), r"D\(x\) == exp\(x\)"), (1 / (1 - sn.t), r"D\(x\)"), (sn.sqrt(1 - sn.t) - 1, r"D\(x\)"),
    (sn.log(1 - sn.t), r"D\(x\)"),
])  # fmt: skip
def test_the_equation_that_leaves_its_bounds_is_named(method, right, message):
    # exp: the solution is -log(1 - t); all of them end at t = 1
    system = sn.System("bounds", [D(x) == right, D(y) == -y])
    with pytest.raises(SolveFailed, match=message) as caught:
        sn.solve(sn.Problem(system, {x: 0, y: 1}, (0, 2)), method)
    reached = caught.value.solution
    assert reached.t[-1] == pytest.approx(1, abs=0.01)
    assert np.isfinite(reached.y).all()


def test_a_step_beyond_a_domain_is_made_shorter():
    # at the first try stages lie beyond the root of x; the solution never does
    system = sn.System("domain", [D(x) == -sn.sqrt(x) * 4 * sn.exp(-3 * sn.t)])
    solution = sn.solve(sn.Problem(system, {x: 1}, (0, 5)), "Tsit5", first_step=2.0, rtol=1e-8)
    exact = (1 - 2 * (1 - np.exp(-3 * solution.t)) / 3) ** 2
    np.testing.assert_allclose(solution[x], exact, rtol=1e-6)


@pytest.mark.parametrize("start", [-0.5, -0.1])
@pytest.mark.parametrize("rtol", [1e-5, 1e-8])
def test_algebraic_variables_that_have_drifted_do_not_stop_a_w_method(start: float, rtol: float) -> None:
    """What a step leaves of the algebraic equation may exceed the tolerance; the error of the next step then
    stays above it however short that is."""
    algebraic = z + 0.3 * sn.tanh(z) == sn.sin(x) + x * sn.t
    system = sn.System("drifts", [sn.D(x) == 0.7 - x + 0.1 * sn.tanh(z), algebraic])
    problem = sn.Problem(system, {x: start}, span=(0, 1))
    exact = sn.solve(problem, "RadauIIA5", rtol=1e-10, atol=1e-12, saveat=[1.0]).y[:, -1]
    found = sn.solve(problem, "ROS34PW2", rtol=rtol, atol=0.01 * rtol, saveat=[1.0])
    np.testing.assert_allclose(found.y[:, -1], exact, rtol=50 * rtol, atol=rtol)
    assert found.stats.newton_iterations > 0
