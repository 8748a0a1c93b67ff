"""The discrete Fourier transform along the axes of a grid. Kernel code: see `pointers`.

Stockham's form of the fast transform: every pass takes one factor of the length and leaves its results in
order, so that nothing has to be permuted (Van Loan, Computational Frameworks for the Fast Fourier Transform,
SIAM 1992, section 1.7). Factors 4, 2, 3 and 5 have passes of their own; others take a sum over all.
"""

from __future__ import annotations

from symnum.solving.kernel import modal_slot as slot
from symnum.solving.kernel.pointers import Floats, Integers, at, compiled, floats, integers

__all__ = ["transform"]

SIN_60 = 0.8660254037844386
COS_72, COS_144 = 0.30901699437494745, -0.8090169943749475
SIN_72, SIN_144 = 0.9510565162951535, 0.5877852522924731


@compiled
def pass_two(m: int, s: int, w: Floats, x: Floats, xi: Floats, y: Floats, yi: Floats) -> None:
    for p in range(m):
        c = w[2 * p]
        d = w[2 * p + 1]
        i0 = s * p
        i1 = s * (p + m)
        o0 = s * 2 * p
        o1 = o0 + s
        for q in range(s):
            ar = x[i0 + q]
            ai = xi[i0 + q]
            br = x[i1 + q]
            bi = xi[i1 + q]
            y[o0 + q] = ar + br
            yi[o0 + q] = ai + bi
            dr = ar - br
            di = ai - bi
            y[o1 + q] = c * dr - d * di
            yi[o1 + q] = c * di + d * dr


@compiled
def pass_four(m: int, s: int, w: Floats, x: Floats, xi: Floats, y: Floats, yi: Floats) -> None:
    for p in range(m):
        c1 = w[6 * p]
        d1 = w[6 * p + 1]
        c2 = w[6 * p + 2]
        d2 = w[6 * p + 3]
        c3 = w[6 * p + 4]
        d3 = w[6 * p + 5]
        i0 = s * p
        i1 = i0 + s * m
        i2 = i1 + s * m
        i3 = i2 + s * m
        o0 = s * 4 * p
        o1 = o0 + s
        o2 = o1 + s
        o3 = o2 + s
        for q in range(s):
            er = x[i0 + q] + x[i2 + q]
            ei = xi[i0 + q] + xi[i2 + q]
            fr = x[i0 + q] - x[i2 + q]
            fi = xi[i0 + q] - xi[i2 + q]
            gr = x[i1 + q] + x[i3 + q]
            gi = xi[i1 + q] + xi[i3 + q]
            hr = x[i1 + q] - x[i3 + q]
            hi = xi[i1 + q] - xi[i3 + q]
            y[o0 + q] = er + gr
            yi[o0 + q] = ei + gi
            # times -i: (hr + i hi)(-i) = hi - i hr
            ar = fr + hi
            ai = fi - hr
            y[o1 + q] = c1 * ar - d1 * ai
            yi[o1 + q] = c1 * ai + d1 * ar
            ar = er - gr
            ai = ei - gi
            y[o2 + q] = c2 * ar - d2 * ai
            yi[o2 + q] = c2 * ai + d2 * ar
            ar = fr - hi
            ai = fi + hr
            y[o3 + q] = c3 * ar - d3 * ai
            yi[o3 + q] = c3 * ai + d3 * ar


@compiled
def pass_three(m: int, s: int, w: Floats, x: Floats, xi: Floats, y: Floats, yi: Floats) -> None:
    for p in range(m):
        c1 = w[4 * p]
        d1 = w[4 * p + 1]
        c2 = w[4 * p + 2]
        d2 = w[4 * p + 3]
        i0 = s * p
        i1 = i0 + s * m
        i2 = i1 + s * m
        o0 = s * 3 * p
        o1 = o0 + s
        o2 = o1 + s
        for q in range(s):
            er = x[i1 + q] + x[i2 + q]
            ei = xi[i1 + q] + xi[i2 + q]
            fr = SIN_60 * (xi[i1 + q] - xi[i2 + q])
            fi = SIN_60 * (x[i2 + q] - x[i1 + q])
            gr = x[i0 + q] - 0.5 * er
            gi = xi[i0 + q] - 0.5 * ei
            y[o0 + q] = x[i0 + q] + er
            yi[o0 + q] = xi[i0 + q] + ei
            ar = gr + fr
            ai = gi + fi
            y[o1 + q] = c1 * ar - d1 * ai
            yi[o1 + q] = c1 * ai + d1 * ar
            ar = gr - fr
            ai = gi - fi
            y[o2 + q] = c2 * ar - d2 * ai
            yi[o2 + q] = c2 * ai + d2 * ar


