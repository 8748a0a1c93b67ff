"""Writing models to files, by kind of file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from symnum.errors import ModelError

if TYPE_CHECKING:
    from symnum.language.reaction_network import ReactionNetwork
    from symnum.language.system import System
    from symnum.models.chemistry.sbml_model import SBMLModel

__all__ = ["write"]


def write(model: ReactionNetwork | SBMLModel | System, path: str | Path) -> Path:
    """Write a network or a system as SBML (``.xml``, ``.sbml``), for `sn.read` and others; returns the path.

    Raises ModelError for what the format cannot say.
    """
    where = Path(path)
    if where.suffix.lower() in (".xml", ".sbml"):
        from symnum.models.chemistry.sbml_export import write_sbml

        return write_sbml(model, where)
    raise ModelError(
        f"{path}: files of kind {where.suffix or '(no ending)'} are not written; known: .xml (SBML)"
    )
