r"""Lists of content digests: write them, read them, and find out which files they are about.

A line is `DIGEST  PATH`, as `sha256sum` writes it. If a path has a backslash, a line feed or a
carriage return, these are written as `\\`, `\n` and `\r`, and the line begins with a backslash. In
a list with NUL between its entries, nothing is escaped. The records of `--report` and the document
of `--json` are lists, too, if they have digests.
"""

import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence

from exrbatch.errors import OptionsError
from exrbatch.journal.records import Record, parse_line, read_path
from exrbatch.text import path_bytes, safe_text

_ENTRY = re.compile(rb"(\\?)([0-9a-fA-F]{64}) [ *](.+)", re.DOTALL)
_ESCAPES = {b"\\": rb"\\", b"\n": rb"\n", b"\r": rb"\r"}
_MEANINGS = {escape: plain for plain, escape in _ESCAPES.items()}
TRIED_ENTRIES = 200
"""Number of entries that are looked for below a folder, to find out where their paths begin."""


def entry(digest: str, path: str, *, ends_with_nul: bool = False) -> bytes:
    """Return the entry of a file in a list, with its end.

    Args:
        digest: its content digest in hexadecimal.
        path: its path.
        ends_with_nul: end it with NUL, and escape nothing.
    """
    name = path_bytes(path)
    if ends_with_nul:
        return digest.encode() + b"  " + name + b"\0"
    escaped = re.sub(rb"[\\\n\r]", lambda found: _ESCAPES[found[0]], name)
    return b"\\" * (escaped != name) + digest.encode() + b"  " + escaped + b"\n"


def read_list(data: bytes, name: str) -> tuple[dict[str, str], int]:
    """Read a list.

    Args:
        data: the bytes of the file.
        name: its name, for messages.

    Returns:
        the digest of each path, in lower case; and how many incomplete records were ignored.

    Raises:
        OptionsError: it is no such list, it has no digests, or it has two for one path.
    """
    if data.lstrip()[:1] == b"{":
        records, torn = _json_records(data)
        # If several runs have appended to a report, the last record of a file counts.
        found = dict(filter(None, map(_of_record, records)))
        if not found:
            raise OptionsError(f"{name} has records, but no digests: write it with --digests")
        return found, torn
    found = {}
    for number, path, digest in _entries(data, name):
        if found.setdefault(path, digest) != digest:
            raise OptionsError(f"{name}, entry {number}: {path} has another digest in an earlier entry")
    if not found:
        raise OptionsError(f"{name} has no digests")
    return found, 0


def _entries(data: bytes, name: str) -> Iterator[tuple[int, str, str]]:
    """Yield number, path and digest of each entry of a list."""
    has_nul = b"\0" in data
    for number, line in enumerate(data.split(b"\0" if has_nul else b"\n"), 1):
        if not (line if has_nul else line.strip()):
            continue
        match = _ENTRY.fullmatch(line if has_nul else line.removesuffix(b"\r"))
        if match is None:
            raise OptionsError(f"{name}, entry {number} is not a digest and a path: {safe_text(_shown(line))}")
        path = match[3]
        if match[1] and not has_nul:
            path = re.sub(rb"\\[\\nr]", lambda found: _MEANINGS[found[0]], path)
        yield number, os.fsdecode(path), match[2].decode().lower()


def _shown(line: bytes) -> str:
    return os.fsdecode(line[:60])


def _json_records(data: bytes) -> tuple[list[Record], int]:
    """Read a JSON document, or a record from each line.

    Returns:
        the records, and the number of lines that are no records.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        lines = [line for line in data.split(b"\n") if line.strip()]
        records: list[Record] = [record for record in map(parse_line, lines) if record is not None]
        return records, len(lines) - len(records)
    files = document.get("files") if isinstance(document, dict) else None
    listed = files if isinstance(files, list) else [document]
    return [each for each in listed if isinstance(each, dict)], 0


def _of_record(record: Record) -> tuple[str, str] | None:
    """Return path and digest of a record, or None if it has none."""
    path, digest = read_path(record, "path"), record.get("content_sha256")
    if path is None or not isinstance(digest, str) or "\0" in path:
        return None
    return path, digest.lower()


def placed(entries: Mapping[str, str], root: str) -> tuple[dict[str, str], str]:
    """Find out which files below a folder the entries of a list are about.

    Usually the paths in a list begin below the folder. If they have more folders in front, such as
    `/mnt/old/ab010/`, those that all entries have in common are left out, as many as it takes to
    find most of the files.

    Args:
        entries: the digest of each path.
        root: a folder, or a file.

    Returns:
        the digest of each path below `root`, spelled as a scan of `root` spells it; and the folders
        that were left out, or "".

    Raises:
        OptionsError: a path has `..` below those folders; or `root` is a file, and several
            entries may be about it.
    """
    split = {path: [name for name in path.split("/") if name not in ("", ".")] for path in entries}
    if not os.path.isdir(root):
        return _of_one_file(split, entries, root), ""
    columns = zip(*(names[:-1] for names in split.values()), strict=False)
    common = [names[0] for names in itertools.takewhile(lambda names: len(set(names)) == 1, columns)]
    paths = list(split)
    tried = [split[path] for path in paths[:: max(1, len(paths) // TRIED_ENTRIES)]]
    # If several answers find as many files, `max` takes the first one, which leaves out the least.
    left_out = max(range(len(common) + 1), key=lambda count: _found_below(root, tried, count))
    found: dict[str, str] = {}
    for path, names in split.items():
        if os.pardir in names[left_out:]:
            raise OptionsError(f"a path in the list leads out of its folder: {path}")
        below = os.path.join(root, *names[left_out:])
        if found.setdefault(below, entries[path]) != entries[path]:
            raise OptionsError(f"the list has two digests for {below}")
    return found, "/".join(common[:left_out])


def _found_below(root: str, tried: Sequence[Sequence[str]], left_out: int) -> int:
    """Return how many paths exist below a folder without their first names."""
    return sum(os.path.lexists(os.path.join(root, *names[left_out:])) for names in tried)


def _of_one_file(split: Mapping[str, Sequence[str]], entries: Mapping[str, str], root: str) -> dict[str, str]:
    """Return the entry of a single file, which has the same name."""
    digests = {entries[path] for path, names in split.items() if names[-1:] == [os.path.basename(root)]}
    if len(digests) > 1:
        raise OptionsError(f"several entries of the list may be about {root}; name its folder")
    real = os.path.realpath(root) if os.path.islink(root) else root
    return dict(itertools.product([real], digests))