@compiled
def pass_five(m: int, s: int, w: Floats, x: Floats, xi: Floats, y: Floats, yi: Floats) -> None:
    for p in range(m):
        v = at(w, 8 * p)
        i0 = s * p
        i1 = i0 + s * m
        i2 = i1 + s * m
        i3 = i2 + s * m
        i4 = i3 + s * m
        o0 = s * 5 * p
        for q in range(s):
            ar = x[i1 + q] + x[i4 + q]
            ai = xi[i1 + q] + xi[i4 + q]
            br = x[i2 + q] + x[i3 + q]
            bi = xi[i2 + q] + xi[i3 + q]
            cr = x[i1 + q] - x[i4 + q]
            ci = xi[i1 + q] - xi[i4 + q]
            dr = x[i2 + q] - x[i3 + q]
            di = xi[i2 + q] - xi[i3 + q]
            y[o0 + q] = x[i0 + q] + ar + br
            yi[o0 + q] = xi[i0 + q] + ai + bi
            er = x[i0 + q] + COS_72 * ar + COS_144 * br
            ei = xi[i0 + q] + COS_72 * ai + COS_144 * bi
            fr = x[i0 + q] + COS_144 * ar + COS_72 * br
            fi = xi[i0 + q] + COS_144 * ai + COS_72 * bi
            gr = SIN_72 * ci + SIN_144 * di
            gi = -(SIN_72 * cr + SIN_144 * dr)
            hr = SIN_144 * ci - SIN_72 * di
            hi = -(SIN_144 * cr - SIN_72 * dr)
            ur = er + gr
            ui = ei + gi
            y[o0 + s + q] = v[0] * ur - v[1] * ui
            yi[o0 + s + q] = v[0] * ui + v[1] * ur
            ur = fr + hr
            ui = fi + hi
            y[o0 + 2 * s + q] = v[2] * ur - v[3] * ui
            yi[o0 + 2 * s + q] = v[2] * ui + v[3] * ur
            ur = fr - hr
            ui = fi - hi
            y[o0 + 3 * s + q] = v[4] * ur - v[5] * ui
            yi[o0 + 3 * s + q] = v[4] * ui + v[5] * ur
            ur = er - gr
            ui = ei - gi
            y[o0 + 4 * s + q] = v[6] * ur - v[7] * ui
            yi[o0 + 4 * s + q] = v[6] * ui + v[7] * ur


@compiled
def pass_any(r: int, m: int, s: int, w: Floats, x: Floats, xi: Floats, y: Floats, yi: Floats) -> None:
    """y_k = w^(pk) sum_j x_j exp(-2 pi i j k / r); the roots of one follow the twiddles."""
    unit = at(w, 2 * m * (r - 1))
    for p in range(m):
        for k in range(r):
            c = 1.0
            d = 0.0
            if k > 0:
                c = w[2 * (p * (r - 1) + k - 1)]
                d = w[2 * (p * (r - 1) + k - 1) + 1]
            out = s * (r * p + k)
            for q in range(s):
                ar = 0.0
                ai = 0.0
                place = 0
                for j in range(r):
                    e = unit[2 * place]
                    f = unit[2 * place + 1]
                    br = x[s * (p + m * j) + q]
                    bi = xi[s * (p + m * j) + q]
                    ar += e * br - f * bi
                    ai += e * bi + f * br
                    place += k
                    if place >= r:
                        place -= r
                y[out + q] = c * ar - d * ai
                yi[out + q] = c * ai + d * ar


@compiled
def along(axis: Integers, x: Floats, xi: Floats, y: Floats, yi: Floats) -> bool:
    """Transform one line of an axis with all points behind it; True when the result is in y."""
    length = axis[slot.X_LENGTH]
    s = axis[slot.X_BEHIND]
    factors = integers(axis[slot.X_FACTORS])
    w = floats(axis[slot.X_TWIDDLES])
    moved = False
    for k in range(axis[slot.X_FACTOR_COUNT]):
        r = factors[k]
        m = length // r
        a = y if moved else x
        ai = yi if moved else xi
        b = x if moved else y
        bi = xi if moved else yi
        size = 2 * m * (r - 1)
        if r == 4:
            pass_four(m, s, w, a, ai, b, bi)
        elif r == 2:
            pass_two(m, s, w, a, ai, b, bi)
        elif r == 3:
            pass_three(m, s, w, a, ai, b, bi)
        elif r == 5:
            pass_five(m, s, w, a, ai, b, bi)
        else:
            pass_any(r, m, s, w, a, ai, b, bi)
            size += 2 * r
        w = at(w, size)
        moved = not moved
        length = m
        s *= r
    return moved


@compiled
def transform(a: Integers, re: Floats, im: Floats) -> None:
    """sum_j z_j exp(-2 pi i j k / n) along all axes, in place; re and im exchanged: n times the inverse."""
    n = a[slot.M_POINTS]
    y = floats(a[slot.M_SCRATCH])
    yi = at(y, n)
    table = integers(a[slot.M_AXIS_TABLE])
    for k in range(a[slot.M_AXES]):
        axis = table_row(table, k)
        line = axis[slot.X_LENGTH] * axis[slot.X_BEHIND]
        for j in range(axis[slot.X_BEFORE]):
            first = j * line
            if along(axis, at(re, first), at(im, first), at(y, first), at(yi, first)):
                for i in range(first, first + line):
                    re[i] = y[i]
                    im[i] = yi[i]


@compiled
def table_row(table: Integers, k: int) -> Integers:
    return integers(table[k])
