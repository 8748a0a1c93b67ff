"""Mechanisms of gas-phase reactions from Cantera's YAML files, each file parsed once."""

from __future__ import annotations

import logging
import pickle
from math import log as ln
from pathlib import Path

from symnum.codegen import cache
from symnum.errors import ModelError
from symnum.models.chemistry.gas_reaction import GasSpecies
from symnum.models.chemistry.mechanism import Mechanism

__all__ = ["read_cantera"]

log = logging.getLogger("symnum")
_JUMP = 1e-2  # of a polynomial at its middle temperature, in cp/R, h/(R T) and s/R: larger ones are reported


def read_cantera(path: str | Path, phase: str | None = None) -> Mechanism:
    """The mechanism in a Cantera file; ``phase`` names one of several, without it the first is taken.

    What was read is kept on disk under the content of the file: the next process needs no YAML.
    Raises ModelError with file and line, or the equation of the reaction.
    """
    where = Path(path)
    text = _text(where)
    key = cache.digest(_sources(), text, "first" if phase is None else f"phase {phase}")
    stored = cache.fetch("mechanism", key)
    if stored is None:
        from symnum.models.chemistry.cantera_file import read_file  # with YAML, which takes 20 ms

        stored = pickle.dumps(read_file(where, text, phase), 5)
        cache.store("mechanism", key, stored)
    # the directory of the cache is ours alone and holds code that is run: unpickling adds no danger
    name, species, reactions = pickle.loads(stored)
    for entry in species:
        _check_middle(entry)
    return Mechanism(name, species, reactions)


def _sources() -> str:
    """Digest of the reader: what another version has read is read anew."""
    folder = Path(__file__).parent
    files = ("cantera_file", "cantera_reactions", "cantera_units", "elements", "gas_reaction", "yaml_nodes")
    return cache.digest(*((folder / f"{file}.py").read_bytes() for file in files))


def _text(path: Path) -> str:
    """The text of a file, or ModelError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: this is no text file") from error


def _check_middle(species: GasSpecies) -> None:
    """Report a jump between the two polynomials."""
    t = species.middle

    def values(a: tuple[float, ...]) -> tuple[float, ...]:
        cp = sum(a[k] * t**k for k in range(5))
        h = sum(a[k] * t**k / (k + 1) for k in range(5)) + a[5] / t
        s = sum(a[k] * t**k / k for k in range(1, 5)) + a[6]  # without the common a0 ln T
        return cp, h, s

    for what, below, above in zip(
        ("cp/R", "h/(R T)", "s/R"), values(species.low), values(species.high), strict=True
    ):
        scale = 1.0 if what == "cp/R" else abs(values(species.low)[0])
        if what == "s/R":
            above += (species.high[0] - species.low[0]) * ln(t)
        if abs(above - below) > _JUMP * max(scale, abs(below)):
            log.warning(
                "line %d: %s of the species %s jumps by %.2g at %g K, where its two polynomials meet",
                species.line, what, species.name, above - below, t,
            )  # fmt: skip
