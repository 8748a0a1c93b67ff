"""The linear systems of a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from symnum.codegen.model_functions import ModelFunctions
from symnum.solving.implicit_tableau import RadauTableau
from symnum.solving.kernel import slot
from symnum.solving.kernel.call import address_of
from symnum.solving.large_system import ITERATED, LargeSystem, kind_for
from symnum.solving.layout import Memory
from symnum.solving.linear_system import LinearSystem, pattern_of_pairs, patterns
from symnum.solving.method import Method

__all__ = ["RunSystems"]


class RunSystems:
    """W of the steps, one or several, and the algebraic block for consistency; explicit methods have neither.

    linear: how those of the steps are solved, see `solve`. Their addresses are put into the run's memory.
    """

    def __init__(self, model: ModelFunctions, method: Method, memory: Memory, linear: str) -> None:
        self._of_steps: list[LinearSystem | LargeSystem] = []
        self._algebraic: list[LinearSystem] = []
        kind = kind_for(model, method, linear)
        if not method.factors:
            return
        large = kind in ("factored", *ITERATED)
        mode = "auto" if large else linear
        table, x = memory.table, memory.floats(slot.FLOATS)
        jacobian, scale = memory.floats(slot.JACOBIAN_VALUES), x[slot.SCALE : slot.SCALE + 1]
        for k in range(method.operators):
            if isinstance(method, RadauTableau) and k == 1:
                pair = x[slot.SCALE_PAIR : slot.SCALE_PAIR + 2]
                self._of_steps.append(LinearSystem(pattern_of_pairs(model), jacobian, pair, mode))
            elif large:
                run = {where: int(table[where]) for where in (slot.U, slot.ATOL, slot.FLOATS)}
                self._of_steps.append(LargeSystem(model, method, kind, jacobian, scale, run))
            else:
                self._of_steps.append(LinearSystem(patterns(model)[0], jacobian, scale, mode))
        self._addresses = np.array([system.address for system in self._of_steps])
        table[slot.W], table[slot.SYSTEMS] = self._addresses[0], address_of(self._addresses)
        if model.n_algebraic:
            self._algebraic.append(LinearSystem(patterns(model)[1], jacobian, scale, mode))
            table[slot.G] = self._algebraic[0].address

    @property
    def kind(self) -> str:
        """How those of the steps are solved."""
        return self._of_steps[0].kind if self._of_steps else "none"

    def begin(self) -> None:
        """Be as new."""
        for system in (*self._of_steps, *self._algebraic):
            system.orders = 0
            if isinstance(system, LinearSystem):
                system.use_tables()

    def analyse(self, address: int) -> bool:
        """Choose a pivot order for the system at this address; False if its matrix is singular."""
        every = (*self._of_steps, *self._algebraic)
        return next(system for system in every if system.address == address).analyse()

    def use_codes(self, codes: Sequence[tuple[int, int, int]]) -> None:
        """Use straight-line code in the steps: factor, solve, and size of the factors.

        The first is for scale M - J, a second for the pairs of a complex matrix. Where a pivot order is a bad
        one the system goes on with what serves every model.
        """
        for k, system in enumerate(self._of_steps):
            assert isinstance(system, LinearSystem)
            system.use_code(*codes[min(k, len(codes) - 1)])
