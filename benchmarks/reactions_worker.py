"""The peers of `reactions.py`: one program on one problem in a process.

    python reactions_worker.py PROGRAM PROBLEM DATA [TOLERANCE]

With a tolerance: from the file to the result once; the states at the end go to standard output. Without one:
reads lines of JSON {"tolerance": ..., "repeat": ..., "states": true/false}, answers with CPU seconds of one
solve and, if asked, the states and what they took ("once"). What peers need besides the files (a reader of
``.net`` files, compiled right-hand sides and Jacobians, SBML) is made here; networks are of mass action with
up to two reactants.
"""

import json
import math
import sys
import time
from pathlib import Path

import numpy as np

FOLDERS = {"egfr": "egfr_net", "bcr": "bcr"}
ENDS = {"egfr": 10.0, "bcr": 1e4}


class Network:
    """Tables of a network: k, reactants a and b (-1: none), and what each reaction changes."""

    def __init__(self, path):
        sections, lines = {}, None
        for raw in path.read_text().splitlines():
            line = raw.partition("#")[0].strip()
            if line.startswith("begin "):
                lines = sections.setdefault(line[6:], [])
            elif line.startswith("end "):
                lines = None
            elif line and lines is not None:
                lines.append(line.split(None, 3))
        known = {name: getattr(math, name) for name in ("exp", "log", "sqrt", "pi")}
        for _, name, *text in sections["parameters"]:
            known[name] = eval(" ".join(text).replace("^", "**"), {}, known)
        self.names = [f"S{i}" for i in range(len(sections["species"]))]
        self.start = np.array([float(eval(line[2], {}, known)) for line in sections["species"]])
        k, a, b, changes = [], [], [], []
        for j, (_, left, right, rate) in enumerate(sections["reactions"]):
            before = [int(i) - 1 for i in left.split(",") if i != "0"]
            after = [int(i) - 1 for i in right.split(",") if i != "0"]
            k.append(float(eval(rate, {}, known)))
            a.append(before[0])
            b.append(before[1] if len(before) > 1 else -1)
            for sign, side in ((-1.0, before), (1.0, after)):
                changes += [(i, j, sign) for i in side]
        self.k, self.a, self.b = np.array(k), np.array(a), np.array(b)
        i, j, sign = (np.array(column) for column in zip(*changes, strict=True))
        merged = summed(i.astype(int), j.astype(int), sign, len(k))
        self.i, self.j, self.count = merged
        self.n = len(self.names)


def summed(row, column, value, columns):
    """The entries of a sparse table by rows, those of one place added up, without zeros."""
    key, where = np.unique(row * columns + column, return_inverse=True)
    total = np.bincount(where, value)
    kept = total != 0
    return key[kept] // columns, key[kept] % columns, total[kept]


def compiled(network):
    """Right-hand side and entries of the Jacobian, rows and column starts of these, and scratch of both."""
    from numba import njit

    n, k, a, b = network.n, network.k, network.a, network.b
    start = np.searchsorted(network.i, np.arange(n + 1))
    index, count = network.j, network.count
    # an entry of the Jacobian sums count * partial derivative: by a, then (behind) by b
    two = np.flatnonzero(b >= 0)
    place = np.full(len(k), -1)
    place[two] = len(k) + np.arange(len(two))
    second = b[network.j] >= 0
    row = np.concatenate([network.i, network.i[second]])
    column = np.concatenate([a[network.j], b[network.j][second]])
    value = np.concatenate([network.j, place[network.j][second]])
    weight = np.concatenate([network.count, network.count[second]])
    keys, entry = np.unique(column * n + row, return_inverse=True)
    order = np.argsort(entry, kind="stable")
    entry_start = np.searchsorted(entry[order], np.arange(len(keys) + 1))
    value, weight = value[order], weight[order]
    rows, columns = (keys % n).astype(np.int32), keys // n
    indptr = np.searchsorted(columns, np.arange(n + 1)).astype(np.int32)

    @njit
    def f(t, y, out, rates):
        for j in range(len(k)):
            r = k[j] * y[a[j]]
            if b[j] >= 0:
                r *= y[b[j]]
            rates[j] = r
        for i in range(n):
            total = 0.0
            for e in range(start[i], start[i + 1]):
                total += count[e] * rates[index[e]]
            out[i] = total

    @njit
    def entries(t, y, out, partials):
        for j in range(len(k)):
            partials[j] = k[j] * (y[b[j]] if b[j] >= 0 else 1.0)
            if b[j] >= 0:
                partials[place[j]] = k[j] * y[a[j]]
        for e in range(len(rows)):
            total = 0.0
            for m in range(entry_start[e], entry_start[e + 1]):
                total += weight[m] * partials[value[m]]
            out[e] = total

    return f, entries, rows, indptr, np.zeros(len(k)), np.zeros(len(k) + len(two))


