"""From the right-hand side to a compiled model: differentiate, simplify, hoist, emit, compile, load.

A model on disk is known by the content of the functions it is made from; a hit skips everything but loading.
"""

from __future__ import annotations

import marshal
import threading
from collections.abc import Callable
from functools import cache as remember
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from symnum.codegen import cache, machine
from symnum.codegen.compiled import CompiledFunction
from symnum.codegen.emitter import Emitter, Program, Tables, emitter_for
from symnum.codegen.function import Array, Function, Loop, digest
from symnum.codegen.model_functions import FloatArray, IntArray, ModelFunctions, ShortArray
from symnum.codegen.pattern import Pattern
from symnum.codegen.rewritten import Rewritten
from symnum.errors import CodegenError
from symnum.record import record

if TYPE_CHECKING:
    from scipy.sparse import csc_array

    from symnum.codegen.passes import Lowered, Simplify

__all__ = ["CompiledModel", "build_deferred", "build_model", "code_version"]

_FINGERPRINTED = 1000  # unknowns: above, hashing the tables would take longer than it is worth


@record
class _Inputs:
    """Everything a compiled model is determined by.

    content: hash of what ``make`` makes right-hand side and roots from. They are made when something needs
    them, which a model that is on disk does not.
    """

    content: str
    make: Callable[[], tuple[Function, Function | None]]
    n: int
    n_parameters: int
    simplify: Rewritten | None
    simplify_tag: str
    reassociate: bool

    @cached_property
    def functions(self) -> tuple[Function, Function | None]:
        """The right-hand side, and the roots or None. CodegenError where they do not fit together."""
        rhs, roots = self.make()
        rhs.check(self.n, self.n_parameters)
        if roots is not None:
            roots.check(self.n, self.n_parameters)
        return rhs, roots

    @cached_property
    def lowered(self) -> Lowered:
        """The result of the passes, which take long enough to be remembered."""
        from symnum.codegen import passes  # not needed for a model that is on disk

        return passes.lowered(*self.functions, self.n, self.simplify, reassociate=self.reassociate)

    def rewritten(self) -> tuple[dict[str, Function], dict[str, Function]]:
        """Functions by name without and with the rewriter, run anew."""
        from symnum.codegen import passes

        plain = passes.lowered(*self.functions, self.n, None)
        anew = None if self.simplify is None else self.simplify.forgetting()
        ours = passes.lowered(*self.functions, self.n, anew, reassociate=self.reassociate)
        return plain.functions, ours.functions

    def as_differentiated(self) -> dict[str, Function]:
        """The functions before hoisting: all that they depend on is an argument."""
        from symnum.codegen import passes

        return passes.differentiated(self.functions[0], self.n)

    def key(self, backend_name: str) -> str:
        level = f"{self.simplify is not None} {self.simplify_tag} {self.reassociate}"
        sizes = f"{self.n} {self.n_parameters} {level}"
        return cache.digest(self.content, sizes, backend_name, machine.target(), code_version())


@remember
def code_version() -> str:
    """Changes whenever the code that generates models does."""
    import symnum.rewriting

    return cache.version_of(__file__, symnum.rewriting.__file__)


# ---- on disk --------------------------------------------------------------------------------------
@record
class _Artefact:
    """What the passes and the back end made: all that loading needs."""

    names: tuple[str, ...]
    n_work: int
    code: bytes
    tables: Tables
    pattern: Pattern
    operations: int  # in one call of the right-hand side and one of the Jacobian
    fingerprint: str  # of the functions that the code was made from, see `_fingerprint`
    rewritten: dict[str, Any]  # what the rewriter made of each template

    def pack(self) -> bytes:
        found = self.pattern
        pattern = (a.astype(np.int32) for a in (found.bound, found.degree, found.distance))
        arrays = (*_fields(self.tables), *pattern)  # sizes of functions are int32
        head = self.names, self.n_work, self.operations, self.fingerprint, self.rewritten, self.code
        return marshal.dumps((*head, tuple(a.tobytes() for a in arrays)), 4)

    @classmethod
    def unpack(cls, data: bytes) -> _Artefact:
        names, n_work, operations, fingerprint, rewritten, code, arrays = marshal.loads(data)
        kinds = (np.int64, np.int32, np.float64, np.int32, np.int32, np.int32)
        # copies: bytes objects are not aligned for doubles
        d, x, k, *pattern = (np.frombuffer(a, kind).copy() for a, kind in zip(arrays, kinds, strict=True))
        found = Pattern(*(a.astype(np.int64) for a in pattern))
        tables = Tables(d, x, k)
        return cls(tuple(names), n_work, code, tables, found, operations, fingerprint, rewritten)


