"""Rate constants of gas reactions as families: Arrhenius, falloff, pressure dependence, reverse.

Falloff: Gilbert, Luther, Troe, Ber. Bunsenges. Phys. Chem. 87 (1983) 169; SRI: Stewart, Larson, Golden,
Combust. Flame 75 (1989) 25; Tsang and Herron, J. Phys. Chem. Ref. Data 20 (1991) 609.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symnum.language.block import IndexedSums, Quantities
from symnum.models.chemistry.gas_reaction import GAS_CONSTANT, Arrhenius, ThirdBody
from symnum.models.chemistry.gas_writer import Columns, GasWriter
from symnum.rewriting.expr import Expr, number
from symnum.rewriting.operators import exp, log, log10, maximum, minimum

__all__ = ["RateConstants"]

_TINY = 1e-300  # stands for the logarithm's argument where no third body is present
_WIDEST = 12  # efficiencies of a third body written as a template
_FEW = 4  # reactions of a kind that are not worth a template of their own
_NO_BROADENING = (1.0, 1.0, 1e30, 1e30)  # constants of Troe's formula with which it gives 1


class RateConstants(GasWriter):
    """The constants ``k`` (forward, and those they are made of) and ``kr`` of all reactions."""

    def constants(self) -> None:
        """Arrhenius laws of all reactions, and what falloff makes of them."""
        n = len(self.reactions)
        pressure = [j for j, r in enumerate(self.reactions) if r.low is not None]
        names = [f"kf[{j}]" for j in range(n)]
        self.high = {j: n + 2 * i for i, j in enumerate(pressure)}
        for j in pressure:
            names += [f"k_high[{j}]", f"k_low[{j}]"]
        self.k = Quantities("variable", names)
        laws: list[tuple[int, Arrhenius]] = []
        for j, reaction in enumerate(self.reactions):
            laws.append((self.high.get(j, j), reaction.rate))
            if reaction.low is not None:
                laws.append((self.high[j] + 1, reaction.low))
        stepped = [j for j, reaction in enumerate(self.reactions) if reaction.levels]
        at_level = self.level_names(stepped, names)
        laws = [(at, law) for at, law in laws if at not in stepped] + at_level
        self.add(self.k)
        targets = np.array([at for at, _ in laws])
        texts = [names[at] for at in targets]
        A, b, Ea = (
            Quantities("parameter", [text.replace("kf", what).replace("k_", f"{what}_") for text in texts],
                       np.array([getattr(law, what) for _, law in laws]))
            for what in ("A", "b", "Ea")
        )  # fmt: skip
        self.add(A, b, Ea)
        every = np.arange(len(laws))
        columns: Columns = [(self.T, 0), (A, every), (b, every), (Ea, every)]
        T, *constants = self.slots(columns)
        root = constants[0] * exp(constants[1] * log(T) - constants[2] / (GAS_CONSTANT * T))
        self.equation((self.k, targets), root, columns, [f"{text}: Arrhenius" for text in texts])
        self.third_bodies()
        self.falloff(pressure)
        if stepped:
            self.between_pressures(stepped)

    def level_names(self, stepped: Sequence[int], names: list[str]) -> list[tuple[int, Arrhenius]]:
        """(number, law) of the laws of pressure-dependent reactions, whose names are added to ``names``."""
        found = []
        self.level_laws: dict[tuple[int, int], list[int]] = {}  # (reaction, level): numbers of its laws
        for j in stepped:
            for i, (_, laws) in enumerate(self.reactions[j].levels):
                for m, law in enumerate(laws):
                    self.level_laws.setdefault((j, i), []).append(len(names))
                    found.append((len(names), law))
                    names.append(f"k_level[{j},{i},{m}]")
        return found

    def between_pressures(self, stepped: Sequence[int]) -> None:
        """log kf is linear in log P between the pressures of a reaction, constant beyond them.

        It is the logarithm at the lowest pressure, plus the rise to each next level as far as P has come.
        """
        places = {place: e for e, place in enumerate(self.level_laws)}
        levels = Quantities("variable", [f"log_k[{j},{i}]" for j, i in places])
        steps = [(j, i) for j, i in places if (j, i + 1) in places]
        rises = Quantities("variable", [f"rise[{j},{i}]" for j, i in steps])
        self.add(levels, rises)
        for count in {len(laws) for laws in self.level_laws.values()}:
            chosen = [place for place, laws in self.level_laws.items() if len(laws) == count]
            columns: Columns = [
                (self.k, [self.level_laws[place][m] for place in chosen]) for m in range(count)
            ]
            total: Expr = number(0)
            for law in self.slots(columns):
                total = total + law
            targets = np.array([places[place] for place in chosen])
            self.equation((levels, targets), log(total), columns, [levels.names[e] for e in targets])
        if steps:
            logs = {place: math.log(self.reactions[place[0]].levels[place[1]][0]) for place in places}
            columns = [
                (self.P, 0), (levels, [places[step] for step in steps]),
                (levels, [places[j, i + 1] for j, i in steps]), (None, [logs[step] for step in steps]),
                (None, [1 / (logs[j, i + 1] - logs[j, i]) for j, i in steps]),
            ]  # fmt: skip
            P, here, there, begin, inverse = self.slots(columns)
            way = minimum(1, maximum(0, (log(P) - begin) * inverse))
            self.equation((rises, np.arange(len(steps))), way * (there - here), columns, rises.names)
        columns = [(levels, [places[j, 0] for j in stepped])]
        number_of = {step: s for s, step in enumerate(steps)}
        for i in range(max(len(self.reactions[j].levels) for j in stepped) - 1):  # filled up with zeros
            own = [number_of.get((j, i)) for j in stepped]
            columns += [(rises, [s or 0 for s in own]), (None, [float(s is not None) for s in own])]
        power, *rest = self.slots(columns)
        for rise, counted in zip(rest[::2], rest[1::2], strict=True):
            power = power + counted * rise
        label = [f"kf[{j}] of {self.reactions[j].equation}, by pressure" for j in stepped]
        self.equation((self.k, np.array(stepped)), exp(power), columns, label)

    def third_bodies(self) -> None:
        """One concentration M for each distinct set of efficiencies."""
        self.body: dict[int, int] = {}  # of reactions
        known: dict[tuple[Any, ...], int] = {}
        bodies: list[ThirdBody] = []
        for j, reaction in enumerate(self.reactions):
            if reaction.third_body is not None:
                body = reaction.third_body
                key = (body.default, tuple(sorted(body.efficiencies.items())))
                if key not in known:
                    known[key] = len(bodies)
                    bodies.append(body)
                self.body[j] = known[key]
        self.M = Quantities("variable", [f"M[{e}]" for e in range(len(bodies))])
        self.add(self.M)
        terms = []
        for body in bodies:
            extra = {self.number[name]: value - body.default for name, value in body.efficiencies.items()}
            terms.append([(i, value / self.weight[i]) for i, value in extra.items() if value])
        total = Quantities("variable", [f"M_sum[{e}]" for e in range(len(bodies))])
        wide = [e for e in range(len(bodies)) if len(terms[e]) > _WIDEST]
        if wide:
            self.add(total)
        for e in wide:  # a row of a table
            i, value = zip(*terms[e], strict=True)
            self.sums.append(
                IndexedSums(
                    (total, self.moles, self.Y), np.array([0, len(i) + 2]),
                    np.array([e, len(bodies), *(len(bodies) + 1 + k for k in i)]),
                    np.array([-1.0, bodies[e].default, *value]), lambda _, e=e: f"M_sum[{e}]",  # type: ignore[misc]
                )
            )  # fmt: skip
            columns: Columns = [(self.density, 0), (total, e)]
            density, whole = self.slots(columns)
            self.equation((self.M, np.array([e])), density * whole, columns, [f"M[{e}]"])
        narrow = [e for e in range(len(bodies)) if e not in wide]
        if not narrow:
            return
        columns = [(self.density, 0), (self.moles, 0), (None, [bodies[e].default for e in narrow])]
        width = max(len(terms[e]) for e in narrow)  # shorter ones are filled up with zeros
        for k in range(width):
            filled = [terms[e][k] if k < len(terms[e]) else (0, 0.0) for e in narrow]
            columns += [(self.Y, [i for i, _ in filled]), (None, [value for _, value in filled])]
        density, moles, default, *rest = self.slots(columns)
        root = default * moles
        for k in range(width):
            root = root + rest[2 * k + 1] * rest[2 * k]
        self.equation((self.M, np.array(narrow)), density * root, columns, [f"M[{e}]" for e in narrow])

    def falloff(self, pressure: Sequence[int]) -> None:
        """kf between its low- and its high-pressure limit."""
        kinds: dict[tuple[str, str], list[int]] = {}
        for j in pressure:
            kinds.setdefault((self.reactions[j].kind, self.reactions[j].broadening[0]), []).append(j)
        for kind in ("falloff", "chemically-activated"):
            plain = kinds.get((kind, "Lindemann"), [])
            if 0 < len(plain) < _FEW and (kind, "Troe") in kinds:  # one template less
                kinds[kind, "Troe"] += kinds.pop((kind, "Lindemann"))
        for (kind, name), members in kinds.items():
            columns: Columns = [
                (self.k, [self.high[j] for j in members]), (self.k, [self.high[j] + 1 for j in members]),
                (self.M, [self.body[j] for j in members]), (self.T, 0),
            ]  # fmt: skip
            if name != "Lindemann":
                given = [self.reactions[j].broadening[1] or _NO_BROADENING for j in members]
                columns += [(None, list(numbers)) for numbers in zip(*given, strict=True)]
            high, low, M, T, *constants = self.slots(columns)
            reduced = low * M / high
            blend = _broadened(name, constants, T, reduced)
            root = (high * reduced if kind == "falloff" else low) / (1 + reduced) * blend
            label = [f"kf[{j}]: {name} falloff of {self.reactions[j].equation}" for j in members]
            self.equation((self.k, np.array(members)), root, columns, label)

    def reverse_constants(self) -> None:
        """kr = kf/Kc, with Kc from the chemical potentials."""
        self.reversible = [j for j, reaction in enumerate(self.reactions) if reaction.reversible]
        self.kr = Quantities("variable", [f"kr[{j}]" for j in self.reversible])
        exponent = Quantities("variable", [f"exponent[{j}]" for j in self.reversible])
        self.add(self.kr, exponent)
        if not self.reversible:
            return
        changes = [self.change(self.reactions[j]) for j in self.reversible]
        columns: Columns = []
        for k in range(max(len(change) for change in changes)):  # shorter ones are filled up with zeros
            filled = [change[k] if k < len(change) else (0, 0.0) for change in changes]
            columns += [(self.mu, [i for i, _ in filled]), (None, [value for _, value in filled])]
        found = self.slots(columns)
        root: Expr = number(0)
        for mu, nu in zip(found[::2], found[1::2], strict=True):
            root = root + nu * mu
        every = np.arange(len(self.reversible))
        self.equation((exponent, every), root, columns, exponent.names)
        columns = [(self.k, self.reversible), (exponent, every)]
        k_forward, power = self.slots(columns)
        label = [f"kr[{j}] of {self.reactions[j].equation}" for j in self.reversible]
        self.equation((self.kr, every), k_forward * exp(power), columns, label)


def _broadened(name: str, constants: Sequence[Expr], T: Expr, reduced: Expr) -> Expr:
    """The factor F of a falloff reaction."""
    if name == "Lindemann":
        return number(1)
    x = log10(maximum(reduced, _TINY))
    if name == "SRI":
        a, b, c, d, e = constants
        return d * (a * exp(-b / T) + exp(-T / c)) ** (1 / (1 + x**2)) * T**e
    if name == "Tsang":
        center = constants[0] + constants[1] * T
    else:
        a, T3, T1, T2 = constants
        center = (1 - a) * exp(-T / T3) + a * exp(-T / T1) + exp(-T2 / T)
    y = log10(maximum(center, _TINY))
    c = x - 0.4 - 0.67 * y
    return exp(math.log(10.0) * y / (1 + (c / (0.75 - 1.27 * y - 0.14 * c)) ** 2))
