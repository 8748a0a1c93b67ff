"""The compiled kernels, by address: from the cache, or made now.

What is cached is the object for this machine, keyed by the source of the kernel code, and the LLVM text
that it was compiled from. Only when both are missing is numba imported.

``python -m symnum.solving.kernel.library`` writes the texts of all kernels beside their sources, to be packed
into a wheel: those who install it compile objects at the first use (a second), without numba. Texts that
do not belong to the sources beside them are not used.
"""

from __future__ import annotations

import functools
import importlib
import threading
from pathlib import Path

from symnum.codegen import cache, machine
from symnum.errors import CodegenError

__all__ = ["UNITS", "addresses"]

# One object each: module and the names of its exported functions.
UNITS: dict[str, dict[str, tuple[str, ...]]] = {
    "loop": {"loop": ("advance",)},
    "locate": {
        "locate": ("coarse", "locate", "switch_fired", "switch_outside"),
        "approach": ("approach", "magnifies"), "sides": ("settle_sides",),
    },
    "newton": {"newton": ("reinitialize", "slope_start", "slope_end")},
    "linear": {"linear": ("factor", "solve")},
    "linear_transposed": {"linear_transposed": ("solve",)},
    "adjoint": {"adjoint": ("explicit", "record", "replay", "rosenbrock")},
    "splitting": {"splitting": ("factor", "solve")},
    "incomplete": {"incomplete": ("factor", "solve")},
    "krylov": {"krylov": ("factor", "solve")},
    "bicgstab": {"krylov": ("factor",), "bicgstab": ("solve",)},
    "analysis": {"analysis": ("pivot", "symbolic", "tables")},
    "step_explicit": {"step_explicit": ("extend", "step")},
    "step_rosenbrock": {"step_rosenbrock": ("extend", "step")},
    "step_tase": {"step_tase": ("step",)},
    "step_esdirk": {"step_esdirk": ("step",)},
    "step_bdf": {"step_bdf": ("interpolant", "propose", "step")},
    "step_radau": {"step_radau": ("step",)},
    "step_exponential": {"step_exponential": ("step",)},
    "step_tase_sum": {"step_tase_sum": ("step",)},
    "stiffness": {"stiffness": ("judge", "look")},
    "lanes": {"lanes": ("ensemble",)},
    "direct": {"direct": ("advance",)},
    "sorting_direct": {"sorting_direct": ("advance",)},
    "composition_rejection": {"composition_rejection": ("advance",)},
    "tau_leaping": {"tau_leaping": ("advance",)},
    "langevin": {"langevin": ("euler_maruyama", "weak_trapezoidal")},
    "trajectories": {"trajectories": ("trajectories",)},
    "hybrid": {"hybrid": ("advance", "jump")},
    "modal": {"modal": ("advance", "derivative")},
    "points": {"points": ("points",)},
}

# What stands beside the kernel code without being part of it.
_HOST = ("call.py", "library.py")
# Written by this module's command, for wheels; not kept in the repository.
_PACKED = Path(__file__).parent / "data" / "texts.json"
_PASSES = 2
_CODEGEN = 2
_lock = threading.Lock()


@functools.cache
def _sources() -> str:
    """Digest of the source of all kernel code: whatever changes there makes new kernels."""
    # iterdir: glob compiles a pattern first, a millisecond of every process
    files = sorted(path for path in Path(__file__).parent.iterdir() if path.suffix == ".py")
    paths = [path for path in files if path.name not in _HOST]
    return cache.digest(*(path.read_bytes() for path in paths))


def text(unit: str) -> str:
    """LLVM text of one unit, from the cache or through numba."""
    key = cache.digest(_sources(), unit)
    stored = cache.fetch("text", key)
    if stored is not None:
        return stored.decode()
    packed = _packed().get(unit)
    if packed is not None:
        return packed
    _announce()
    made = _made(unit)
    cache.store("text", key, made.encode())
    return made


@functools.cache
def _packed() -> dict[str, str]:
    """Texts that came with the sources, by unit."""
    import json  # a solve whose objects are in the cache does without it

    try:
        found = json.loads(_PACKED.read_bytes())
        return dict(found["texts"]) if found["sources"] == _sources() else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _made(unit: str) -> str:
    """LLVM text of one unit through numba. CodegenError when numba's insides are not as expected."""
    from symnum.solving.kernel.translate import kernel_text

    functions: dict[str, str] = {}
    for module, names in UNITS[unit].items():
        importlib.import_module(f"symnum.solving.kernel.{module}")
        functions |= {name: f"{module}.{name}" for name in names}
    try:
        return kernel_text(functions)
    except (AttributeError, ImportError, KeyError, TypeError) as error:
        import numba

        raise CodegenError(
            f"numba {numba.__version__} cannot translate the {unit} kernel: {error!r}. Its insides changed: "
            "install the version that symnum was tested with, or use a cache that was filled by it."
        ) from error


@functools.cache
def _announce() -> None:
    """Say once per process why the first use takes seconds. As a warning: Python shows those by itself."""
    import logging  # elsewhere a solve does without it

    where = cache.directory()
    kept = "they are kept" if where else "no cache directory can be written, so every process does it"
    logging.getLogger("symnum").warning("symnum compiles its steppers, which takes seconds; %s", kept)


@functools.cache
def _load(unit: str) -> dict[str, int]:
    key = cache.digest(machine.target(), _sources(), unit, str(_PASSES), str(_CODEGEN))
    data = cache.fetch("object", key)
    if data is None:
        data = machine.compile_text(text(unit), passes=_PASSES, codegen=_CODEGEN)
        cache.store("object", key, data)
    loaded = machine.load_object(data)
    return {name: loaded.address(name) for names in UNITS[unit].values() for name in names}


def addresses(unit: str) -> dict[str, int]:
    """Addresses of the exported functions of a unit, each `int64_t name(int64_t *table)`."""
    with _lock:
        return _load(unit)


def _pack() -> None:
    """Write `_PACKED`."""
    import json

    _PACKED.parent.mkdir(exist_ok=True)
    texts = {unit: _made(unit) for unit in UNITS}
    _PACKED.write_text(json.dumps({"sources": _sources(), "texts": texts}, indent=0), encoding="utf-8")


if __name__ == "__main__":
    _pack()
