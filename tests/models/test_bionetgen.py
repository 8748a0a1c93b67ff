"""BioNetGen files: the reference networks at their criteria, every rate law by hand, bad files by line."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError
from symnum.models.chemistry.formula import formula
from symnum.rewriting.walk import evaluate

NETWORKS = [
    "birth_death", "heise", "higherorder", "simple_system", "motor", "michment", "test_fixed", "test_time",
    "test_sbml_flat", "localfunc", "CaOscillate_Sat", "Haugh2b", "multistate", "repressilator", "tlbr",
    "multisite2", "toy-jim", "isingspin_energy", "Motivating_example", "egfr_net",
    pytest.param("bcr", marks=pytest.mark.slow),
]  # fmt: skip
LOOSER = {"CaOscillate_Sat": 1e-4, "bcr": 1e-4}  # their references are less certain


def table(path: Path) -> tuple[list[str], Any]:
    with path.open() as file:
        head, *rows = csv.reader(file)
    return head, np.array(rows, float)


@pytest.mark.parametrize("name", NETWORKS)
def test_reference_networks(name: str, shared_data: Path) -> None:
    """Counts, and all observables over time: largest difference / largest value <= 1e-5 at rtol 1e-9."""
    folder = shared_data / "bng_net" / name
    about = json.loads((folder / "meta.json").read_text())
    network = sn.read(folder / f"{name}.net")
    assert len(network.species) == about["species"]
    assert network.n_reactions == about["reactions"]
    assert len(network.observables) == about["observables"]
    assert len(network.equations) == about["functions"]
    assert len(network.constant) == about["fixedSpecies"]
    head, reference = table(folder / "observables.csv")
    times = reference[:, 0]
    problem = sn.Problem(network.system(), span=(times[0], times[-1]))
    assert problem.flat.mass.all()
    atol = 1e-12 * max(1.0, float(np.abs(problem.u).max()))
    solution = sn.solve(problem, rtol=1e-9, atol=atol, saveat=times)
    allowed = LOOSER.get(name, 1e-5)
    for title, observable, column in zip(head[1:], network.observables, reference[:, 1:].T, strict=True):
        scale = np.abs(column).max() or 1.0
        assert np.abs(solution[observable] - column).max() <= allowed * scale, title
    _, species = table(folder / "species.csv")
    with (folder / "species.csv").open() as file:
        at = [float(text.removeprefix("t=")) for text in next(csv.reader(file))[1:]]
    where = np.searchsorted(times, np.array(at) * (1 - 1e-12))
    found = solution[list(network.species)][:, where]
    largest = np.abs(species[:, 1:]).max()
    assert np.abs(found - species[:, 1:]).max() <= allowed * largest


def test_conservation_laws_of_a_large_network(shared_data: Path) -> None:
    """Six kinds of molecules, counted with whole numbers, and L S = 0 exactly."""
    network = sn.read(shared_data / "bng_net" / "bcr" / "bcr.net")
    laws = network.conserved()
    assert laws.shape == (6, 1122)
    assert (laws >= 0).all()
    assert not (laws @ network.stoichiometry).any()
    assert network._listed is None


def written(folder: Path, reactions: str, more: str = "", species: str = "1 A() 4\n2 B() 9\n3 C() 2") -> Path:
    path = folder / "small.net"
    path.write_text(
        f"begin parameters\n1 k 0.5\n2 K 3 # half\n3 n k*4 # ConstantExpression\nend parameters\n{more}\n"
        f"begin species\n{species}\nend species\nbegin reactions\n{reactions}\nend reactions\n"
    )
    return path


def first_rate(path: Path) -> float:
    """The first reaction's rate at the start."""
    problem = sn.Problem(sn.read(path).system())
    model = sn.compile(sn.read(path).system())
    return float(-model.rhs(0.0, problem.u, problem.p)[problem.flat.state_names.index("A()")])


FREE = (4 - 9 - 3 + ((4 - 9 - 3) ** 2 + 4 * 3 * 4) ** 0.5) / 2  # of A beside B, dissociation constant 3


