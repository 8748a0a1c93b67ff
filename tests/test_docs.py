"""The pages of the documentation are true: their code runs as printed, in the order of the page."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn


def run(page: Path) -> dict[str, Any]:
    """Run the code of a page; what its names are in the end."""
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        exec(compile(block, page.name, "exec"), names)
    return names


@pytest.fixture
def docs(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return repository / "docs"


def test_models(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = run(docs / "models.md")
    # conserved: the energy of the pendulum, which starts at rest at height 0
    swing, vx, vy, py = (names[name] for name in ("swing", "vx", "vy", "py"))
    assert swing[(vx**2 + vy**2) / 2 + 9.81 * py] == pytest.approx(0, abs=1e-6)
    # a fall from 1 m takes sqrt(2/g)
    assert names["fall"].events[0].t == pytest.approx(np.sqrt(2 / 9.81), rel=1e-6)
    assert names["charge"]["c1.v"][-1] < 5
    assert names["charge"]["c1.v"][-1] > names["charge"]["c50.v"][-1] > 0
    problem = sn.Problem(names["relay"], {names["x"]: 1.0, names["v"]: 0.0}, span=(0, 10))
    assert sn.solve(problem).events[1].t == pytest.approx(np.sqrt(2), rel=1e-9)
    # m s^2 + c s + k = 0
    np.testing.assert_allclose(names["linear"].state_space.poles, np.roots([1.0, 0.2, 4.0]), rtol=1e-8)
    assert "Nothing determines\n    v" in capsys.readouterr().out


def test_components(docs: Path) -> None:
    turning = run(docs / "components.md")["turning"]
    speed = turning["rotor.omega"]
    assert speed[np.searchsorted(turning.t, 0.5) - 1] == pytest.approx(150, abs=1e-2)
    assert speed[-1] == pytest.approx(150, abs=1e-6)
    assert turning["machine.i"][-1] == pytest.approx(0.4 / 0.1, abs=1e-6)  # what holds the load


def test_the_page_on_components_names_all_of_them(repository: Path) -> None:
    from symnum.models import blocks, electrical, mechanical, thermal

    public = {*blocks.__all__, *electrical.__all__, *thermal.__all__, *mechanical.__all__}
    for room in (getattr(mechanical, name) for name in mechanical.__all__):
        kinds = (sn.Component, sn.Connector)
        public |= {
            name for name, value in vars(room).items()
            if isinstance(value, type) and issubclass(value, kinds) and value.__module__ == room.__name__
        }  # fmt: skip
    page = (repository / "docs" / "components.md").read_text("utf-8")
    assert public == {name for name in re.findall(r"`(\w+)`", page) if name != "help"}


def test_coming_from(docs: Path) -> None:
    names = run(docs / "coming_from.md")
    end = names["found"].y[:, -1]
    assert names["sol"].y[:, -1] == pytest.approx(end, abs=1e-4)
    traced = sn.solve(sn.Problem(names["system"], {"u": [1.5, 3.0]}, span=(0, 20)))
    assert traced["u"][-1] == pytest.approx(end, abs=1e-4)


def test_power(docs: Path) -> None:
    names = run(docs / "power.md")
    after, grid = names["after"], names["two_machines"]
    # with its line to the city gone, the larger machine must run further ahead of the other
    difference = after[grid.g1.delta - grid.g2.delta]
    assert difference[-1] > difference[0] + 0.1


def test_sbml(docs: Path) -> None:
    pytest.importorskip("libsbml")
    names = run(docs / "sbml.md")
    model, sol = names["model"], names["sol"]
    assert sol[model["S1"]][-1] == pytest.approx(10 * np.exp(-0.1 * 100), rel=1e-2, abs=1e-5)


def test_solving(docs: Path) -> None:
    names = run(docs / "solving.md")
    rest, x = names["rest"], names["x"]
    t = rest.t
    exact = (np.sin(t) - np.cos(t)) / 2  # what is left of the start is exp(-100)
    assert rest[x] == pytest.approx(exact, abs=1e-3)


def test_mechanisms(docs: Path, shared_data: Path) -> None:
    pytest.importorskip("yaml")
    shutil.copy(shared_data / "cantera" / "mech" / "gri30.yaml", "gri30.yaml")
    sol = run(docs / "mechanisms.md")["sol"]
    assert sol["T"][-1] > 2500  # it has ignited


def test_reactions(docs: Path) -> None:
    names = run(docs / "reactions.md")
    enzyme, state, S, E, SE, P = (names[name] for name in ("enzyme", "state", "S", "E", "SE", "P"))
    assert enzyme.conserved_quantities() == (E + SE, P + S + SE)
    assert [state[quantity] for quantity in (S, SE, E, P)] == pytest.approx([0, 0, 10, 100], abs=1e-6)


def test_fields(docs: Path) -> None:
    names = run(docs / "fields.md")
    assert names["reduced"].error(names["saved"], rtol=1e-7) < 1e-3
    u, small = names["u"], names["small"]
    assert names["reduced"].lifted(small)[u].shape == (len(small.t), 50, 40)
    assert names["saved"].to_xarray(u)["u"].dims == ("t", "x", "y")
    solution = names["solution"]
    assert solution["u"].shape == (len(solution.t), 2, 64, 64)
    assert np.isfinite(solution["u"]).all()


def test_stochastic(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(docs / "stochastic.md")
    means, variances = re.findall(r"\[([\d. ]+)\]", capsys.readouterr().out)
    assert means
    assert variances


def test_gradients(docs: Path) -> None:
    names = run(docs / "gradients.md")
    model, gradient, jacobian = names["model"], names["gradient"], names["jacobian"]
    values = model()
    assert gradient == pytest.approx(2 * np.einsum("ot,otm->m", values, jacobian), rel=1e-9)
    assert names["curvature"].shape == (4,)


def test_fitting(docs: Path) -> None:
    names = run(docs / "fitting.md")
    found, sol = names["found"], names["sol"]
    # the least squares of these data: J. Mahaffy, Lotka-Volterra models, San Diego State
    assert found.theta == pytest.approx([0.4807, 0.0248, 0.0276, 0.927, 34.91, 3.86], rel=5e-3)
    assert np.corrcoef(sol["hares"], names["counts"][names["hares"]])[0, 1] > 0.9


def test_neural(docs: Path) -> None:
    names = run(docs / "neural.md")
    formula, x, y = names["formula"], names["x"], names["y"]
    assert [float(formula[i] / (x * y)) for i in (0, 1)] == pytest.approx([-0.9, 0.8], rel=1e-4)


def test_ensembles(docs: Path) -> None:
    names = run(docs / "ensembles.md")
    runs, again, k, c = (names[name] for name in ("runs", "again", "stiffness", "drag"))
    t, values = runs.t, runs.changes["stiffness"][:, None]
    omega = np.sqrt(values - 0.05**2)
    start = np.linspace(0.5, 1.5, 1000)[:, None]
    exact = start * np.exp(-0.05 * t) * (np.cos(omega * t) + 0.05 / omega * np.sin(omega * t))
    assert runs["x"] == pytest.approx(exact, abs=2e-4)
    np.testing.assert_array_equal(again.y, runs.y)
    assert (np.diff(names["amplitude"], axis=1) < 0).all()  # the more drag, the less is left
    assert names["left"] == pytest.approx(100 * np.exp([-0.1, -1.0]), rel=0.05)
    assert list(names["table"].columns) == ["stiffness", "drag", "x", "v"]
    assert names["data"].sel(member=1).drag == 0.2
    assert runs[k * c][3, 0] == pytest.approx(0.1 * values[3, 0])


def test_clusters(docs: Path) -> None:
    pytest.importorskip("distributed")
    pytest.importorskip("zarr")
    names = run(docs / "clusters.md")
    omega = np.sqrt(names["runs"].changes["stiffness"][:, None])
    for solution in (names["runs"], names["again"]):
        assert solution["x"] == pytest.approx(np.cos(omega * solution.t), abs=2e-3)


def test_every_page_with_code_is_run(docs: Path) -> None:
    tested = {
        "models", "components", "coming_from", "gradients", "fitting", "neural", "power", "sbml", "solving",
        "mechanisms", "fields", "reactions", "stochastic", "ensembles", "clusters",
    }  # fmt: skip
    assert {page.stem for page in docs.glob("*.md") if "```python" in page.read_text("utf-8")} == tested


def test_links_lead_somewhere(docs: Path) -> None:
    for page in docs.glob("*.md"):
        links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text("utf-8"))
        assert not [link for link in links if not (page.parent / link).exists()], page.name
