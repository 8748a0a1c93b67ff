"""Kernel functions to target-neutral LLVM text, through numba's front end."""

from __future__ import annotations

import importlib
import re
import threading
from typing import TYPE_CHECKING, Any

from symnum.errors import CodegenError

if TYPE_CHECKING:
    from symnum.solving.kernel.pointers import Compiled

__all__ = ["FOREIGN", "kernel_text"]

# The only symbols that kernel text may need from outside: all else must be handed over as an address.
FOREIGN = frozenset({"exp", "fabs", "floor", "log", "pow", "sqrt", "memcpy", "memmove", "memset"})

_lock = threading.Lock()


def kernel_text(names: dict[str, str]) -> str:
    """LLVM text with one exported function `int64_t key(int64_t *)` for each entry {key: "module.function"}.

    The modules have been imported, so that their functions are known to `pointers`. Takes a second or
    so, most of it in numba's type inference. Raises CodegenError if the text needs a symbol that is not
    in FOREIGN.
    """
    import llvmlite.binding as llvm

    from symnum.solving.kernel.pointers import FUNCTIONS

    with _lock:
        module = llvm.parse_assembly("\n".join(_entry(key, name) for key, name in names.items()))
        missing, done = set(names.values()), set()
        while missing:
            name = missing.pop()
            module.link_in(_translate(FUNCTIONS[name]))
            done.add(name)
            missing |= {f.name for f in module.functions if f.name in FUNCTIONS} - done
    for function in module.functions:
        if not function.is_declaration and function.name not in names:
            function.linkage = "internal"
    for variable in module.global_variables:
        if not variable.is_declaration or variable.linkage.name == "common":
            variable.linkage = "internal"
    _clean(module)
    text = _strip(str(module))
    _check(text)
    return text


def _translate(entry: Compiled) -> Any:
    """The LLVM module of one function, called by its name in numba's calling convention.

    Products and sums may be contracted to fused multiply-adds; nothing may be reassociated. Reference
    counting is off, so that anything that allocates is refused. The library is not finalized, which
    would make machine code.
    """
    import llvmlite.binding as llvm

    # numba's own types cover only what its users write, and what is used here is not promised to stay
    compiler: Any = importlib.import_module("numba.core.compiler")
    config: Any = importlib.import_module("numba.core.config")
    target: Any = importlib.import_module("numba.core.registry").cpu_target

    flags = compiler.Flags()
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = flags.no_compile = True
    flags.nrt = False
    flags.error_model = "numpy"
    flags.fastmath = {"contract"}
    pipeline = type("Pipeline", (compiler.CompilerBase,), {"define_pipelines": _passes})
    optimize = config.OPT
    config.OPT = type(optimize)(0)  # it is done once, for the whole unit
    try:
        target.typing_context.refresh()
        target.target_context.refresh()
        library = target.target_context.codegen().create_library(entry.name)
        result = compiler.compile_extra(
            target.typing_context,
            target.target_context,
            entry.function,
            entry.parameters,
            entry.result,
            flags,
            locals={},
            library=library,
            pipeline_class=pipeline,
        )
    finally:
        config.OPT = optimize
    module = llvm.parse_assembly(library.get_llvm_str())
    module.get_function(result.fndesc.llvm_func_name).name = entry.name
    return module


def _passes(compiler: Any) -> list[Any]:
    """numba's passes as far as kernel code needs them: no closures, no rewrites, no inlining."""
    machinery: Any = importlib.import_module("numba.core.compiler_machinery")
    untyped: Any = importlib.import_module("numba.core.untyped_passes")
    typed: Any = importlib.import_module("numba.core.typed_passes")
    passes = machinery.PassManager("kernel")
    for chosen in (
        untyped.TranslateByteCode, untyped.FixupArgs, untyped.IRProcessing, untyped.ReconstructSSA,
        typed.NopythonTypeInference, typed.PreLowerStripPhis, typed.IRLegalization, typed.NativeLowering,
    ):  # fmt: skip
        passes.add_pass(chosen, chosen.__name__)
    passes.finalize()
    return [passes]


def _entry(key: str, name: str) -> str:
    """The exported function: numba's own calling convention returns a status beside the value."""
    return f"""
declare i32 @{name}(ptr, ptr, ptr)
define i64 @{key}(ptr %table) {{
  %value = alloca i64
  %exception = alloca ptr
  %status = call i32 @{name}(ptr %value, ptr %exception, ptr %table)
  %result = load i64, ptr %value
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
