"""symnum: write the equations once, get a compiled simulator.

``import symnum as sn`` is a table of names. The module behind a name is imported when the name is first used
(PEP 562), so that the import itself costs milliseconds and a solve loads only what it needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from symnum.errors import (
    CodegenError,
    LoweringError,
    ModelError,
    SolveFailed,
    SymnumError,
    TraceError,
    UnbalancedSystem,
    UnitError,
    UnknownName,
)

if TYPE_CHECKING:  # the same table as _MODULES below, for type checkers and editors; a test compares the two
    from symnum.language.compartment import Compartment
    from symnum.language.component import Component, Connector, flow, option, potential
    from symnum.language.connect import connect
    from symnum.language.delay import delay
    from symnum.language.event import Event
    from symnum.language.explicit_part import explicit
    from symnum.language.field import coordinate, field, fields, integral
    from symnum.language.homotopy import homotopy
    from symnum.language.limit import Limit
    from symnum.language.neural_network import network
    from symnum.language.pde import PDE
    from symnum.language.rate_law import Hill, MichaelisMenten, RateLaw
    from symnum.language.reaction_network import ReactionNetwork
    from symnum.language.reactions import Reaction, species
    from symnum.language.state_machine import StateMachine, Transition
    from symnum.language.switch import switch
    from symnum.language.system import System
    from symnum.language.variables import D, parameter, parameters, t, variable, variables
    from symnum.language.vector_calculus import (
        cartesian,
        curl,
        cylindrical,
        div,
        grad,
        laplacian,
        polar,
        spherical,
    )
    from symnum.lowering.compile import compile, load
    from symnum.lowering.discretize import discretize
    from symnum.lowering.explain import explain
    from symnum.lowering.schemes.conservation import TVD, WENO5
    from symnum.lowering.schemes.differences import Central, Staggered, Upwind
    from symnum.lowering.schemes.spectral import Chebyshev, Fourier
    from symnum.lowering.trace import trace
    from symnum.models.read import read
    from symnum.models.write import write
    from symnum.rewriting.complex_parts import conj, imag, real
    from symnum.rewriting.equation import Eq, Equation
    from symnum.rewriting.expr import Expr
    from symnum.rewriting.operators import (
        absolute,
        acos,
        acosh,
        asin,
        asinh,
        atan,
        atan2,
        atanh,
        ceil,
        clip,
        cos,
        cosh,
        erf,
        exp,
        expm1,
        floor,
        hypot,
        ifelse,
        log,
        log1p,
        log10,
        maximum,
        minimum,
        sign,
        sin,
        sinh,
        sqrt,
        tan,
        tanh,
    )
    from symnum.rewriting.schedule import simplify
    from symnum.rewriting.sympy_bridge import from_sympy
    from symnum.solving.continuation import continuation
    from symnum.solving.discover import discover
    from symnum.solving.ensembles.ensemble import Ensemble
    from symnum.solving.export import export
    from symnum.solving.export_fmu import export_fmu
    from symnum.solving.fit import fit
    from symnum.solving.gradient import gradient
    from symnum.solving.linearize import linearize
    from symnum.solving.order_reduction import reduce_order
    from symnum.solving.problem import Problem
    from symnum.solving.sensitivity import sensitivities
    from symnum.solving.solution import Solution
    from symnum.solving.solution_map import SolutionMap
    from symnum.solving.solve import solve
    from symnum.solving.solve_ivp import solve_ivp
    from symnum.solving.steady_state import steady_state, steady_states
    from symnum.solving.stochastic.methods import STOCHASTIC_METHODS
    from symnum.solving.tableaus import METHODS

__version__ = "0.1.0"

_NAMES = {
    "symnum.language.explicit_part": "explicit",
    "symnum.language.compartment": "Compartment",
    "symnum.language.component": "Component Connector potential flow option",
    "symnum.language.connect": "connect",
    "symnum.language.delay": "delay",
    "symnum.language.event": "Event",
    "symnum.language.field": "coordinate field fields integral",
    "symnum.language.homotopy": "homotopy",
    "symnum.language.limit": "Limit",
    "symnum.language.neural_network": "network",
    "symnum.language.pde": "PDE",
    "symnum.language.rate_law": "Hill MichaelisMenten RateLaw",
    "symnum.language.reaction_network": "ReactionNetwork",
    "symnum.language.reactions": "Reaction species",
    "symnum.language.state_machine": "StateMachine Transition",
    "symnum.language.switch": "switch",
    "symnum.language.system": "System",
    "symnum.language.variables": "variables variable parameters parameter t D",
    "symnum.language.vector_calculus": "cartesian polar cylindrical spherical grad div laplacian curl",
    "symnum.lowering.compile": "compile load",
    "symnum.lowering.discretize": "discretize",
    "symnum.lowering.explain": "explain",
    "symnum.lowering.schemes.conservation": "TVD WENO5",
    "symnum.lowering.schemes.differences": "Central Staggered Upwind",
    "symnum.lowering.schemes.spectral": "Chebyshev Fourier",
    "symnum.models.read": "read",
    "symnum.models.write": "write",
    "symnum.lowering.trace": "trace",
    "symnum.rewriting.equation": "Eq Equation",
    "symnum.rewriting.expr": "Expr",
    "symnum.rewriting.complex_parts": "conj imag real",
    "symnum.rewriting.operators": (
        "sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh exp expm1 log log1p log10 sqrt "
        "hypot erf absolute sign floor ceil minimum maximum clip ifelse"
    ),
    "symnum.rewriting.schedule": "simplify",
    "symnum.rewriting.sympy_bridge": "from_sympy",
    "symnum.solving.export": "export",
    "symnum.solving.export_fmu": "export_fmu",
    "symnum.solving.continuation": "continuation",
    "symnum.solving.discover": "discover",
    "symnum.solving.ensembles.ensemble": "Ensemble",
    "symnum.solving.fit": "fit",
    "symnum.solving.gradient": "gradient",
    "symnum.solving.linearize": "linearize",
    "symnum.solving.order_reduction": "reduce_order",
    "symnum.solving.problem": "Problem",
    "symnum.solving.sensitivity": "sensitivities",
    "symnum.solving.solution": "Solution",
    "symnum.solving.solution_map": "SolutionMap",
    "symnum.solving.solve": "solve",
    "symnum.solving.solve_ivp": "solve_ivp",
    "symnum.solving.stochastic.methods": "STOCHASTIC_METHODS",
    "symnum.solving.steady_state": "steady_state steady_states",
    "symnum.solving.tableaus": "METHODS",
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "METHODS",
    "PDE",
    "STOCHASTIC_METHODS",
    "TVD",
    "WENO5",
    "Central",
    "Chebyshev",
    "CodegenError",
    "Compartment",
    "Component",
    "Connector",
    "D",
    "Ensemble",
    "Eq",
    "Equation",
    "Event",
    "Expr",
    "Fourier",
    "Hill",
    "Limit",
    "LoweringError",
    "MichaelisMenten",
    "ModelError",
    "Problem",
    "RateLaw",
    "Reaction",
    "ReactionNetwork",
    "Solution",
    "SolutionMap",
    "SolveFailed",
    "Staggered",
    "StateMachine",
    "SymnumError",
    "System",
    "TraceError",
    "Transition",
    "UnbalancedSystem",
    "UnitError",
    "UnknownName",
    "Upwind",
    "absolute",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cartesian",
    "ceil",
    "clip",
    "compile",
    "conj",
    "connect",
    "continuation",
    "coordinate",
    "cos",
    "cosh",
    "curl",
    "cylindrical",
    "delay",
    "discover",
    "discretize",
    "div",
    "erf",
    "exp",
    "explain",
    "explicit",
    "expm1",
    "export",
    "export_fmu",
    "field",
    "fields",
    "fit",
    "floor",
    "flow",
    "from_sympy",
    "grad",
    "gradient",
    "homotopy",
    "hypot",
    "ifelse",
    "imag",
    "integral",
    "laplacian",
    "linearize",
    "load",
    "log",
    "log1p",
    "log10",
    "maximum",
    "minimum",
    "network",
    "option",
    "parameter",
    "parameters",
    "polar",
    "potential",
    "read",
    "real",
    "reduce_order",
    "sensitivities",
    "sign",
    "simplify",
    "sin",
    "sinh",
    "solve",
    "solve_ivp",
    "species",
    "spherical",
    "sqrt",
    "steady_state",
    "steady_states",
    "switch",
    "t",
    "tan",
    "tanh",
    "trace",
    "variable",
    "variables",
    "write",
]


if not TYPE_CHECKING:  # hidden from type checkers, which would otherwise accept every misspelt name

    def __getattr__(name: str) -> object:
        """Import the module behind a public name, and remember the value so that this runs once a name."""
        module = _MODULES.get(name)
        if module is None:
            raise AttributeError(f"module 'symnum' has no attribute {name!r}")
        value = getattr(import_module(module), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
