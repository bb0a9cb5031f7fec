"""What a run does in each folder that it enters, besides finding frames.

It removes what killed runs left there, and notes what the user should know about the folder.
"""

import os
from collections.abc import Iterable, Iterator, Sequence

from exrbatch.batch.neighbours import Neighbours
from exrbatch.errors import ReasonCode
from exrbatch.jobs.completeness import is_complete
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.paths import parents
from exrbatch.replacing import sweep_folder
from exrbatch.text import safe_text

KEPT = (
    "left by a run that was killed; it may hold data that another program wrote to a frame at that moment:"
    " compare it with the frames in its folder, then remove it"
)
MOST_MANIFESTS = 5
"""Number of folders with checksums that are named; more would hide other notices."""


class FolderWatch:
    """Looks after the folders of a run.

    Attributes:
        notices: lines for the user, which other threads may read while the list grows.
    """

    def __init__(self, *, removes: bool, replaces: bool) -> None:
        """Begin to watch.

        Args:
            removes: whether stale temp files are removed, and other runs are noticed.
            replaces: whether files are replaced in place, so that their checksums change.
        """
        self.notices: list[str] = []
        self._removes, self._replaces = removes, replaces
        self._neighbours = Neighbours(self.notices)
        self._manifests: set[str] = set()

    def enter(self, folder: str, names: Sequence[str], frames: str | None = None) -> Iterator[FileReport]:
        """Enter a folder.

        Args:
            folder: the folder.
            names: the names in it.
            frames: the folder of the frames, if `folder` holds their backups.

        Yields:
            a report for each stale temp file that must be kept.
        """
        if self._replaces and frames is None:
            self._look_for_manifests(folder, names)
        if not self._removes:
            return
        self._neighbours.look(folder, names)
        for name in sweep_folder(folder, names, is_complete, frames=frames):
            yield FileReport(
                path=os.path.join(folder, name), status=Status.FAILED, reason=KEPT, reason_code=ReasonCode.LEFTOVER
            )

    def note_finished_elsewhere(self, folder: str) -> None:
        """Note that another run has just finished a file in a folder."""
        self._neighbours.look_at(folder)

    def look_above(self, paths: Iterable[str]) -> None:
        """Look for ASC MHL histories above some paths. A history covers all folders below it."""
        if not self._replaces:
            return
        own = dict.fromkeys(path if os.path.isdir(path) else os.path.dirname(path) for path in paths)
        above = dict.fromkeys(folder for path in own for folder in parents(os.path.realpath(path)))
        for history in (os.path.join(folder, _HISTORY) for folder in above):
            if os.path.isdir(history):
                self._note_manifest(history)

    def _look_for_manifests(self, folder: str, names: Iterable[str]) -> None:
        for name in names:
            if name == _HISTORY or name.lower().endswith(".mhl"):
                self._note_manifest(os.path.join(folder, name))
                return

    def _note_manifest(self, path: str) -> None:
        if path in self._manifests or len(self._manifests) > MOST_MANIFESTS:
            return
        self._manifests.add(path)
        is_last = len(self._manifests) > MOST_MANIFESTS
        what = "more folders have" if is_last else f"{safe_text(path)} has"
        self.notices.append(f"{what} checksums of frames; replaced frames no longer match, so make it again")


_HISTORY = "ascmhl"
"""Folder of an ASC MHL history."""
