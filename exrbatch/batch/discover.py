"""Paths -> candidate files, in order: folders are walked, frame sequences looked up, links told apart."""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from exrbatch.errors import OptionsError
from exrbatch.file import replace
from exrbatch.file.report import FileReport, Status

if TYPE_CHECKING:
    import pathspec

SUFFIXES = (".exr", ".sxr", ".mxr")
"""What a walk takes for OpenEXR; files that are named one by one may be called anything."""
_SEQUENCE = re.compile(r"[#@]|%0?\d*d|\$F\d*")


class Selection:
    """Which files of a walk to take: `--include` and `--exclude`, in the style of gitignore."""

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include, self._exclude = _spec(include), _spec(exclude)

    def takes_file(self, relative: str) -> bool:
        """Whether to take a file; `relative`: its path below the folder that is walked."""
        if self._include is not None and not self._include.match_file(relative):
            return False
        return self._exclude is None or not self._exclude.match_file(relative)

    def takes_folder(self, relative: str) -> bool:
        """Whether to walk a folder."""
        return self._exclude is None or not self._exclude.match_file(relative + "/")


def _spec(patterns: Sequence[str]) -> "pathspec.GitIgnoreSpec | None":
    if not patterns:
        return None
    import pathspec  # only those who give patterns should wait for it

    try:
        return pathspec.GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise OptionsError(f"a pattern can't be understood: {error}") from None


class Candidate(NamedTuple):
    """A file to be done: where it is, its size in bytes, and where the result goes (None: in place)."""

    path: str
    size: int
    destination: str | None


_EVERYTHING = Selection()


def check_paths(paths: Iterable[str], output: str | None) -> list[str]:
    """Check the arguments before anything starts; return them without those that another one covers.

    Raises `OptionsError` for a path that is neither a file, a folder nor a frame sequence, and for an output
    folder that would put files over their sources.
    """
    kept = list(paths)
    for path in kept:
        if not os.path.lexists(path):
            name = os.path.basename(path)
            if not _SEQUENCE.search(name):
                raise OptionsError(f"no such file or folder: {path}")
            if re.search(r"\d:\d", name):
                raise OptionsError(f"a frame range with ':' is read differently by different tools: {path}")
    if not kept:
        raise OptionsError("no path given")
    kept = _without_covered(kept)
    if output is not None:
        _check_output(kept, output)
    return kept


def _without_covered(paths: list[str]) -> list[str]:
    """Leave out what is named twice or lies in a folder that is named as well, in whatever order they come."""
    real = {path: os.path.realpath(path) for path in paths}
    every = set(real.values())
    kept: dict[str, str] = {}
    for path in paths:
        if not any(parent in every for parent in _parents(real[path])):
            kept.setdefault(real[path], path)
    return list(kept.values())


def _check_output(paths: list[str], output: str) -> None:
    """Refuse an output folder that holds sources: the new tree would be written among, or over, the old one."""
    if os.path.lexists(output) and not os.path.isdir(output):
        raise OptionsError(f"the output is not a folder: {output}")
    real_output = os.path.realpath(output)
    for path in paths:
        for folder in (_folder(path), os.path.dirname(os.path.realpath(path)) if os.path.islink(path) else ""):
            if folder and real_output in _self_and_parents(os.path.realpath(folder)):
                raise OptionsError(
                    f"the output folder {output} holds the source {path}; leave out -o to replace files in place"
                )


