"""LLVM text in, machine code out: the one place that knows llvmlite.

Text is target-neutral LLVM IR (no triple, no data layout). `compile_text` turns it into object bytes for
this processor, `load_object` puts such bytes into memory and hands out addresses. LLVM releases the
GIL meanwhile. It is not imported where all objects are on disk and `elf` can load them.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from symnum.codegen import cache, elf
from symnum.errors import CodegenError

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["LoadedObject", "cached_object", "compile_text", "load_object", "target"]

# Code may be running, and addresses may be stored anywhere, so nothing loaded is ever unloaded.
_loaded: list[LoadedObject] = []
_lock = threading.Lock()

# What generated code may call.  fmt: off
_LIBM = (
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "ceil",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "floor",
    "fmod",
    "hypot",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "nearbyint",
    "pow",
    "rint",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "tgamma",
    "trunc",
)
# fmt: on


@functools.cache
def _binding() -> Any:
    """llvmlite.binding, ready for this processor.  CodegenError if its LLVM is too old for our text."""
    import llvmlite.binding as llvm

    if llvm.llvm_version_info[0] < 20:
        raise CodegenError(
            f"LLVM {'.'.join(map(str, llvm.llvm_version_info))} is too old for the generated code. "
            "Install llvmlite 0.45 or newer."
        )
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if sys.platform == "win32":
        # MCJIT finds the symbols of the process by itself elsewhere; here the C runtime has to be named.
        runtime = ctypes.CDLL("ucrtbase")
        for name in _LIBM:
            if hasattr(runtime, name):
                llvm.add_symbol(name, ctypes.cast(getattr(runtime, name), ctypes.c_void_p).value)
    return llvm


@functools.cache
def _processor() -> tuple[str, str]:
    """Name and features of the processor to compile for; SYMNUM_CPU (x86-64-v3, say) chooses another."""
    llvm = _binding()
    chosen = os.environ.get("SYMNUM_CPU")
    if chosen:
        # for a name that LLVM does not know it takes one without 64 bits, and then ends the process
        return chosen, "+64bit,+sse2" if llvm.get_process_triple().startswith("x86_64") else ""
    return str(llvm.get_host_cpu_name()), str(llvm.get_host_cpu_features().flatten())


@functools.cache
def target() -> str:
    """Everything about this machine and LLVM that an object depends on, for cache keys."""
    installed = _installed()
    if installed is None:
        return _asked()
    key = cache.digest(installed, os.environ.get("SYMNUM_CPU", ""))
    stored = cache.fetch("target", key)
    if stored is not None:
        return stored.decode()
    found = _asked()
    cache.store("target", key, found.encode())
    return found


def _installed() -> str | None:
    """What `_asked` answers by, found without importing llvmlite; None where that is not known."""
    if not elf.supported():
        return None
    spec = find_spec("llvmlite")
    if spec is None or spec.origin is None:
        return None
    try:
        library = os.path.join(os.path.dirname(spec.origin), "binding", "libllvmlite.so")
        status = os.stat(library)
        with open("/proc/cpuinfo", "rb") as file:
            first = file.read(1 << 14).partition(b"\n\n")[0]  # of many equal ones
    except OSError:
        return None
    lines = first.decode(errors="replace").splitlines()
    names = ("vendor_id", "cpu family", "model", "stepping", "flags")  # not the frequency, which changes
    processor = "\n".join(line for line in lines if line.startswith(names))
    return f"{library} {status.st_size} {status.st_mtime_ns}\n{processor}"


def _asked() -> str:
    """`target` as LLVM gives it."""
    import llvmlite

    llvm = _binding()
    name, features = _processor()
    version = ".".join(map(str, llvm.llvm_version_info))
    return f"llvmlite {llvmlite.__version__}|LLVM {version}|{llvm.get_process_triple()}|{name}|{features}"


def _target_machine(codegen: int) -> Any:
    llvm = _binding()
    name, features = _processor()
    # Position-independent code with the large code model gets its constants wrong in MCJIT: static it is.
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=name, features=features, opt=codegen, reloc="static", codemodel="jitdefault", jit=True
    )


def compile_text(text: str, *, passes: int = 0, codegen: int = 1) -> bytes:
    """Object bytes of the LLVM module `text` for this processor.

    passes: level of the IR optimizer, 0 (none; right for generated code, which is already in SSA form
    and shared) to 3; loops and straight-line code are vectorized from 2 on. codegen: level of the
    instruction selector, 0 to 3; 0 is the one for very large modules. Raises CodegenError when LLVM
    rejects the text.
    """
    llvm = _binding()
    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as error:
        raise CodegenError(f"LLVM rejects the generated code: {error}") from error
    machine = _target_machine(codegen)
    module.triple = llvm.get_process_triple()
    module.data_layout = str(machine.target_data)
    if passes > 0:
        options = llvm.create_pipeline_tuning_options(speed_level=passes)
        options.loop_vectorization = options.slp_vectorization = options.loop_interleaving = passes >= 2
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))


def cached_object(kind: str, text: str, *, passes: int = 0, codegen: int = 1) -> bytes:
    """`compile_text` through the cache."""
    key = cache.digest(target(), str(passes), str(codegen), text)
    data = cache.fetch(kind, key)
    if data is None:
        data = compile_text(text, passes=passes, codegen=codegen)
        cache.store(kind, key, data)
    return data


class LoadedObject:
    """Object code in executable memory, for as long as the process lives."""

    def __init__(self, data: bytes) -> None:
        self._image = elf.loaded(data)
        if self._image is not None:
            return
        llvm = _binding()
        # One engine per object: with two, relocations against constants were seen to go wrong.
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target_machine(0))
        try:
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(data))
            self._engine.finalize_object()
        except RuntimeError as error:
            raise CodegenError(f"object code cannot be loaded: {error}") from error

    def address(self, name: str) -> int:
        """Address of the function or global variable `name`.  CodegenError if there is none."""
        if self._image is not None:
            address = self._image.symbols.get(name, 0)
        else:
            address = int(self._engine.get_function_address(name))
        if address == 0:
            raise CodegenError(f"the generated code has no symbol {name!r}")
        return address

    def write(self, name: str, values: npt.NDArray[Any]) -> None:
        """Copy the bytes of `values` to the global variable `name`, which must be at least as large."""
        data = values.tobytes()
        ctypes.memmove(self.address(name), data, len(data))


def load_object(data: bytes) -> LoadedObject:
    """Load object bytes from `compile_text`; LLVM aborts on some damaged ones, so they must be genuine."""
    with _lock:
        loaded = LoadedObject(data)
        _loaded.append(loaded)
    return loaded
