"""Compiling: a `System` becomes machine code. `sn.compile` is this list of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache as remember
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from symnum.codegen.function import Function, digest
from symnum.codegen.model import CompiledModel, build_deferred
from symnum.errors import ModelError
from symnum.language.event import Event, checked_events
from symnum.language.explicit_part import EXPLICIT_NAME
from symnum.language.system import System
from symnum.lowering.content import content
from symnum.lowering.flat import FlatSystem
from symnum.lowering.grid_places import grid_places
from symnum.lowering.lower import lower
from symnum.rewriting.expr import Expr

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from scipy.sparse import csc_array

    from symnum.codegen.passes import Rewrite, Simplify
    from symnum.lowering.hosted import HostedUnits

# Seconds for one template, at most: a longer search gained a few per cent in measurements. Below that the
# rewriter judges by itself what pays.
_BUDGET = 0.5

_COMPILED: WeakKeyDictionary[System, dict[Any, CompiledSystem]] = WeakKeyDictionary()


class CompiledSystem:
    """A flattened system and its machine code: ``M u' = f(t, u, p)`` with exact derivatives of f.

    flat: names, structure and definitions. model: addresses for the solvers. defaults: starts and values
    of parameters that the system gives over those of the declarations. simplify: level of the rewriter.
    backend, threads: as in `compile`. All arrays are float64 in the order of ``states`` and ``parameters``.
    """

    def __init__(
        self, flat: FlatSystem, model: CompiledModel, defaults: Mapping[Expr, Any], simplify: str | None,
        backend: str = "llvm", threads: int = 1,
    ) -> None:  # fmt: skip
        self.flat = flat
        self.model = model
        self.defaults = defaults
        self.simplify = simplify
        self.backend = backend
        self.threads = threads
        self.hosted: HostedUnits | None = None
        self.origin: Any = None  # of the system, see `System`

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the entries of ``u``, algebraic unknowns included."""
        return self.flat.state_names

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the entries of ``p``."""
        return tuple(info.name for info in self.flat.parameters)

    @property
    def mass(self) -> NDArray[np.float64]:
        """(n,) the diagonal of M: 1 for states, 0 for algebraic unknowns."""
        return self.flat.mass

    @property
    def sparsity(self) -> csc_array:
        """(n, n) pattern of the Jacobian."""
        return self.model.sparsity

    def rhs(self, t: float, u: ArrayLike, p: ArrayLike) -> NDArray[np.float64]:
        """f(t, u, p), shape (n,)."""
        return self.model.rhs(t, np.asarray(u, float), np.asarray(p, float))

    def jacobian(self, t: float, u: ArrayLike, p: ArrayLike) -> csc_array:
        """df/du, exact and sparse, shape (n, n)."""
        return self.model.jacobian(t, np.asarray(u, float), np.asarray(p, float))

    def time_gradient(self, t: float, u: ArrayLike, p: ArrayLike) -> NDArray[np.float64]:
        """The partial derivative df/dt, shape (n,)."""
        return self.model.time_gradient(t, np.asarray(u, float), np.asarray(p, float))

    def source(self, backend: str = "numba") -> str:
        """The generated code: "numba" (Python to read, edit and run), "c" or "llvm"."""
        return self.model.source(backend)

    def save(self, path: str | Path) -> Path:
        """Keep the system as one file without code in it, for `symnum.load`; returns the path."""
        from symnum.lowering.save import write

        return write(path, self.flat, self.defaults, self.simplify)

    def export(self, kind: str, path: str | Path, **options: Any) -> Path:
        """A simulator that runs without symnum, from the declared starts: see `symnum.export`."""
        # solvers belong to a room above: they are reached through the public names, as users reach them
        exported: Path = import_module("symnum").export(self, kind, path, **options)
        return exported

    # Nothing of it changes, so a copy is the system itself; a pickle makes it anew in its process.
    def __copy__(self) -> CompiledSystem:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> CompiledSystem:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        from symnum.lowering.pickling import reduced

        return reduced(self)

    def __repr__(self) -> str:
        n = self.flat.n
        algebraic = n - int(self.mass.sum())
        return (
            f"<CompiledSystem {self.flat.name}: {n - algebraic} states, {algebraic} algebraic unknowns, "
            f"{len(self.parameters)} parameters>"
        )


def compile(
    system: System,
    *,
    events: Sequence[Event] = (),
    backend: str = "llvm",
    simplify: str | None = "default",
    threads: int = 1,
) -> CompiledSystem:
    """Machine code for a system. Compiled once per system, options and process; kept on disk for the next.

    events: further events beside those of the system. backend: see `symnum.codegen.emitter`.
    simplify: level of the rewriter ("strict", "default", "fast"), or None to leave expressions as written.
    threads: how many share the copies of big loops in the right-hand side and the Jacobian (grids, networks);
    results are the same to the last bit whatever the number. On Windows always one.
    """
    if not isinstance(system, System):
        raise ModelError(f"compile takes a System, not {system!r}; {_instead(system)}")
    if simplify not in (None, "default"):
        _check_level(simplify)
    _check_threads(threads)
    extra = checked_events(events, system.name)
    memory = _COMPILED.setdefault(system, {})
    options = (tuple(id(event) for event in extra), backend, simplify, threads)
    if options not in memory:
        flat = lower(system, extra)
        memory[options] = compile_flat(flat, system.defaults, simplify, backend, threads)
        memory[options].origin = system.origin
    return memory[options]


def load(path: str | Path, *, backend: str = "llvm", threads: int = 1) -> CompiledSystem:
    """The system that ``CompiledSystem.save`` wrote, compiled for this machine (the code is kept on disk).

    Raises ModelError for a file that is missing, damaged or made for another version.
    """
    from symnum.lowering.save import read

    _check_threads(threads)
    return compile_flat(*read(path), backend, threads)


def compile_flat(
    flat: FlatSystem,
    defaults: Mapping[Expr, Any],
    simplify: str | None = "default",
    backend: str = "llvm",
    threads: int = 1,
) -> CompiledSystem:
    """Machine code for a system that passes of lowering have made."""

    @remember
    def make() -> tuple[Function, Function | None]:
        from symnum.lowering.functions import functions_of  # not needed for a model that is on disk

        functions = functions_of(flat)
        return functions.rhs, functions.roots

    marked = flat.parameters.find(EXPLICIT_NAME)
    model = build_deferred(
        content(flat) or digest([function for function in make() if function is not None]),
        make,
        mass=flat.mass,
        n_parameters=len(flat.parameters),
        event_direction=np.array([direction for _, direction, _ in flat.crossings], np.int64),
        event_side=np.array([side for _, _, side in flat.crossings], np.int64),
        limit_parameter=flat.limit_parameter,
        simplify=None if simplify is None else _simplifier(simplify),
        simplify_tag=str(simplify),
        reassociate=simplify not in (None, "strict"),
        backend=backend,
        threads=threads,
        grid=grid_places(flat),
        explicit_parameter=-1 if marked is None else marked,
        event_reads=flat.event_reads,
    )
    compiled = CompiledSystem(flat, model, defaults, simplify, backend, threads)
    if flat.hosted:
        from symnum.lowering.hosted import HostedUnits

        compiled.hosted = HostedUnits(flat)
        compiled.model = model.with_functions(compiled.hosted.wrapped(model.functions))
    return compiled


def _instead(given: object) -> str:
    """What to write with something that has a system, or becomes one."""
    if hasattr(given, "system"):
        return "take what its .system() returns"  # networks, models of SBML
    if hasattr(given, "reactor"):
        return "take what its .reactor(...) returns"
    return "write sn.System(name, [equations])"


def _check_threads(threads: Any) -> None:
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or threads < 1:
        raise ModelError(f"threads={threads!r}: give the number of threads, 1 or more")


def _check_level(simplify: str) -> None:
    from symnum.rewriting.rules.rule import LEVELS  # imports all rules, which a cached model does not need

    if simplify not in LEVELS:
        raise ModelError(
            f"simplify={simplify!r}: choose one of {', '.join(LEVELS)}, or None to change nothing"
        )


def _simplifier(level: str) -> Simplify:
    def chosen(roots: tuple[Expr, ...], copies: int) -> Rewrite | None:
        from symnum.rewriting.judgement import worth
        from symnum.rewriting.schedule import pays, simplify

        value = worth(copies)

        def rewritten(roots: tuple[Expr, ...], free: frozenset[Expr]) -> tuple[Expr, ...]:
            return tuple(simplify(list(roots), level, free=free, budget=_BUDGET, worth=value))

        return rewritten if pays(roots, value) else None

    return chosen
