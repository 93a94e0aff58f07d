"""The picture of docs/architecture.md: which package imports which. ``python -m tests.diagram`` prints it."""

import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]


def layers_of(package):
    """Rows of the order of imports, from the top: each a list of names."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (rows,) = [c["layers"] for c in contracts if c.get("containers") == [package]]
    return [row.split(" | ") for row in rows]


def imports_of(package):
    """For each part of a package the others that it imports."""
    graph = grimp.build_graph(package)
    parts = sorted(graph.find_children(package))
    return {
        part.rpartition(".")[2]: {
            other.rpartition(".")[2]
            for other in parts
            if other != part and graph.direct_import_exists(importer=part, imported=other, as_packages=True)
        }
        for part in parts
    }


def without_detours(imports):
    """The arrows that no longer way replaces (the transitive reduction)."""
    reached = {}
    for part in TopologicalSorter(imports).static_order():
        reached[part] = {part}.union(*(reached[other] for other in imports[part]))
    return {
        part: {other for other in others if not any(other in reached[third] for third in others - {other})}
        for part, others in imports.items()
    }


def diagram(package="maskrcnn_core"):
    """Mermaid's text of the packages and arrows, in the order of the layers."""
    arrows = without_detours(imports_of(package))
    parts = [part for row in layers_of(package) for part in row]
    lines = ["flowchart TD"]
    for part in parts:
        others = sorted(arrows[part], key=parts.index)
        if others:
            lines.append(f"    {part} --> {' & '.join(others)}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(diagram())
