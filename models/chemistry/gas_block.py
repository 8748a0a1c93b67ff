"""The equations of a reacting ideal gas as families: one template per kind of law, one table row per copy.

Per species (in units of R, R T and R): the heat capacity ``cp_R``, the enthalpy ``h_RT`` and ``mu``, the
chemical potential at the concentration 1 kmol/m^3 over R T, so that the equilibrium constant of a reaction in
concentrations is exp(-sum of nu mu). Rates are per mass: ``rate[j]`` in kmol/(kg s); ``density`` times that
is the rate of progress in kmol/(m^3 s). With W the molar masses:

    kf = A T^b exp(-Ea/(R T));  kr = kf exp(sum of nu mu)
    forward = kf [M] density^(order - 1) product of (Y/W)^order;  rate = forward - reverse
    wdot_k = sum of nu_kj rate_j;  D(Y_k) = W_k wdot_k
    M = density (sum of efficiency Y/W)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symnum.language.block import Block, Column, IndexedEquation, IndexedSums, Numbered, Quantities
from symnum.models.chemistry.gas_constants import RateConstants
from symnum.models.chemistry.gas_reaction import GAS_CONSTANT
from symnum.models.chemistry.gas_writer import Columns, table
from symnum.rewriting.expr import number, slot
from symnum.rewriting.operators import ifelse, log

__all__ = ["GasBlock"]

_TEMPLATE = 12  # terms of a sum that would become a template of its own


class GasBlock(RateConstants):
    """The equations of a reactor: ``energy`` where its temperature changes, then ``block``."""

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

    # ---- species ----------------------------------------------------------------------------------
    def thermodynamics(self) -> None:
        """NASA polynomials; the coefficients are chosen by the temperature, the polynomials written once."""
        every = np.arange(len(self.species))
        self.add(self.cp, self.h, self.mu)
        columns: Columns = [(self.T, 0), (None, [s.middle for s in self.species])]
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
            columns: Columns = [
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
            row += [(n, 0.0)] * (_TEMPLATE + 1 - len(row)) if self.reactions else []
        of: tuple[Numbered, ...] = (self.wdot, self.rate) if self.reactions else (self.wdot,)
        self.sums.append(
            table(of, rows, lambda i: f"{self.wdot.names[i]} is the sum of the rates of its reactions")
        )
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
        columns: Columns = [(self.h, every), (self.wdot, every)]
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
