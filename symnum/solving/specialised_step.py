"""LLVM text of one step of a method for one model: all sizes and coefficients are constants.

``attempt`` does what the step functions of the kernels do (`kernel.step_rosenbrock`, `kernel.step_explicit`),
on doubles or on lanes: the model's functions, factorization and solves are straight-line code in the same
module, so that LLVM merges what is small into the step.
"""

from __future__ import annotations

import numpy as np

from symnum.codegen.function import Function, item_outputs
from symnum.codegen.lanes import Lanes
from symnum.codegen.llvm_statement import literal
from symnum.codegen.lu import Elimination, emit_lu
from symnum.codegen.model_functions import FloatArray, ModelFunctions
from symnum.solving.kernel import slot
from symnum.solving.method import Method
from symnum.solving.tableau import ExplicitTableau, RosenbrockTableau

__all__ = ["GROWTH", "emit_step", "entries_of", "scalar_step"]

# Beyond this many lines a function is called, not merged into the step.
_MERGED = 400
# Unknowns up to which sums of stages are written component by component: vector stores would have to be read
# back as scalars, and the other way round.
_BY_COMPONENT = 12
_VECTOR = 8
# The sum of the multipliers at which the pivot order counts as a bad one.
GROWTH = 1e6


def entries_of(model: ModelFunctions) -> tuple[tuple[int, int], ...]:
    """(row, column) of the entries of the Jacobian."""
    columns = np.repeat(np.arange(model.n), np.diff(model.indptr))
    return tuple(zip(model.indices.tolist(), columns.tolist(), strict=True))


def emit_step(
    method: Method,
    functions: dict[str, Function],
    model: ModelFunctions,
    elimination: Elimination | None,
    lanes: Lanes,
) -> int:
    """Add the model's functions and ``T attempt(T t, T h, T *u, T *f0, T *jacobian, T *gradient, T *p, T *w,
    T *v, T *error, T *k, T *y, T *lu)`` to ``lanes``; returns the number of prepared places of scratch.

    ``attempt`` gives the growth of the factorization, 0 for explicit methods. Explicit methods read neither
    jacobian, gradient nor lu.
    """
    prepared = max((f.n_prepared for f in functions.values()), default=0)
    for name in ("setup", "rhs", "jacobian", "time_gradient"):
        if name in functions:
            size = sum(len(output.index) for item in functions[name].items for output in item_outputs(item))
            seldom = name in ("setup", "jacobian", "time_gradient")
            attributes = "nounwind noinline" if seldom or 5 * size > _MERGED else "nounwind alwaysinline"
            lanes.model_function(name, functions[name], attributes, prepared)
    if elimination is not None:
        entries = entries_of(model)
        attributes = "nounwind alwaysinline" if 6 * elimination.size <= _MERGED else "nounwind noinline"
        emit_lu(lanes, elimination, entries, tuple(model.mass.tolist()), attributes)
    writer = _Writer(lanes, model.n, "time_gradient" in functions, model.mass)
    if isinstance(method, RosenbrockTableau):
        writer.rosenbrock(method)
    else:
        assert isinstance(method, ExplicitTableau)
        writer.explicit(method)
    return prepared