def network_of(problem, data):
    folder = FOLDERS[problem]
    return Network(data / "bng_net" / folder / f"{folder}.net")


def cvode(problem, data, linear):
    from scipy.sparse import csc_matrix
    from sksundae.cvode import CVODE

    network = network_of(problem, data)
    f, entries, rows, indptr, rates, partials = compiled(network)
    n = network.n
    columns = np.repeat(np.arange(n), np.diff(indptr))
    values = np.zeros(len(rows))
    options = {"linsolver": linear, "max_num_steps": 10**7}
    if linear == "sparse":
        options["sparsity"] = csc_matrix((np.ones(len(rows)), rows, indptr), shape=(n, n))
        options["jacfn"] = lambda t, y, yp, out: entries(t, y, out, partials)
    else:

        def jacobian(t, y, yp, out):
            entries(t, y, values, partials)
            out[rows, columns] = values

        options["jacfn"] = jacobian
    end = ENDS[problem]

    def run(tolerance):
        solver = CVODE(lambda t, y, out: f(t, y, out, rates), rtol=tolerance, atol=tolerance, **options)
        found = solver.solve(np.array([0.0, end / 2, end]), network.start)
        if not found.success:
            raise RuntimeError(found.message)
        return found.y[-1]

    return run


def numbalsoda(problem, data, solver):
    import numba as nb
    import numbalsoda as library

    network = network_of(problem, data)
    f, _, _, _, rates, _ = compiled(network)
    n, size = network.n, len(rates)

    @nb.cfunc(library.lsoda_sig)
    def rhs(t, u, du, p):
        f(t, nb.carray(u, (n,)), nb.carray(du, (n,)), nb.carray(p, (size,)))

    pointer, solve = rhs.address, getattr(library, solver)
    options = {"mxstep": 5_000_000} if solver == "lsoda" else {}

    def run(tolerance):
        times = np.array([0.0, ENDS[problem]])
        # the scratch of the right-hand side goes where the solver takes parameters
        found, success = solve(pointer, network.start, times, rates, tolerance, tolerance, **options)
        if not success:
            raise RuntimeError("numbalsoda failed")
        return found[-1]

    return run


def sbml(network, path):
    """The network as SBML, Level 2 Version 4, amounts in a compartment of size 1."""
    math_ = 'xmlns="http://www.w3.org/1998/Math/MathML"'
    pairs = zip(network.a.tolist(), network.b.tolist(), strict=True)
    reactants = [[i] if j < 0 else [i, j] for i, j in pairs]
    change = {}
    for i, j, count in zip(network.i.tolist(), network.j.tolist(), network.count.tolist(), strict=True):
        change.setdefault(j, {})[i] = count
    lines = [
        '<?xml version="1.0"?><sbml xmlns="http://www.sbml.org/sbml/level2/version4" level="2" version="4">',
        '<model id="network"><listOfCompartments><compartment id="c" size="1"/></listOfCompartments>',
        "<listOfSpecies>",
    ]
    lines += [
        f'<species id="{name}" compartment="c" initialAmount="{x!r}"/>'
        for name, x in zip(network.names, network.start.tolist(), strict=True)
    ]
    lines.append("</listOfSpecies><listOfParameters>")
    distinct = {value: f"k{m}" for m, value in enumerate(dict.fromkeys(network.k.tolist()))}
    lines += [f'<parameter id="{name}" value="{value!r}"/>' for value, name in distinct.items()]
    lines.append("</listOfParameters><listOfReactions>")
    for j, before in enumerate(reactants):
        after = {}
        for i in before:
            after[i] = after.get(i, 0) + 1
        left = dict(after)
        for i, count in change.get(j, {}).items():
            after[i] = after.get(i, 0) + int(count)
        sides = [
            "".join(
                f'<speciesReference species="S{i}" stoichiometry="{m}"/>' for i, m in side.items() if m
            )
            for side in (left, after)
        ]
        factors = "".join(f"<ci>S{i}</ci>" for i in before)
        product = f"<ci>{distinct[float(network.k[j])]}</ci>{factors}"
        lines.append(
            f'<reaction id="r{j}" reversible="false"><listOfReactants>{sides[0]}</listOfReactants>'
            + (f"<listOfProducts>{sides[1]}</listOfProducts>" if sides[1] else "")
            + f"<kineticLaw><math {math_}><apply><times/>{product}</apply></math></kineticLaw></reaction>"
        )
    lines.append("</listOfReactions></model></sbml>")
    path.write_text("\n".join(lines))
    return path


