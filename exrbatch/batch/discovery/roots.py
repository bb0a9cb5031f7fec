"""The roots of a run: the files, folders and sequences that the user names, and where they lie.

A root that is missing is one failure among others. A root folder that disappears during the run is
noticed: its file system may have been unmounted, and what now has its name is another folder.
"""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from exrbatch.batch.discovery.discover import without_covered
from exrbatch.batch.discovery.named_paths import expand
from exrbatch.batch.discovery.output_tree import SUFFIXES, FolderIdentity, folder_identity, folder_of
from exrbatch.errors import OptionsError, ReasonCode
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.paths import absolute
from exrbatch.text import safe_text

LOOK_SECONDS = 10.0
"""Seconds between two looks at all folders, if there is no reason to look sooner."""
LEAST_SECONDS = 1.0
"""Seconds between two looks at least, however many files have failed."""
SUSPICIOUS = (ReasonCode.CHANGED, ReasonCode.MISSING, ReasonCode.READ_ERROR, ReasonCode.STORAGE)
"""If a file was skipped or has failed for one of these reasons, its root may be gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roots:
    """The roots of a run.

    Attributes:
        paths: those that exist, without those that another one covers; files and sequences come
            before folders.
        missing: a report for each one that does not exist.
        base: the folder that corresponds to the top of an output tree.
    """

    paths: Sequence[str]
    missing: Sequence[FileReport]
    base: str


def find_roots(
    paths: Iterable[str],
    listed: Iterable[str] | None = None,
    *,
    base: str | None = None,
    allow_empty: bool = True,
    refuse: Callable[[str], str | None] = lambda _path: None,
) -> Roots:
    """Check the roots before anything starts.

    Args:
        paths: files, folders, frame sequences and patterns.
        listed: literal paths of files and folders; None if there is no list, so that there must be
            a path.
        base: the folder that corresponds to the top of an output tree; None for the deepest folder
            that all roots have in common.
        allow_empty: accept folders without a single entry.
        refuse: says why a path of the list that exists fails nevertheless; None if it does not.

    Raises:
        OptionsError: there is no path and no list; there are roots, but none exists; or a root is
            an empty folder, lies outside of `base` or is ambiguous.
    """
    missing: dict[str, str] = {}
    found = expand(paths, missing)
    if listed is None and not found and not missing:
        raise OptionsError("no path given")
    for path in listed or ():
        reason = refuse(path) if os.path.lexists(path) else "no such file or folder"
        if reason is None:
            found.append(path)
        else:
            missing[path] = reason
    if missing and not found:
        path, reason = next(iter(missing.items()))
        more = f" (and {len(missing) - 1} more paths fail)" if len(missing) > 1 else ""
        raise OptionsError(f"{reason}: {path}{more}")
    kept = without_covered(found)
    if not allow_empty:
        _check_entries(kept)
    return Roots(
        paths=kept,
        missing=[
            FileReport(path=path, status=Status.FAILED, reason=reason, reason_code=ReasonCode.MISSING)
            for path, reason in missing.items()
        ],
        base=_base(kept, missing, base),
    )


def _check_entries(paths: Iterable[str]) -> None:
    """Refuse a folder that has no entry: a mount may be missing there."""
    for path in paths:
        if os.path.isdir(path):
            try:
                with os.scandir(path) as entries:
                    is_empty = next(entries, None) is None
            except OSError:
                continue  # the walk reports it
            if is_empty:
                raise OptionsError(
                    f"{path} is empty: is a file system not mounted there? --allow-empty accepts empty folders"
                )


def _base(found: Sequence[str], missing: Iterable[str], base: str | None) -> str:
    """Return the folder that corresponds to the top of an output tree.

    A root that is missing counts, too. Otherwise the others would be mirrored to other places than
    in a run in which it exists.
    """
    if base is None:
        folders = {folder_of(path) for path in found}
        folders |= {os.path.dirname(path) if path.lower().endswith(SUFFIXES) else path for path in missing}
        return os.path.commonpath([absolute(folder or ".") for folder in folders]) if folders else os.getcwd()
    if not os.path.isdir(base):
        raise OptionsError(f"the base is not a folder: {base} (--base)")
    top = absolute(base)
    for folder, path in {folder_of(path): path for path in found}.items():
        if os.path.commonpath([top, absolute(folder)]) != top:
            raise OptionsError(f"{path} does not lie below the base {base} (--base)")
    return top


def _identity(path: str) -> FolderIdentity | None:
    """Return the identity of a folder; None if there is none, or something else."""
    return folder_identity(path) if os.path.isdir(path) else None


class RootWatch:
    """Notices if a folder of a run disappears.

    A folder is known by its device and inode, because another one may appear under its name: the
    one below a file system that was unmounted.
    """

    def __init__(self, folders: Iterable[str]) -> None:
        """Remember the folders as they are now.

        Args:
            folders: the folders. One that does not exist yet is remembered when it appears.
        """
        self._known: dict[str, FolderIdentity | None] = {folder: _identity(folder) for folder in folders}
        self._lost: str | None = None
        self._has_reason = threading.Event()
        self._is_ended = threading.Event()

    def start(self) -> None:
        """Look at the folders now and then, on a thread, because a dead server may not answer."""
        threading.Thread(target=self._look_at_intervals, name="exrbatch-roots", daemon=True).start()

    def end(self) -> None:
        """End the thread."""
        self._is_ended.set()
        self._has_reason.set()

    def lost(self, report: FileReport | None) -> str | None:
        """Return why the run makes no sense any more, or None.

        Args:
            report: the report of a file that has just ended. If it may be the consequence of a lost
                folder, the thread looks at all folders now.
        """
        if report is not None and report.reason_code in SUSPICIOUS:
            self._has_reason.set()
        return self._lost

    def look(self) -> str | None:
        """Look at all folders, and return what `lost` returns."""
        for folder, before in self._known.items():
            now = _identity(folder)
            if before is None:
                self._known[folder] = now
            elif now != before and self._lost is None:
                what = "is gone" if now is None else "is no longer the same folder"
                self._lost = f"{safe_text(folder)} {what}: it was unmounted, moved or removed"
        return self._lost

    def _look_at_intervals(self) -> None:
        while not self._is_ended.is_set():
            self._has_reason.wait(LOOK_SECONDS)
            self._has_reason.clear()
            if not self._is_ended.is_set():
                self.look()
            self._is_ended.wait(LEAST_SECONDS)
