"""Reading models from files, by kind of file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from symnum.errors import ModelError

if TYPE_CHECKING:
    from symnum.language.reaction_network import ReactionNetwork
    from symnum.models.chemistry.mechanism import Mechanism
    from symnum.models.chemistry.sbml_model import SBMLModel

__all__ = ["read"]


def read(path: str | Path) -> ReactionNetwork | SBMLModel | Mechanism:
    """The model in a file: BioNetGen networks (``.net``), SBML (``.xml``, ``.sbml``), Cantera (``.yaml``).

    The first two have ``.system()``, a mechanism of Cantera has ``.reactor(...)``. Raises ModelError with the
    line that is wrong.
    """
    where = Path(path)
    kind = where.suffix.lower()
    if kind == ".net":
        from symnum.models.chemistry.bionetgen import read_net

        return read_net(where)
    if kind in (".xml", ".sbml"):
        from symnum.models.chemistry.sbml import read_sbml

        return read_sbml(where)
    if kind in (".yaml", ".yml"):
        from symnum.models.chemistry.cantera import read_cantera

        return read_cantera(where)
    raise ModelError(
        f"{path}: files of kind {where.suffix or '(no ending)'} are unknown; "
        "known kinds: .net (BioNetGen), .xml (SBML), .yaml (Cantera)"
    )
