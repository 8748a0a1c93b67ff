"""What deficiency theory says about a network, whatever its rate constants."""

from __future__ import annotations

import numpy as np

from symnum.errors import ModelError
from symnum.language.complexes import Complexes, rate_constant
from symnum.record import record
from symnum.rewriting.expr import Expr

__all__ = ["Statement", "robust_species", "statements"]


@record
class Statement:
    """A theorem, whether the network meets its conditions, and what follows (or which condition fails)."""

    theorem: str
    applies: bool
    says: str
    source: str

    def __str__(self) -> str:
        return f"{self.theorem}: {'' if self.applies else 'does not apply, '}{self.says} [{self.source}]"


def statements(complexes: Complexes) -> tuple[Statement, ...]:
    """The deficiency-zero and the deficiency-one theorem, and absolute concentration robustness.

    They hold for mass action with any positive rate constants; "class" is a stoichiometric compatibility
    class, the states that a start can reach by the stoichiometry.
    """
    return _zero(complexes), _one(complexes), _robust(complexes)


def _law(complexes: Complexes) -> str | None:
    """Why the rates are not those that the theorems are about."""
    network = complexes.network
    for j in range(network.n_reactions):
        try:
            rate_constant(network, j)
        except ModelError:
            return f"the rate of {network.text(j)} is not mass action with a constant factor"
    return None


def _zero(complexes: Complexes) -> Statement:
    name, source = "deficiency-zero theorem", "Feinberg, Chem. Eng. Sci. 42 (1987) 2229, theorem 4.1"
    if complexes.deficiency:
        return Statement(name, False, f"the deficiency is {complexes.deficiency}", source)
    if not complexes.weakly_reversible:
        return Statement(
            name, True,
            "whatever the rates, if they are positive at positive states: there is no positive steady state "
            "and no periodic orbit through positive states",
            source,
        )  # fmt: skip
    problem = _law(complexes)
    if problem:
        return Statement(name, False, problem, source)
    return Statement(
        name, True,
        "every positive class has exactly one positive steady state; it is complex balanced and locally "
        "asymptotically stable within its class, and there is no periodic orbit through positive states",
        source,
    )  # fmt: skip


def _one(complexes: Complexes) -> Statement:
    name, source = "deficiency-one theorem", "Feinberg, Chem. Eng. Sci. 42 (1987) 2229, theorem 6.2.1"
    own = complexes.class_deficiencies
    if max(own) > 1:
        return Statement(name, False, f"a linkage class has the deficiency {max(own)}", source)
    if sum(own) != complexes.deficiency:
        return Statement(
            name, False,
            f"the linkage classes have deficiencies of sum {sum(own)}, the network {complexes.deficiency}",
            source,
        )  # fmt: skip
    linkage = complexes.linkage
    ends = np.bincount([linkage[members[0]] for members in complexes.terminal_classes])
    if (ends > 1).any():
        return Statement(
            name, False, "a linkage class has more than one terminal strong linkage class", source
        )
    problem = _law(complexes)
    if problem:
        return Statement(name, False, problem, source)
    says = "either every positive class has exactly one positive steady state, or none has any"
    if complexes.weakly_reversible:
        says = "every positive class has exactly one positive steady state"
    return Statement(name, True, says, source)


def _robust(complexes: Complexes) -> Statement:
    name = "absolute concentration robustness"
    source = "Shinar and Feinberg, Science 327 (2010) 1389"
    if complexes.deficiency != 1:
        return Statement(name, False, f"the deficiency is {complexes.deficiency}, not 1", source)
    problem = _law(complexes)
    if problem:
        return Statement(name, False, problem, source)
    found = robust_species(complexes)
    if not found:
        return Statement(
            name, False, "no two non-terminal complexes differ in a single species", source
        )
    names = ", ".join(str(leaf) for leaf in found)
    return Statement(
        name, True,
        f"if there is a positive steady state, {names} has the same value in every positive steady state",
        source,
    )  # fmt: skip


def robust_species(complexes: Complexes) -> tuple[Expr, ...]:
    """Species in which alone two non-terminal complexes differ, for a network of deficiency one."""
    if complexes.deficiency != 1:
        return ()
    open_ones = [dict(complexes.members[c]) for c in np.flatnonzero(~complexes.is_terminal).tolist()]
    found: set[int] = set()
    for number, one in enumerate(open_ones):
        for other in open_ones[:number]:
            differing = [i for i in {*one, *other} if one.get(i, 0) != other.get(i, 0)]
            if len(differing) == 1:
                found.add(differing[0])
    return tuple(complexes.network.species[i] for i in sorted(found))
