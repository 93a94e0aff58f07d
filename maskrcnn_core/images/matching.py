"""Which file belongs to which record: names of a data set's images beside names of files.

First by the whole path, then by the longest common end of the paths. Separators, percent-encoding, a URL's
query and the Unicode form do not matter, and last of all the case of letters, where one file fits one record
alone. One file never serves two records; where several fit equally well none is taken, and all are named.
Twins (``cam1/0001.png`` and ``cam2/0001.png``, ``train`` and ``val``) never stand in for each other.

The work grows with the total number of folders and names, not with records times files: common ends are
found in a tree of the files' paths, read from their ends.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.images.spellings import (
    Parts,
    RecordFolders,
    Spelling,
    are_twins,
    folded,
    is_rooted,
    joined,
    plain,
    spellings_of,
)

__all__ = ["Matches", "NamedFile", "match_names", "told_apart"]

_NAMED = 3


@dataclass(frozen=True)
class NamedFile:
    """A file as far as its name goes.

    Args:
        path: relative to what a person named or uploaded, with ``/`` or ``\\``.
        above: the path of that folder itself: it may take part in a common end, ``train`` and all.
    """

    path: str
    above: str = ""


@dataclass(frozen=True)
class Matches:
    """What was found.

    Args:
        files: from a record's number to its file's.
        ambiguous: records for which several files, or files for which several records, fit equally well.
        contests: sentences about those, naming all candidates.
        twins: records with the file of another folder that alone has their name, and was not taken, and why.
        by_last_part: pairs whose folders differ: right where the data set was moved, worth saying.
    """

    files: dict[int, int]
    ambiguous: frozenset[int] = frozenset()
    contests: tuple[str, ...] = ()
    twins: tuple[tuple[int, int, str], ...] = ()
    by_last_part: tuple[tuple[int, int], ...] = ()


def told_apart(name: str, path: str, why: str) -> str:
    """Return what people are told of a twin."""
    return (
        f"{one_line(name)}: expected its own file, got only {one_line(path)} from another folder, which "
        f"does not count because {one_line(why)}"
    )


def match_names(
    names: Sequence[str],
    files: Sequence[NamedFile],
    *,
    folders: Collection[str] = (),
    named_folders: RecordFolders | None = None,
) -> Matches:
    """Pair records with files.

    Args:
        names: of the records' images, as a data set calls them.
        files: those at hand.
        folders: names of folders (folded) that are there, beside those of ``files``: a record that
            names one of them does not get a file from another.
        named_folders: folders that the records name, also those that are not among ``names``: their files
            are theirs. By default those of ``names``.

    Returns:
        The pairs, each record and each file in at most one.
    """
    work = _Pairing(names, files, folders, named_folders)
    spellings = spellings_of((*names, *(f"{file.above}/{file.path}" for file in files)))
    for spelling in spellings[:-1]:
        work.pair_whole_paths(spelling)
    for spelling in spellings:
        work.pair_common_ends(spelling)
    return work.matches()


class _Pairing:
    def __init__(
        self,
        names: Sequence[str],
        files: Sequence[NamedFile],
        folders: Collection[str],
        named_folders: RecordFolders | None,
    ) -> None:
        self.names, self.files = names, files
        self.found: dict[int, int] = {}
        self.used: set[int] = set()
        self.contested: dict[int, int] = {}
        self.sentences: tuple[str, ...] = ()
        self.twins: dict[int, tuple[int, str]] = {}
        self.moved: list[tuple[int, int]] = []
        self.given = folders, named_folders
        self._folders: tuple[set[str], RecordFolders] | None = None
        self._spelt: dict[tuple[Spelling, bool], list[Parts]] = {}

    def _parts(self, spelling: Spelling, *, of_files: bool) -> list[Parts]:
        """Return all names in one spelling, each read once."""
        parts = self._spelt.get((spelling, of_files))
        if parts is None:
            texts = [file.path for file in self.files] if of_files else self.names
            parts = self._spelt[spelling, of_files] = [spelling(text) for text in texts]
        return parts

    def pair_whole_paths(self, spelling: Spelling) -> None:
        left = self.left()
        if not left or len(self.used) == len(self.files):
            return
        by_path: dict[Parts, list[int]] = defaultdict(list)
        for number, parts in enumerate(self._parts(spelling, of_files=True)):
            if number not in self.used:
                by_path[parts].append(number)
        names = self._parts(spelling, of_files=False)
        claims: dict[Parts, list[int]] = defaultdict(list)
        for record in left:
            name = self.names[record]
            path = joined((), name, spelling) if ".." in name or "%" in name else names[record]
            if path is not None and path in by_path:
                claims[path].append(record)
        for path, records in claims.items():
            if len(records) == 1 and len(by_path[path]) == 1:
                self.take(records[0], by_path[path][0])

    def pair_common_ends(self, spelling: Spelling) -> None:
        left = self.left()
        if not left or len(self.used) == len(self.files):
            return
        names = self._parts(spelling, of_files=False)
        records = {record: names[record] for record in left}
        wanted = {parts[-1] for parts in records.values() if parts}
        longest = max((len(parts) for parts in records.values()), default=0)
        paths = {}
        for number, parts in enumerate(self._parts(spelling, of_files=True)):
            if parts and parts[-1] in wanted and number not in self.used:
                if len(parts) < longest and (above := self.files[number].above):
                    parts = (*spelling(above), *parts)
                paths[number] = parts[-longest:]
        tree = _Tree(paths, records)
        # The more lenient spelling may part what a stricter one could not.
        self.contested = {}
        for depth in range(longest, 0, -1):
            for record in tree.records_at(depth):
                self._decide(tree, record, depth, is_whole=depth == len(records[record]))
        self.sentences = _contests(tree, self.contested, self.names, self.files)

    def _decide(self, tree: _Tree, record: int, depth: int, *, is_whole: bool) -> None:
        if record in self.found or record in self.contested:
            return
        files, records, file = tree.at(record, depth)
        if not files:
            return
        if files > 1 or records > 1:
            self.contested[record] = tree.walks[record][depth - 1]
        elif not is_whole and (why := self._contradiction(record, file)):
            self.twins[record] = file, why
        else:
            self.take(record, file)
            tree.remove(record, file)

    def _contradiction(self, record: int, file: int) -> str:
        """Return why a file's folders say that it is not this record's, whatever its name; else nothing."""
        name = self._parts(folded, of_files=False)[record]
        own = self._parts(folded, of_files=True)[file]
        path = (*folded(self.files[file].above), *own)
        same = 0
        while same < min(len(name), len(path)) and name[-1 - same] == path[-1 - same]:
            same += 1
        if same in (len(name), len(path)):
            return ""
        mine, its = name[-1 - same], path[-1 - same]
        folder = (*plain(self.files[file].above), *plain(self.files[file].path))[-1 - same]
        of_files, of_records = self._folders_named()
        if mine in of_files:
            return f"there is a folder {plain(self.names[record])[-1 - same]}, which does not contain it"
        if of_records.claim(self.names[record], same, its):
            return f"other records name the folder {folder}"
        if not is_rooted(self.names[record]) and are_twins(mine, its):
            return f"{plain(self.names[record])[-1 - same]} and {folder} seem to be parts of one data set"
        if len(own) > same:
            self.moved.append((record, file))
        return ""

    def _folders_named(self) -> tuple[set[str], RecordFolders]:
        """Return the folders that files lie in, and those that records name, folded."""
        if self._folders is None:
            of_files = {part for path in self._parts(folded, of_files=True) for part in path[:-1]}
            folders, of_records = self.given
            self._folders = of_files.union(folders), of_records or RecordFolders.of(self.names)
        return self._folders

    def left(self) -> list[int]:
        return [record for record in range(len(self.names)) if record not in self.found]

    def take(self, record: int, file: int) -> None:
        self.found[record] = file
        self.used.add(file)
        self.twins.pop(record, None)

    def matches(self) -> Matches:
        twins = [
            (record, file, why)
            for record, (file, why) in self.twins.items()
            if record not in self.found and file not in self.used
        ]
        return Matches(
            self.found,
            frozenset(self.contested),
            self.sentences,
            tuple(twins),
            tuple(pair for pair in self.moved if self.found.get(pair[0]) == pair[1]),
        )


class _Tree:
    """Files' paths from their ends; each node counts the files and the records that end so.

    The exclusive or of the numbers of a node's files is the number of the only one, once there is one.
    """

    def __init__(self, paths: dict[int, Parts], records: dict[int, Parts]) -> None:
        self._children: dict[tuple[int, str], int] = {}
        self._files: list[int] = [0]
        self._numbers: list[int] = [0]
        self._paths = {number: self._grow(parts, number) for number, parts in paths.items()}
        self._records = Counter[int]()
        self.walks = {record: self._walk(parts) for record, parts in records.items()}
        self._at: dict[int, list[int]] = defaultdict(list)
        for record, walk in self.walks.items():
            self._records.update(walk)
            for depth in range(1, len(walk) + 1):
                self._at[depth].append(record)

    def _grow(self, parts: Parts, number: int) -> list[int]:
        node, walk = 0, []
        for part in reversed(parts):
            node = self._children.setdefault((node, part), len(self._files))
            if node == len(self._files):
                self._files.append(0)
                self._numbers.append(0)
            self._files[node] += 1
            self._numbers[node] ^= number
            walk.append(node)
        return walk

    def _walk(self, parts: Parts) -> list[int]:
        node, walk = 0, []
        for part in reversed(parts):
            following = self._children.get((node, part))
            if following is None:
                break
            walk.append(node := following)
        return walk

    def records_at(self, depth: int) -> list[int]:
        """Return the records that have at least this many parts in common with some file."""
        return self._at.get(depth, [])

    def at(self, record: int, depth: int) -> tuple[int, int, int]:
        """Return how many files and records end like a record does, and the file, if it is one."""
        node = self.walks[record][depth - 1]
        return self._files[node], self._records[node], self._numbers[node]

    def remove(self, record: int, file: int) -> None:
        """Take a pair out, so that it is in nobody's way."""
        for node in self._paths.pop(file):
            self._files[node] -= 1
            self._numbers[node] ^= file
        self._records.subtract(self.walks[record])

    def files_at(self, nodes: set[int]) -> dict[int, list[int]]:
        """Return the files below each of these nodes."""
        found: dict[int, list[int]] = {node: [] for node in nodes}
        for number, walk in self._paths.items():
            for node in walk:
                if node in found:
                    found[node].append(number)
        return found


def _contests(
    tree: _Tree, contested: dict[int, int], names: Sequence[str], files: Sequence[NamedFile]
) -> tuple[str, ...]:
    """Return what people are told of records whose files are contested: one sentence for each contest."""
    rivals: dict[int, list[int]] = defaultdict(list)
    for record, node in contested.items():
        rivals[node].append(record)
    candidates = tree.files_at(set(rivals))
    return tuple(
        _contest([names[n] for n in records], [files[n].path for n in candidates[node]])
        for node, records in rivals.items()
    )


def _contest(names: Sequence[str], paths: Sequence[str]) -> str:
    fit = "fits them" if len(paths) == 1 else "fit"
    return (
        f"{_listed(names)}: expected one file for one record, got {_listed(paths)}, which {fit} equally "
        "well; none is used: name the folders as the data set does"
    )


def _listed(names: Sequence[str]) -> str:
    shown = [one_line(name) for name in names[:_NAMED]]
    if len(names) > _NAMED:
        return f"{', '.join(shown)} and {len(names) - _NAMED} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