def _fields(tables: Tables) -> tuple[Array, Array, Array]:
    return tables.descriptors, tables.positions, tables.numbers


def _artefact(inputs: _Inputs, emitter: Emitter) -> _Artefact:
    key = inputs.key(emitter.name) if emitter.cached else ""
    data = cache.fetch("model", key) if emitter.cached else None
    if data is not None:
        found = _Artefact.unpack(data)
        if inputs.simplify is not None:
            inputs.simplify.kept = found.rewritten
        return found
    lowered = inputs.lowered
    program = emitter.emit(lowered.functions)
    made = _Artefact(
        program.names, program.n_work, emitter.build(program), program.tables,
        lowered.pattern, _operations(lowered), _fingerprint(lowered, inputs.n),
        {} if inputs.simplify is None else inputs.simplify.kept,
    )  # fmt: skip
    if emitter.cached:
        cache.store("model", key, made.pack())
    return made


def _fingerprint(lowered: Lowered, n: int) -> str:
    """Content hash of the functions of a model, whose scratch others must share to work beside its code.

    A guard: the functions are made again from what the rewriter found then (`rewritten`), which gives the
    same ones. Empty for large models, for which no steps are compiled.
    """
    return digest(lowered.functions.values()) if n <= _FINGERPRINTED else ""


def _operations(lowered: Lowered) -> int:
    from symnum.rewriting.walk import cost  # not needed for a model that is on disk

    total = 0.0
    for name in ("rhs", "jacobian"):
        for item in lowered.functions[name].items:
            total += item.count * cost(item.roots) if isinstance(item, Loop) else 2 * len(item.first)
    return int(total)


