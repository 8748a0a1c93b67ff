"""The graph of species and reactions of a network, and its picture."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from symnum.errors import ModelError

if TYPE_CHECKING:
    import networkx
    from matplotlib.axes import Axes

    from symnum.language.reaction_network import ReactionNetwork

__all__ = ["draw", "graph_of"]

_LARGEST = 300  # nodes that a picture can show
_WIDEST = 14  # characters of a name in one line
_RATE, _SPECIES, _FIXED = "#4c566a", "#cfe3f5", "#f6e3c5"


def graph_of(network: ReactionNetwork) -> networkx.MultiDiGraph:
    """Species and reactions as the two kinds of nodes of a directed graph.

    Nodes: species by name (kind="species") and reactions by number (kind="reaction", label and rate as
    text). Edges from a reactant to its reaction and from there to a product carry the multiplicity as
    ``count``; an edge with ``count`` 0 leads from a species that the rate reads without taking part.
    """
    import networkx

    from symnum.rewriting.walk import leaves

    graph = networkx.MultiDiGraph(name=network.name)
    for i, leaf in enumerate(network.species):
        graph.add_node(leaf.name, kind="species", fixed=not network.is_free[i])
    names = {leaf: leaf.name for leaf in network.species}
    for j in range(network.n_reactions):
        rate = network.rate(j)
        graph.add_node(j, kind="reaction", label=network.text(j), rate=str(rate))
        taken = network.reactants.of_reaction(j)
        for i, count in taken:
            graph.add_edge(network.species[i].name, j, count=count)
        for i, count in network.products.of_reaction(j):
            graph.add_edge(j, network.species[i].name, count=count)
        known = {network.species[i].name for i, _ in taken}
        for leaf in leaves((rate,)):
            if leaf in names and names[leaf] not in known:
                graph.add_edge(names[leaf], j, count=0)
    return graph


def draw(network: ReactionNetwork, ax: Axes | None = None) -> Axes:
    """Species as labelled boxes, reactions as dots, arrows from reactants through the dot to products.

    Multiplicities above one stand at their arrow; a dashed line leads from a species that a rate reads
    without using it up. A reaction and its reverse share one dot, with arrows to both sides. Constant and
    boundary species have another colour.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ModelError('network.plot needs matplotlib: pip install "symnum-modeling[plot]"') from error
    graph = _with_pairs_merged(graph_of(network))
    if len(graph) > _LARGEST:
        raise ModelError(
            f"{network.name}: {len(network.species)} species and {network.n_reactions} reactions are too "
            "many for one picture; network.graph() gives the graph to draw parts of"
        )
    places = _layout(graph)
    low = np.min(list(places.values()), axis=0) - 0.4
    high = np.max(list(places.values()), axis=0) + 0.4
    width, height = np.clip(1.3 * (high - low), 2.5, 40.0)
    axes = plt.subplots(figsize=(width, height + 0.4), layout="constrained")[1] if ax is None else ax
    patches: dict[Any, Any] = {}
    for node, about in graph.nodes(data=True):
        x, y = places[node]
        if about["kind"] == "species":
            box = {"boxstyle": "round,pad=0.35", "fc": _FIXED if about["fixed"] else _SPECIES, "ec": _RATE}
            shown = axes.text(x, y, _broken(node), ha="center", va="center", bbox=box, fontsize=10, zorder=2)
            patches[node] = shown.get_bbox_patch()
        else:
            axes.plot([x], [y], "o", ms=5, color=_RATE, zorder=2)
    for begin, end, about in graph.edges(data=True):
        _arrow(axes, places, patches, graph, begin, end, about)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_title(network.name)
    return axes


