"""Kernel functions to target-neutral LLVM text, through numba's front end."""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Callable
from typing import Any, cast

from symnum.errors import CodegenError

__all__ = ["FOREIGN", "kernel_text"]

# The only symbols that kernel text may need from outside: all else must be handed over as an address.
FOREIGN = frozenset({"exp", "fabs", "floor", "log", "pow", "sqrt", "memcpy", "memmove", "memset"})

_lock = threading.Lock()


def kernel_text(functions: dict[str, Callable[..., Any]]) -> str:
    """LLVM text with one exported function `int64_t name(int64_t *)` for each entry of `functions`.

    The functions are decorated by `pointers.compiled`. Takes a second or two, most of it in numba's type
    inference. Raises CodegenError if the text needs a symbol that is not in FOREIGN.
    """
    import llvmlite.binding as llvm

    # numba's own types cover only what its users write
    compiler: Any = importlib.import_module("numba.core.compiler")
    config: Any = importlib.import_module("numba.core.config")
    types: Any = importlib.import_module("numba.core.types")
    cpu_target: Any = importlib.import_module("numba.core.registry").cpu_target

    parts: list[str] = []
    entries: list[str] = []
    with _lock:
        optimize = config.OPT
        config.OPT = type(optimize)(0)        # numba would optimize for this processor, and twice
        try:
            typing_context, target_context = cpu_target.typing_context, cpu_target.target_context
            typing_context.refresh()
            target_context.refresh()
            flags = compiler.Flags()
            flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
            flags.nrt = False
            flags.error_model = "numpy"
            flags.fastmath = {"contract"}
            for name, function in functions.items():
                result = compiler.compile_extra(
                    typing_context,
                    target_context,
                    cast(Any, function).py_func,
                    (types.CPointer(types.int64),),
                    types.int64,
                    flags,
                    {},
                )
                mangled = result.fndesc.llvm_func_name
                parts.append(result.library.get_llvm_str())
                entries.append(_entry(name, mangled))
        finally:
            config.OPT = optimize
    module = llvm.parse_assembly(parts[0])
    for part in parts[1:]:
        module.link_in(llvm.parse_assembly(part))
    module.link_in(llvm.parse_assembly("\n".join(entries)))
    for function in module.functions:
        if not function.is_declaration and function.name not in functions:
            function.linkage = "internal"
    for variable in module.global_variables:
        if not variable.is_declaration or variable.linkage.name == "common":
            variable.linkage = "internal"
    _clean(module)
    text = _strip(str(module))
    _check(text)
    return text


def _entry(name: str, mangled: str) -> str:
    """The exported function: numba's own calling convention returns a status beside the value."""
    return f"""
declare i32 @{mangled}(ptr, ptr, ptr)
define i64 @{name}(ptr %table) {{
  %value = alloca i64
  %exception = alloca ptr
  %status = call i32 @{mangled}(ptr %value, ptr %exception, ptr %table)
  %fine = icmp eq i32 %status, 0
  %read = load i64, ptr %value
  %result = select i1 %fine, i64 %read, i64 -99
  ret i64 %result
}}"""


def _clean(module: Any) -> None:
    """Inline and simplify for no processor in particular, until nothing of numba's run time is left."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(opt=1)
    options = llvm.create_pipeline_tuning_options(speed_level=1)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)


def _strip(text: str) -> str:
    """Take out what binds the text to this processor or to the newest LLVM."""
    text = re.sub(r"^target (triple|datalayout) = .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^(source_filename|; ModuleID) ?= .*\n", "", text, flags=re.MULTILINE)
    return re.sub(r" (captures\([^)]*\)|nocreateundeforpoison)", "", text)


def _check(text: str) -> None:
    declared = set(re.findall(r'^declare [^@]*@"?([\w.$]+)"?\(', text, flags=re.MULTILINE))
    external = set(re.findall(r'^@"?([\w.$]+)"? = (?:external|common|linkonce)', text, flags=re.MULTILINE))
    foreign = {name for name in declared | external if not name.startswith("llvm.")} - FOREIGN
    if foreign:
        raise CodegenError(f"kernel code needs symbols that it must not need: {', '.join(sorted(foreign))}")