@pytest.mark.parametrize(
    ("law", "rate"),
    [
        ("k", 0.5 * 4 * 9),
        ("2*k", 2 * 0.5 * 4 * 9),
        ("0.25*2*k", 0.5 * 0.5 * 4 * 9),
        ("1e-1*k", 0.1 * 0.5 * 4 * 9),
        ("0.7", 0.7 * 4 * 9),
        ("n", 2.0 * 4 * 9),
        ("Sat k K", 0.5 * 4 * 9 / (3 + 4)),
        ("2*Sat k K", 0.5 * 4 * 9 / (3 + 4) * 2),
        ("Sat k K n", 0.5 * 4 * 9 / (3 + 4) / (2 + 9)),
        ("Sat 0.25 K", 0.25 * 4 * 9 / (3 + 4)),
        ("MM k K", 0.5 * 9 * FREE / (3 + FREE)),
        ("Hill k K n", 0.5 * 4**2 / (3**2 + 4**2) * 9),
        ("f", (0.5 + (4 + 2 * 9)) * 4 * 9),
        ('FunctionProduct("f()","g()")', (0.5 + (4 + 2 * 9)) ** 3 * 4 * 9),
        ('2*FunctionProduct("f", "g")', 2 * (0.5 + (4 + 2 * 9)) ** 3 * 4 * 9),
        ("3*g", 3 * (0.5 + (4 + 2 * 9)) ** 2 * 4 * 9),
    ],
)
def test_rate_laws_by_hand(law: str, rate: float, tmp_path: Path) -> None:
    more = (
        "begin groups\n1 Atot 1,2*2\n2 nothing\nend groups\n"
        "begin functions\n1 f() k+Atot\n2 g() f()^2\nend functions"
    )
    assert first_rate(written(tmp_path, f"1 1,2 3 {law} #Rule", more)) == pytest.approx(rate, rel=1e-13)


def test_a_reactant_counts_as_often_as_it_is_listed(tmp_path: Path) -> None:
    assert first_rate(written(tmp_path, "1 1,2,1 3 k")) == pytest.approx(2 * 0.5 * 4**2 * 9, rel=1e-14)


def test_nothing_and_fixed_species(tmp_path: Path) -> None:
    path = written(tmp_path, "1 0 2 k\n2 1,2 0 k", species="1 $A() 4\n2 B() 9")
    network = sn.read(path)
    assert [leaf.name for leaf in network.constant] == ["A()"]
    problem = sn.Problem(network.system())
    slopes = sn.compile(network.system()).rhs(0.0, problem.u, problem.p)
    assert slopes == pytest.approx([0.0, 0.5 - 0.5 * 4 * 9])


def test_parameters_and_starts_follow_other_parameters(tmp_path: Path) -> None:
    path = written(tmp_path, "1 1 2 n", species="1 A() 3*K\n2 B() n")
    network = sn.read(path)
    problem = sn.Problem(network.system(), parameters={"K": 7, "k": 2})
    assert problem.u.tolist() == [21.0, 8.0]
    assert problem.p[problem.flat.parameters.find("n")] == 8.0


def test_an_observable_may_share_its_name_with_a_parameter(tmp_path: Path) -> None:
    network = sn.read(written(tmp_path, "1 1 2 k", "begin groups\n1 K 1\nend groups"))
    solution = sn.solve(sn.Problem(network.system()))
    assert network.observables[0].name == "observable(K)"
    assert solution["observable(K)"][0] == 4.0
    assert solution["K"][0] == 3.0


