"""The hash by which compiled code is found again: equal for equal systems alone, and in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import symnum as sn
from symnum.lowering.content import content
from symnum.lowering.flat import FlatSystem
from symnum.lowering.lower import lower
from symnum.models.power import kundur

D = sn.D


def flat(
    rate: float = 2.0,
    third: str = "y",
    exponent: int = 2,
    watch: float = 1.0,
    low: float = -1.0,
    crossing: str = "up",
) -> FlatSystem:
    x, y, z = sn.variables("x y z")
    (k,) = sn.parameters(k=3.0)
    unknown = {"x": x, "y": y}[third]
    event = sn.Event(when=x - watch, crossing=crossing, then={y: 0})
    system = sn.System(
        "s", [D(x) == -rate * k * x**exponent + z, D(y) == x - y, z == sn.exp(unknown), sn.Limit(y, low=low)],
        events=[event],
    )  # fmt: skip
    return lower(system)


def test_equal_systems_have_equal_content() -> None:
    assert content(flat()) == content(flat())


@pytest.mark.parametrize(
    "change", [{"rate": 2.5}, {"third": "x"}, {"exponent": 3}, {"watch": 1.5}, {"low": -2.0}]
)
def test_every_difference_in_the_functions_tells(change: dict[str, object]) -> None:
    assert content(flat(**change)) != content(flat())  # type: ignore[arg-type]  # one keyword of each kind


def test_instances_count_and_names_do_not() -> None:
    def ladder(sections: int, name: str) -> FlatSystem:
        from symnum.models.electrical.passive import Capacitor, Resistor
        from symnum.models.electrical.pins import Ground
        from symnum.models.electrical.sources import VoltageSource

        source, ground = VoltageSource("source"), Ground("ground")
        joints, end = [sn.connect(source.n, ground.p)], source.p
        for i in range(sections):
            resistor, capacitor = Resistor(f"{name}r{i}"), Capacitor(f"{name}c{i}")
            joints += [
                sn.connect(end, resistor.p),
                sn.connect(resistor.n, capacitor.p),
                sn.connect(capacitor.n, ground.p),
            ]
            end = capacitor.p
        return lower(sn.System("ladder", joints))

    assert content(ladder(5, "a")) == content(ladder(5, "b"))
    assert content(ladder(5, "a")) != content(ladder(6, "a"))


def test_the_same_in_another_process() -> None:
    program = (
        "from symnum.lowering.content import content\n"
        "from symnum.lowering.lower import lower\n"
        "from symnum.models.power import kundur\n"
        "print(content(lower(kundur.two_area())))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == content(lower(kundur.two_area()))


def test_a_model_on_disk_needs_no_functions(tmp_path: Path) -> None:
    program = (
        "import sys, symnum as sn\n"
        "from symnum.models.classic.kinetics import hires\n"
        "sn.solve(hires())\n"
        "print('symnum.lowering.functions' in sys.modules)"
    )
    environment = {**os.environ, "SYMNUM_CACHE": str(tmp_path)}
    made = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
        )
        for _ in range(2)
    ]
    assert [run.stdout.strip() for run in made] == ["True", "False"]
