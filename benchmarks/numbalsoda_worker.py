"""numbalsoda's side of `ensemble.py` and `stiff_small.py`: one problem and one solver in a process.

    python numbalsoda_worker.py PROBLEM SOLVER

Reads lines of JSON {"tolerance": ..., "repeat": ..., "states": true/false}, answers with CPU seconds of one
run and, if asked, the states at the end. Ensembles run in one compiled loop on one thread.
"""

import json
import sys
import time

import numba as nb
import numbalsoda
import numpy as np

MEMBERS = 10_000


def lorenz(t, y, d, p):
    d[0] = 10.0 * (y[1] - y[0])
    d[1] = y[0] * (p[0] - y[2]) - y[1]
    d[2] = y[0] * y[1] - 8.0 / 3.0 * y[2]


def robertson(t, y, d, p):
    d[0] = -p[0] * y[0] + 1e4 * y[1] * y[2]
    d[1] = p[0] * y[0] - 1e4 * y[1] * y[2] - 3e7 * y[1] * y[1]
    d[2] = 3e7 * y[1] * y[1]


def van_der_pol(t, y, d, p):
    d[0] = y[1]
    d[1] = ((1.0 - y[0] * y[0]) * y[1] - y[0]) / p[0]


def hires(t, y, d, p):
    v = 280.0 * y[5] * y[7]
    d[0] = -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007
    d[1] = 1.71 * y[0] - 8.75 * y[1]
    d[2] = -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4]
    d[3] = 8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3]
    d[4] = -1.745 * y[4] + 0.43 * y[5] + 0.43 * y[6]
    d[5] = -v + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6]
    d[6] = v - 1.81 * y[6]
    d[7] = -v + 1.81 * y[6]


def pollu(t, y, d, p):
    r1, r2, r3, r4 = 0.35 * y[0], 26.6 * y[1] * y[3], 1.23e4 * y[4] * y[1], 8.6e-4 * y[6]
    r5, r6, r7, r8 = 8.2e-4 * y[6], 1.5e4 * y[6] * y[5], 1.3e-4 * y[8], 2.4e4 * y[8] * y[5]
    r9, r10, r11, r12 = 1.65e4 * y[10] * y[1], 9e3 * y[10] * y[0], 0.022 * y[12], 1.2e4 * y[9] * y[1]
    r13, r14, r15, r16 = 1.88 * y[13], 1.63e4 * y[0] * y[5], 4.8e6 * y[2], 3.5e-4 * y[3]
    r17, r18, r19, r20 = 0.0175 * y[3], 1e8 * y[15], 4.44e11 * y[15], 1240.0 * y[16] * y[5]
    r21, r22, r23, r24 = 2.1 * y[18], 5.78 * y[18], 0.0474 * y[0] * y[3], 1780.0 * y[18] * y[0]
    r25 = 3.12 * y[19]
    d[0] = -r1 - r10 - r14 - r23 - r24 + r2 + r3 + r9 + r11 + r12 + r22 + r25
    d[1] = -r2 - r3 - r9 - r12 + r1 + r21
    d[2] = -r15 + r1 + r17 + r19 + r22
    d[3] = -r2 - r16 - r17 - r23 + r15
    d[4] = -r3 + r4 + r4 + r6 + r7 + r13 + r20
    d[5] = -r6 - r8 - r14 - r20 + r3 + r18 + r18
    d[6] = -r4 - r5 - r6 + r13
    d[7] = r4 + r5 + r6 + r7
    d[8] = -r7 - r8
    d[9] = -r12 + r7 + r9
    d[10] = -r9 - r10 + r8 + r11
    d[11] = r9
    d[12] = -r11 + r10
    d[13] = -r13 + r12
    d[14] = r14
    d[15] = -r18 - r19 + r16
    d[16] = -r20
    d[17] = r20
    d[18] = -r21 - r22 - r24 + r23 + r25
    d[19] = -r25 + r24


POLLU = np.zeros(20)
POLLU[[1, 3, 6, 7, 8, 16]] = 0.2, 0.04, 0.1, 0.3, 0.01, 0.007
# right-hand side, start, end, size for atol = tolerance * size, values of the parameter (an ensemble) or None
PROBLEMS = {
    "lorenz": (lorenz, np.array([1.0, 0, 0]), 1.0, 1.0, np.linspace(0.0, 21.0, MEMBERS)),
    "robertson": (robertson, np.array([1.0, 0, 0]), 1e5, 1e-8, np.linspace(0.02, 0.08, MEMBERS)),
    "van_der_pol": (van_der_pol, np.array([2.0, 0]), 11.0, 1.0, np.geomspace(1e-6, 1.0, 20_000)[::10]),
    "hires": (hires, np.array([1.0, 0, 0, 0, 0, 0, 0, 0.0057]), 321.8122, 1e-6, None),
    "pollu": (pollu, POLLU, 60.0, 1e-6, None),
}  # fmt: skip


def main() -> None:
    function, start, end, size, values = PROBLEMS[sys.argv[1]]
    solver, n = getattr(numbalsoda, sys.argv[2]), len(start)
    body = nb.njit(function)

    @nb.cfunc(numbalsoda.lsoda_sig)
    def rhs(t, u, du, p):
        body(t, nb.carray(u, (n,)), nb.carray(du, (n,)), nb.carray(p, (1,)))

    address, times = rhs.address, np.array([0.0, end])

    @nb.njit
    def ensemble(values, rtol, atol):
        out = np.empty((len(values), n))
        for k in range(len(values)):
            p = np.empty(1)
            p[0] = values[k]
            found, _ = solver(address, start, times, p, rtol, atol)
            out[k] = found[-1]
        return out

    def run(tolerance):
        if values is not None:
            return ensemble(values, tolerance, tolerance * size)
        return solver(address, start, times, rtol=tolerance, atol=tolerance * size)[0][-1:]

    for line in sys.stdin:
        wanted = json.loads(line)
        states = run(wanted["tolerance"])
        began = time.process_time()
        for _ in range(wanted["repeat"]):
            run(wanted["tolerance"])
        answer = {"seconds": (time.process_time() - began) / wanted["repeat"]}
        if wanted["states"]:
            answer["final"] = states.tolist()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
