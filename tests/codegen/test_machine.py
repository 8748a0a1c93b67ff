"""LLVM text to machine code, and back into memory."""

import ctypes
import math
import os
import platform
import subprocess
import sys

import numpy as np
import pytest

from symnum.codegen import cache, elf, machine
from symnum.errors import CodegenError

EXP = """
@scale = global [2 x double] [double 2.0, double 0.0]
declare double @exp(double)
define double @scaled_exp(double %x) {
  %a = load double, ptr @scale
  %b = load double, ptr getelementptr ([2 x double], ptr @scale, i64 0, i64 1)
  %e = call double @exp(double %x)
  %f = fmul double %e, %a
  %g = fadd double %f, %b
  ret double %g
}
"""
POLYNOMIAL = """
define double @poly(double %x) {
  %a = fmul double %x, 0x400921FB54442D18
  %b = fadd double %a, 0x4005BF0A8B145769
  %e = call double @llvm.pow.f64(double %x, double 0.3)
  %c = fadd double %b, %e
  ret double %c
}
declare double @llvm.pow.f64(double, double)
"""


def function(address):
    return ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(address)


@pytest.mark.parametrize(("passes", "codegen"), [(0, 0), (0, 1), (2, 2)])
def test_two_objects_keep_their_constants(passes, codegen):
    # Two objects with constants and libm calls: the arrangement in which relocations were once wrong.
    first = machine.load_object(machine.compile_text(EXP, passes=passes, codegen=codegen))
    second = machine.load_object(machine.compile_text(POLYNOMIAL, passes=passes, codegen=codegen))
    for x in (0.25, 1.0, 3.5):
        assert function(first.address("scaled_exp"))(x) == pytest.approx(2 * math.exp(x), rel=1e-15)
        assert function(second.address("poly"))(x) == pytest.approx(math.pi * x + math.e + x**0.3, rel=1e-15)


@pytest.mark.parametrize("by_llvm", [False, True])
def test_globals_can_be_written(by_llvm, monkeypatch):
    if by_llvm:
        monkeypatch.setattr(elf, "loaded", lambda data: None)
    loaded = machine.load_object(machine.compile_text(EXP))
    loaded.write("scale", np.array([3.0, 1.0]))
    assert function(loaded.address("scaled_exp"))(0.0) == 4.0


@pytest.mark.skipif(not elf.supported(), reason="LLVM loads the objects of this machine")
def test_objects_are_loaded_without_llvm_as_far_as_they_are_known():
    for text in (EXP, POLYNOMIAL):
        data = machine.compile_text(text)
        assert elf.loaded(data)
        # the same for another processor, with relocations of a kind that this one does not have
        assert elf.loaded(data[:18] + b"\xb7" + data[19:]) is None
    assert elf.loaded(b"no object") is None
    missing = POLYNOMIAL.replace("@llvm.pow.f64", "@no_such_function")
    assert elf.loaded(machine.compile_text(missing)) is None
    odd = """
    @counter = thread_local global i64 0
    define i64 @f() { %a = load i64, ptr @counter
      ret i64 %a }
    """
    assert elf.loaded(machine.compile_text(odd)) is None


@pytest.mark.skipif(not elf.supported(), reason="LLVM loads the objects of this machine")
def test_functions_of_one_object_reach_each_other_and_data_start_as_written():
    text = """
    @count = internal global i64 7
    @where = global ptr @next
    define internal i64 @next() noinline {
      %a = load i64, ptr @count
      %b = add i64 %a, 1
      store i64 %b, ptr @count
      ret i64 %b
    }
    define i64 @twice() {
      %f = load ptr, ptr @where
      %a = call i64 %f()
      %b = call i64 @next()
      %c = mul i64 %a, %b
      ret i64 %c
    }
    """
    image = elf.loaded(machine.compile_text(text))
    assert image
    assert set(image.symbols) == {"twice", "where"}
    twice = ctypes.CFUNCTYPE(ctypes.c_int64)(image.symbols["twice"])
    assert [twice(), twice()] == [8 * 9, 10 * 11]


def test_bad_text_and_unknown_names_are_errors():
    with pytest.raises(CodegenError, match="rejects"):
        machine.compile_text("define double @f() { ret i32 0 }")
    loaded = machine.load_object(machine.compile_text(EXP))
    with pytest.raises(CodegenError, match="no symbol 'nothing_here'"):
        loaded.address("nothing_here")


def test_cached_object_is_compiled_once(tmp_path, monkeypatch):
    monkeypatch.setenv("SYMNUM_CACHE", str(tmp_path / "cache"))
    first = machine.cached_object("test", EXP)
    monkeypatch.setattr(machine, "compile_text", lambda *a, **k: pytest.fail("compiled again"))
    assert machine.cached_object("test", EXP) == first
    key = cache.digest(machine.target(), "0", "1", EXP)
    assert cache.fetch("test", key) == first


@pytest.mark.parametrize(
    "name", ["x86-64-v2" if platform.machine() == "x86_64" else "generic", "no such one"]
)
def test_another_processor_may_be_named(name):
    """In a process of its own: the name is read once, and LLVM ends processes that it cannot serve."""
    program = "from symnum.codegen import machine; print(len(machine.compile_text(input())))"
    text = "define double @f(double %x) { %y = fmul double %x, %x ret double %y }"
    found = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "SYMNUM_CPU": name}, input=text, text=True,
        capture_output=True,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) > 100
    assert ("not a recognized processor" in found.stderr) == (name == "no such one")
