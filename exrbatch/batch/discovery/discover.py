"""Turn paths into candidates: walk folders, look up frame sequences, group hard links."""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.discovery.folder_watch import FolderWatch
from exrbatch.batch.discovery.named_paths import expand
from exrbatch.batch.discovery.output_tree import (
    SUFFIXES,
    FolderIdentity,
    OutputTree,
    folder_identity,
    lineage,
)
from exrbatch.batch.discovery.selection import Selection
from exrbatch.errors import OptionsError, ReasonCode
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.paths import absolute

MISSING_FRAME = "this frame of the sequence is missing"
BENCH_FOLDER = ".exrbatch-bench-"
"""Prefix of folders with copies made by a benchmark, which may have been killed and left them."""


_EVERYTHING = Selection()


def check_paths(paths: Iterable[str]) -> list[str]:
    """Check the path arguments before anything starts.

    Returns:
        the paths without those that another path covers; files and sequences come before folders.

    Raises:
        OptionsError: there is no path, or `expand` refuses one.
    """
    kept = expand(paths)
    if not kept:
        raise OptionsError("no path given")
    return without_covered(kept)


def without_covered(paths: Sequence[str]) -> list[str]:
    """Leave out folders that were named twice, or that are inside another named folder.

    The order of the paths does not matter. Files come first, because a file that the user names
    must be processed, even if patterns exclude it from the walk of its folder.
    """
    folders = {path: lineage(path) for path in paths if os.path.isdir(path)}
    every = {each[0] for each in folders.values()}
    kept: dict[FolderIdentity, str] = {}
    for path, (own, *above) in folders.items():
        if not any(parent in every for parent in above):
            kept.setdefault(own, path)
    return [*dict.fromkeys(path for path in paths if path not in folders), *kept.values()]


def discover(
    paths: Sequence[str],
    tree: OutputTree | None = None,
    selection: Selection = _EVERYTHING,
    *,
    watch: FolderWatch | None = None,
    relink: bool = False,
) -> Iterator[Candidate | FileReport]:
    """Find the files below paths that `check_paths` has checked.

    Args:
        paths: files, folders and frame sequences.
        tree: gives each file its place in an output tree; None if there is no such tree.
        selection: selects files. Its patterns apply to walks only: files that the user names are
            taken, whatever their names.
        watch: looks after each folder before its files are yielded; None to leave it alone.
        relink: for a file with several names, yield one candidate with the other names as its
            `hard_links`, once all names are found.

    Yields:
        candidates, and a `FileReport` for what is no candidate but must not be ignored silently:
        symbolic links, special files, folders that can't be listed, missing frames of a sequence.
    """
    skip = tree.root if tree is not None else None
    by_place = tree is not None and not tree.holds_backups
    found = _grouped(_found(paths, skip, selection, watch, by_place), relink)
    if tree is not None:
        found = ((each if isinstance(each, FileReport) else tree.place(each, path), path) for each, path in found)
    holds_backups = tree is not None and tree.holds_backups
    for each, _ in _swept_on_the_way(found, watch, holds_backups) if watch is not None else found:
        yield each


def _found(
    paths: Sequence[str], skip: str | None, selection: Selection, watch: FolderWatch | None, by_place: bool
) -> Iterator[tuple[Candidate | FileReport, str]]:
    """Yield what is found below each path, and the path. No file is yielded twice."""
    named: set[str] = set()  # files that the user named, so that no walk yields them again
    for path in paths:
        is_folder = os.path.isdir(path)
        for found in _files_of(path, skip, selection, watch):
            if not is_folder or named:
                real = os.path.realpath(found.path)
                if by_place:  # a file that is named through a link has its own place in the tree
                    real = f"{real}\0{absolute(path if os.path.islink(path) and not is_folder else found.path)}"
                if real in named:
                    continue
                if not is_folder:
                    named.add(real)
            if isinstance(found, FileReport) or selection.takes_size(found.size):
                yield found, path


