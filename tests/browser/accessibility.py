"""What people who do not see the screen get of a page: names of its controls, and what axe-core finds."""

from pathlib import Path

from tests.needs import lacks

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_RUN = """async (rules) => {
    const { violations } = await axe.run(document, { resultTypes: ["violations"], runOnly: rules });
    return violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .flatMap(({ id, nodes }) => nodes.map((node) =>
            [id, node.html.slice(0, 160), node.any[0]?.message ?? ""].join(" | ")));
}"""
_CONTROLS = frozenset(
    [
        "button",
        "checkbox",
        "combobox",
        "link",
        "menuitem",
        "radio",
        "searchbox",
        "slider",
        "spinbutton",
        "switch",
        "tab",
        "textbox",
    ]
)


def findings_of_axe(page):
    """The serious and critical findings on a page, in its components too: rule, element and what is wrong."""
    if not AXE.exists():
        lacks("no axe-core: `make test` gets it where npm is")
    page.evaluate(AXE.read_text("utf-8"))
    return page.evaluate(_RUN, _RULES)


def nameless_controls(page):
    """Roles and ids of the controls that Chromium's accessibility tree has no name for."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    controls = [n for n in nodes if not n["ignored"] and n["role"]["value"] in _CONTROLS]
    assert controls, "a page without any control"
    return [
        (node["role"]["value"], node["nodeId"])
        for node in controls
        if not node.get("name", {}).get("value", "").strip()
    ]