# ---- the result -----------------------------------------------------------------------------------
class CompiledModel:
    """M u' = f(t, u, p) as compiled functions. Made by `build_model`.

    ``functions``: addresses, sizes and patterns, as solvers take them. ``derived``: what rooms above
    make from the model and keep as long as it lives. The methods below are for interactive use and tests:
    they check their arguments and allocate their results. Safe to call from several threads.
    """

    def __init__(
        self, inputs: _Inputs, functions: ModelFunctions, operations: int, fingerprint: str, emitter: Emitter
    ) -> None:
        self._inputs = inputs
        self._emitter = emitter
        self.fingerprint = fingerprint  # of the functions that the code was made from; empty: unknown
        self.functions = functions
        self.operations = operations  # in one call of the right-hand side and one of the Jacobian
        self.derived: dict[object, Any] = {}
        self._own = threading.local()
        self._compiled = {
            name: CompiledFunction(getattr(functions, name), functions.owners)
            for name in ("setup", "rhs", "jacobian", "time_gradient", "roots")
            if getattr(functions, name)
        }

    def with_functions(self, functions: ModelFunctions) -> CompiledModel:
        """The same model behind other functions; nothing that is made of its text goes with these."""
        return CompiledModel(self._inputs, functions, self.operations, "", self._emitter)

    @property
    def sparsity(self) -> csc_array:
        """The pattern of df/du as a boolean (n, n) matrix."""
        from scipy.sparse import csc_array

        f = self.functions
        return csc_array((np.ones(len(f.indices), bool), f.indices, f.indptr), shape=(f.n, f.n))

    def rhs(self, t: float, u: FloatArray, p: FloatArray) -> FloatArray:
        """f(t, u, p), (n,)."""
        return self._evaluate("rhs", t, u, p, self.functions.n)

    def time_gradient(self, t: float, u: FloatArray, p: FloatArray) -> FloatArray:
        """df/dt at fixed u and p, (n,)."""
        return self._evaluate("time_gradient", t, u, p, self.functions.n)

    def roots(self, t: float, u: FloatArray, p: FloatArray) -> FloatArray:
        """Event functions, then distance and drive of each hard limit, (n_events + 2 n_limits,)."""
        return self._evaluate("roots", t, u, p, self.functions.n_events + 2 * self.functions.n_limits)

    def jacobian(self, t: float, u: FloatArray, p: FloatArray) -> csc_array:
        """df/du, (n, n)."""
        from scipy.sparse import csc_array

        f = self.functions
        u, p = self._checked(u, p)
        values, work = self._prepared(t, u, p)
        self._compiled["jacobian"](t, values, u, p, work)
        return csc_array((values.copy(), f.indices.copy(), f.indptr.copy()), shape=(f.n, f.n))

    def rewritten(self) -> tuple[dict[str, Function], dict[str, Function]]:
        """Functions by name without and with the rewriter, made anew."""
        return self._inputs.rewritten()

    def source(self, backend_name: str = "llvm") -> str:
        """The generated code of all functions in the language of a back end."""
        return self.program(backend_name).source

    def program(self, backend_name: str) -> Program:
        """Generated code and its tables."""
        return emitter_for(backend_name).emit(self._inputs.lowered.functions)

    @property
    def fits(self) -> bool:
        """Whether `lowered` are the functions that the code was made from, to the last place of scratch."""
        found = _fingerprint(self._inputs.lowered, self.functions.n)
        return bool(found) and found == self.fingerprint

    @property
    def lowered(self) -> dict[str, Function]:
        """The functions back ends emit: ``setup``, ``rhs``, ``jacobian`` and what else the model needs."""
        return self._inputs.lowered.functions

    def as_differentiated(self) -> dict[str, Function]:
        """``rhs``, ``jacobian`` and ``time_gradient`` with nothing moved to ``setup``, made anew."""
        return self._inputs.as_differentiated()

    def key(self, purpose: str) -> str:
        """Content hash of everything the model is made from, for the cache of what is made from it."""
        return self._inputs.key(purpose)

    def stored(self) -> list[tuple[str, str, bytes]]:
        """(kind, key, content) of the model in the cache, where it is there."""
        key = self._inputs.key(self._emitter.name)
        data = cache.fetch("model", key) if self._emitter.cached else None
        return [] if data is None else [("model", key, data)]

    def _evaluate(self, name: str, t: float, u: FloatArray, p: FloatArray, size: int) -> FloatArray:
        u, p = self._checked(u, p)
        out = np.zeros(size)
        if name in self._compiled:
            self._compiled[name](t, out, u, p, self._prepared(t, u, p)[1])
        return out

    def _prepared(self, t: float, u: FloatArray, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Entries of the Jacobian and scratch of this thread, set up for these parameters.

        Kept until other parameters come: on a large grid the setup takes longer than what is asked for.
        """
        kept: tuple[FloatArray, FloatArray, FloatArray] | None = getattr(self._own, "kept", None)
        if kept is None or not np.array_equal(kept[0], p):
            values, work = np.zeros(self.functions.entries), np.zeros(self.functions.n_work)
            self._compiled["setup"](t, values, u, p, work)
            kept = self._own.kept = p.copy(), values, work
        return kept[1], kept[2]

    def _checked(self, u: FloatArray, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        checked = []
        sizes = (("u", u, self.functions.n, "unknowns"), ("p", p, self.functions.n_parameters, "parameters"))
        for name, value, size, what in sizes:
            array = np.ascontiguousarray(value, float)
            if array.shape != (size,):
                raise CodegenError(
                    f"{name} has shape {array.shape}; this model has {size} {what}: pass ({size},)"
                )
            checked.append(array)
        return checked[0], checked[1]


def build_model(
    rhs: Function,
    roots: Function | None = None,
    *,
    mass: FloatArray,
    n_parameters: int,
    event_direction: IntArray | None = None,
    event_side: IntArray | None = None,
    limit_parameter: IntArray | None = None,
    simplify: Simplify | None = None,
    simplify_tag: str = "",
    reassociate: bool = False,
    backend: str = "llvm",
    threads: int = 1,
    grid: ShortArray | None = None,
) -> CompiledModel:
    """Compile M u' = f(t, u, p).

    rhs: writes f, (n,); n is the length of ``mass`` (0 marks an algebraic row). roots: event functions,
    then distance and drive of every hard limit. event_direction: (n_events,) +1 up, -1 down, 0 both.
    event_side: (n_events,) see `ModelFunctions`, zeros without it.
    limit_parameter: (n_limits,) the parameter that is 0 while a limit holds its state. simplify: applied to
    the roots of every loop, right-hand side and derivatives alike; ``simplify_tag`` names its version and
    settings, for the cache. reassociate: see `passes.lowered`. threads: how many share the copies of big
    loops; results do not depend on it. grid: see `ModelFunctions`.

    Raises `CodegenError` where sizes do not agree.
    """
    n = len(mass)
    events, limits = (0 if a is None else len(a) for a in (event_direction, limit_parameter))
    wanted = events + 2 * limits
    if rhs.n_out != n:
        raise CodegenError(f"function {rhs.name!r} writes {rhs.n_out} rows, but the mass matrix has {n}")
    if (roots.n_out if roots else 0) != wanted:
        raise CodegenError(
            f"{events} events and {limits} limits need {wanted} root values, "
            f"but the roots function writes {roots.n_out if roots else 0}"
        )
    content = cache.digest(digest(rhs), digest(roots) if roots is not None else "no roots")
    return build_deferred(
        content, lambda: (rhs, roots), mass=mass, n_parameters=n_parameters, event_direction=event_direction,
        event_side=event_side, limit_parameter=limit_parameter, simplify=simplify, simplify_tag=simplify_tag,
        reassociate=reassociate, backend=backend, threads=threads, grid=grid,
    )  # fmt: skip


def build_deferred(
    content: str,
    make: Callable[[], tuple[Function, Function | None]],
    *,
    mass: FloatArray,
    n_parameters: int,
    event_direction: IntArray | None = None,
    event_side: IntArray | None = None,
    limit_parameter: IntArray | None = None,
    simplify: Simplify | None = None,
    simplify_tag: str = "",
    reassociate: bool = False,
    backend: str = "llvm",
    threads: int = 1,
    grid: ShortArray | None = None,
    explicit_parameter: int = -1,
    event_reads: IntArray | None = None,
) -> CompiledModel:
    """The same from functions that are made when the model is not on disk, or something asks for them.

    make: returns ``rhs`` and ``roots`` of `build_model`. content: hash of all that they are made from, the
    code that makes them included. The rest as for `build_model`.
    """
    mass = np.ascontiguousarray(mass, float)
    direction = np.ascontiguousarray(() if event_direction is None else event_direction, np.int64)
    side = np.zeros(len(direction), np.int64) if event_side is None else np.ascontiguousarray(event_side)
    limits = np.ascontiguousarray(() if limit_parameter is None else limit_parameter, np.int64)
    n = len(mass)
    if len(limits) and not (limits.min() >= 0 and limits.max() < n_parameters):
        raise CodegenError(f"a limit is switched by parameter {limits.max()}, but there are {n_parameters}")
    remembered = None if simplify is None else Rewritten(simplify)
    inputs = _Inputs(content, make, n, n_parameters, remembered, simplify_tag, reassociate)
    emitter = emitter_for(backend, threads)
    made = _artefact(inputs, emitter)
    loaded = emitter.load(made.names, made.code, made.tables)
    names = ("setup", "rhs", "jacobian", "time_gradient", "roots")
    functions = ModelFunctions(
        n=n, n_parameters=n_parameters, n_work=made.n_work, n_events=len(direction), n_limits=len(limits),
        **{name: loaded.addresses.get(name, 0) for name in names},
        mass=mass, pattern=made.pattern,
        event_direction=direction, event_side=side, limit_parameter=limits,
        owners=loaded.owners, grid=grid, explicit_parameter=explicit_parameter,
        event_reads=event_reads,
    )  # fmt: skip
    return CompiledModel(inputs, functions, made.operations, made.fingerprint, emitter)
