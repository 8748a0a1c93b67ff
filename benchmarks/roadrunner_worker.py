"""libRoadRunner's side of `stochastic.py`: its Gillespie integrator on one SBML file, in its own process.

    python roadrunner_worker.py MODEL.xml END

Reads lines of JSON {"runs": ..., "seed": ..., "states": true/false}, answers with the CPU seconds of all runs
together and, if asked, the floating species at the end of each.
"""

import json
import sys
import time

import roadrunner


def main() -> None:
    path, end = sys.argv[1], float(sys.argv[2])
    model = roadrunner.RoadRunner(path)
    model.setIntegrator("gillespie")
    model.integrator.variable_step_size = False
    model.integrator.nonnegative = True
    names = model.model.getFloatingSpeciesIds()
    model.timeCourseSelections = ["time", *names]
    print(json.dumps({"version": roadrunner.__version__, "names": list(names)}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        model.integrator.seed = asked["seed"]
        states = []
        began = time.process_time()
        for _ in range(asked["runs"]):
            model.reset()
            found = model.simulate(0, end, 2)
            if asked["states"]:
                states.append([float(x) for x in found[-1][1:]])
        seconds = time.process_time() - began
        print(json.dumps({"seconds": seconds, "states": states}), flush=True)


main()
