"""Components and their connectors: classes of equations that are written once and used many times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from numbers import Number
from typing import Any, ClassVar

from symnum.errors import ModelError, UnknownName
from symnum.language.block import Block
from symnum.language.connect import Connection
from symnum.language.event import Event
from symnum.language.limit import Limit
from symnum.language.variables import Declaration, checked_name, checked_value, joined
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr

Statement = Equation | Connection | Limit | Block
TEMPLATE_PATH = "self"  # labels then read as the class has them


def potential(
    *, unit: str | None = None, start: Any = None, guess: Any = None, about: str | None = None
) -> Any:
    """In a connector class: a quantity that is equal at all connectors that meet."""
    return Declaration("potential", start, unit, about, guess)


def flow(*, unit: str | None = None, about: str | None = None) -> Any:
    """In a connector class: a quantity counted positive into the component; zero in sum where they meet."""
    return Declaration("flow", None, unit, about)


def option(default: Any) -> Any:
    """In a component class: a plain Python value that `equations` may branch on."""
    _check_option(default, "option, default")
    return Declaration("option", default, None, None)


class Connector:
    """Where a component meets others. Subclass it and declare potentials and flows."""

    quantities: ClassVar[tuple[Declaration, ...]] = ()

    def __init__(self) -> None:
        self.name = ""
        self.path = ""
        self.owner: Component | None = None
        self.settings: dict[str, Any] = {}

    def __init_subclass__(cls) -> None:
        own = [d for d in vars(cls).values() if isinstance(d, Declaration)]
        for name, value in vars(cls).items():
            if isinstance(value, Declaration):
                value.check_name(cls, name)
        for declaration in own:
            if declaration.role not in ("potential", "flow"):
                raise ModelError(
                    f"{cls.__name__}.{declaration.name}: a connector holds potentials and flows only"
                )
        cls.quantities = (*cls.quantities, *own)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        bound = type(self)()
        bound.name, bound.path, bound.owner = self.name, joined(instance.path, self.name), instance
        instance.__dict__[self.name] = bound
        return bound

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path or self.name}>"


class Declared:
    """What every instance of a component class has, in the order in which it is numbered.

    quantities: of each kind, "unknowns" and "parameters", (name within the component, declaration), those of
    connectors behind the own ones. places: of each kind, the place of a name. by_others: is a default or a
    guess an expression? connectors: for each the place of its first quantity among the unknowns;
    connector_numbers: 0, 1, ... attributes: names in ``vars`` of an instance that need no check.
    """

    def __init__(self, cls: type[Component]) -> None:
        own = [d for d in cls.quantities.values() if d.role != "option"]
        self.options = tuple(d for d in cls.quantities.values() if d.role == "option")
        parameters = [(d.name, d) for d in own if d.role == "parameter"]
        unknowns = [(d.name, d) for d in own if d.role != "parameter"]
        self.connectors: dict[str, int] = {}
        for name, prototype in cls.connectors.items():
            self.connectors[name] = len(unknowns)
            unknowns += [(joined(name, d.name), d) for d in prototype.quantities]
        self.connector_numbers = {name: k for k, name in enumerate(cls.connectors)}
        self.quantities = {"unknowns": tuple(unknowns), "parameters": tuple(parameters)}
        self.places: dict[str, dict[str, int]] = {}
        self.by_others: dict[str, bool] = {}
        for kind, found in self.quantities.items():
            self.places[kind] = {name: k for k, (name, _) in enumerate(found)}
            self.by_others[kind] = any(isinstance(x, Expr) for _, d in found for x in (d.default, d.guess))
        self.attributes = {*cls.quantities, *cls.connectors, *cls.children, "path", "settings", "parent"}
        self.has_events = cls.events is not Component.events


class Component:
    """A class of equations with named quantities, connectors and children.

    Subclass it, declare `variable`, `parameter`, `option`, connectors and child components in the body, and
    give the equations. ``Resistor("r1", R=100)`` makes an instance: keywords set parameters, options,
    children and the starts of variables. `equations` is read once for all instances that agree in their
    options and children, so it may branch on options but not on parameters, and reads no other attributes
    that differ between instances.
    """

    quantities: ClassVar[dict[str, Declaration]] = {}
    connectors: ClassVar[dict[str, Connector]] = {}
    children: ClassVar[dict[str, Component]] = {}
    declared: ClassVar[Declared]

    def __init_subclass__(cls) -> None:
        cls.quantities, cls.connectors, cls.children = (
            dict(cls.quantities),
            dict(cls.connectors),
            dict(cls.children),
        )
        for name, value in vars(cls).items():
            if isinstance(value, Declaration):
                value.check_name(cls, name)
                if value.role in ("potential", "flow"):
                    raise ModelError(
                        f"{cls.__name__}.{name}: potentials and flows belong in a Connector class"
                    )
                cls.quantities[name] = value
            elif isinstance(value, Connector):
                cls.connectors[name] = value
            elif isinstance(value, Component):
                if value.path:
                    raise ModelError(
                        f"{cls.__name__}.{name}: a child component takes its name from the attribute; "
                        f"leave {value.path!r} out"
                    )
                cls.children[name] = value
            elif isinstance(value, Expr) and value.kind == "variable":
                raise ModelError(
                    f"{cls.__name__}.{name} is the variable {value} of its own, shared by all instances; "
                    "leave the name out: sn.variable() takes it from the attribute"
                )
        cls.declared = Declared(cls)

    def __init__(self, name: str = "", /, **settings: Any) -> None:
        self.path = checked_name(name, f"{type(self).__name__}: ") if name != "" else ""
        self.settings = settings
        self.parent: Component | None = None
        for key, value in settings.items():
            if key not in self.quantities and key not in self.children:
                from difflib import get_close_matches

                known = [*self.quantities, *self.children]
                near = get_close_matches(key, known, 1)
                hint = (
                    f" Did you mean {near[0]}?"
                    if near
                    else f" It has: {', '.join(known) or 'nothing to set'}."
                )
                raise ModelError(f"{type(self).__name__}({name!r}): there is no {key} to set.{hint}")
            if key in self.children and not isinstance(value, Component):
                raise ModelError(f"{type(self).__name__}({name!r}): {key} takes a component, not {value!r}")
            if key in self.quantities:
                if self.quantities[key].role == "option":
                    _check_option(value, joined(name, key))
                else:
                    settings[key] = checked_value(value, joined(name, key))
        for child_name, prototype in self.children.items():
            chosen = settings.get(child_name, prototype)
            child = _made_again(chosen, joined(name, child_name), chosen.settings)
            child.parent = self
            self.__dict__[child_name] = child

    def equations(self) -> Sequence[Statement]:
        """The equations, connections and limits of the class."""
        return []

    def events(self) -> Sequence[Event]:
        """The events of this instance."""
        return []

    # ---- for lowering -----------------------------------------------------------------------------
    def child_components(self) -> Iterator[Component]:
        for name in self.children:
            yield self.__dict__[name]

    def all_components(self) -> Iterator[Component]:
        """This component and everything below it, parents first."""
        yield self
        for child in self.child_components():
            yield from child.all_components()

    def variant(self) -> tuple[Any, ...]:
        """What decides which equations `equations` returns: class, options, variants of the children."""
        if not self.declared.options and not self.children:
            return type(self), (), ()
        options = tuple((d.name, self.settings.get(d.name, d.default)) for d in self.declared.options)
        return type(self), options, tuple(child.variant() for child in self.child_components())

    def template(self) -> Component:
        """An instance of the same variant at the path `TEMPLATE_PATH`, where no symbol of a user lies."""
        kept = {
            n: v
            for n, v in self.settings.items()
            if n in self.children or self.quantities[n].role == "option"
        }
        return _made_again(self, TEMPLATE_PATH, kept)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path or 'without a name'}>"

    def __getattr__(self, name: str) -> Any:
        """Reached only where nothing of that name exists."""
        if name.startswith("_"):
            raise AttributeError(name)
        known = [*self.quantities, *self.connectors, *self.children]
        from difflib import get_close_matches

        near = get_close_matches(name, known, 3)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"It has: {', '.join(known) or 'nothing'}."
        raise UnknownName(f"{self.path or type(self).__name__} ({type(self).__name__}) has no {name}. {hint}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.quantities or name in self.connectors or name in self.children:
            kind = type(self).__name__
            raise ModelError(
                f"{self.path or kind}.{name} is declared in the class; set it when the component is made: "
                f"{kind}(..., {name}={value!r})"
            )
        object.__setattr__(self, name, value)


def _made_again(component: Component, name: str, settings: dict[str, Any]) -> Component:
    """A component like this one under another name, from what was declared."""
    kind = type(component).__name__
    try:
        made = type(component)(name, **settings)
    except TypeError as error:
        raise ModelError(
            f"{kind} cannot be made from a name and what is declared in its class ({error}). Leave __init__ "
            "out; declare what it takes with sn.parameter or sn.option."
        ) from error
    check_attributes(component, made)
    return made


def check_attributes(component: Component, read: Component) -> None:
    """Raise ModelError where plain data on ``component`` differs from what `equations` of ``read`` sees."""
    declared = component.declared.attributes
    if vars(component).keys() <= declared:
        return
    missing = object()
    for name, value in vars(component).items():
        if name in declared or not _is_plain(value):
            continue
        other = vars(read).get(name, getattr(type(read), name, missing))
        if not _is_plain(other) or _as_list(value) != _as_list(other):
            kind = type(component).__name__
            raise ModelError(
                f"{component.path or kind}.{name} = {value!r} would not reach the equations, which are read "
                f"once for all instances of {kind}. Declare it in the class: {name} = sn.option(...) for a "
                f"plain value, sn.parameter(...) for a number; set it by {kind}(..., {name}={value!r})."
            )


def _is_plain(value: Any) -> bool:
    """Data that can be compared: numbers, texts, arrays and collections of them."""
    if isinstance(value, dict):
        return all(map(_is_plain, (*value, *value.values())))
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (Number, str, bytes)) or hasattr(value, "tolist")


def _as_list(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _check_option(value: Any, name: str) -> None:
    try:
        hash(value)
    except TypeError as error:
        raise ModelError(
            f"{name}={value!r}: an option is compared between instances, so it must not change; "
            f"use a tuple or another constant instead of a {type(value).__name__}"
        ) from error
