"""Events per second of exact stochastic simulation: symnum and libRoadRunner, alternately in one run.

    OPENBLAS_NUM_THREADS=1 python benchmarks/stochastic.py --data DATA --roadrunner PYTHON

PYTHON is an interpreter that has libroadrunner. Both programs simulate the same process from the same SBML
constants, on one thread; means over many runs are compared first. libRoadRunner does not tell how many events
it made: the mean number per run, counted by symnum, serves for both. CPU seconds, medians of alternating
rounds. One JSON line a row goes to standard output, a table to RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from results import machine, replace_section

import symnum as sn

ROUNDS = 5
SECONDS = 0.4  # of each program in a round, about


class Case(NamedTuple):
    name: str
    network: sn.ReactionNetwork
    start: dict[Any, float]
    end: float


def cases(data: Path) -> list[Case]:
    s1, s2, s3 = sn.species("S1 S2 S3")
    dimers = sn.ReactionNetwork(
        "dimers",
        [
            sn.Reaction(1.0, s1 >> 0), sn.Reaction(0.001, 2 * s1 >> s2), sn.Reaction(0.5, s2 >> 2 * s1),
            sn.Reaction(0.04, s2 >> s3),
        ],
    )  # fmt: skip
    repressilator = sn.read(data / "bng_net" / "repressilator" / "repressilator.net")
    egfr = sn.read(data / "bng_net" / "egfr_net" / "egfr_net.net")
    return [
        Case("decaying dimers", dimers, {s1: 10_000, s2: 0, s3: 0}, 10.0),
        Case("repressilator", repressilator, {}, 50.0),
        Case("EGFR signalling", egfr, {}, 0.05),
    ]


def sbml(network: sn.ReactionNetwork, starts: dict[str, float], constants: np.ndarray[Any, Any]) -> str:
    """Mass action over counts as SBML Level 2; constants: (n_reactions,), with c x(x-1) for pairs."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<sbml xmlns="http://www.sbml.org/sbml/level2/version4" level="2" version="4"><model id="model">',
        '<listOfCompartments><compartment id="cell" size="1"/></listOfCompartments><listOfSpecies>',
    ]
    ids = {leaf: f"S{i}" for i, leaf in enumerate(network.species)}
    constant = set(network.constant)
    for leaf in network.species:
        fixed = ' boundaryCondition="true" constant="true"' if leaf in constant else ""
        lines.append(
            f'<species id="{ids[leaf]}" compartment="cell" hasOnlySubstanceUnits="true" '
            f'initialAmount="{starts[leaf.name]!r}"{fixed}/>'
        )
    lines.append("</listOfSpecies><listOfReactions>")
    for j in range(network.n_reactions):
        lines.append(f'<reaction id="R{j}" reversible="false">')
        factors = [f"<cn>{float(constants[j])!r}</cn>"]
        for side, tag in ((network.reactants, "listOfReactants"), (network.products, "listOfProducts")):
            members = side.of_reaction(j)
            if members:
                lines.append(f"<{tag}>")
                for i, count in members:
                    lines.append(f'<speciesReference species="S{i}" stoichiometry="{count:g}"/>')
                lines.append(f"</{tag}>")
            if side is network.reactants:
                for i, count in members:
                    for taken in range(int(count)):
                        less = f"<apply><minus/><ci>S{i}</ci><cn>{taken}</cn></apply>"
                        factors.append(less if taken else f"<ci>S{i}</ci>")
        product = f"<apply><times/>{''.join(factors)}</apply>" if len(factors) > 1 else factors[0]
        lines.append(
            '<kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML">'
            f"{product}</math></kineticLaw></reaction>"
        )
    lines.append("</listOfReactions></model></sbml>")
    return "\n".join(lines)


class RoadRunner:
    def __init__(self, python: str, path: Path, end: float) -> None:
        script = Path(__file__).with_name("roadrunner_worker.py")
        self.process = subprocess.Popen(
            [python, str(script), str(path), str(end)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout
        told = json.loads(self.process.stdout.readline())
        self.version, self.names = told["version"], told["names"]

    def ask(self, runs: int, seed: int, states: bool = False) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"runs": runs, "seed": seed, "states": states}) + "\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))