def roadrunner(problem, data, folder):
    import roadrunner as library

    network = network_of(problem, data)
    runner = library.RoadRunner(str(sbml(network, Path(folder) / f"{problem}.xml")))
    runner.setIntegrator("cvode")
    integrator = runner.getIntegrator()
    position = {name: k for k, name in enumerate(runner.model.getFloatingSpeciesIds())}
    order = [position[name] for name in network.names]

    def run(tolerance):
        runner.resetAll()
        integrator.relative_tolerance = tolerance
        integrator.setValue("absolute_tolerance", tolerance)
        integrator.setValue("maximum_num_steps", 10**7)
        runner.timeCourseSelections = ["time"]
        runner.simulate(0.0, ENDS[problem], 2)
        return np.array(runner.model.getFloatingSpeciesAmounts())[order]

    return run


def copasi(problem, data, folder):
    import basico

    network = network_of(problem, data)
    model = basico.load_model(str(sbml(network, Path(folder) / f"{problem}.xml")))

    def run(tolerance):
        found = basico.run_time_course(
            start_time=0.0, duration=ENDS[problem], intervals=1, r_tol=tolerance, a_tol=tolerance,
            max_steps=10**7, update_model=False, model=model, use_numbers=False,
        )  # fmt: skip
        return found.iloc[-1][network.names].to_numpy(float)

    return run


def cantera(problem, data, kind):
    import warnings

    import cantera as library

    warnings.simplefilter("ignore")
    case = json.loads((data / "cantera" / "index.json").read_text())[problem]
    gas = library.Solution(str(data / "cantera" / case["mechanism"]))
    times = np.genfromtxt(data / "cantera" / f"{problem}.csv", delimiter=",", names=True)["t"][1:]
    volume = "_V_" in problem
    moles = kind == "preconditioned"
    classes = {
        (True, False): library.IdealGasReactor, (False, False): library.IdealGasConstPressureReactor,
        (True, True): library.IdealGasMoleReactor, (False, True): library.IdealGasConstPressureMoleReactor,
    }  # fmt: skip

    def run(tolerance):
        gas.TPX = case["T0"], case["P0_Pa"], case["mixture_molar"]
        reactor = classes[volume, moles](gas, clone=False)
        net = library.ReactorNet([reactor])
        net.rtol, net.atol = tolerance, tolerance * 1e-6
        if moles:
            net.preconditioner = library.AdaptivePreconditioner()
        found = np.zeros(len(times))
        for k, t in enumerate(times):
            net.advance(t)
            found[k] = reactor.T
        return found

    return run


def main():
    program, problem, data = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    library, _, option = program.partition(":")
    makers = {f.__name__: f for f in (cvode, numbalsoda, roadrunner, copasi, cantera)}
    run = makers[library](problem, data, option)
    if len(sys.argv) > 4:
        print(json.dumps(np.asarray(run(float(sys.argv[4]))).tolist()))
        return
    for line in sys.stdin:
        wanted = json.loads(line)
        try:
            answer = {}
            began = time.process_time()
            if wanted["states"]:
                answer["final"] = np.asarray(run(wanted["tolerance"])).tolist()
                answer["once"] = time.process_time() - began
            began = time.process_time()
            for _ in range(wanted["repeat"]):
                run(wanted["tolerance"])
            if wanted["repeat"]:
                answer["seconds"] = (time.process_time() - began) / wanted["repeat"]
        except RuntimeError as error:
            answer = {"error": str(error)[:200]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