class _Writer:
    """The lines of ``attempt``. Vectors are cut into pieces: (first double, number of doubles)."""

    def __init__(self, lanes: Lanes, n: int, timed: bool, mass: FloatArray) -> None:
        self.lanes, self.n, self.timed, self.mass = lanes, n, timed, mass
        self.lines: list[str] = []
        self.serial = 0
        width = lanes.lanes
        if width == 1 and n > _BY_COMPONENT:
            width = _VECTOR
        total = n * lanes.lanes
        self.pieces: list[tuple[int, int]] = []
        first = 0
        while first < total:
            while width > total - first:
                width //= 2
            self.pieces.append((first, width))
            first += width

    # ---- pieces ---------------------------------------------------------------------------------
    def name(self) -> str:
        self.serial += 1
        return f"%v{self.serial}"

    @staticmethod
    def kind(width: int) -> str:
        return "double" if width == 1 else f"<{width} x double>"

    def constant(self, value: float, width: int) -> str:
        bits = literal(value)
        return bits if width == 1 else f"splat (double {bits})"

    def load(self, pointer: str, first: int, width: int) -> str:
        name = self.name()
        self.lines.append(f"{name}.a = getelementptr inbounds double, ptr {pointer}, i64 {first}")
        self.lines.append(f"{name} = load {self.kind(width)}, ptr {name}.a, align 8")
        return name

    def store(self, value: str, pointer: str, first: int, width: int) -> None:
        name = self.name()
        self.lines.append(f"{name} = getelementptr inbounds double, ptr {pointer}, i64 {first}")
        self.lines.append(f"store {self.kind(width)} {value}, ptr {name}, align 8")

    def operate(self, op: str, a: str, b: str, width: int) -> str:
        name = self.name()
        self.lines.append(f"{name} = {op} contract {self.kind(width)} {a}, {b}")
        return name

    def plus_product(self, total: str, a: str, b: str, width: int) -> str:
        product = self.operate("fmul", a, b, width)
        return product if not total else self.operate("fadd", total, product, width)

    def combination(self, start: str, weights: FloatArray, first: int, width: int) -> str:
        """``start + sum_j weights_j k_j`` on one piece; "" for an empty sum without a start."""
        total = start
        for j, weight in enumerate(weights):
            if weight != 0.0:
                stage = self.load(f"%k{j}", first, width)
                total = self.plus_product(total, stage, self.constant(float(weight), width), width)
        return total

    def splat(self, value: str, width: int) -> str:
        """A number of the step (h, 1/h) as wide as a piece."""
        if width == self.lanes.lanes:
            return value
        name = self.name()
        kind = self.kind(width)
        self.lines.append(f"{name}.i = insertelement {kind} poison, double {value}, i64 0")
        zeros = f"<{width} x i32> zeroinitializer"
        self.lines.append(f"{name} = shufflevector {kind} {name}.i, {kind} poison, {zeros}")
        return name

    def splats(self, value: str) -> dict[int, str]:
        return {width: self.splat(value, width) for width in {width for _, width in self.pieces}}

    def mass_of(self, first: int, width: int) -> FloatArray:
        return np.repeat(self.mass, self.lanes.lanes)[first : first + width]

    def weights(self, values: FloatArray) -> str:
        """A vector of different constants."""
        bits = [f"double {literal(float(value))}" for value in values]
        return bits[0].removeprefix("double ") if len(bits) == 1 else f"<{', '.join(bits)}>"

    def call_rhs(self, t: str, out: str, u: str) -> None:
        self.lines.append(f"call void @rhs({self.lanes.type} {t}, ptr {out}, ptr {u}, ptr %p, ptr %w)")

    def finish(self, growth: str, stages: int) -> None:
        number = self.lanes.type
        head = [
            f"%k{j} = getelementptr inbounds double, ptr %k, i64 {j * self.n * self.lanes.lanes}"
            for j in range(stages)
        ]
        self.lanes.functions.append("\n".join([
            f"define internal {number} @attempt({number} %t, {number} %h, ptr noalias readonly %u, "
            "ptr noalias readonly %f0, ptr noalias readonly %jacobian, ptr noalias readonly %gradient, "
            "ptr noalias readonly %p, ptr noalias %w, ptr noalias %v, ptr noalias %error, ptr noalias %k, "
            "ptr noalias %y, ptr noalias %lu) nounwind {",
            *(f"  {line}" for line in head + self.lines), f"  ret {number} {growth}", "}",
        ]))  # fmt: skip

    # ---- methods --------------------------------------------------------------------------------
    def time_of_stage(self, c: float) -> str:
        number = self.lanes.type
        shift, name = self.name(), self.name()
        self.lines.append(f"{shift} = fmul contract {number} %h, {self.lanes.number(c)}")
        self.lines.append(f"{name} = fadd contract {number} %t, {shift}")
        return name

    def rosenbrock(self, method: RosenbrockTableau) -> None:
        s, number = method.stages, self.lanes.type
        table = method.table()
        gamma, c, d = float(table[0]), table[1 : 1 + s], table[1 + s : 1 + 2 * s]
        a, coupling = table[1 + 2 * s : -2 * s].reshape(2, s, s)
        m, e = table[-2 * s : -s], table[-s:]
        self.lines.append(f"%hg = fmul {number} %h, {self.lanes.number(gamma)}")
        self.lines.append(f"%scale = fdiv {number} {self.lanes.number(1.0)}, %hg")
        self.lines.append(f"%per = fdiv {number} {self.lanes.number(1.0)}, %h")
        self.lines.append(f"%growth = call {number} @factor({number} %scale, ptr %jacobian, ptr %lu)")
        per_step, step = self.splats("%per"), self.splats("%h")
        for i in range(s):
            coupled: dict[int, str] = {}
            if i > 0:
                for first, width in self.pieces:
                    u = self.load("%u", first, width)
                    self.store(self.combination(u, a[i, :i], first, width), "%y", first, width)
                    coupled[first] = self.combination("", coupling[i, :i], first, width)
                self.call_rhs(self.time_of_stage(float(c[i])), f"%k{i}", "%y")
            for first, width in self.pieces:
                value = self.load("%f0" if i == 0 else f"%k{i}", first, width)
                part, mass = coupled.get(first, ""), self.mass_of(first, width)
                if part and mass.any():
                    part = self.operate("fmul", part, per_step[width], width)
                    if mass.all():
                        value = self.operate("fadd", value, part, width)
                    else:
                        value = self.plus_product(value, part, self.weights(mass), width)
                if self.timed and d[i] != 0.0:
                    weight = self.operate("fmul", step[width], self.constant(float(d[i]), width), width)
                    value = self.plus_product(value, weight, self.load("%gradient", first, width), width)
                self.store(value, f"%k{i}", first, width)
            self.lines.append(f"call void @solve(ptr %lu, ptr %k{i})")
        self.ends(m, e, {})
        self.finish("%growth", s)

    def explicit(self, method: ExplicitTableau) -> None:
        s, table = method.stages, method.table()
        c, a = table[:s], table[s : s + s * s].reshape(s, s)
        b, e = table[s + s * s : 2 * s + s * s], table[2 * s + s * s : 3 * s + s * s]
        step = self.splats("%h")
        for first, width in self.pieces:
            self.store(self.load("%f0", first, width), "%k0", first, width)
        for i in range(1, s):
            target = "%v" if i == s - 1 and method.first_same_as_last else "%y"
            for first, width in self.pieces:
                total = self.combination("", a[i, :i], first, width)
                u = self.load("%u", first, width)
                self.store(self.plus_product(u, total, step[width], width), target, first, width)
            self.call_rhs(self.time_of_stage(float(c[i])), f"%k{i}", target)
        self.ends(np.zeros(0) if method.first_same_as_last else b, e, step)
        if method.second:
            second = table[3 * s + s * s :]
            for first, width in self.pieces:
                other = self.operate("fmul", self.combination("", second, first, width), step[width], width)
                self.store(other, "%y", first, width)
        self.finish(self.lanes.number(0.0), s)

    def ends(self, m: FloatArray, e: FloatArray, step: dict[int, str]) -> None:
        """The new state, unless it is there already, and the error estimate."""
        for first, width in self.pieces:
            if len(m):
                u = self.load("%u", first, width)
                if step:
                    total = self.combination("", m, first, width)
                    value = self.plus_product(u, total, step[width], width)
                else:
                    value = self.combination(u, m, first, width)
                self.store(value, "%v", first, width)
            error = self.combination("", e, first, width)
            if step:
                error = self.operate("fmul", error, step[width], width)
            self.store(error, "%error", first, width)


