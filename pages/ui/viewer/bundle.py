"""One script from the viewer's modules, as inline components cannot import files.

Not a JavaScript parser: it knows the few forms our modules keep to and refuses everything else. Each import
stands on one line and names a module that came before, by its file name whatever its folder; only the last
module has a default export; no two modules give the same name to something at the top level. Node's tests
import the modules as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_IMPORT = re.compile(r'import \{[\w, ]+\} from "\.{1,2}/(?:[\w.-]+/)*([\w-]+\.js)";')
_EXPORT = re.compile(r"export (?=(?:async function|function|const|class) \w)")
_DEFAULT = re.compile(r"export default function \w")
_NAME = re.compile(r"(?:export )?(?:default )?(?:async function|function|const|let|class) (\w+)")
_COMMENT = re.compile(r"\s*(?://|/\*\*|\*)")


def bundle_modules(modules: Mapping[str, str]) -> str:
    """The modules' text, in the order given, as one ES module without imports.

    Raises:
        ValueError: names module and line of an import or export in a form not known here, of an import of a
            module that does not come before, or of a top-level name used twice.
    """
    done: list[str] = []
    seen: dict[str, str] = {}
    lines: list[str] = []
    for file, text in modules.items():
        for number, line in enumerate(text.splitlines(), 1):
            where = f"{file}:{number}"
            if (found := _IMPORT.fullmatch(line)) and found[1] in done:
                continue
            if name := _NAME.match(line):
                if name[1] in seen:
                    raise ValueError(f"{where}: {name[1]} is already defined at {seen[name[1]]}")
                seen[name[1]] = where
            is_last_default = _DEFAULT.match(line) and file == list(modules)[-1]
            kept = line if is_last_default else _EXPORT.sub("", line, count=1)
            if not is_last_default and not _COMMENT.match(kept) and re.search(r"\b(?:import|export)\b", kept):
                raise ValueError(f"{where}: cannot bundle {line.strip()!r}")
            lines.append(kept)
        done.append(file)
    return "\n".join(lines) + "\n"
