"""The tables that the stochastic kernels read, made from the propensities of a network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.emitter import emitter_for
from symnum.codegen.function import Column, Function, Loop, Output
from symnum.codegen.model_functions import FloatArray, IntArray
from symnum.errors import ModelError
from symnum.language.propensities import Law, Propensities
from symnum.language.reaction_tables import RateFamily, Sides
from symnum.lowering.flat import FlatSystem
from symnum.rewriting.expr import Expr, slot
from symnum.rewriting.walk import evaluate_arrays, leaves, substitute
from symnum.solving.kernel import slot as place

__all__ = ["NetworkTables"]

ShortArray = NDArray[np.int32]

_FEW = 256  # dependents that a reaction has in a list of its own; lists of thousands would fill the memory


class NetworkTables:
    """Everything about a network that does not change in a run.

    What propensities read lies in one vector X: the species, sums over them (observables), the parameters of
    ``flat``, numbers. The first ``entries`` of it change with reactions. Arrays named ``..._start`` are
    (n_reactions + 1,) and say where the entries of each reaction begin in the array of that name.
    """

    def __init__(self, flat: FlatSystem, propensities: Propensities, *, others: int = 0) -> None:
        """others: unknowns of ``flat`` that are no species."""
        network = propensities.network
        self.flat = flat
        self.laws = propensities.laws
        self.species = len(network.species)
        self.reactions = network.n_reactions
        members = Sides.of(*(np.zeros(0, np.int64),) * 2)
        if network.totals is not None:
            members = network.totals.members
        self.members = members
        self.entries = self.species + len(network.observables)
        self._entry = {leaf: i for i, leaf in enumerate((*network.species, *network.observables))}
        numbers = [flat.number_of(leaf, "jumps") for leaf in network.species]
        position: IntArray = flat.position[np.array(numbers, np.int64)]
        # boundary species are given by equations, which the propensities hold already
        self.counted = np.flatnonzero(position >= 0)
        self.position = position[self.counted]
        if flat.n != len(self.counted) + others or len(np.unique(self.position)) != len(self.counted):
            raise ModelError(f"{flat.name}: a stochastic reading integrates species only")
        self.permutation = np.zeros(flat.n, np.int32)
        self.permutation[self.position] = self.counted
        self.change = _with_sums(network.change, members, self.species)
        self.change_start = _starts(self.change.reaction, self.reactions)
        self._number_pool: list[FloatArray] = []
        self._leaves: list[tuple[IntArray, IntArray]] = []
        self.function = np.zeros(self.reactions, np.int64)
        self.n_work = 1
        self.owners: tuple[object, ...] = ()
        self._patterns(network.reactants)
        self._compile([law for law in self.laws if law.constant is None])
        self._gather()
        self._dependencies()

    @property
    def timed(self) -> IntArray:
        """The reactions whose propensities hold the time."""
        found = [law.family.reactions for law in self.laws if law.timed]
        return np.concatenate([np.zeros(0, np.int64), *found])

    # ---- mass action ------------------------------------------------------------------------------
    def _patterns(self, reactants: Sides) -> None:
        """KIND, ONE, TWO and, for what is no frequent case, POWER."""
        m = self.reactions
        start = _starts(reactants.reaction, m)
        length, order = np.diff(start), np.bincount(reactants.reaction, reactants.count, minlength=m)
        first = np.minimum(start[:-1], max(len(reactants.species) - 1, 0))
        second = np.minimum(first + 1, max(len(reactants.species) - 1, 0))
        species = reactants.species if len(reactants.species) else np.zeros(1, np.int64)
        self.one, self.two = species[first].astype(np.int32), species[second].astype(np.int32)
        self.kind = np.full(m, place.FALLING, np.int32)
        self.kind[length == 0] = place.CONSTANT_RATE
        self.kind[(length == 1) & (order == 1)] = place.FIRST_ORDER
        self.kind[(length == 2) & (order == 2)] = place.TWO_SPECIES
        self.kind[(length == 1) & (order == 2)] = place.ONE_SPECIES_TWICE
        general = [law.family.reactions for law in self.laws if law.constant is None]
        self.kind[np.concatenate([np.zeros(0, np.int64), *general])] = place.GENERAL
        self.power_start, self.power = start, reactants.species.astype(np.int32)
        self.power_count = reactants.count.astype(np.int32)

    def constants(self, p: FloatArray) -> FloatArray:
        """(n_reactions,) the constant factors of mass action with these parameters; 0 elsewhere."""
        result = np.zeros(self.reactions)
        for law in self.laws:
            if law.constant is None:
                continue
            values: dict[Expr, Any] = {}
            for leaf in leaves((law.constant,)):
                of, index = law.family.columns[leaf.data[1]]
                values[leaf] = index if of is None else p[self._parameters(of.symbols)[index]]
            result[law.family.reactions] = evaluate_arrays((law.constant,), values)[0]
        return result

    def _parameters(self, symbols: tuple[Expr, ...]) -> IntArray:
        return np.array([self.flat.parameter_index(leaf, "jumps") for leaf in symbols], np.int64)

    # ---- other laws -------------------------------------------------------------------------------
    def _compile(self, laws: list[Law]) -> None:
        """One function for each shape, over the leaves of a copy."""
        functions: dict[str, Function] = {}
        members: dict[str, IntArray] = {}
        for law in laws:
            name = f"law{len(functions)}"
            functions[name] = _function(name, law.family)
            members[name] = law.family.reactions
            self._leaves.append((law.family.reactions, self._places(law.family)))
        if not functions:
            return
        emitter = emitter_for("llvm")
        program = emitter.emit(functions)
        loaded = emitter.load(program.names, emitter.build(program), program.tables)
        self.owners = loaded.owners
        self.n_work = 1 + program.n_work
        for name, reactions in members.items():
            self.function[reactions] = loaded.addresses[name]

    def _places(self, family: RateFamily) -> IntArray:
        """(copies, slots) where in X each slot of each copy is."""
        columns = []
        for of, index in family.columns:
            if of is None:
                columns.append(self._pooled(np.asarray(index, float)))
            elif of.kind == "parameter":
                columns.append(self.entries + self._parameters(of.symbols)[index])
            else:
                columns.append(np.array([self._entry[leaf] for leaf in of.symbols], np.int64)[index])
        empty = np.zeros((len(family.reactions), 0), np.int64)
        return np.column_stack(columns) if columns else empty

    def _pooled(self, values: FloatArray) -> IntArray:
        first = self.entries + len(self.flat.parameters) + sum(map(len, self._number_pool))
        distinct, which = np.unique(values, return_inverse=True)
        self._number_pool.append(distinct)
        return first + which.reshape(-1)

    def _gather(self) -> None:
        length = np.zeros(self.reactions, np.int64)
        for reactions, places in self._leaves:
            length[reactions] = places.shape[1]
        self.leaf_start = np.concatenate([[0], np.cumsum(length)]).astype(np.int32)
        self.leaf = np.zeros(int(self.leaf_start[-1]), np.int32)
        for reactions, places in self._leaves:
            for k in range(places.shape[1]):
                self.leaf[self.leaf_start[reactions] + k] = places[:, k]
        self.numbers: FloatArray = np.concatenate([np.zeros(0), *self._number_pool])
        self.most_leaves = int(length.max(initial=0))

    # ---- who depends on whom ----------------------------------------------------------------------
    def _dependencies(self) -> None:
        m = self.reactions
        general = self.kind == place.GENERAL
        own = np.repeat(np.arange(m), np.diff(self.leaf_start))
        state = self.leaf < self.entries
        powers = np.repeat(np.arange(m), np.diff(self.power_start))
        plain = ~general[powers]
        readers = np.concatenate([own[state], powers[plain]])
        entries = np.concatenate([self.leaf[state], self.power[plain]]).astype(np.int64)
        orders = np.concatenate([np.zeros(int(state.sum())), self.power_count[plain].astype(float)])
        key, where = np.unique(readers * max(self.entries, 1) + entries, return_index=True)
        # what each propensity reads, and with which order; 0 where the order is not known in advance
        self.reactant_start = _starts(key // max(self.entries, 1), m)
        self.reactant = (key % max(self.entries, 1)).astype(np.int32)
        self.orders: FloatArray = orders[where]
        readers, entries = key // max(self.entries, 1), key % max(self.entries, 1)
        by_entry = np.argsort(entries, kind="stable")
        self._ranges(readers[by_entry], _starts(entries[by_entry], self.entries))

    def _ranges(self, readers: IntArray, reader_start: ShortArray) -> None:
        """What depends on each reaction: a list of its own, or, where that would be long, the readers of all
        entries that it changes, among which some stand twice."""
        m, change = self.reactions, self.change
        length = np.diff(reader_start)[change.species]
        few = np.bincount(change.reaction, length, minlength=m) <= _FEW
        inside = few[change.reaction]
        changing, reading = _joined(change.species[inside], reader_start)
        pairs = np.unique(change.reaction[inside][changing] * m + readers[reading])
        own = _starts(pairs // m, m)
        self.dependent = np.concatenate([pairs % m, readers]).astype(np.int32)
        # one range for each reaction with few dependents, one for each changed entry of the others
        single = np.flatnonzero(few)
        entry = change.species[~inside]
        reaction = np.concatenate([single, change.reaction[~inside]])
        begin = np.concatenate([own[single], len(pairs) + reader_start[entry]])
        end = np.concatenate([own[single + 1], len(pairs) + reader_start[entry + 1]])
        order = np.argsort(reaction, kind="stable")
        self.range_start = _starts(reaction[order], m)
        self.ranges = np.column_stack([begin, end])[order].astype(np.int32)

    def start(self, u: FloatArray) -> FloatArray:
        """(entries,) the changing part of X for the unknowns u."""
        x = np.zeros(self.entries)
        x[self.counted] = u[self.position]
        np.add.at(x, self.species + self.members.reaction, self.members.count * x[self.members.species])
        return x


def _function(name: str, family: RateFamily) -> Function:
    """A law over its leaves, all of which lie in ``u``."""
    mapping = {leaf: slot("u", leaf.data[1]) for leaf in leaves((family.root,)) if leaf.op == "slot"}
    root = substitute(family.root, mapping)
    columns = tuple(Column("u", np.array([k])) for k in range(len(family.columns)))
    return Function(name, (Loop(name, 1, (root,), columns, (Output("out", np.array([0])),)),), 1, 0)


def _with_sums(change: Sides, members: Sides, species: int) -> Sides:
    """The changes of species and, behind them, of the sums over species."""
    if not len(members.species):
        return change
    order = np.argsort(members.species, kind="stable")
    start = _starts(members.species[order], species)
    changing, inside = _joined(change.species, start)
    inside = order[inside]
    return Sides.of(
        np.concatenate([change.reaction, change.reaction[changing]]),
        np.concatenate([change.species, species + members.reaction[inside]]),
        np.concatenate([change.count, change.count[changing] * members.count[inside]]),
    )


def _starts(rows: NDArray[Any], count: int) -> ShortArray:
    """Where each row begins in a table that is sorted by row."""
    return np.searchsorted(rows, np.arange(count + 1)).astype(np.int32)


def _joined(keys: NDArray[Any], start: NDArray[Any]) -> tuple[IntArray, IntArray]:
    """All pairs (i, k) with k in start[keys[i]]:start[keys[i] + 1]."""
    begin = start[keys].astype(np.int64)
    length = start[keys + 1] - begin
    left = np.repeat(np.arange(len(keys)), length)
    before = np.concatenate([[0], np.cumsum(length)])[:-1]
    return left, np.arange(len(left)) - before[left] + begin[left]