def _grouped(
    found: Iterator[tuple[Candidate | FileReport, str]], relink: bool
) -> Iterator[tuple[Candidate | FileReport, str]]:
    """Hold back files with several names until all their names are known, if `relink` is set."""
    if not relink:
        yield from found
        return
    groups: dict[tuple[int, int], list[str]] = {}
    for each, path in found:
        status = _status(each.path) if isinstance(each, Candidate) else None
        if status is None or status.st_nlink == 1:
            yield each, path
            continue
        names = groups.setdefault((status.st_dev, status.st_ino), [])
        names.append(each.path)
        if len(names) == status.st_nlink:
            yield Candidate(names[0], status.st_size, None, tuple(names[1:]), status.st_ino, status.st_nlink), names[0]
            for name in names[1:]:
                reason = "another hard link to a file that is done under its first name"
                yield _skipped(name, reason, ReasonCode.ANOTHER_NAME), path
            names.clear()
    for names in groups.values():
        for name in names:
            yield _skipped(name, "some of its hard links lie outside the paths given", ReasonCode.HARD_LINKS), name


def only_in_tree(paths: Sequence[str], tree: OutputTree, selection: Selection) -> Iterator[FileReport]:
    """Yield a report for each file of the tree that has no source, for a comparison of folders."""
    for path in paths:
        if not (os.path.isdir(path) and os.path.isdir(tree.root)):
            continue
        for found in _walk(tree.root, None, selection, None):
            if isinstance(found, Candidate) and not selection.takes_size(found.size):
                continue
            source = os.path.join(path, os.path.relpath(found.path, tree.root))
            is_folder = os.path.isdir(source) and not os.path.islink(source)
            if isinstance(found, FileReport) and is_folder:
                yield found  # a link to a folder, where the other tree has one
            elif is_folder or not os.path.lexists(source):
                reason = f"there is no {source} to compare it with"
                yield _failed(found.path, reason, ReasonCode.MISSING)


def as_failed(found: Candidate | FileReport) -> Candidate | FileReport:
    """Turn a skipped path, such as a link, into a failure, for runs that must do all files."""
    if isinstance(found, FileReport) and found.status is Status.SKIPPED:
        return replace(found, status=Status.FAILED)
    return found


def _skipped(path: str, reason: str, code: ReasonCode) -> FileReport:
    return FileReport(path=path, status=Status.SKIPPED, reason=reason, reason_code=code)


def _failed(path: str, reason: str, code: ReasonCode) -> FileReport:
    return FileReport(path=path, status=Status.FAILED, reason=reason, reason_code=code)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _files_of(
    path: str, skip: str | None, selection: Selection, watch: FolderWatch | None
) -> Iterator[Candidate | FileReport]:
    if os.path.isdir(path):
        yield from _walk(path, skip, selection, watch)
    elif os.path.lexists(path):
        # If the user names a link, its target is replaced and the link stays.
        yield examine(os.path.realpath(path) if os.path.islink(path) else path)
    else:
        yield from _sequence(path)


def _swept_on_the_way(
    found: Iterator[tuple[Candidate | FileReport, str]], watch: FolderWatch, holds_backups: bool
) -> Iterator[tuple[Candidate | FileReport, str]]:
    """Sweep each folder that no walk sweeps before the first of its files is yielded.

    These are the folders of files that the user named, and the folders of the output tree.
    """
    seen: set[str] = set()
    for each, path in found:
        if isinstance(each, Candidate):
            own = os.path.dirname(each.path) or "."
            folders: dict[str, str | None] = {} if os.path.isdir(path) else {own: None}
            if each.counterpart is not None:
                folders[os.path.dirname(each.counterpart) or "."] = own if holds_backups else None
            for folder, frames in folders.items():
                if folder not in seen:
                    seen.add(folder)
                    with contextlib.suppress(OSError):
                        yield from ((report, path) for report in watch.enter(folder, os.listdir(folder), frames))
        yield each, path


