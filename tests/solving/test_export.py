"""Exported simulators: in an empty environment they give what symnum gives, by the same steps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import symnum as sn
from symnum.codegen.emit_c import compiler
from symnum.errors import CodegenError, ModelError

Array = NDArray[np.float64]
STRICT = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic")
# symnum cannot be imported, and nothing else than what Python and its packages need is in the environment
ALONE = (
    "import sys, runpy; sys.modules['symnum'] = None; sys.argv = ['model.py', 'out.csv'];"
    "runpy.run_path('model.py', run_name='__main__')"
)

try:
    HAS_COMPILER = bool(compiler())
except CodegenError:  # pragma: no cover - depends on the machine
    HAS_COMPILER = False
needs_compiler = pytest.mark.skipif(not HAS_COMPILER, reason="there is no C compiler")
KINDS = [pytest.param("c", marks=needs_compiler), "numba"]
SLOW_KINDS = [pytest.param("c", marks=needs_compiler), pytest.param("numba", marks=pytest.mark.slow)]


def run(*command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def built(source: Path, suffix: str = "", *options: str) -> Path:
    """What a C file becomes without a single warning."""
    target = source.with_suffix(suffix)
    command = [*compiler(), *STRICT, *options, str(source), "-o", str(target), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def table(text: str) -> tuple[list[str], Array]:
    """Names and rows of a trajectory."""
    head, *rows = text.splitlines()
    names = [name.strip('"') for name in head.replace('","', "\t").replace(',"', "\t").split("\t")]
    return names, np.array([[float(value) for value in row.split(",")] for row in rows])


def trajectory(kind: str, problem: Any, folder: Path, **options: Any) -> tuple[list[str], Array]:
    if kind == "c":
        program = built(sn.export(problem, "c", folder / "model.c", **options))
        done = run(str(program), folder=folder)
        assert done.returncode == 0, done.stderr
        return table(done.stdout)
    sn.export(problem, "numba", folder / "model.py", **options)
    done = run(sys.executable, "-I", "-c", ALONE, folder=folder)
    assert done.returncode == 0, done.stderr
    return table((folder / "out.csv").read_text())


def check(kind: str, problem: sn.Problem, folder: Path, tolerance: float = 1e-10, **options: Any) -> None:
    """Same times, same names, and states equal to ``tolerance``."""
    expected = sn.solve(problem, **options)
    names, rows = trajectory(kind, problem, folder, **options)
    assert names == ["t", *expected.states]
    np.testing.assert_array_equal(rows[:, 0], expected.t)
    assert abs(rows[:, 1:].T - expected.y).max() < tolerance


# ---- models -----------------------------------------------------------------------------------------
def robertson() -> sn.Problem:
    a, b, c = sn.variables("a b c")
    k1, k2, k3 = sn.parameters(k1=0.04, k2=3e7, k3=1e4)
    equations = [
        sn.D(a) == -k1 * a + k3 * b * c, sn.D(b) == k1 * a - k3 * b * c - k2 * b**2, a + b + c == 1,
    ]  # fmt: skip
    return sn.Problem(sn.System("robertson", equations), {a: 1, b: 0}, span=(0, 1e11))


def brusselator(side: int) -> sn.Problem:
    """Reaction and diffusion on a periodic grid; Hairer and Wanner II, section IV.10."""
    u = [[sn.variable(f"u{i}_{j}") for j in range(side)] for i in range(side)]
    v = [[sn.variable(f"v{i}_{j}") for j in range(side)] for i in range(side)]
    a, b, rate = sn.parameters(a=3.4, b=1.0, rate=0.002 * side**2)

    def diffusion(w: Any, i: int, j: int) -> Any:
        around = w[(i + 1) % side][j] + w[i - 1][j] + w[i][(j + 1) % side] + w[i][j - 1]
        return rate * (around - 4 * w[i][j])

    equations, start = [], {}
    for i in range(side):
        for j in range(side):
            x, y, p, q = u[i][j], v[i][j], i / side, j / side
            equations.append(sn.D(x) == b + x * x * y - (a + 1) * x + diffusion(u, i, j))
            equations.append(sn.D(y) == a * x - x * x * y + diffusion(v, i, j))
            start |= {x: 22 * q * (1 - q) ** 1.5, y: 27 * p * (1 - p) ** 1.5}
    return sn.Problem(sn.System("brusselator", equations), start, span=(0, 1))


def ladder(sections: int) -> sn.Problem:
    """A resistor ladder with capacitors, driven by a sine wave; currents are algebraic."""
    v = [sn.variable(f"v{k}", start=0.0) for k in range(sections)]
    i = [sn.variable(f"i{k}") for k in range(sections + 1)]
    r, c = sn.parameters(r=10.0, c=1e-3)
    equations = [i[0] * r + i[0] ** 3 == sn.sin(30 * sn.t) - v[0], i[sections] == 0]
    equations += [i[k] * r + i[k] ** 3 == v[k - 1] - v[k] for k in range(1, sections)]
    equations += [c * sn.D(v[k]) == i[k] - i[k + 1] for k in range(sections)]
    return sn.Problem(sn.System("ladder", equations), span=(0, 1))


def pump() -> sn.Problem:
    """All at once: a limit, events by time and by state, algebra, parameters that follow others."""
    x, y, z, n = sn.variables("x y z n")
    rate, low, größe = sn.parameters(rate=1.0, low=0.2, größe=0.5)
    double = sn.parameter(2 * rate, name="double")
    system = sn.System(
        "pump",
        [
            sn.D(x) == double * sn.cos(3 * sn.t) * größe + 0.1 * y, y + y**3 == x + rate,
            sn.D(z) == y - x * z, sn.D(n) == 0, sn.Limit(x, low=low, high=1.0),
        ],
        events=[
            sn.Event(when=z - 0.8, crossing="up", then={z: z / 4 + 0.01 * y, n: n + 1}),
            sn.Event(when=sn.t + 0.1 * z - 5.5, terminal=True),
        ],
        defaults={x: 0.3, z: 0.0, n: 0},
    )  # fmt: skip
    events = [sn.Event(at=[0.5, 2.0], then={rate: rate + 0.25}), sn.Event(at=0.5, then={low: 0.1 + 0.1 * x})]
    return sn.Problem(system, span=(0, 6), events=events)


# ---- agreement --------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_events_limits_and_algebra(kind: str, tmp_path: Path) -> None:
    expected = sn.solve(pump(), rtol=1e-9, atol=1e-9)
    assert expected.status == "terminated"
    assert expected.stats.limit_switches >= 2  # the model does use what it is meant to use
    assert expected.stats.events == 6
    check(kind, pump(), tmp_path, rtol=1e-9, atol=1e-9, saveat=0.05)


@pytest.mark.parametrize("kind", SLOW_KINDS)
@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("relay", "Tsit5"), ("sampled", "Rodas5P"), ("machines", "Tsit5"), ("impulses", "Rodas5P"),
        ("impulses", "Tsit5"), ("stick_slip", "Rodas5P"), ("rectifier", "Rodas5P"), ("bridge", "Rodas5P"),
        ("coil", "Rodas5P"),
    ],
)  # fmt: skip
def test_triggers(kind: str, name: str, method: str, hybrid: Any, tmp_path: Path) -> None:
    """Switches, machines, clocks, delays, priorities, withdrawal and impulses: the same to round-off."""
    problem = getattr(hybrid, name)()
    options = {"rtol": 1e-9, "atol": 1e-11, "method": method}
    check(kind, problem, tmp_path, 1e-9, saveat=np.linspace(*problem.span, 131), **options)


@needs_compiler
def test_what_triggers_cannot_do_has_a_reason(tmp_path: Path) -> None:
    x, n = sn.variables("x n")
    late = sn.Event(trigger=x > 0.5, then={n: n + 1}, delay=0.1 - x)
    system = sn.System("s", [sn.D(x) == 1, sn.D(n) == 0], events=[late])
    program = built(sn.export(sn.Problem(system, {x: 0, n: 0}, span=(0, 1)), "c", tmp_path / "late.c"))
    assert run(str(program), folder=tmp_path).stderr.endswith("the delay of an event is negative\n")
    again = sn.Event(trigger=n < 0, then={n: 1}), sn.Event(trigger=n > 0, then={n: -1})
    start = sn.Event(at=0.5, then={n: 1})
    system = sn.System("s", [sn.D(x) == 1, sn.D(n) == 0], events=[*again, start])
    program = built(sn.export(sn.Problem(system, {x: 0, n: 0}, span=(0, 1)), "c", tmp_path / "endless.c"))
    assert run(str(program), folder=tmp_path).stderr.endswith("fire each other without end\n")
    bounce = sn.Event(when=x - 1, crossing="down", then={n: -0.5 * n})
    ball = sn.Problem(sn.System("s", [sn.D(x) == n, sn.D(n) == -10], events=[bounce]), {x: 2, n: 0}, (0, 3))
    program = built(sn.export(ball, "c", tmp_path / "ball.c"))
    assert run(str(program), folder=tmp_path).stderr.endswith("events follow each other ever faster\n")


@pytest.mark.parametrize("kind", SLOW_KINDS)
def test_robertson(kind: str, tmp_path: Path) -> None:
    check(kind, robertson(), tmp_path, rtol=1e-10, atol=1e-14, saveat=[0, *10.0 ** np.arange(-5, 12)])


@pytest.mark.parametrize("kind", SLOW_KINDS)
def test_ladder(kind: str, tmp_path: Path) -> None:
    check(kind, ladder(40), tmp_path, rtol=1e-9, atol=1e-9, saveat=0.01)


@pytest.mark.parametrize("kind", SLOW_KINDS)
@pytest.mark.parametrize("event", ["tie", "fault"])
def test_kundur(kind: str, event: str, tmp_path: Path) -> None:
    from symnum.models.power import kundur

    grid = kundur.two_area(fault_bus=8 if event == "fault" else None)
    if event == "fault":
        active = grid.fault.active
        events = [sn.Event(at=1.0, then={active: 1}), sn.Event(at=1.1, then={active: 0})]
    else:
        events = [sn.Event(at=2.0, then={grid.line_7_8a.closed: 0})]
    problem = sn.Problem(grid, span=(0, 20), events=events)
    check(kind, problem, tmp_path, rtol=1e-9, atol=1e-9, saveat=0.01)


@pytest.mark.parametrize("kind", SLOW_KINDS)
@pytest.mark.parametrize("method", ["Rodas5P", "Tsit5"])
def test_brusselator(kind: str, method: str, tmp_path: Path) -> None:
    check(kind, brusselator(12), tmp_path, method=method, rtol=1e-9, atol=1e-9, saveat=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_large_brusselator(kind: str, tmp_path: Path) -> None:
    check(kind, brusselator(64), tmp_path, method="Tsit5", rtol=1e-9, atol=1e-9, saveat=0.1)


# ---- what the files offer ---------------------------------------------------------------------------
def growth() -> sn.Problem:
    x, y = sn.variables("x y")
    (rate,) = sn.parameters(rate=0.5)
    twice = sn.parameter(2 * rate, name="twice")
    system = sn.System("growth", [sn.D(x) == rate * x, sn.D(y) == twice * y])
    return sn.Problem(system, {x: 1, y: 1}, span=(0, 1))


@needs_compiler
def test_arguments_of_the_c_program(tmp_path: Path) -> None:
    program = built(sn.export(growth(), "c", tmp_path / "growth.c", rtol=1e-10, atol=1e-12))
    done = run(str(program), "rate=1", "x=3", folder=tmp_path)
    assert table(done.stdout)[1][-1] == pytest.approx([1, 3 * np.e, np.e**2], rel=1e-8)
    wrong = run(str(program), "reight=1", folder=tmp_path)
    assert wrong.returncode == 2
    assert "reight=1: there is no such parameter or state" in wrong.stderr


@needs_compiler
def test_failures_of_the_c_program_name_time_and_reason(tmp_path: Path) -> None:
    x = sn.variable("x")
    problem = sn.Problem(sn.System("blow_up", [sn.D(x) == x**2]), {x: 1}, span=(0, 2))
    program = built(sn.export(problem, "c", tmp_path / "model.c"))
    done = run(str(program), folder=tmp_path)
    assert done.returncode == 1
    time, reason = done.stderr.removeprefix("stopped at t = ").split(": ")
    assert float(time) == pytest.approx(1, abs=1e-5)
    assert reason == "the step size collapsed\n"
    assert len(table(done.stdout)[1]) == 51  # what was computed until then is there


@needs_compiler
def test_functions_of_the_c_file_alone(tmp_path: Path) -> None:
    """Another program may use the functions and the metadata without the solver."""
    import ctypes

    problem = robertson()
    source = sn.export(problem, "c", tmp_path / "model.c")
    library = built(source, ".so", "-DMODEL_FUNCTIONS_ONLY", "-shared", "-fPIC")
    functions = ctypes.CDLL(str(library))
    u, p, n = np.array([0.9, 1e-5]), problem.p, problem.flat.n
    model = problem.compiled
    values, out, work = np.zeros(model.model.functions.indices.size), np.zeros(n), np.zeros(100)
    for name, target in (("setup", values), ("jacobian", values), ("rhs", out)):
        arguments = [ctypes.c_void_p(array.ctypes.data) for array in (target, u, p, work)]
        getattr(functions, name)(ctypes.c_double(0.0), *arguments)
    np.testing.assert_allclose(out, model.rhs(0.0, u, p), rtol=1e-14)
    np.testing.assert_allclose(values, model.jacobian(0.0, u, p).data, rtol=1e-14)
    starts = (ctypes.c_int * (n + 1)).in_dll(functions, "column_start")
    assert list(starts) == model.model.functions.indptr.tolist()
    assert (ctypes.c_char_p * n).in_dll(functions, "state_name")[0] == b"a"


@pytest.mark.slow
def test_simulate_in_python(tmp_path: Path) -> None:
    sn.export(growth(), "numba", tmp_path / "growth.py", method="Tsit5", rtol=1e-10, atol=1e-12)
    code = (
        "import sys; sys.path.insert(0, '.'); import growth;"
        "t, y = growth.simulate({'x': 3.0}, {'rate': 1.0}, saveat=[0.5, 1.0]);"
        "print(t.tolist(), y[:, -1].tolist());"
        "import numpy;"
        "\ntry: growth.simulate(max_steps=2)\nexcept RuntimeError as error: print(error)"
    )
    done = run(sys.executable, "-I", "-c", code, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("[0.5, 1.0] ")
    assert eval(first.removeprefix("[0.5, 1.0] ")) == pytest.approx([3 * np.e, np.e**2], rel=1e-8)
    assert "too many steps" in second


@needs_compiler
def test_export_of_a_compiled_system_takes_declared_starts(tmp_path: Path) -> None:
    x = sn.variable("x", start=2.0)
    model = sn.compile(sn.System("decay", [sn.D(x) == -x]))
    names, rows = trajectory("c", model, tmp_path, rtol=1e-10, atol=1e-12)
    assert names == ["t", "x"]
    assert rows[-1] == pytest.approx([1.0, 2 / np.e], rel=1e-8)
    again = model.export("c", tmp_path / "again.c", rtol=1e-10, atol=1e-12)
    assert again.read_text() == (tmp_path / "model.c").read_text()


# ---- refusals ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "file", "options", "message"),
    [
        ("fortran", "model.f", {}, "no kind 'fortran'; choose one of c, numba"),
        ("numba", "my model.py", {}, "cannot be imported"),
        ("c", "model.c", {"method": "ROS34PW2"}, "run Rodas5P or Tsit5, not ROS34PW2"),
        ("c", "model.c", {"method": "Tsit5"}, "Tsit5 cannot solve algebraic equations, and ladder has"),
        ("c", "model.c", {"saveat": [0, 2]}, "leave the span"),
        ("c", "model.c", {"rtol": 2}, "relative tolerance"),
        ("c", "model.c", {"method": 5}, "method=5: give the name"),
    ],
)
def test_what_cannot_be_exported(
    kind: str, file: str, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=message):
        sn.export(ladder(3), kind, tmp_path / file, **options)
    assert not (tmp_path / file).exists()


@pytest.mark.parametrize("kind", ["c", "numba"])
def test_what_is_compiled_without_unknowns_is_not_exported(kind: str, tmp_path: Path) -> None:
    x = sn.variable("x")
    line = sn.compile(sn.System("line", [x == 2 * sn.t]))
    with pytest.raises(ModelError, match="line: nothing to integrate"):
        sn.export(line, kind, tmp_path / "model.py")


def test_a_system_without_starts_names_them(tmp_path: Path) -> None:
    x = sn.variable("x")
    with pytest.raises(ModelError, match="no start for x"):
        sn.compile(sn.System("decay", [sn.D(x) == -x])).export("c", tmp_path / "model.c")
