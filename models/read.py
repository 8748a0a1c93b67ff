"""Reading models from files, by kind of file."""

from __future__ import annotations

from pathlib import Path

from symnum.errors import ModelError
from symnum.language.reaction_network import ReactionNetwork

__all__ = ["read"]


def read(path: str | Path) -> ReactionNetwork:
    """The model in a file: BioNetGen networks (``.net``). Raises ModelError with the line that is wrong."""
    where = Path(path)
    if where.suffix.lower() == ".net":
        from symnum.models.chemistry.bionetgen import read_net

        return read_net(where)
    kind = where.suffix or "(no ending)"
    raise ModelError(f"{path}: files of kind {kind} are unknown; known kinds: .net (BioNetGen)")
