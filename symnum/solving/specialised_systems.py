"""Linear systems compiled for one model: straight-line factors and solves behind the kernels' interface.

For methods whose steps are iterations or many solves the linear algebra is what takes the time; their step
functions stay those of the kernels.
"""

from __future__ import annotations

from collections.abc import Sequence

from symnum.codegen.lanes import Lanes
from symnum.codegen.llvm_statement import literal
from symnum.codegen.lu import Elimination, emit_lu
from symnum.codegen.model_functions import ModelFunctions
from symnum.solving.kernel import slot
from symnum.solving.specialised_step import GROWTH, entries_of

__all__ = ["systems_text"]


def systems_text(model: ModelFunctions, eliminations: Sequence[Elimination]) -> str:
    """LLVM text of ``i64 factor0(i64 *s)``, ``i64 solve0(i64 *s)``, and with 1 of a second elimination.

    They stand in place of the kernel's for `scale M - J`, the second for the pairs of real and imaginary
    parts of a complex scale. s: see `kernel.slot`, solvers by address.
    """
    lanes = Lanes(1)
    masses = tuple(model.mass.tolist())
    texts = []
    for k, elimination in enumerate(eliminations):
        emit_lu(lanes, elimination, entries_of(model), masses, "nounwind", name=f"code{k}_", pairs=k == 1)
        texts += [_factor(k), _solve(k)]
    return "\n\n".join([lanes.text(), *texts])


def _pointer(name: str, where: int) -> list[str]:
    return [
        f"%{name}.p = getelementptr inbounds ptr, ptr %s, i64 {where}",
        f"%{name} = load ptr, ptr %{name}.p, align 8",
    ]


def _factor(k: int) -> str:
    lines = [
        *_pointer("jacobian", slot.IN_MATRIX), *_pointer("scales", slot.IN_SCALE_AT),
        *_pointer("lu", slot.SL_FACTORS), "%scale = load double, ptr %scales, align 8",
    ]  # fmt: skip
    numbers = "double %scale"
    if k == 1:
        lines.append("%second = getelementptr inbounds double, ptr %scales, i64 1")
        lines.append("%coupling = load double, ptr %second, align 8")
        numbers += ", double %coupling"
    lines.append(f"%growth = call double @code{k}_factor({numbers}, ptr %jacobian, ptr %lu)")
    lines.append(f"%fine = fcmp ole double %growth, {literal(GROWTH)}")
    lines.append(f"%status = select i1 %fine, i64 {slot.OK}, i64 {slot.REPIVOT}")
    body = "\n".join(f"  {line}" for line in lines)
    return f"define i64 @factor{k}(ptr %s) nounwind {{\n{body}\n  ret i64 %status\n}}"


def _solve(k: int) -> str:
    lines = [
        *_pointer("right", slot.IN_RIGHT), *_pointer("lu", slot.SL_FACTORS),
        f"call void @code{k}_solve(ptr %lu, ptr %right)",
    ]  # fmt: skip
    body = "\n".join(f"  {line}" for line in lines)
    return f"define i64 @solve{k}(ptr %s) nounwind {{\n{body}\n  ret i64 {slot.OK}\n}}"
