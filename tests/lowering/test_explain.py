"""`sn.explain`: every stage is there, in the user's names."""

from __future__ import annotations

from types import ModuleType

import symnum as sn

x, y, z, q = sn.variables("x y z q")


def test_a_system_of_plain_equations() -> None:
    (k,) = sn.parameters(k=2.0)
    system = sn.System(
        "model",
        [sn.D(x) == -k * y, y == x**2, z + sn.exp(z) == x, q == x, sn.Limit(x, low=0)],
        events=[sn.Event(at=1, then={k: 3})],
    )
    text = str(sn.explain(system))
    for piece in (
        "Flattened: model",
        "4 variables (1 of them equal to another one)",
        "1 states: x",
        "1 algebraic unknowns: z",
        "y = x**2",
        "0 == ",
        "hard limits: 1",
        "event: Event(at=1.0, then={k: 3})",
        "2 x 2",
    ):
        assert piece in text
    flattened = text[text.index("Flattened: ") : text.index("Structure: ")]
    assert flattened in str(sn.explain(sn.compile(system)))


def test_components_and_families_are_counted(electrical: ModuleType) -> None:
    text = str(sn.explain(electrical.ladder(20)))
    assert "20 Section, 20 Resistor, 20 Capacitor" in text
    assert "20 states: s0.c.v, s1.c.v" in text
    assert "(20 in all)" in text
    assert "alike)" in text
    assert "20 x 20, 58 entries" in text


def test_wide_sums_are_shown_by_their_connection(electrical: ModuleType) -> None:
    ground = electrical.Ground("ground")
    diodes = [electrical.Diode(f"d{k}") for k in range(15)]
    r, src = electrical.Resistor("r"), electrical.Source("src")
    c = electrical.Capacitor("c")
    system = sn.System(
        "diodes",
        [
            sn.connect(src.p, r.p, c.p),
            sn.connect(r.n, *(d.p for d in diodes)),
            sn.connect(src.n, c.n, ground.p, *(d.n for d in diodes)),
        ],
    )
    assert "0 == sum of i at connect(" in str(sn.explain(system))


def test_what_the_rewriter_did_is_shown() -> None:
    x, y = sn.variables("x y")
    (a,) = sn.parameters(a=2)
    system = sn.System("shared", [sn.D(x) == a * x * y + a * x * y**2, sn.D(y) == sn.sin(x) ** 2 - x * y])
    text = str(sn.explain(system))
    assert "what the rewriter made of the functions" in text
    assert "rhs: " in text
    assert " as written, " in text