def measured(case: Case, python: str) -> list[dict[str, Any]]:
    problem = sn.Problem(case.network.jumps(), case.start, span=(0.0, case.end))
    from symnum.solving.stochastic.solve import tables_of

    tables = tables_of(problem)
    constants = tables.constants(problem.p)
    starts = dict(zip(problem.flat.state_names, problem.u.tolist(), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        path.write_text(sbml(case.network, starts, constants))
        peer = RoadRunner(python, path, case.end)
        rows = _rounds(case, problem, peer)
        peer.process.terminate()
    return rows


def _rounds(case: Case, problem: sn.Problem, peer: RoadRunner) -> list[dict[str, Any]]:
    first = sn.solve(sn.Ensemble(problem, members=20), "SSA", seed=1, threads=1)
    assert first.stats.events is not None
    events = float(first.stats.events.mean())
    one = peer.ask(1, 1)["seconds"]
    peer_runs = max(1, round(SECONDS / max(one, 1e-6)))
    own_runs = max(1, round(SECONDS / max(_own(problem, "SSA", 20, 1) / 20, 1e-9)))
    _agree(case, problem, peer, max(4, min(200, peer_runs)))
    methods = ["SSA", "Direct", "SortingDirect", "CompositionRejection"]
    taken: dict[str, list[float]] = {name: [] for name in (*methods, "libRoadRunner")}
    for round_ in range(ROUNDS):
        for name in methods:
            taken[name].append(_own(problem, name, own_runs, round_) / own_runs)
        taken["libRoadRunner"].append(peer.ask(peer_runs, round_ + 1)["seconds"] / peer_runs)
    peer_seconds = statistics.median(taken["libRoadRunner"])
    rows = []
    for name, seconds in taken.items():
        median = statistics.median(seconds)
        label = f"libRoadRunner {peer.version}" if name == "libRoadRunner" else f"symnum {name}"
        row = {
            "network": case.name, "reactions": case.network.n_reactions, "events a run": round(events),
            "program": label, "events per second": events / median, "ratio": peer_seconds / median,
        }  # fmt: skip
        print(json.dumps(row), flush=True)
        rows.append(row)
    return rows


def _own(problem: sn.Problem, method: str, runs: int, seed: int) -> float:
    began = time.process_time()
    sn.solve(sn.Ensemble(problem, members=runs), method, seed=seed, threads=1)
    return time.process_time() - began


def _agree(case: Case, problem: sn.Problem, peer: RoadRunner, runs: int) -> None:
    """Stop where the means of the two programs differ by more than six times their sampling error."""
    theirs = np.array(peer.ask(runs, 99, states=True)["states"])
    ours = sn.solve(sn.Ensemble(problem, members=max(runs, 50)), "SSA", seed=99, threads=1)
    for k, name in enumerate(peer.names):
        mine = ours[case.network.species[int(name[1:])]][:, -1]
        error = math.sqrt(mine.var() * (1 / len(mine) + 1 / runs)) + 1e-9 + 0.5 / math.sqrt(runs)
        if abs(theirs[:, k].mean() - mine.mean()) > 6 * error:
            raise SystemExit(f"{case.name}, {name}: {theirs[:, k].mean()} against {mine.mean()}")


def write(rows: list[dict[str, Any]]) -> None:
    lines = [
        "## Exact stochastic simulation against libRoadRunner (`stochastic.py`)", "",
        "Events per second on one thread, both programs alternately in one run; both simulate the same",
        'propensities to the same end, and keep the end alone. "SSA" chooses by the number of reactions.',
        machine(),
        "",
        "| network | reactions | events a run | program | events per second | times libRoadRunner |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {row['network']} | {row['reactions']} | {row['events a run']} | {row['program']} "
        f"| {row['events per second']:.3g} | {row['ratio']:.1f} |"
        for row in rows
    ]
    replace_section("stochastic", lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the reference data")
    parser.add_argument("--roadrunner", required=True, help="a Python that has libroadrunner")
    arguments = parser.parse_args()
    write([row for case in cases(arguments.data) for row in measured(case, arguments.roadrunner)])


if __name__ == "__main__":
    main()