def _arrow(
    axes: Axes, places: Any, patches: Any, graph: Any, begin: Any, end: Any, about: dict[str, Any]
) -> None:
    forward, backward, count = about["forward"], about["backward"], about["count"]
    head = "-" if count == 0 or not (forward or backward) else {
        (True, False): "-|>", (False, True): "<|-", (True, True): "<|-|>"
    }[forward, backward]  # fmt: skip
    bend = 0.25 if graph.has_edge(end, begin) else 0.0  # a species on both sides: two arcs
    axes.annotate(
        "", xy=places[end], xytext=places[begin], zorder=3,  # after the boxes, at which arrows end
        arrowprops={
            "arrowstyle": head, "color": _RATE, "linestyle": "--" if count == 0 else "-", "linewidth": 1.1,
            "connectionstyle": f"arc3,rad={bend}", "shrinkA": 2.0, "shrinkB": 2.0,
            "patchA": patches.get(begin), "patchB": patches.get(end),
        },
    )  # fmt: skip
    if count not in (0, 1):
        along = np.asarray(places[end]) - places[begin]
        middle = places[begin] + 0.5 * along + 0.5 * bend * np.array([along[1], -along[0]])
        axes.text(
            middle[0], middle[1], f"{count:g}", fontsize=9, ha="center", va="center", color=_RATE,
            bbox={"boxstyle": "circle,pad=0.1", "fc": "white", "ec": "none"},
        )  # fmt: skip


def _broken(name: str) -> str:
    """A long name in lines, broken behind dots, commas and brackets."""
    lines = [""]
    for part in re.findall(r"[^.,_)]*[.,_)]?", name):
        if len(lines[-1]) + len(part) > _WIDEST and lines[-1]:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _with_pairs_merged(graph: Any) -> Any:
    """One node for each pair of a reaction and its reverse; edges say in which directions they are gone."""
    import networkx

    merged = networkx.DiGraph()
    sides: dict[tuple[Any, Any], Any] = {}
    for node, about in graph.nodes(data=True):
        if about["kind"] == "species":
            merged.add_node(node, **about)
    for node, about in graph.nodes(data=True):
        if about["kind"] != "reaction":
            continue
        into = {(begin, data["count"]) for begin, _, data in graph.in_edges(node, data=True) if data["count"]}
        out = {(end, data["count"]) for _, end, data in graph.out_edges(node, data=True)}
        left, right = frozenset(into), frozenset(out)
        partner = sides.get((right, left))
        readers = [begin for begin, _, data in graph.in_edges(node, data=True) if not data["count"]]
        if partner is None or not left or not right or left == right:
            sides[left, right] = node
            merged.add_node(node, **about)
            for begin, count in sorted(left):
                merged.add_edge(begin, node, count=count, forward=False, backward=False)
            for end, count in sorted(right):
                merged.add_edge(node, end, count=count, forward=True, backward=False)
        else:
            del sides[right, left]  # a third reaction of this kind gets a node of its own
            for begin, _ in left:
                merged[partner][begin]["forward"] = True
            for end, _ in right:
                merged[end][partner]["backward"] = True
        own = node if node in merged else partner
        for begin in readers:
            if not merged.has_edge(begin, own):
                merged.add_edge(begin, own, count=0, forward=False, backward=False)
    return merged


def _layout(graph: Any) -> dict[Any, Any]:
    """Places of the nodes by least stretched springs, longer axis horizontal, the same in every run."""
    import networkx

    parts = [graph.subgraph(nodes) for nodes in networkx.weakly_connected_components(graph)]
    places: dict[Any, Any] = {}
    left = 0.0
    for part in sorted(parts, key=len, reverse=True):
        found = networkx.kamada_kawai_layout(part.to_undirected(), scale=len(part) ** 0.5)
        nodes = list(found)
        xy = np.array([found[node] for node in nodes])
        xy = xy - xy.mean(axis=0)
        if len(nodes) > 2:
            axes = np.linalg.svd(xy, full_matrices=False)[2]
            xy = xy @ axes.T
        xy[:, 0] += left - xy[:, 0].min()
        left = xy[:, 0].max() + 1.2
        places.update(zip(nodes, xy, strict=True))
    return places
