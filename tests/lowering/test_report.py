"""The report of `sn.explain`: numbers, problems, and the page."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

import symnum as sn

x, y, z, w, lam = sn.variables("x y z w lam")
D = sn.D


class Checker(HTMLParser):
    """Every tag is closed in order; nothing is loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.count: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        for name, value in attrs:
            assert name not in ("src", "onclick"), tag
            assert name != "href" or value == "data:,"
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(page: str) -> dict[str, int]:
    checker = Checker()
    # self-closing elements of SVG and MathML are closed at once
    checker.feed(re.sub(r"<(\w+)([^<>]*)/>", r"<\1\2></\1>", page))
    assert not checker.open
    assert "script" not in checker.count
    return checker.count


def pendulum() -> sn.System:
    return sn.System("pendulum", [D(x, 2) == -lam * x, D(y, 2) == -lam * y - 9.81, x**2 + y**2 == 1])


def test_numbers_of_a_sound_system() -> None:
    report = sn.explain(pendulum())
    assert (report.index, report.degrees_of_freedom, report.problems) == (3, 2, ())
    assert [stage.name for stage in report.stages[:4]] == [
        "flattened", "aliases joined", "matched", "index reduced",
    ]  # fmt: skip
    assert "pendulum: index 3, 2 degrees of freedom" in str(report)
    assert "chosen in the run" in str(report)
    chain = sn.System("chain", [D(x) == y, D(y) == z, D(z) == w, x == sn.sin(sn.t), D(lam) == w])
    assert (sn.explain(chain).index, sn.explain(chain).degrees_of_freedom) == (4, 1)
    ode = sn.explain(sn.System("ode", [D(x) == -x]))
    assert (ode.index, ode.degrees_of_freedom) == (0, 1)


def test_torn_unknowns_are_told(electrical: ModuleType) -> None:
    a, b, c = sn.variables("a b c")
    system = sn.System("loop", [D(x) == -a, a + sn.exp(b) == x, b == c + 1, c == a / 2])
    text = str(sn.explain(system))
    assert "a block of 3 equations, torn: " in text


def test_problems_are_collected_and_not_raised() -> None:
    report = sn.explain(sn.System("heater", [D(x) == -x + y, z == w, z == w + y]))
    assert report.index is None
    assert {problem.kind for problem in report.problems} == {"under-determined"}
    assert report.suspects[0] in ("w", "z")
    units = sn.explain(sn.System("s", [sn.variable("a", unit="m") == sn.variable("b", unit="s")]))
    assert units.problems[0].kind == "units"


def test_a_singular_loop_is_found_without_numbers() -> None:
    a, b = sn.variables("a b")
    report = sn.explain(sn.System("loop", [D(x) == a, a + b == x, 2 * a + 2 * b == 2 * x + y, y == 0]))
    assert report.problems[0].kind == "singular"
    assert {"a + b == x", "2*a + 2*b == 2*x + y"} <= set(report.problems[0].names)
    assert not sn.explain(sn.System("loop", [D(x) == a, a + b == x, 2 * a + 3 * b == 2 * x])).problems


@pytest.mark.parametrize("system", [pendulum(), sn.System("none", [D(x) == y, y == z])], ids=lambda s: s.name)
def test_the_page_stands_alone(system: sn.System, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    report = sn.explain(system, html=path)
    page = path.read_text(encoding="utf-8")
    assert page == report._repr_html_()
    counts = checked(page)
    assert counts["math"] >= len(system.equations)
    if not report.problems:
        assert counts["svg"] >= 2
    for name in system.symbols:
        assert f"<mi>{name}</mi>" in page


def test_the_page_of_a_circuit(electrical: ModuleType) -> None:
    page = sn.explain(electrical.ladder(5))._repr_html_()
    counts = checked(page)
    for piece in ("Resistor (5): 4 equations each", "Block-triangular form", "bytes of LLVM text", "equals"):
        assert piece in page
    assert counts["mfrac"] >= 3


def test_names_are_escaped() -> None:
    page = sn.explain(sn.System("s", [D(x) == sn.ifelse(x < 1, 1, 2)], events=[]))._repr_html_()
    checked(page)
    assert "x < 1" not in page


# added to a copy of a page: what the browser made of it, in words that its text shows
PROBE = """<script>window.onload = () => {
  document.querySelectorAll("details").forEach(each => each.open = true);
  const flat = [...document.querySelectorAll("math")].filter(m => m.getBoundingClientRect().height < 8);
  const wide = document.documentElement.scrollWidth > window.innerWidth;
  document.title = `${flat.length} flat equations, ${wide ? "too wide" : "fits"}`;
}</script>"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["grid", "broken"])
def test_a_browser_shows_the_page(kind: str, tmp_path: Path) -> None:
    """Equations have a height, nothing is wider than the window, and the console is silent."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no Chromium")
    if kind == "grid":
        from symnum.models.power import kundur

        system: sn.System = kundur.two_area(fault_bus=8)
    else:
        equations = [D(x) == y + z, x * y == 1, y**2 + y == 2, y == 2 * x, w == sn.sin(x) + lam]
        system = sn.System("broken", equations)
    page = sn.explain(system)._repr_html_()
    path = tmp_path / "report.html"
    path.write_text(page.replace("</head>", f"{PROBE}</head>", 1), encoding="utf-8")
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--no-first-run", f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr",
         "--window-size=1200,900", "--virtual-time-budget=2000", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "CONSOLE" not in done.stderr
    assert "<title>0 flat equations, fits</title>" in done.stdout
    assert done.stdout.count("<math") >= (50 if kind == "grid" else 5)
