"""LLVM text of the stepping loop on lanes: several trajectories at once, each with its own step size.

The step control is that of the scalar loop (`kernel.loop`), written with masks. The loop comes back whenever
a lane needs attention (`kernel.lanes`): what follows from an accepted step is done at the next entry.
"""

from __future__ import annotations

from symnum.codegen.lanes import Lanes
from symnum.codegen.model_functions import ModelFunctions
from symnum.solving.kernel import slot
from symnum.solving.method import Method

__all__ = ["lanes_functions"]

_GROWTH = 1e6  # as in the scalar step
_HUGE = 1e300
_LN2 = 0.6931471805599453
# log2((1+s)/(1-s)) = 2/ln 2 (s + s^3/3 + ...), and 2^r = sum (r ln 2)^k / k!: 1e-6 is plenty for step sizes
_LOG = tuple(2.0 / _LN2 / k for k in (1, 3, 5, 7, 9))
_EXP = tuple(_LN2**k / f for k, f in enumerate((1, 1, 2, 6, 24, 120, 720)))


class _Text:
    """Lines of one function on vectors."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes, self.lines, self.serial = lanes, list[str](), 0
        self.number, self.truth, self.count = lanes.type, lanes.truth, lanes.lanes
        self.integer = f"<{lanes.lanes} x i64>"

    def name(self) -> str:
        self.serial += 1
        return f"%n{self.serial}"

    def put(self, right: str) -> str:
        name = self.name()
        self.lines.append(f"{name} = {right}")
        return name

    def constant(self, value: float) -> str:
        return self.lanes.number(value)

    def op(self, op: str, a: str, b: str) -> str:
        return self.put(f"{op} contract {self.number} {a}, {b}")

    def compare(self, how: str, a: str, b: str) -> str:
        return self.put(f"fcmp {how} {self.number} {a}, {b}")

    def logic(self, op: str, a: str, b: str) -> str:
        return self.put(f"{op} {self.truth} {a}, {b}")

    def no(self, a: str) -> str:
        return self.logic("xor", a, "splat (i1 true)")

    def select(self, mask: str, a: str, b: str) -> str:
        return self.put(f"select {self.truth} {mask}, {self.number} {a}, {self.number} {b}")

    def absolute(self, a: str) -> str:
        symbol = f"llvm.fabs.v{self.count}f64"
        self.lanes.declare(self.number, symbol, self.number)
        return self.put(f"call {self.number} @{symbol}({self.number} {a})")

    def root(self, a: str) -> str:
        symbol = f"llvm.sqrt.v{self.count}f64"
        self.lanes.declare(self.number, symbol, self.number)
        return self.put(f"call {self.number} @{symbol}({self.number} {a})")

    def larger(self, a: str, b: str) -> str:
        return self.select(self.compare("ogt", a, b), a, b)

    def smaller(self, a: str, b: str) -> str:
        return self.select(self.compare("olt", a, b), a, b)

    def pointer(self, where: int) -> str:
        address = self.put(f"getelementptr inbounds ptr, ptr %e, i64 {where}")
        return self.put(f"load ptr, ptr {address}, align 8")

    def scalar(self, where: int) -> str:
        """One of the doubles of the run, in every lane."""
        address = self.put(f"getelementptr inbounds double, ptr %x, i64 {where}")
        return self.wide(self.put(f"load double, ptr {address}, align 8"))

    def wide(self, value: str) -> str:
        first = self.put(f"insertelement {self.number} poison, double {value}, i64 0")
        zeros = f"<{self.count} x i32> zeroinitializer"
        return self.put(f"shufflevector {self.number} {first}, {self.number} poison, {zeros}")

    def load(self, pointer: str, place: int = 0) -> str:
        address = self.put(f"getelementptr inbounds double, ptr {pointer}, i64 {place * self.count}")
        return self.put(f"load {self.number}, ptr {address}, align 8")

    def store(self, value: str, pointer: str, place: int = 0) -> None:
        address = self.put(f"getelementptr inbounds double, ptr {pointer}, i64 {place * self.count}")
        self.lines.append(f"store {self.number} {value}, ptr {address}, align 8")

    def log2(self, a: str) -> str:
        """Logarithm of positive normal numbers, to 1e-6."""
        bits = self.put(f"bitcast {self.number} {a} to {self.integer}")
        exponent = self.put(f"lshr {self.integer} {bits}, splat (i64 52)")
        shifted = self.put(f"sub {self.integer} {exponent}, splat (i64 1023)")
        whole = self.put(f"sitofp {self.integer} {shifted} to {self.number}")
        low = self.put(f"and {self.integer} {bits}, splat (i64 {(1 << 52) - 1})")
        one = self.put(f"or {self.integer} {low}, splat (i64 {1023 << 52})")
        mantissa = self.put(f"bitcast {self.integer} {one} to {self.number}")
        above = self.op("fsub", mantissa, self.constant(1.0))
        below = self.op("fadd", mantissa, self.constant(1.0))
        s = self.op("fdiv", above, below)
        square = self.op("fmul", s, s)
        total = self.constant(_LOG[-1])
        for coefficient in _LOG[-2::-1]:
            total = self.op("fadd", self.op("fmul", total, square), self.constant(coefficient))
        return self.op("fadd", whole, self.op("fmul", s, total))

    def exp2(self, a: str) -> str:
        """2^a for |a| up to some hundred, to 1e-6."""
        symbol = f"llvm.rint.v{self.count}f64"
        self.lanes.declare(self.number, symbol, self.number)
        whole = self.put(f"call {self.number} @{symbol}({self.number} {a})")
        rest = self.op("fsub", a, whole)
        total = self.constant(_EXP[-1])
        for coefficient in _EXP[-2::-1]:
            total = self.op("fadd", self.op("fmul", total, rest), self.constant(coefficient))
        exponent = self.put(f"fptosi {self.number} {whole} to {self.integer}")
        biased = self.put(f"add {self.integer} {exponent}, splat (i64 1023)")
        bits = self.put(f"shl {self.integer} {biased}, splat (i64 52)")
        return self.op("fmul", total, self.put(f"bitcast {self.integer} {bits} to {self.number}"))


_POINTERS = {
    "u": slot.L_U, "v": slot.L_V, "y": slot.L_Y, "f0": slot.L_F0, "f1": slot.L_F1, "error": slot.L_ERROR,
    "gradient": slot.L_GRADIENT, "jacobian": slot.L_JACOBIAN, "p": slot.L_P, "w": slot.L_WORK,
    "k": slot.L_K, "lu": slot.L_LU, "atol": slot.L_ATOL, "t": slot.L_T, "fresh": slot.L_FRESH,
    "h": slot.L_H, "step": slot.L_STEP, "t1": slot.L_T1, "next": slot.L_NEXT, "before": slot.L_BEFORE,
    "shrunk": slot.L_SHRUNK, "accepted": slot.L_ACCEPTED, "active": slot.L_ACTIVE, "taken": slot.L_TAKEN,
    "refused": slot.L_REFUSED, "attention": slot.L_ATTENTION, "x": slot.L_FLOATS,
}  # fmt: skip


def _head(names: tuple[str, ...]) -> list[str]:
    lines = []
    for name in names:
        lines.append(f"%{name}.a = getelementptr inbounds ptr, ptr %e, i64 {_POINTERS[name]}")
        lines.append(f"%{name} = load ptr, ptr %{name}.a, align 8")
    return lines


def _begin(method: Method, model: ModelFunctions, lanes: Lanes) -> str:
    """``lanes_begin``: setup, f at the start and the first step size of the lanes that are FRESH.

    The step size is that of the scalar loop (`kernel.loop.first_step`; Hairer, Norsett & Wanner, Solving ODEs
    I, II.4). ATTENTION is `slot.L_BAD_VALUE` for those of them where f is not finite.
    """
    text = _Text(lanes)
    number, n = lanes.type, model.n
    names = ("u", "y", "f0", "f1", "error", "jacobian", "p", "w", "atol", "t", "h", "fresh", "attention", "x")
    text.lines += _head(names)
    begin, end, rtol = (text.scalar(where) for where in (slot.L_BEGIN, slot.L_END, slot.L_RTOL))
    t = text.load("%t")
    text.lines.append(f"call void @setup({number} {t}, ptr %jacobian, ptr %u, ptr %p, ptr %w)")
    text.lines.append(f"call void @rhs({number} {t}, ptr %f1, ptr %u, ptr %p, ptr %w)")
    span = text.op("fsub", end, begin)
    u = [text.load("%u", i) for i in range(n)]
    f = [text.load("%f1", i) for i in range(n)]
    weights = [
        text.op("fadd", text.load("%atol", i), text.op("fmul", rtol, text.absolute(u[i]))) for i in range(n)
    ]

    def size_of(values: list[str], prefix: str) -> str:
        scaled = [text.op("fdiv", value, weight) for value, weight in zip(values, weights, strict=True)]
        squares = [text.op("fmul", value, value) for value in scaled]
        mean = text.op("fmul", lanes.tree(text.lines, prefix, squares), text.constant(1.0 / n))
        return text.root(mean)

    d0, d1 = size_of(u, "%first"), size_of(f, "%second")
    tiny, thousandth = text.constant(1e-5), text.op("fmul", text.constant(1e-3), span)
    both = text.logic("and", text.compare("oge", d0, tiny), text.compare("oge", d1, tiny))
    h = text.op("fmul", text.constant(0.01), text.op("fdiv", d0, d1))
    h = text.select(both, h, text.constant(1e-6))
    h = text.select(text.compare("olt", d1, tiny), text.larger(h, thousandth), h)
    h = text.smaller(h, span)
    for i in range(n):
        text.store(text.op("fadd", u[i], text.op("fmul", h, f[i])), "%y", i)
    probe = text.op("fadd", t, h)
    text.lines.append(f"call void @rhs({number} {probe}, ptr %error, ptr %y, ptr %p, ptr %w)")
    change = [text.op("fsub", text.load("%error", i), f[i]) for i in range(n)]
    top = text.larger(d1, text.op("fdiv", size_of(change, "%third"), h))
    bounded = text.smaller(text.larger(top, text.constant(1e-15)), text.constant(_HUGE))
    power = text.log2(text.op("fdiv", text.constant(0.01), bounded))
    found = text.exp2(text.op("fmul", power, text.constant(1.0 / method.error_power)))
    hundred, millionth = text.op("fmul", text.constant(100.0), h), text.op("fmul", text.constant(1e-6), span)
    slow = text.larger(millionth, text.op("fmul", text.constant(1e-3), h))
    found = text.select(text.compare("ole", top, text.constant(1e-15)), slow, found)
    found = text.smaller(hundred, found)
    finite = text.compare("ole", top, text.constant(_HUGE))
    h = text.select(finite, found, text.smaller(h, millionth))
    asked, zero = text.scalar(slot.L_FIRST_STEP), text.constant(0.0)
    h = text.select(text.compare("ogt", asked, zero), text.smaller(asked, span), h)

    fresh = text.compare("une", text.load("%fresh"), zero)
    text.store(text.select(fresh, h, text.load("%h")), "%h")
    for i in range(n):
        text.store(text.select(fresh, f[i], text.load("%f0", i)), "%f0", i)
    wrong = lanes.tree(text.lines, "%fourth", [text.op("fsub", value, value) for value in f])
    code = text.select(text.compare("oeq", wrong, zero), zero, text.constant(slot.L_BAD_VALUE))
    text.store(text.select(fresh, code, text.load("%attention")), "%attention")
    return "\n".join([
        "define i64 @lanes_begin(ptr %e) nounwind {", *(f"  {line}" for line in text.lines), "  ret i64 0",
        "}",
    ])  # fmt: skip


def lanes_functions(method: Method, model: ModelFunctions, timed: bool, lanes: Lanes) -> None:
    """Add ``lanes_begin`` and ``lanes_run``, each ``i64 f(i64 *e)``, to a module that has ``attempt``."""
    text = _Text(lanes)
    number, n = lanes.type, model.n
    controller, order = method.controller, method.error_power
    text.lines += _head(tuple(_POINTERS))
    end, rtol, max_step = text.scalar(slot.L_END), text.scalar(slot.L_RTOL), text.scalar(slot.L_MAX_STEP)
    most_address = text.put(f"getelementptr inbounds i64, ptr %e, i64 {slot.L_MAX_STEPS}")
    most = text.wide(text.put(f"sitofp i64 {text.put(f'load i64, ptr {most_address}, align 8')} to double"))
    text.lines += ["br label %again", "again:"]
    zero, one = text.constant(0.0), text.constant(1.0)

    # the steps that were accepted in the last round
    taken = text.compare("une", text.load("%accepted"), zero)
    for i in range(n):
        text.store(text.select(taken, text.load("%v", i), text.load("%u", i)), "%u", i)
    t = text.select(taken, text.load("%t1"), text.load("%t"))
    text.store(t, "%t")
    if method.first_same_as_last:
        last_stage = (method.stages - 1) * n
        for i in range(n):
            text.store(text.select(taken, text.load("%k", last_stage + i), text.load("%f0", i)), "%f0", i)
    else:
        text.lines.append(f"call void @rhs({number} {t}, ptr %f0, ptr %u, ptr %p, ptr %w)")
    if method.family != "explicit":
        text.lines.append(f"call void @jacobian({number} {t}, ptr %jacobian, ptr %u, ptr %p, ptr %w)")
        if timed:
            text.lines.append(
                f"call void @time_gradient({number} {t}, ptr %gradient, ptr %u, ptr %p, ptr %w)"
            )

    # the step
    active = text.compare("une", text.load("%active"), zero)
    shrunk = text.compare("une", text.load("%shrunk"), zero)
    proposed = text.load("%h")
    h = text.smaller(proposed, max_step)
    remaining = text.op("fsub", end, t)
    last = text.compare("oge", text.op("fmul", h, text.constant(1.001)), remaining)
    h = text.select(last, remaining, h)
    moved = text.compare("ogt", text.op("fadd", t, text.op("fmul", h, text.constant(0.1))), t)
    fresh_last = text.logic("and", last, text.no(shrunk))
    stuck = text.no(text.logic("or", moved, fresh_last))
    text.store(h, "%step")
    growth = text.put(
        f"call {number} @attempt({number} {t}, {number} {h}, ptr %u, ptr %f0, ptr %jacobian, ptr %gradient, "
        "ptr %p, ptr %w, ptr %v, ptr %error, ptr %k, ptr %y, ptr %lu)"
    )
    badly = text.no(text.compare("ole", growth, text.constant(_GROWTH)))

    # its error: q is the mean square, so that no root is needed
    squares = []
    for i in range(n):
        v = text.load("%v", i)
        size = text.larger(text.absolute(text.load("%u", i)), text.absolute(v))
        weight = text.op("fadd", text.load("%atol", i), text.op("fmul", rtol, size))
        scaled = text.op("fdiv", text.load("%error", i), weight)
        square = text.op("fmul", scaled, scaled)
        squares.append(text.op("fadd", square, text.op("fsub", v, v)))
    q = text.op("fmul", lanes.tree(text.lines, "%sum", squares), text.constant(1.0 / n))
    finite = text.compare("ole", q, text.constant(_HUGE))
    accepted = text.compare("ole", q, one)
    accepted = text.logic("and", text.logic("and", accepted, active), text.no(text.logic("or", stuck, badly)))
    bounded = text.smaller(text.larger(q, text.constant(1e-40)), text.constant(1e40))
    bounded = text.select(finite, bounded, one)
    size = text.op("fmul", text.constant(0.5), text.log2(bounded))  # log2 of the error
    before = text.load("%before")

    # what follows for the next step
    safety, shrink, grow = (text.constant(v) for v in (controller.safety, controller.shrink, controller.grow))
    exponent = text.op("fmul", size, text.constant(-controller.now / order))
    if controller.before > 0.0:
        exponent = text.op(
            "fadd", exponent, text.op("fmul", before, text.constant(controller.before / order))
        )
    exponent = text.select(accepted, exponent, text.op("fmul", size, text.constant(-1.0 / order)))
    factor = text.larger(shrink, text.op("fmul", safety, text.exp2(exponent)))
    change = text.smaller(grow, factor)
    change = text.select(shrunk, text.smaller(change, one), change)
    longer = text.op("fmul", h, change)
    nothing_learnt = text.logic("and", fresh_last, text.compare("olt", longer, proposed))
    after = text.select(nothing_learnt, proposed, longer)
    back = text.select(finite, factor, text.constant(0.25))
    text.store(text.select(accepted, after, text.op("fmul", h, back)), "%h")
    learnt = text.logic("and", accepted, text.no(nothing_learnt))
    floor = text.larger(size, text.constant(-13.287712379549449))  # an error of 1e-4
    text.store(text.select(learnt, floor, before), "%before")
    text.store(text.select(accepted, zero, one), "%shrunk")
    t1 = text.select(last, end, text.op("fadd", t, h))
    text.store(t1, "%t1")
    done = text.select(accepted, one, zero)
    text.store(done, "%accepted")
    steps = text.op("fadd", text.load("%taken"), done)
    refused = text.op("fadd", text.load("%refused"), text.op("fsub", one, done))
    text.store(steps, "%taken")
    text.store(refused, "%refused")

    # does a lane need attention?
    crossed = text.logic("and", accepted, text.compare("oge", t1, text.load("%next")))
    many = text.compare("oge", text.op("fadd", steps, refused), most)
    code = text.select(many, text.constant(slot.L_TOO_MANY), zero)
    code = text.select(crossed, text.constant(slot.L_CROSSED), code)
    why = text.select(finite, text.constant(slot.L_TOO_SMALL), text.constant(slot.L_BAD_VALUE))
    code = text.select(stuck, why, code)
    code = text.select(badly, text.constant(slot.L_PIVOT), code)
    code = text.select(active, code, zero)
    text.store(code, "%attention")
    wanted = text.compare("une", code, zero)
    bits = text.put(f"bitcast {text.truth} {wanted} to i{text.count}")
    quiet = text.put(f"icmp eq i{text.count} {bits}, 0")
    text.lines.append(f"br i1 {quiet}, label %again, label %back")
    body = [line if line.endswith(":") else f"  {line}" for line in text.lines]
    run = "\n".join([
        "define i64 @lanes_run(ptr %e) nounwind {", "entry:", *body, "back:", "  ret i64 0", "}",
    ])  # fmt: skip
    lanes.functions += [_begin(method, model, lanes), run]
