"""The rules, one file per algebra. ``RULE_SETS`` lists all of them; a test fuzzes each one."""

from symnum.rewriting.rules.arithmetic import ARITHMETIC
from symnum.rewriting.rules.exponential import EXPONENTIAL, MERGING
from symnum.rewriting.rules.hyperbolic import HYPERBOLIC, HYPERBOLIC_PARITY
from symnum.rewriting.rules.powers import MERGING_POWERS, POWERS
from symnum.rewriting.rules.roots import ABSOLUTE, ROOTS
from symnum.rewriting.rules.rule import LEVELS, Level, RuleSet
from symnum.rewriting.rules.selection import SELECTION
from symnum.rewriting.rules.trigonometric import PARITY, TRIGONOMETRIC

RULE_SETS: tuple[RuleSet, ...] = (
    PARITY,
    HYPERBOLIC_PARITY,
    ABSOLUTE,
    SELECTION,
    ARITHMETIC,
    TRIGONOMETRIC,
    HYPERBOLIC,
    POWERS,
    ROOTS,
    EXPONENTIAL,
    MERGING,
    MERGING_POWERS,
)


def rule_sets(level: Level) -> tuple[RuleSet, ...]:
    """The rule sets that a level uses: its own and those of the levels before it."""
    return tuple(s for s in RULE_SETS if LEVELS.index(s.level) <= LEVELS.index(level))
