"""SBML files: read safely, checked by libSBML, and flattened where they are composed of submodels.

libSBML is a C++ library that follows its input wherever it leads, so the text is looked at first: document
type declarations (entity bombs), endless nesting and broken XML never reach it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn
from xml.parsers import expat

from symnum.errors import ModelError

__all__ = ["Element", "libsbml", "open_model", "where"]

Element = Any  # an object of libSBML, which has no types

_DEEPEST = 1000  # nested elements; libSBML descends on the stack
# Packages that say nothing about the time course, although a file may call them required.
_HARMLESS = frozenset({"layout", "render", "groups", "fbc", "l3v2extendedmath", "req"})
_SHOWN = 5


def libsbml() -> Any:
    """The library, imported when the first file is read."""
    try:
        import libsbml as library
    except ImportError as error:
        raise ModelError('reading SBML needs python-libsbml: pip install "symnum-modeling[sbml]"') from error
    return library


def where(path: Path, element: Element) -> str:
    """File, line and name of an element, for messages."""
    name = element.getIdAttribute() or element.getElementName()
    if element.getElementName() in ("assignmentRule", "rateRule", "initialAssignment", "eventAssignment"):
        name = f"of {element.getSymbol() if hasattr(element, 'getSymbol') else element.getVariable()}"
    line = element.getLine()
    place = f"{path}, line {line}" if line else f"{path}"
    return f"{place}: {element.getElementName()} {name}"


def open_model(path: Path) -> tuple[Element, Element]:
    """(document, model) of a file, flattened. The document has to live as long as the model is used.

    Raises ModelError with the line for what is no sound SBML, and by name for packages that change what a
    model means and are not supported.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    _check_text(path, text)
    library = libsbml()
    document = library.readSBMLFromFile(str(path))
    _check_errors(path, document)
    if document.getModel() is None:
        raise ModelError(f"{path}: there is no model in this file")
    _check_packages(path, document)
    if document.getPlugin("comp") is not None:
        _flatten(path, document, library)
    return document, document.getModel()


def _check_text(path: Path, text: bytes) -> None:
    """Well-formed XML whose root is sbml, without document types and not nested endlessly."""
    parser = expat.ParserCreate()
    depth = 0

    def fail(problem: str) -> NoReturn:
        raise ModelError(f"{path}, line {parser.CurrentLineNumber}: {problem}")

    def start(name: str, attributes: object) -> None:
        nonlocal depth
        if depth == 0 and name.rpartition(":")[2] != "sbml":
            fail(f"this is no SBML: the outermost element is <{name}>")
        depth += 1
        if depth > _DEEPEST:
            fail(f"elements are nested more than {_DEEPEST} deep")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_: object) -> None:
        fail("document type declarations (DOCTYPE, ENTITY) do not belong into SBML and are not read")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        problem = expat.errors.messages[error.code]
        raise ModelError(
            f"{path}, line {error.lineno}: this is no well-formed XML ({problem}); is the file cut off?"
        ) from error
    except (LookupError, ValueError) as error:  # an encoding that does not exist
        raise ModelError(f"{path}, line 1: {error}") from error


def _check_errors(path: Path, document: Element, stage: str = "") -> None:
    """Raise for what libSBML calls an error; warnings are let pass."""
    log = document.getErrorLog()
    found = []
    for k in range(log.getNumErrors()):
        error = log.getError(k)
        if error.isError() or error.isFatal():
            message = " ".join(error.getMessage().split())
            found.append(f"line {error.getLine()}: {error.getShortMessage()}. {message}")
    if found:
        more = f"\n... {len(found)} in all" if len(found) > _SHOWN else ""
        raise ModelError(f"{path}: {stage}this is no valid SBML\n" + "\n".join(found[:_SHOWN]) + more)


def _check_packages(path: Path, document: Element) -> None:
    """Refuse required packages that are not understood."""
    for k in range(document.getNumPlugins()):
        plugin = document.getPlugin(k)
        name = plugin.getPackageName()
        if name not in _HARMLESS and name != "comp" and document.getPackageRequired(name):
            raise ModelError(
                f"{path}: the SBML package {name!r} changes what a model means and is not supported"
            )
    for k in range(document.getNumUnknownPackages()):
        name = document.getUnknownPackagePrefix(k)
        if document.getPackageRequired(name):
            raise ModelError(f"{path}: the SBML package {name!r} is unknown, and the file requires it")


def _flatten(path: Path, document: Element, library: Any) -> None:
    """Replace submodels by their elements, in place."""
    options = library.ConversionProperties()
    options.addOption("flatten comp", True)
    options.addOption("leave_ports", False)
    options.addOption("performValidation", False)
    options.addOption("abortIfUnflattenable", "requiredOnly")
    options.addOption("basePath", str(path.resolve().parent))
    document.getErrorLog().clearLog()
    status = document.convert(options)
    if status != library.LIBSBML_OPERATION_SUCCESS:
        _check_errors(path, document, "the submodels cannot be flattened: ")
        raise ModelError(f"{path}: the submodels cannot be flattened (libSBML says {status})")
