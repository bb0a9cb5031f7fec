"""Scan folders: find the frames, group them by sequence, and read headers. Nothing is written.

Memory use is that of the largest folder, plus a few hundred bytes for each sequence, because each
folder is dealt with before the next one is listed.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.discovery.discover import check_paths, discover
from exrbatch.batch.discovery.selection import Selection
from exrbatch.batch.discovery.sequences import NameGroup, count_missing, frame_ranges, gaps, group_names
from exrbatch.errors import ReasonCode
from exrbatch.inventory.header_facts import HeaderFacts, read_header
from exrbatch.inventory.listing import FrameFile, FrameSequence, Inventory, counted
from exrbatch.jobs.file_report import FileReport, Status

THREADS = 4
"""Number of headers that are read at the same time, because a file server takes its time."""
AT_ONCE = 256
"""Number of headers that are requested before the results are looked at."""
EMPTY = "the file is empty"

Found = Candidate | FileReport
Progress = Callable[[int, int, str], None]
"""A function that is called now and then with files found, headers read, and a path."""


def scan(
    paths: Iterable[str],
    selection: Selection | None = None,
    *,
    all_headers: bool = False,
    keeps_files: bool = False,
    progress: Progress = lambda _files, _headers, _path: None,
) -> Inventory:
    """Find out what is below some paths.

    Args:
        paths: files, folders and frame sequences.
        selection: selects files of walks; None for all.
        all_headers: read the header and the chunk tables of every file, not the header of one file
            of each sequence.
        keeps_files: whether the sequences list their files.
        progress: is called often while the scan goes on.

    Raises:
        OptionsError: a path does not exist, or a pattern is invalid.
    """
    return _Scan(check_paths(paths), selection or Selection(), all_headers, keeps_files, progress).run()


class _Scan:
    """One scan: what it has found so far."""

    def __init__(
        self, paths: Sequence[str], selection: Selection, all_headers: bool, keeps_files: bool, progress: Progress
    ) -> None:
        self._paths, self._selection, self._progress = paths, selection, progress
        self._all_headers, self._keeps_files = all_headers, keeps_files
        self._files = self._headers = 0
        self._sequences: list[FrameSequence] = []
        self._failures: list[FileReport] = []
        self._left_out: list[FileReport] = []

    def run(self) -> Inventory:
        with ThreadPoolExecutor(THREADS, thread_name_prefix="exrbatch-header") as pool:
            self._pool = pool
            for folder, found in self._folders():
                self._look_at(folder, found)
        return Inventory(
            sequences=tuple(self._sequences),
            failures=tuple(self._failures),
            left_out=tuple(self._left_out),
            not_selected=self._selection.left_out,
            has_all_headers=self._all_headers,
        )

    def _folders(self) -> Iterator[tuple[str, dict[str, Found]]]:
        """Yield each folder with what was found in it, by name.

        A walk is done with a folder when it enters the next one. Files that the user names may be
        in any folder, so their folders come last.
        """
        named = {os.path.dirname(each) for path in self._paths for each in (path, os.path.realpath(path))}
        waiting: dict[str, dict[str, Found]] = {}
        current: dict[str, Found] = {}
        last = None
        for found in discover(self._paths, None, self._selection):
            self._files += isinstance(found, Candidate)
            self._progress(self._files, self._headers, found.path)
            folder, name = os.path.split(found.path)
            if isinstance(found, FileReport) and not _is_linked_frame(found):
                (self._failures if found.status is Status.FAILED else self._left_out).append(found)
            elif folder in named:
                waiting.setdefault(folder, {})[name] = found
            else:
                if folder != last and last is not None:
                    yield last, current
                    current = {}
                last = folder
                current[name] = found
        if last is not None:
            yield last, current
        yield from waiting.items()

    def _look_at(self, folder: str, found: dict[str, Found]) -> None:
        for group in group_names(list(found)):
            self._sequences.append(self._sequence(folder, group, found))

    def _sequence(self, folder: str, group: NameGroup, found: dict[str, Found]) -> FrameSequence:
        """Describe a sequence, and read its headers."""
        files = [each for name in group.names if isinstance(each := found[name], Candidate)]
        links = len(group.names) - len(files)
        frames = tuple(
            frame
            for frame, name in zip(group.frames, group.names, strict=False)
            if not links or isinstance(found[name], Candidate)
        )
        missing = count_missing(group.frames)
        facts, broken = self._read(files)
        return FrameSequence(
            name=os.path.join(folder, group.name(frames or None)),
            frames=len(files),
            ranges=frame_ranges(frames) if len(frames) > 1 else "",
            missing=missing,
            missing_ranges=",".join(_range(first, last) for first, last in gaps(group.frames)),
            size=sum(file.size for file in files),
            headers=counted(facts),
            broken=broken,
            symbolic_links=links,
            hard_links=sum(file.links > 1 for file in files),
            files=tuple(FrameFile(file.path, file.size, file.links) for file in files) if self._keeps_files else (),
        )

    def _read(self, files: Sequence[Candidate]) -> tuple[list[HeaderFacts], int]:
        """Read the headers of a sequence: all, or that of the first sound one of a few files.

        Returns:
            what the headers say, and the number of files that are broken.
        """
        facts: list[HeaderFacts] = []
        broken = 0
        for file in files:
            if not file.size:
                broken += self._note(_empty(file.path))
        full = [file.path for file in files if file.size]
        if self._all_headers:
            for start in range(0, len(full), AT_ONCE):
                for read in self._pool.map(partial(read_header, with_tables=True), full[start : start + AT_ONCE]):
                    broken += self._take(read, facts)
            return facts, broken
        for path in dict.fromkeys(full[place] for place in (0, len(full) // 2, -1) if full):
            broken += self._take(read_header(path), facts)
            if facts:
                break
        return facts, broken

    def _take(self, read: HeaderFacts | FileReport, facts: list[HeaderFacts]) -> bool:
        """Take the result of reading a header. Return whether the file is broken."""
        self._headers += 1
        if isinstance(read, FileReport):
            return self._note(read)
        facts.append(read)
        self._progress(self._files, self._headers, "")
        return False

    def _note(self, report: FileReport) -> bool:
        """Note why a file has no header. Return whether it is broken."""
        is_broken = report.status is Status.FAILED
        (self._failures if is_broken else self._left_out).append(report)
        return is_broken


def _is_linked_frame(report: FileReport) -> bool:
    """Return whether a report is about a symbolic link to a file."""
    return report.reason_code is ReasonCode.LINK and not os.path.isdir(report.path)


def _empty(path: str) -> FileReport:
    return FileReport(path=path, status=Status.FAILED, reason=EMPTY, reason_code=ReasonCode.DAMAGED)


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