def _walk(
    root: str, skip: str | None, selection: Selection, watch: FolderWatch | None
) -> Iterator[Candidate | FileReport]:
    """Walk a folder tree in name order, without recursion and without following links."""
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                listing = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield _failed(folder, f"can't list the folder: {error.strerror}", ReasonCode.READ_ERROR)
            continue
        if watch is not None:
            yield from watch.enter(folder, [entry.name for entry in listing])
        folders = []
        for entry in listing:
            relative = entry.path[len(root) :].lstrip(os.sep)
            if _is_folder(entry):
                if _is_to_be_entered(entry, relative, skip, selection):
                    folders.append(entry.path)
            elif (found := _look_at(entry, relative, selection)) is not None:
                yield found
        pending.extend(reversed(folders))


def _is_to_be_entered(entry: "os.DirEntry[str]", relative: str, skip: str | None, selection: Selection) -> bool:
    if entry.name.startswith(BENCH_FOLDER) or not selection.takes_folder(relative):
        return False
    # The run itself may make the output folder while the walk goes on, so look at it each time.
    return skip is None or folder_identity(entry.path) != folder_identity(skip)


def _look_at(entry: "os.DirEntry[str]", relative: str, selection: Selection) -> Candidate | FileReport | None:
    """Examine an entry that is not a folder; return None if it is not a frame."""
    if entry.is_symlink() and os.path.isdir(entry.path):
        if not selection.takes_folder(relative):
            return None
        return _skipped(entry.path, "a link to a folder, which is not followed", ReasonCode.LINK)
    if _is_exr_name(entry.name) and selection.takes_file(relative):
        return examine(entry.path)
    return None


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:  # examining it as a file fails, too, and that error is reported
        return False


def _is_exr_name(name: str) -> bool:
    """Return whether a walk takes a file with this name.

    Files that the user names may have any name. A walk ignores names such as `._x.exr`, which macOS
    creates beside x.exr on foreign disks.
    """
    return name.lower().endswith(SUFFIXES) and not name.startswith("._")


def examine(path: str) -> Candidate | FileReport:
    """Make a candidate, or a report of why the file is none, without opening the file."""
    try:
        status = os.lstat(path)
    except OSError as error:
        return _failed(path, f"can't access it: {error.strerror}", ReasonCode.READ_ERROR)
    if stat.S_ISREG(status.st_mode):
        return Candidate(
            path,
            status.st_size,
            inode=status.st_ino,
            links=status.st_nlink,
            mtime_ns=status.st_mtime_ns,
            ctime_ns=status.st_ctime_ns,
        )
    if stat.S_ISLNK(status.st_mode):
        return _skipped(path, "a symbolic link", ReasonCode.LINK)
    return _skipped(path, "not a regular file", ReasonCode.NOT_A_FILE)


def _sequence(pattern: str) -> Iterator[Candidate | FileReport]:
    """Find a frame sequence: beauty.####.exr, beauty.%04d.exr or beauty.1001-1100x2#.exr."""
    import fileseq  # takes 0.1 s, so it is imported only if the user names a sequence

    style = fileseq.PAD_STYLE_HASH1
    try:
        # Without its folder, because a # or %04d in the name of a folder is no frame number.
        folder, name = os.path.split(pattern)
        sequence = fileseq.FileSequence(name, pad_style=style)
        if not sequence.frameRange():
            folder, sequence = "", fileseq.findSequenceOnDisk(pattern, strictPadding=True, pad_style=style)
    except (fileseq.FileSeqException, ValueError) as error:
        yield _failed(pattern, f"no such frame sequence: {error}", ReasonCode.MISSING)
        return
    for path in (os.path.join(folder, name) for name in map(str, sequence)):
        if os.path.lexists(path):
            yield examine(path)
        else:
            yield _failed(path, MISSING_FRAME, ReasonCode.MISSING)
