"""Scripts without their comments, as the real compiler reads them."""

import gzip
import json
import subprocess
from pathlib import Path

from pages.components.mounting import WEB
from pages.shell.shrinking import without_comments

HERE = Path(__file__).parent
SCRIPTS = {file.relative_to(WEB).as_posix(): file.read_bytes() for file in sorted(WEB.rglob("*.js"))}


def that_differ(node, pairs):
    """The names of pairs of scripts that differ in more than comments."""
    told = json.dumps([(name, one.decode(), other.decode()) for name, one, other in pairs])
    done = subprocess.run(
        [node, "same_code.mjs"],
        cwd=HERE,
        input=told,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_the_code_stays_and_each_line_keeps_its_number(node):
    pairs = [(name, script, without_comments(script)) for name, script in SCRIPTS.items()]
    assert len(pairs) > 80 and that_differ(node, pairs) == []
    for _, script, shrunk in pairs:
        assert script.count(b"\n") == shrunk.count(b"\n")
    size = [sum(len(gzip.compress(pair[n])) for pair in pairs) for n in (1, 2)]
    assert size[1] < 0.75 * size[0]


def test_a_change_of_the_code_would_be_seen(node):
    assert that_differ(node, [("one", b"const a = 1; // one\n", b"const a = 2;\n")]) == ["one"]


def test_what_only_looks_like_a_comment_stays():
    kept = b'const a = "// no"; // beside code\nconst b = 4 / 2 /* within */ / 1;\n  * 2;\n'
    assert without_comments(kept) == kept


def test_comments_with_lines_of_their_own_go():
    script = b"// one\n\n/** two\n * lines **/\n  // indented\ncode();\n/* a */ code();\n"
    assert without_comments(script) == b"\n\n\n\n\ncode();\n/* a */ code();\n"
