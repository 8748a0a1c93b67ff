"""What the functions of a system are made from, as a hash: it tells whether their code is known already."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache as remember

from symnum.codegen import cache
from symnum.codegen.function import template_text
from symnum.lowering.families import AnyArray, Family
from symnum.lowering.flat import FlatSystem

# Entries of all tables: above, the functions, whose tables are runs on grids, are made and hashed faster.
_LARGE = 500_000


def content(flat: FlatSystem) -> str | None:
    """Hash of all that `functions_of` reads of a system; None for large ones. The same in every process."""
    structure = flat.structure
    sums = structure.sums
    families = [*structure.definitions, *structure.residuals, *(limit.distance for limit in flat.limits)]
    size = sum(family.count * (2 + len(family.columns)) for family in families) + 2 * len(sums.unknown)
    if size > _LARGE:
        return None
    arrays: list[AnyArray] = [
        flat.vector, structure.states, flat.limit_parameter, structure.sum_rows, structure.sum_targets,
        structure.residual_sums, sums.indptr, sums.unknown,
    ]  # fmt: skip
    watched = [flat.with_numbers((expr,), "Event")[0] for expr, _, _ in flat.crossings]
    parts: list[bytes | str] = [
        _version(),
        f"{len(flat.unknowns)} {len(flat.parameters)} {len(structure.definitions)} {len(families)}",
        flat.mass.tobytes(),
        sums.coefficient.tobytes(),
        *(array.tobytes() for array in arrays),
        *(template_text((expr,)) for expr in watched),
    ]
    for family in families:
        parts.extend(_parts(family))
    for limit in flat.limits:
        parts += [str(limit.side), limit.state.tobytes()]
    return cache.digest(*parts)


def _parts(family: Family) -> Iterator[bytes | str]:
    yield template_text((family.root,))
    yield f"{family.letters} {family.owner}"
    yield family.member.tobytes()
    yield family.target.tobytes()
    yield from (column.tobytes() for column in family.columns)


@remember
def _version() -> str:
    """Changes whenever the code that makes functions does."""
    return cache.version_of(__file__)