def discover(
    paths: Sequence[str], output: str | None = None, selection: Selection = _EVERYTHING, *, sweep: bool = True
) -> Iterator[Candidate | FileReport]:
    """Find the files under paths that `check_paths` has passed.

    Yields a `FileReport` at once for what is no candidate but should not pass in silence: symbolic links,
    special files, folders that can't be listed, frames of a sequence that are missing. `selection` applies
    to the files of a walk; `sweep`: remove stale temp files on the way. With `output` the tree below the common
    parent of all paths is mirrored there.
    """
    base = os.path.commonpath([os.path.abspath(_folder(path)) for path in paths])
    skip = os.path.realpath(output) if output is not None else ""
    for path in paths:
        for found in _files_of(path, skip, selection, sweep):
            if isinstance(found, FileReport) or output is None:
                yield found
                continue
            # A file that is named through a link keeps the place of the link, not that of its target.
            place = path if os.path.islink(path) and not os.path.isdir(path) else found.path
            destination = os.path.join(output, os.path.relpath(os.path.abspath(place), base))
            if skip not in _self_and_parents(os.path.realpath(os.path.dirname(destination))):
                reason = "its place in the output folder is behind a link that leads out of it"
                yield FileReport(path=found.path, status=Status.FAILED, reason=reason, size_before=found.size)
            else:
                yield found._replace(destination=destination)


def _files_of(path: str, skip: str, selection: Selection, sweep: bool) -> Iterator[Candidate | FileReport]:
    if os.path.isdir(path):
        yield from _walk(path, skip, selection, sweep)
    elif os.path.lexists(path):
        # A link that is named is meant: its target is replaced, the link stays.
        yield _examine(os.path.realpath(path) if os.path.islink(path) else path)
    else:
        yield from _sequence(path)


def _walk(root: str, skip: str, selection: Selection, sweep: bool) -> Iterator[Candidate | FileReport]:
    """Walk a tree in the order of names, without recursion and without following links."""
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                listing = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield FileReport(path=folder, status=Status.FAILED, reason=f"can't list the folder: {error.strerror}")
            continue
        if sweep:
            replace.sweep_stale(folder, (entry.name for entry in listing))
        folders = []
        for entry in listing:
            relative = entry.path[len(root) :].lstrip(os.sep)
            if entry.is_dir(follow_symlinks=False):
                if selection.takes_folder(relative) and not (skip and os.path.realpath(entry.path) == skip):
                    folders.append(entry.path)
            elif _is_exr_name(entry.name) and selection.takes_file(relative):
                yield _examine(entry.path)
        pending.extend(reversed(folders))


def _is_exr_name(name: str) -> bool:
    """Whether a walk takes a file of that name; `._x.exr` is what macOS puts beside x.exr on foreign disks."""
    return name.lower().endswith(SUFFIXES) and not name.startswith("._")


def _examine(path: str) -> Candidate | FileReport:
    """Look at a file without opening it."""
    try:
        status = os.lstat(path)
    except OSError as error:
        return FileReport(path=path, status=Status.FAILED, reason=f"can't look at it: {error.strerror}")
    if stat.S_ISREG(status.st_mode):
        return Candidate(path, status.st_size, None)
    reason = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "not a regular file"
    return FileReport(path=path, status=Status.SKIPPED, reason=reason)


def _sequence(pattern: str) -> Iterator[Candidate | FileReport]:
    """Look up a frame sequence such as beauty.####.exr, beauty.%04d.exr or beauty.1001-1100x2#.exr."""
    import fileseq  # a tenth of a second that only those who name a sequence should pay

    style = fileseq.PAD_STYLE_HASH1
    try:
        sequence = fileseq.FileSequence(pattern, pad_style=style)
        if not sequence.frameRange():
            sequence = fileseq.findSequenceOnDisk(pattern, strictPadding=True, pad_style=style)
    except fileseq.FileSeqException as error:
        yield FileReport(path=pattern, status=Status.FAILED, reason=f"no such frame sequence: {error}")
        return
    for path in map(str, sequence):
        if os.path.lexists(path):
            yield _examine(path)
        else:
            yield FileReport(path=path, status=Status.FAILED, reason="this frame of the sequence is missing")


def _folder(path: str) -> str:
    return path if os.path.isdir(path) else os.path.dirname(path) or "."


def _self_and_parents(path: str) -> Iterator[str]:
    yield path
    yield from _parents(path)


def _parents(path: str) -> Iterator[str]:
    while (parent := os.path.dirname(path)) != path:
        yield parent
        path = parent