@pytest.mark.parametrize(
    ("reactions", "more", "message"),
    [
        ("1 1 9 k", "", "line 13: there is no species 9; the file has 3"),
        ("1 1 2 k\n2 x 2 k", "", "line 14: 'x' is not the number of a species"),
        ("1 -1 2 k", "", "line 13: '-1' is not the number of a species"),
        ("1 1 2", "", "line 13: '1 1 2' is not 'number reactants products rate'"),
        ("1 1 2 slow", "", "line 13: the rate constant 'slow' is neither a parameter nor a function"),
        ("1 1 2 k TotalRate", "", "line 13: the rate law 'k TotalRate' is not supported"),
        ("1 1 2 Arrhenius(k,K)", "", "line 13: "),
        ("1 1 2 MM k K", "", "line 13: MM with 2 constants and 1 reactants"),
        ("1 1 2 Hill k K", "", "line 13: Hill with 2 constants"),
        ("1 1 2 Sat k missing", "", "line 13: nothing is called missing"),
        ("1 1 2 k", "begin functions\n1 f() 2*(k\nend functions", "line 7: '\\)' is missing before the end"),
        ("1 1 2 k", "begin functions\n1 f() unknown(k)\nend functions", "line 7: unknown function unknown"),
        (
            "1 1 2 k", "begin functions\n1 f() g()+1\n2 g() 2*h()\n3 h() f()\nend functions",
            "line 9: the function h is defined by itself: f -> g -> h -> f",
        ),
        ("1 1 2 k", "begin functions\n1 f() k+f()\nend functions", "line 7: the function f is defined"),
        ('1 1 2 FunctionProduct("k","k")', "", "line 13: FunctionProduct: there is no function k"),
        ('1 1 2 FunctionProduct("f","g")', "", "line 13: FunctionProduct: there is no function f"),
        ("1 1 2 k", "begin functions\n1 f(x) k\nend functions", "line 7: .* arguments are not supported"),
        ("1 1 2 k", "begin functions\n1 k() 3\nend functions", "line 7: k is already defined in line 2"),
        ("1 1 2 k", "begin groups\n1 G 7\nend groups", "line 7: there is no species 7"),
        ("1 1 2 k", "begin groups\n1 G 1,,2\nend groups", "line 7: '' is not the number of a species"),
        ("1 1 2 k", "begin groups\n1 G 1", "line 8: 'begin species' within the section 'groups'"),
        ("1 1 2 k", "end groups", "line 6: 'end groups' without 'begin groups'"),
    ],
)  # fmt: skip
def test_bad_files_name_the_line(reactions: str, more: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=message) as error:
        sn.read(written(tmp_path, reactions, more))
    assert "small.net" in str(error.value)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("1 a b\n2 b c\n3 c a", "line 2: the parameter a is defined by itself: a -> b -> c -> a"),
        ("1 a 1\n2 a 2", "line 3: a is already defined in line 2"),
        ("1 a", "line 2: '1 a' is not 'number name value'"),
        ("1 a 1e", "line 2: "),
        ("1 a inf", "line 2: .*cannot be part of an expression"),
        ("1 a 9^9^9^9", "line 2: the formula '9.9.9.9': .* too large for a double"),
    ],
)
def test_bad_parameters(parameters: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "p.net"
    path.write_text(
        f"begin parameters\n{parameters}\nend parameters\nbegin species\n1 A() 1\nend species\n"
        "begin reactions\n1 1 0 a\nend reactions\n"
    )
    with pytest.raises(ModelError, match=message):
        sn.read(path)


def test_a_file_that_is_cut_off_anywhere_is_refused_or_complete(tmp_path: Path) -> None:
    """No prefix of a file crashes, hangs or passes for a smaller network."""
    text = written(tmp_path, "1 1,2 3 k\n2 3 1,2 2*n").read_text().rstrip("\n")
    path = tmp_path / "cut.net"
    for length in range(len(text)):
        path.write_text(text[:length])
        with pytest.raises(ModelError):
            sn.read(path)
    path.write_text(text)
    assert sn.read(path).n_reactions == 2


def test_files_that_are_no_networks(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        sn.read(tmp_path / "absent.net")
    (tmp_path / "binary.net").write_bytes(b"\xff\xfe\x00\x81" * 100)
    with pytest.raises(ModelError, match="no text file"):
        sn.read(tmp_path / "binary.net")
    with pytest.raises(ModelError, match=r"unknown; known kinds: \.net"):
        sn.read(tmp_path / "model.doc")


# ---- formulas -------------------------------------------------------------------------------------
x, y = sn.variables("x y")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2*x - y/4", 1 + 2 * 3.0 - 5 / 4),
        ("-x^2", -9.0),
        ("2^-x", 0.125),
        ("2^x^2", 512.0),
        ("(x + y)*-2", -16.0),
        (".5e1 + 1.E-1", 5.1),
        ("if(x < y && !(x == 4), 7, 8)", 7.0),
        ("if(x >= y || x != 3, 7, 8)", 8.0),
        ("if(x < 1, 2, if(y > 1, 3, 4))", 3.0),
        ("min(x, y, 2) + max(x, y, 2) + avg(x, y) + sum(x, y, 1)", 2 + 5 + 4 + 9),
        ("ln(_e^2) + log10(100) + log2(8) + exp(0)", 2 + 2 + 3 + 1),
        ("abs(-x) + sqrt(y - 1) + rint(2.6) + floor(2.6)", 3 + 2 + 3 + 2),
        ("time() + x()", 10.0 + 3.0),
        ("sin(_pi/2)", 1.0),
    ],
)
def test_formulas(text: str, value: float) -> None:
    expr = formula(text, {"x": x, "y": y}, "here")
    assert evaluate(expr, {x: 3.0, y: 5.0, sn.t: 10.0}) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    "text",
    ["", "x +", "x y", "(x", "x)", "2 ** x", "f(x)", "min()", "if(x, y)", "x(1)", "x @ y", "1..2", "()",
     "x,y", "(" * 300 + "x" + ")" * 300, "-" * 5000 + "x", "2^" * 5000 + "x"],
)  # fmt: skip
def test_bad_formulas(text: str) -> None:
    with pytest.raises(ModelError, match=r"^here: .* in the formula"):
        formula(text, {"x": x, "y": y}, "here")


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "1 1,2 3 k")
    path.write_text("\ufeff" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert first_rate(path) == pytest.approx(first_rate(written(tmp_path, "1 1,2 3 k")), rel=0)
