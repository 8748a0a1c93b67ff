"""From kernel source to machine code: what is refused, what is cached, what is imported."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from symnum.codegen import elf, machine
from symnum.errors import CodegenError
from symnum.solving.kernel import library
from symnum.solving.kernel.translate import FOREIGN, kernel_text


@pytest.mark.parametrize("unit", library.UNITS)
def test_kernels_need_only_libm(unit):
    text = library.text(unit)
    declared = {line.split("@")[1].split("(")[0] for line in text.splitlines() if line.startswith("declare")}
    assert {name for name in declared if not name.startswith("llvm.")} <= FOREIGN
    assert "target triple" not in text
    assert "@_ZN" not in text, "something of numba's run time is left"
    exported = {name for names in library.UNITS[unit].values() for name in names}
    defined = [line for line in text.splitlines() if line.startswith("define") and "internal" not in line]
    assert {line.split("@")[1].split("(")[0] for line in defined} == exported


def test_what_needs_a_run_time_is_refused():
    from symnum.solving.kernel import pointers

    def gamma(a: pointers.Integers) -> int:
        return int(math.gamma(a[0] + 1.0))

    def prints(a: pointers.Integers) -> int:
        print(a[0])
        return 0

    for function, symbol in ((gamma, "numba_gamma"), (prints, "numba_gil|Py")):
        entry = pointers.Compiled(function)
        pointers.FUNCTIONS[entry.name] = entry
        try:
            with pytest.raises(CodegenError, match=symbol):
                kernel_text({"f": entry.name})
        finally:
            del pointers.FUNCTIONS[entry.name]


SOLVE = """
import ctypes, sys
import numpy as np
from symnum.codegen.model_functions import ModelFunctions
from symnum.codegen.pattern import Pattern
from symnum.solving.integrator import Integrator
from symnum.solving.step_options import StepOptions
from symnum.solving.tableaus import METHODS

D = ctypes.POINTER(ctypes.c_double)
kind = ctypes.CFUNCTYPE(None, ctypes.c_double, D, D, D, D)
def decay(t, out, u, p, w): out[0] = -u[0]
def slope(t, out, u, p, w): out[0] = -1.0
keep = [kind(f) for f in (decay, slope, lambda t, out, u, p, w: None)]
a = [ctypes.cast(f, ctypes.c_void_p).value for f in keep]
i = np.zeros(0, dtype=np.int64)
pattern = np.array([0, 1]), np.array([0])
model = ModelFunctions(1, 0, 0, 0, 0, a[2], a[0], a[1], 0, 0, np.ones(1), Pattern.of(*pattern), i, i, i)
for name in METHODS:
    run = Integrator(model, METHODS[name], StepOptions(1e-6, np.full(1, 1e-6), linear="sparse"))
    run.start(0.0, np.ones(1), np.zeros(0))
    run.advance(1.0)
    assert abs(run.u[0] - np.exp(-1.0)) < 1e-4, (name, run.u)
print(" ".join(sorted({m.split(".")[0] for m in sys.modules})))
"""


def test_with_a_warm_cache_numpy_is_enough():
    for unit in library.UNITS:
        library.addresses(unit)
    command = [sys.executable, "-c", SOLVE]
    machine.target.cache_clear()  # it may have been asked with another cache
    machine.target()
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    imported = set(found.stdout.split())
    assert {"numpy", "symnum"} <= imported
    assert ("llvmlite" in imported) == (not elf.supported())
    assert not imported & {"numba", "scipy", "sympy", "egglog", "networkx", "matplotlib", "pandas"}


def test_text_is_enough_and_numba_is_not_needed(tmp_path):
    # with the texts cached but not the objects, as on another machine that shares the texts
    source = Path(os.environ["SYMNUM_CACHE"])
    for unit in library.UNITS:
        library.text(unit)
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    for path in source.glob("text-*"):
        (folder / path.name).write_bytes(path.read_bytes())
    found = subprocess.run(
        [sys.executable, "-c", SOLVE], capture_output=True, text=True, check=True, timeout=120,
        env=os.environ | {"SYMNUM_CACHE": str(folder)},
    )  # fmt: skip
    assert "numba" not in found.stdout.split()
    assert any(path.name.startswith("object-") for path in folder.iterdir())
