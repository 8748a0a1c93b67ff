"""BioNetGen networks (``.net`` files) as reaction networks.

Sections that matter: parameters, functions, species, reactions, groups (observables). A reaction line is

    number  reactants  products  rate  # comment

with comma-separated species numbers (0: none). The rate is one of

    [factor*]k             factor * k * product of the reactants, each as often as it is listed; k a parameter
    [factor*]f             the same with the value of a function f
    [factor*]Sat k K1 ..   factor * k * product of the reactants / product of (K_i + x_i)
    [factor*]MM k K        total quasi-steady state: k * E * s/(K + s), s the free part of the first reactant
    [factor*]Hill v K h    v * x**h / (K**h + x**h) of the first reactant, times the others
    [factor*]FunctionProduct("f()","g()")   the product of two functions times the reactants

Source of the conventions: Faeder, Blinov, Hlavacek, Methods Mol. Biol. 500 (2009) 113, and the files' own
reference trajectories.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from symnum.errors import ModelError
from symnum.language.block import IntArray, References
from symnum.language.reaction_network import ReactionNetwork
from symnum.language.reaction_tables import RateFamily, Sides, Totals, grouped_rates, mass_action
from symnum.models.chemistry.formula import formula
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr, Symbol, number, symbol
from symnum.rewriting.operators import sqrt
from symnum.rewriting.walk import leaves

__all__ = ["read_net"]

_NEEDED = ("species", "reactions")
_PRODUCT = re.compile(r'FunctionProduct\s*\(\s*"(\w+)(?:\(\))?"\s*,\s*"(\w+)(?:\(\))?"\s*\)')


class _Line(NamedTuple):
    number: int
    text: str


def read_net(path: str | Path) -> ReactionNetwork:
    """The network in a ``.net`` file.

    Species carry their starts, parameters their values (expressions of other parameters stay expressions).
    Groups become observables, functions become variables that rates read. Raises ModelError with file and
    line.
    """
    return _Reader(Path(path)).network()


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise ModelError(f"{path}: this is no text file") from error
        self.sections = self.split(text)
        for name in _NEEDED:
            if not self.sections.get(name):
                raise ModelError(f"{path}: there is no section {name!r} with lines in it")
        self.known: dict[str, tuple[int, Expr]] = {}  # names of all kinds, with their lines

    def fail(self, line: int, problem: str) -> NoReturn:
        raise ModelError(f"{self.path}, line {line}: {problem}")

    def split(self, text: str) -> dict[str, list[_Line]]:
        """Lines between ``begin name`` and ``end name``, comments and empty ones left out."""
        sections: dict[str, list[_Line]] = {}
        name, begun = "", 0
        lines: list[_Line] = []
        for number_, raw in enumerate(text.splitlines(), start=1):
            line = raw.partition("#")[0].strip()
            if line.startswith(("begin ", "end ")):
                word, _, rest = line.partition(" ")
                rest = " ".join(rest.split())
                if word == "end":
                    if rest != name:
                        self.fail(number_, f"'end {rest}' without 'begin {rest}'")
                    name = ""
                elif name:
                    self.fail(number_, f"'begin {rest}' within the section {name!r} of line {begun}")
                else:
                    name, begun = rest, number_
                    lines = sections.setdefault(name, [])
            elif line and name:
                lines.append(_Line(number_, line))
        if name:
            self.fail(begun, f"the section {name!r} has no end; is the file cut off?")
        return sections

    def network(self) -> ReactionNetwork:
        parameters = self.parameters()
        species, constant = self.species()
        totals = self.totals(species)
        functions = self.functions()
        reactants, products, rates = self.reactions(species)
        name = re.sub(r"\W", "_", self.path.stem)
        return ReactionNetwork.from_tables(
            name if name[0].isalpha() or name[0] == "_" else f"_{name}",
            species, reactants, products, rates, len(self.sections["reactions"]),
            constant=constant, parameters=parameters, equations=functions, totals=totals,
        )  # fmt: skip

    # ---- names ------------------------------------------------------------------------------------
    def declare(self, line: int, found: Expr) -> Expr:
        """Remember a name; none may stand for two things."""
        before = self.known.setdefault(found.name, (line, found))
        if before[0] != line:
            self.fail(line, f"{found.name} is already defined in line {before[0]}")
        return found

    def meaning(self, name: str) -> Expr | None:
        found = self.known.get(name)
        return None if found is None else found[1]

    def where(self, line: int) -> str:
        return f"{self.path}, line {line}"

    def fields(self, line: _Line, count: int, what: str) -> list[str]:
        parts = line.text.split(None, count - 1)
        if len(parts) < count:
            self.fail(line.number, f"{line.text!r} is not {what}")
        return parts

    def parameters(self) -> list[Expr]:
        """Parameters may be formulas of others, wherever these stand."""
        texts: dict[str, tuple[int, str]] = {}
        for line in self.sections.get("parameters", []):
            _, name, text = self.fields(line, 3, "'number name value'")
            if name in texts:
                self.fail(line.number, f"{name} is already defined in line {texts[name][0]}")
            texts[name] = (line.number, text)
        pending: list[str] = []

        def resolve(name: str) -> Expr | None:
            if name in self.known:
                return self.known[name][1]
            if name not in texts:
                return None
            line, text = texts[name]
            if name in pending:
                circle = " -> ".join([*pending[pending.index(name) :], name])
                self.fail(line, f"the parameter {name} is defined by itself: {circle}")
            if len(pending) > 100:
                self.fail(line, "parameters are defined by parameters more than 100 levels deep")
            pending.append(name)
            value = self.number_or_formula(line, text, resolve)
            pending.pop()
            return self.declare(line, symbol(Symbol(name, "parameter", default=value)))

        for name in texts:
            resolve(name)
        return [self.known[name][1] for name in texts]

    def number_or_formula(self, line: int, text: str, names: object) -> Expr:
        try:
            return number(float(text))
        except ValueError:
            return formula(text, names, self.where(line))  # type: ignore[arg-type]
        except ModelError as error:
            self.fail(line, str(error))

    def species(self) -> tuple[tuple[Expr, ...], list[int]]:
        symbols: list[Expr] = []
        constant: list[int] = []
        for line in self.sections["species"]:
            number_, name, text = self.fields(line, 3, "'number species amount'")
            if number_ != str(len(symbols) + 1):
                self.fail(line.number, f"species {number_} where number {len(symbols) + 1} should be")
            if "$" in name:
                constant.append(len(symbols))
                name = name.replace("$", "")
            start = self.number_or_formula(line.number, text, self.meaning)
            symbols.append(self.declare(line.number, symbol(Symbol(name, "variable", default=start))))
        return tuple(symbols), constant

    def totals(self, species: tuple[Expr, ...]) -> Totals:
        """Groups: ``number name 1,2*5,...`` sums species 1 and twice species 5."""
        symbols: list[Expr] = []
        row: list[int] = []
        members: list[int] = []
        counts: list[float] = []
        for line in self.sections.get("groups", []):
            parts = self.fields(line, 2, "'number name members'")
            _, name, *rest = line.text.split()
            if len(rest) > 1:
                self.fail(line.number, f"{line.text!r} is not 'number name members'")
            for entry in rest[0].split(",") if len(parts) and rest else ():
                count, star, at = entry.rpartition("*")
                try:
                    members.append(int(at) - 1)
                    counts.append(float(count) if star else 1.0)
                except ValueError:
                    self.fail(line.number, f"{entry!r} is not the number of a species")
                if not 0 <= members[-1] < len(species):
                    self.fail(line.number, f"there is no species {at}; the file has {len(species)}")
                row.append(len(symbols))
            known = self.meaning(name)
            if known is not None and known.kind == "parameter":  # allowed; formulas mean the parameter
                name = f"observable({name})"
            symbols.append(self.declare(line.number, symbol(Symbol(name, "variable"))))
        table = Sides.of(np.array(row, np.int64), np.array(members, np.int64), np.array(counts))
        return Totals(symbols, table)

    def functions(self) -> list[Equation]:
        """``number name() formula``: a variable each; formulas read parameters, observables and functions."""
        found: list[tuple[_Line, Expr, str]] = []
        for line in self.sections.get("functions", []):
            _, head, text = self.fields(line, 3, "'number name() formula'")
            name, bracket, arguments = head.partition("(")
            if bracket and arguments != ")":
                self.fail(line.number, f"{head}: functions with arguments are not supported")
            variable = self.declare(line.number, symbol(Symbol(name, "variable")))
            found.append((line, variable, text.removeprefix("=").strip()))
        equations = [
            Equation(variable, formula(text, self.meaning, self.where(line.number)))
            for line, variable, text in found
        ]
        self.check_order(equations, {variable: line.number for line, variable, _ in found})
        return equations

    def check_order(self, equations: list[Equation], line_of: dict[Expr, int]) -> None:
        """No function may be defined by itself, directly or through others."""
        reads = {
            equation.lhs: [leaf for leaf in leaves((equation.rhs,)) if leaf in line_of]
            for equation in equations
        }
        done: set[Expr] = set()
        for first in reads:
            path: list[Expr] = []
            stack = [(first, iter(reads[first]))] if first not in done else []
            path += [first] if stack else []
            while stack:
                current, below = stack[-1]
                following = next((leaf for leaf in below if leaf not in done), None)
                if following is None:
                    done.add(current)
                    stack.pop()
                    path.pop()
                elif following in path:
                    circle = [*path[path.index(following) :], following]
                    names = " -> ".join(leaf.name for leaf in circle)
                    self.fail(line_of[current], f"the function {current.name} is defined by itself: {names}")
                else:
                    stack.append((following, iter(reads[following])))
                    path.append(following)

    # ---- reactions --------------------------------------------------------------------------------
    def reactions(self, species: tuple[Expr, ...]) -> tuple[Sides, Sides, list[RateFamily]]:
        lines = self.sections["reactions"]
        left: list[str] = []
        right: list[str] = []
        laws: dict[str, int] = {}  # every distinct text of a rate once
        law: list[int] = []
        for line in lines:
            parts = line.text.split(None, 3)
            if len(parts) != 4:
                self.fail(line.number, f"{line.text!r} is not 'number reactants products rate'")
            left.append(parts[1])
            right.append(parts[2])
            law.append(laws.setdefault(parts[3], len(laws)))
        listed, reactants = self.sides(left, species)
        products = self.sides(right, species)[1]
        which = np.array(law, np.int64)
        return reactants, products, list(self.rates(list(laws), which, listed, reactants, species))

    def sides(self, texts: list[str], species: tuple[Expr, ...]) -> tuple[list[str], Sides]:
        lines = self.sections["reactions"]
        try:
            numbers = np.array(",".join(texts).split(","), np.int64)
        except (ValueError, OverflowError):
            numbers = np.array([-1])
        lengths = np.array([text.count(",") + 1 for text in texts])
        if len(numbers) != lengths.sum() or numbers.min() < 0 or numbers.max() > len(species):
            for line, text in zip(lines, texts, strict=True):
                for entry in text.split(","):
                    if not entry.isdecimal():
                        self.fail(line.number, f"{entry!r} is not the number of a species")
                    if int(entry) > len(species):
                        self.fail(line.number, f"there is no species {entry}; the file has {len(species)}")
        reaction = np.repeat(np.arange(len(texts)), lengths)
        real = numbers > 0
        return texts, Sides.of(reaction[real], numbers[real] - 1)

    def rates(
        self, laws: list[str], which: IntArray, listed: list[str], reactants: Sides, species: tuple[Expr, ...]
    ) -> Iterator[RateFamily]:
        line_of = [self.sections["reactions"][j].number for j in np.unique(which, return_index=True)[1]]
        parsed = [_law(text) for text in laws]
        are_species = frozenset(species)
        kinds = {"parameter": 1, "variable": 2}
        kind = np.zeros(len(laws), np.int64)  # 0: written one by one
        place = np.zeros(len(laws), np.int64)  # of the constant among those of its kind
        factor = np.ones(len(laws))
        constants: dict[int, dict[Expr, int]] = {1: {}, 2: {}}
        for k, (scale, words) in enumerate(parsed):
            factor[k] = scale
            if len(words) != 1 or _PRODUCT.fullmatch(words[0]):
                continue
            found = self.meaning(words[0])
            if found is None or found in are_species:
                self.fail(line_of[k], f"the rate constant {words[0]!r} is neither a parameter nor a function")
            kind[k] = kinds[found.kind]
            place[k] = constants[kind[k]].setdefault(found, len(constants[kind[k]]))
        refer = References(species)
        for number_, symbols in constants.items():
            members = np.flatnonzero(kind[which] == number_)
            if len(members):
                of = References(tuple(symbols))
                yield from mass_action(reactants, refer, of, place[which], factor[which], members)
        special = []
        for j in np.flatnonzero(kind[which] == 0).tolist():
            line = self.sections["reactions"][j].number
            x = [species[int(entry) - 1] for entry in listed[j].split(",") if entry != "0"]
            scale, words = parsed[which[j]]
            special.append((j, self.special(line, scale, words, x)))
        yield from grouped_rates(special)

    def special(self, line: int, scale: float, words: list[str], x: list[Expr]) -> Expr:
        """The rate of a law that is not mass action, for the reactants ``x``."""
        result: Expr = number(scale)
        if not words:  # a bare number
            for leaf in x:
                result = result * leaf
            return result
        product = _PRODUCT.fullmatch(" ".join(words))
        if product:
            for function in product.groups():
                found = self.meaning(function)
                if found is None or found.kind != "variable":
                    self.fail(line, f"FunctionProduct: there is no function {function}")
                result = result * found
            for leaf in x:
                result = result * leaf
            return result
        name, *texts = words
        if name not in ("Sat", "MM", "Hill"):
            text = " ".join(words)
            known = "k, Sat, MM, Hill, functions and their FunctionProduct"
            self.fail(line, f"the rate law {text!r} is not supported; known: {known}")
        constants = [self.number_or_formula(line, text, self.meaning) for text in texts]
        if name == "Sat" and 2 <= len(constants) <= len(x) + 1:
            for leaf in x:
                result = result * leaf
            for leaf, half in zip(x, constants[1:], strict=False):
                result = result / (half + leaf)
            return result * constants[0]
        if name == "MM" and len(constants) == 2 and len(x) == 2:
            k, half = constants
            rest = x[0] - x[1] - half
            free = (rest + sqrt(rest**2 + 4 * half * x[0])) / 2
            return result * k * x[1] * free / (half + free)
        if name == "Hill" and len(constants) == 3 and x:
            v, half, h = constants
            for leaf in x[1:]:
                result = result * leaf
            return result * v * x[0] ** h / (half**h + x[0] ** h)
        self.fail(line, f"{name} with {len(constants)} constants and {len(x)} reactants")


def _law(text: str) -> tuple[float, list[str]]:
    """(factor, words) of a rate: ``0.5*k`` is (0.5, ["k"]), ``Sat k K`` is (1.0, ["Sat", "k", "K"])."""
    factor = 1.0
    words = text.replace("*", " * ").split()
    while words:
        try:
            factor *= float(words[0])
        except ValueError:
            break
        del words[0]
        if words and words[0] == "*":
            del words[0]
    return factor, words