def _of_two_estimates(n: int) -> list[str]:
    """The error of `step_explicit` with TWO_ESTIMATES from the first in %error and the other in %y."""
    zero, one = literal(0.0), literal(1.0)
    return [
        f"%atol.p = getelementptr inbounds ptr, ptr %a, i64 {slot.ATOL}",
        "%atol = load ptr, ptr %atol.p, align 8",
        f"%rtol.p = getelementptr inbounds double, ptr %x, i64 {slot.RTOL}",
        "%rtol = load double, ptr %rtol.p, align 8",
        "br label %two",
        "two:",
        "%i = phi i64 [ 0, %begin ], [ %i.n, %two ]",
        f"%s1 = phi double [ {zero}, %begin ], [ %s1.n, %two ]",
        f"%s2 = phi double [ {zero}, %begin ], [ %s2.n, %two ]",
        *(
            line
            for name, array in (("ui", "u"), ("vi", "v"), ("ei", "error"), ("gi", "y"), ("ai", "atol"))
            for line in (
                f"%{name}.p = getelementptr inbounds double, ptr %{array}, i64 %i",
                f"%{name} = load double, ptr %{name}.p, align 8",
            )
        ),
        "%ui.a = call double @llvm.fabs.f64(double %ui)",
        "%vi.a = call double @llvm.fabs.f64(double %vi)",
        "%larger = fcmp ogt double %ui.a, %vi.a",
        "%size = select i1 %larger, double %ui.a, double %vi.a",
        "%size.r = fmul double %size, %rtol",
        "%scale = fadd double %size.r, %ai",
        "%e = fdiv double %ei, %scale",
        "%g = fdiv double %gi, %scale",
        "%e2 = fmul double %e, %e",
        "%g2 = fmul double %g, %g",
        "%s1.n = fadd double %s1, %e2",
        "%s2.n = fadd double %s2, %g2",
        "%i.n = add i64 %i, 1",
        f"%more = icmp ult i64 %i.n, {n}",
        "br i1 %more, label %two, label %both",
        "both:",
        f"%s2.w = fmul double %s2.n, {literal(0.01)}",
        "%sum = fadd double %s1.n, %s2.w",
        "%part = fdiv double %s1.n, %sum",
        "%root = call double @llvm.sqrt.f64(double %part)",
        f"%some = fcmp ogt double %s1.n, {zero}",
        f"%share = select i1 %some, double %root, double {one}",
        "br label %apply",
        "apply:",
        "%j = phi i64 [ 0, %both ], [ %j.n, %apply ]",
        "%ej.p = getelementptr inbounds double, ptr %error, i64 %j",
        "%ej = load double, ptr %ej.p, align 8",
        "%ej.n = fmul double %ej, %share",
        "store double %ej.n, ptr %ej.p, align 8",
        "%j.n = add i64 %j, 1",
        f"%rest = icmp ult i64 %j.n, {n}",
        "br i1 %rest, label %apply, label %end",
        "end:",
    ]


