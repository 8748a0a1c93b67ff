"""Reading models from files, by kind of file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from symnum.errors import ModelError
from symnum.language.reaction_network import ReactionNetwork

if TYPE_CHECKING:
    from symnum.models.chemistry.sbml import SBMLModel

__all__ = ["read"]


def read(path: str | Path) -> ReactionNetwork | SBMLModel:
    """The model in a file: BioNetGen networks (``.net``), SBML (``.xml``, ``.sbml``).

    Either has ``.system()``. Raises ModelError with the line that is wrong.
    """
    where = Path(path)
    if where.suffix.lower() == ".net":
        from symnum.models.chemistry.bionetgen import read_net

        return read_net(where)
    if where.suffix.lower() in (".xml", ".sbml"):
        from symnum.models.chemistry.sbml import read_sbml

        return read_sbml(where)
    kind = where.suffix or "(no ending)"
    raise ModelError(f"{path}: files of kind {kind} are unknown; known kinds: .net (BioNetGen), .xml (SBML)")
