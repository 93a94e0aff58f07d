"""How components come onto a page: what they are made of, and where a browser gets their modules."""

import base64
import gzip
import re
import shutil

import pytest
from streamlit.testing.v1 import AppTest

from pages.components.mounting import (
    COMPONENTS,
    VERSION,
    WEB,
    component_html,
    full_name,
    module_paths,
    packed_page,
    read_files,
    web_version,
)

_FROM = re.compile(r'^(?:import|export)\b[^;]*?\bfrom "([^"]+)"', re.MULTILINE | re.DOTALL)
_LATER = re.compile(r'^[^*/]*\bawait import\("([^"]+)"\)', re.MULTILINE)
_MARKUP = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function")
_MARKUP += ("createContextualFragment",)


def modules_of(entry, *, later=False):
    """A component's module and all that it imports, directly or not; also later, once it needs it."""
    found, waiting = set(), [WEB / entry]
    ways = (_FROM, _LATER) if later else (_FROM,)
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            text = file.read_text("utf-8")
            waiting += [(file.parent / name).resolve() for way in ways for name in way.findall(text)]
    return found


def page_with_steppers():
    from pages.components.stepper import Steps, stepper

    for key in ("one", "two"):
        stepper(Steps("session"), 0, 2, print, key=key, back="Back", forward="On")


def test_a_component_is_mounted_from_its_files_in_every_runtime():
    for _ in range(2):  # AppTest makes a runtime each time; a server has one
        test = AppTest.from_function(page_with_steppers).run()
        assert not test.exception
        one, two = (element.proto for element in test.get("bidi_component"))
        for proto in (one, two):
            assert proto.component_name == full_name("stepper")
            assert proto.js_source_path == "stepper/stepper.js"
            assert proto.html_content.strip() == component_html("stepper").strip()
            assert proto.css_content.strip() == (WEB / "stepper" / "stepper.css").read_text("utf-8").strip()
        assert one.id != two.id


def test_a_packed_page_has_page_and_styles_and_is_a_fraction_of_them():
    for row in COMPONENTS:
        assert row.is_packed == ("unpacked(" in (WEB / row.js).read_text("utf-8"))
    html, css = component_html("review"), (WEB / "review" / "review.css").read_text("utf-8")
    packed = packed_page(html, css)
    assert len(packed) < (len(html) + len(css)) / 3
    inner = re.fullmatch(r"<div data-packed hidden>([A-Za-z0-9+/=]+)</div>", packed)[1]
    assert gzip.decompress(base64.b64decode(inner)).decode() == f"{html}<style>\n{css}</style>\n"


def test_all_modules_belong_to_a_component_and_are_there():
    used = set().union(*(modules_of(row.js, later=True) for row in COMPONENTS))
    assert WEB / "viewer" / "slide_parts.js" in used - set().union(
        *(modules_of(row.js) for row in COMPONENTS)
    )
    assert used == {file.resolve() for file in WEB.rglob("*") if file.suffix in (".js", ".json")}


@pytest.mark.parametrize("row", COMPONENTS, ids=lambda row: row.name)
def test_the_paths_of_a_components_modules_are_those_of_all_its_scripts(row):
    paths = module_paths(row.name)
    assert len(set(paths)) == len(paths)
    scripts = {file.relative_to(WEB).as_posix() for file in modules_of(row.js) if file.suffix == ".js"}
    assert set(paths) == {f"_stcore/bidi-components/{full_name(row.name)}/{script}" for script in scripts}


def test_all_files_of_the_table_are_there():
    used = {file for row in COMPONENTS for file in (*row.css, row.html, *row.slots.values()) if file}
    assert used == {
        file.relative_to(WEB).as_posix() for file in WEB.rglob("*") if file.suffix in (".css", ".html")
    }


@pytest.mark.parametrize("row", COMPONENTS, ids=lambda row: row.name)
def test_no_text_is_ever_set_as_markup(row):
    for file in modules_of(row.js):
        script = file.read_text("utf-8")
        # A packed page comes with the component, as one that Streamlit puts there itself.
        allowed = ["createContextualFragment"] if file == WEB / "lib" / "unpack.js" else []
        assert [way for way in _MARKUP if way in script] == allowed, file


def test_every_change_below_the_folder_makes_another_version(tmp_path):
    folder = tmp_path / "web"
    shutil.copytree(WEB, folder)
    assert web_version(read_files(folder)) == VERSION
    seen = {VERSION}
    for change in (
        lambda: (folder / "lib" / "rle.js").write_text("export {};"),
        lambda: (folder / "lib" / "rle.js").rename(folder / "lib" / "runs.js"),
        lambda: (folder / "lib" / "new.js").touch(),
        lambda: (folder / "lib" / "new.js").unlink() or (folder / "viewer" / "viewer.css").unlink(),
    ):
        change()
        version = web_version(read_files(folder))
        assert version not in seen
        seen.add(version)


def test_the_version_is_in_all_urls_and_all_pages():
    for row in COMPONENTS:
        assert VERSION in full_name(row.name)
        assert re.fullmatch(r"[\w.-]+", full_name(row.name)), "it is a part of a URL as it is"
        assert not row.html or VERSION in component_html(row.name)
