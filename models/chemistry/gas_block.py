"""The equations of a reacting ideal gas as families: one template per kind of law, one table row per copy.

Per species (in units of R, R T and R): the heat capacity ``cp_R``, the enthalpy ``h_RT`` and ``mu``, the
chemical potential at the concentration 1 kmol/m^3 over R T, so that the equilibrium constant of a reaction in
concentrations is exp(-sum of nu mu). Rates are per mass: ``rate[j]`` in kmol/(kg s); ``density`` times that
is the rate of progress in kmol/(m^3 s). With W the molar masses:

    kf = A T^b exp(-Ea/(R T));  kr = kf exp(sum of nu mu)
    forward = kf [M] density^(order - 1) product of (Y/W)^order;  rate = forward - reverse
    wdot_k = sum of nu_kj rate_j;  D(Y_k) = W_k wdot_k
    M = density (sum of efficiency Y/W)

Falloff: Gilbert, Luther, Troe, Ber. Bunsenges. Phys. Chem. 87 (1983) 169; SRI: Stewart, Larson, Golden,
Combust. Flame 75 (1989) 25; Tsang and Herron, J. Phys. Chem. Ref. Data 20 (1991) 609.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symnum.language.block import (
    Block,
    Column,
    IndexedEquation,
    IndexedSums,
    Numbered,
    Quantities,
    References,
)
from symnum.models.chemistry.gas_reaction import GAS_CONSTANT, Arrhenius, GasReaction, GasSpecies, ThirdBody
from symnum.rewriting.expr import Expr, number, slot
from symnum.rewriting.operators import exp, ifelse, log, log10, maximum

__all__ = ["GasBlock"]

_TINY = 1e-300  # stands for the logarithm's argument where no third body is present
_WIDEST = 12  # efficiencies of a third body written as a template
_FEW = 4  # reactions of a kind that are not worth a template of their own
_NO_BROADENING = (1.0, 1.0, 1e30, 1e30)  # constants of Troe's formula with which it gives 1


class GasBlock:
    """Collects the equations. ``T``, ``density``: a variable or a parameter; ``Y``, ``moles``: variables."""

    def __init__(
        self, species: Sequence[GasSpecies], reactions: Sequence[GasReaction],
        T: Expr, density: Expr, moles: Expr, Y: Sequence[Expr],
    ) -> None:  # fmt: skip
        self.species, self.reactions = species, reactions
        self.number = {entry.name: i for i, entry in enumerate(species)}
        self.weight = np.array([entry.weight for entry in species])
        self.T, self.density, self.moles = References((T,)), References((density,)), References((moles,))
        self.Y = References(tuple(Y))
        names = [entry.name for entry in species]
        self.cp, self.h, self.mu, self.wdot, self.heat, self.capacity = (
            Quantities("variable", [f"{what}[{name}]" for name in names])
            for what in ("cp_R", "h_RT", "mu", "wdot", "heat", "capacity")
        )
        self.heat_sum, self.capacity_sum = (
            Quantities("variable", [f"{what}_sum"]) for what in ("heat", "capacity")
        )
        self.equations: list[IndexedEquation] = []
        self.sums: list[IndexedSums] = []
        self.numbered: list[Numbered] = [self.T, self.density, self.moles, self.Y]

    def block(self) -> Block:
        """All equations but that of the temperature, and those between pressure and density."""
        self.thermodynamics()
        self.amounts()
        if self.reactions:
            self.constants()
            self.reverse_constants()
            self.rates()
        self.production()
        return Block(tuple(self.numbered), tuple(self.equations), tuple(self.sums))

    # ---- writing equations ------------------------------------------------------------------------
    def add(self, *quantities: Quantities) -> None:
        self.numbered += [entry for entry in quantities if len(entry)]

    def equation(
        self, target: tuple[Numbered, Any], root: Any, columns: Sequence[tuple[Numbered | None, Any]],
        label: Sequence[str],
    ) -> None:  # fmt: skip
        """``target == root`` in every copy, root over ``s(columns)``; a column's index may be one number."""
        count = len(target[1])
        read = [
            Column(of, np.broadcast_to(np.asarray(index, float if of is None else np.int64), (count,)))
            for of, index in (*columns, target)
        ]
        self.equations.append(
            IndexedEquation(slot("u", len(columns)) - root, tuple(read), lambda copy: label[copy])
        )

    @staticmethod
    def slots(columns: Sequence[tuple[Numbered | None, Any]]) -> list[Expr]:
        """The slots that a root reads these columns by."""
        letters = ["c" if of is None else "p" if of.kind == "parameter" else "u" for of, _ in columns]
        return [slot(letter, k) for k, letter in enumerate(letters)]

    # ---- species ----------------------------------------------------------------------------------
    def thermodynamics(self) -> None:
        """NASA polynomials; the coefficients are chosen by the temperature, the polynomials written once."""
        every = np.arange(len(self.species))
        self.add(self.cp, self.h, self.mu)
        columns: list[tuple[Numbered | None, Any]] = [(self.T, 0), (None, [s.middle for s in self.species])]
        columns += [(None, [s.low[i] for s in self.species]) for i in range(7)]
        columns += [(None, [s.high[i] for s in self.species]) for i in range(7)]
        columns.append((None, [math.log(s.reference / GAS_CONSTANT) for s in self.species]))
        T, middle, *rest, reference = self.slots(columns)
        a = [ifelse(middle > T, rest[i], rest[7 + i]) for i in range(7)]
        cp = a[0] + T * (a[1] + T * (a[2] + T * (a[3] + T * a[4])))
        h = a[0] + T * (a[1] / 2 + T * (a[2] / 3 + T * (a[3] / 4 + T * (a[4] / 5)))) + a[5] / T
        mu = (
            a[0] * (1 - log(T)) - T * (a[1] / 2 + T * (a[2] / 6 + T * (a[3] / 12 + T * (a[4] / 20))))
            + a[5] / T - a[6] + log(T) - reference
        )  # fmt: skip
        names = [s.name for s in self.species]
        for quantities, root in ((self.cp, cp), (self.h, h), (self.mu, mu)):
            self.equation(
                (quantities, every),
                root,
                columns,
                [f"{quantities.names[i]}: NASA7 of {n}" for i, n in enumerate(names)],
            )

    def amounts(self) -> None:
        """moles: kmol in a kg."""
        n = len(self.species)
        self.sums.append(
            IndexedSums(
                (self.moles, self.Y), np.array([0, n + 1]), np.arange(n + 1),
                np.concatenate([[-1.0], 1.0 / self.weight]), lambda _: "moles is the sum of Y/W",
            )
        )  # fmt: skip

    # ---- rate constants ---------------------------------------------------------------------------
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
        columns: list[tuple[Numbered | None, Any]] = [(self.T, 0), (A, every), (b, every), (Ea, every)]
        T, *constants = self.slots(columns)
        root = constants[0] * exp(constants[1] * log(T) - constants[2] / (GAS_CONSTANT * T))
        self.equation((self.k, targets), root, columns, [f"{text}: Arrhenius" for text in texts])
        self.third_bodies()
        self.falloff(pressure)

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
            columns: list[tuple[Numbered | None, Any]] = [(self.density, 0), (total, e)]
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
            columns: list[tuple[Numbered | None, Any]] = [
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
        columns: list[tuple[Numbered | None, Any]] = []
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

    def change(self, reaction: GasReaction) -> list[tuple[int, float]]:
        """(species, products minus reactants)."""
        net: dict[int, float] = {}
        for sign, side in ((-1.0, reaction.reactants), (1.0, reaction.products)):
            for name, count in side.items():
                net[self.number[name]] = net.get(self.number[name], 0.0) + sign * count
        return [(i, value) for i, value in net.items() if value]

    # ---- rates ------------------------------------------------------------------------------------
    def rates(self) -> None:
        """One-way rates by the pattern of their exponents, and their differences."""
        n = len(self.reactions)
        forward, self.rate = (
            Quantities("variable", [f"{w}[{j}]" for j in range(n)]) for w in ("forward", "rate")
        )
        reverse = Quantities("variable", [f"reverse[{j}]" for j in self.reversible])
        self.add(forward, self.rate, reverse)
        for constants, one_way, rows in (
            (self.k, forward, [(j, j, reaction.orders) for j, reaction in enumerate(self.reactions)]),
            (self.kr, reverse, [(i, j, self.reactions[j].products) for i, j in enumerate(self.reversible)]),
        ):
            self.one_way(constants, one_way, rows)
        irreversible = [j for j in range(n) if not self.reactions[j].reversible]
        both = np.array(self.reversible, np.int64)
        for members, sources in (
            (both, [(forward, both), (reverse, np.arange(len(both)))]),
            (np.array(irreversible, np.int64), [(forward, np.array(irreversible, np.int64))]),
        ):
            if len(members):
                found = self.slots(sources)
                root = found[0] - found[1] if len(found) == 2 else found[0]
                label = [f"rate of {self.reactions[j].equation}" for j in members]
                self.equation((self.rate, members), root, sources, label)

    def one_way(
        self, constants: Quantities, one_way: Quantities, rows: Sequence[tuple[int, int, Any]]
    ) -> None:
        """Groups by exponents; where these are whole, by their sum alone: a square is x times x."""
        groups: dict[tuple[Any, ...], list[tuple[int, int, list[int]]]] = {}
        for i, j, side in rows:
            order = sorted(((count, self.number[name]) for name, count in side.items()), reverse=True)
            powers: tuple[float, ...] = tuple(count for count, _ in order)
            species = [k for _, k in order]
            if all(count == int(count) for count in powers):
                species = [k for count, k in order for _ in range(int(count))]
                powers = (1.0,) * len(species)
            body = self.reactions[j].kind == "three-body"
            groups.setdefault((body, *powers), []).append((i, j, species))
        for (body, *counts), members in groups.items():
            factor = [
                math.prod(self.weight[k] ** -count for k, count in zip(species, counts, strict=True))
                for _, _, species in members
            ]
            columns: list[tuple[Numbered | None, Any]] = [
                (constants, [i for i, _, _ in members]), (self.density, 0), (None, factor)
            ]  # fmt: skip
            columns += [(self.Y, [species[k] for _, _, species in members]) for k in range(len(counts))]
            if body:
                columns.append((self.M, [self.body[j] for _, j, _ in members]))
            k, density, scale, *rest = self.slots(columns)
            root = k * scale * density ** number(sum(counts) - 1)
            for Y, count in zip(rest, counts, strict=False):
                root = root * Y ** number(count)
            if body:
                root = root * rest[-1]
            label = [f"{one_way.names[i]} of {self.reactions[j].equation}" for i, j, _ in members]
            self.equation((one_way, np.array([i for i, _, _ in members])), root, columns, label)

    def production(self) -> None:
        """wdot, and the mass fractions that follow it."""
        n = len(self.species)
        self.add(self.wdot)
        every = np.arange(n)
        rows: list[list[tuple[int, float]]] = [[(i, -1.0)] for i in range(n)]
        for j, reaction in enumerate(self.reactions):
            for i, count in self.change(reaction):
                rows[i].append((n + j, count))
        for row in rows:  # a short sum would become a template of its own
            row += [(n, 0.0)] * (_WIDEST + 1 - len(row)) if self.reactions else []
        of: tuple[Numbered, ...] = (self.wdot, self.rate) if self.reactions else (self.wdot,)
        self.sums.append(
            IndexedSums(
                of, np.cumsum([0, *(len(row) for row in rows)]),
                np.array([unknown for row in rows for unknown, _ in row]),
                np.array([count for row in rows for _, count in row]),
                lambda i: f"{self.wdot.names[i]} is the sum of the rates of its reactions",
            )
        )  # fmt: skip
        columns = (
            Column(self.wdot, every),
            Column(None, self.weight),
            Column(self.Y, every, derivative=True),
        )
        root = slot("u", 2) - slot("c", 1) * slot("u", 0)
        self.equations.append(IndexedEquation(root, columns, lambda i: f"D({self.Y.symbols[i].name})"))

    def energy(self, constant_volume: bool) -> None:
        """D(T) = -T (sum of e wdot)/(sum of Y/W c), e = h/(R T), c = cp/R, both less 1 at constant volume."""
        n = len(self.species)
        every = np.arange(n)
        less = 1 if constant_volume else 0
        self.add(self.heat, self.capacity, self.heat_sum, self.capacity_sum)
        columns: list[tuple[Numbered | None, Any]] = [(self.h, every), (self.wdot, every)]
        h, wdot = self.slots(columns)
        self.equation((self.heat, every), (h - less) * wdot, columns, self.heat.names)
        columns = [(self.cp, every), (self.Y, every), (None, 1.0 / self.weight)]
        cp, Y, inverse = self.slots(columns)
        self.equation((self.capacity, every), inverse * Y * (cp - less), columns, self.capacity.names)
        for terms, total in ((self.heat, self.heat_sum), (self.capacity, self.capacity_sum)):
            self.sums.append(
                IndexedSums(
                    (total, terms), np.array([0, n + 1]), np.arange(n + 1), np.array([-1.0, *np.ones(n)]),
                    lambda _, total=total: total.names[0],  # type: ignore[misc]
                )
            )  # fmt: skip
        one = np.zeros(1, np.int64)
        T, heat, capacity, slope = (slot("u", k) for k in range(4))
        read = (
            Column(self.T, one),
            Column(self.heat_sum, one),
            Column(self.capacity_sum, one),
            Column(self.T, one, derivative=True),
        )
        self.equations.append(IndexedEquation(slope + T * heat / capacity, read, lambda _: "D(T)"))


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