def scalar_step(method: Method, model: ModelFunctions, timed: bool) -> str:
    """``i64 step(i64 *a)``, in place of the kernel's step function, and ``rhs`` for the loop around it.

    Where the pivot order is a bad one for the present numbers, the kernel's own step is made, which pivots.
    """
    lines: list[str] = []

    def integer(name: str, where: int) -> str:
        lines.append(f"%{name}.p = getelementptr inbounds i64, ptr %a, i64 {where}")
        lines.append(f"%{name} = load i64, ptr %{name}.p, align 8")
        return f"%{name}"

    def pointer(name: str, where: int) -> None:
        lines.append(f"%{name}.p = getelementptr inbounds ptr, ptr %a, i64 {where}")
        lines.append(f"%{name} = load ptr, ptr %{name}.p, align 8")

    def number(name: str, where: int) -> None:
        lines.append(f"%{name}.p = getelementptr inbounds double, ptr %x, i64 {where}")
        lines.append(f"%{name} = load double, ptr %{name}.p, align 8")

    def count(name: str, where: int, by: int) -> None:
        integer(name, where)
        lines.append(f"%{name}.n = add i64 %{name}, {by}")
        lines.append(f"store i64 %{name}.n, ptr %{name}.p, align 8")

    pointers = {
        "x": slot.FLOATS, "u": slot.U, "v": slot.V, "y": slot.Y, "f0": slot.F0, "f1": slot.F1,
        "error": slot.ERROR, "gradient": slot.GT, "jacobian": slot.JACOBIAN_VALUES, "p": slot.P,
        "w": slot.WORK, "k": slot.STAGES, "lu": slot.FACTORS,
    }  # fmt: skip
    for name, where in pointers.items():
        pointer(name, where)
    number("t", slot.T)
    number("h", slot.H_STEP)
    implicit = method.family != "explicit"
    if implicit:
        integer("have", slot.HAVE_JACOBIAN)
        lines.append("%known = icmp ne i64 %have, 0")
        lines += ["br i1 %known, label %go, label %refresh", "refresh:"]
        lines.append("call void @jacobian(double %t, ptr %jacobian, ptr %u, ptr %p, ptr %w)")
        if timed:
            lines.append("call void @time_gradient(double %t, ptr %gradient, ptr %u, ptr %p, ptr %w)")
        lines.append("store i64 1, ptr %have.p, align 8")
        count("jacobians", slot.JACOBIANS, 1)
        lines += ["br label %go", "go:"]
        count("factorizations", slot.FACTORIZATIONS, 1)
    lines.append(
        "%growth = call double @attempt(double %t, double %h, ptr %u, ptr %f0, ptr %jacobian, ptr %gradient, "
        "ptr %p, ptr %w, ptr %v, ptr %error, ptr %k, ptr %y, ptr %lu)"
    )
    if isinstance(method, ExplicitTableau) and method.second:
        lines += ["br label %begin", "begin:", *_of_two_estimates(model.n)]
    count("calls", slot.RHS_CALLS, method.stages - 1)
    if implicit:
        count("solves", slot.SOLVES, method.stages)
        lines.append(f"%fine = fcmp ole double %growth, {literal(GROWTH)}")
        lines += ["br i1 %fine, label %done, label %pivot", "pivot:"]
        count("fallbacks", slot.FALLBACKS, 1)
        pointer("generic", slot.STEP_GENERIC)
        lines += ["%status = call i64 %generic(ptr %a)", "ret i64 %status", "done:"]
    have_f1 = f"%f1.h = getelementptr inbounds i64, ptr %a, i64 {slot.HAVE_F1}"
    lines.append(have_f1)
    if method.first_same_as_last:
        lines.append(f"%klast = getelementptr inbounds double, ptr %k, i64 {(method.stages - 1) * model.n}")
        lines.append(f"call void @llvm.memcpy.p0.p0.i64(ptr %f1, ptr %klast, i64 {8 * model.n}, i1 false)")
    lines.append(f"store i64 {int(method.first_same_as_last)}, ptr %f1.h, align 8")
    return "\n".join([
        "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)",
        "define i64 @step(ptr %a) nounwind {",
        *(line if line.endswith(":") else f"  {line}" for line in lines),
        f"  ret i64 {slot.OK}", "}", "",
        "define void @function(double %t, ptr noalias %out, ptr noalias %u, ptr noalias %p, ptr noalias %w)",
        "{",
        "  call void @rhs(double %t, ptr %out, ptr %u, ptr %p, ptr %w)", "  ret void", "}",
    ])  # fmt: skip
