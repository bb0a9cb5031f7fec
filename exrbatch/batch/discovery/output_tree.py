"""A tree beside the sources that mirrors theirs: the output, the backups, or the other side of a comparison.

Folders are compared by device and inode, never by how their paths are spelled: a bind mount, another mount of the same
export, or other letters on a file system that does not tell them apart may lead to the same folder.
"""

import os
from collections.abc import Iterator, Sequence

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.errors import OptionsError
from exrbatch.jobs.file_report import FileReport, Status


class OutputTree:
    """Gives each source its place in the tree below `root`."""

    def __init__(self, root: str, paths: Sequence[str], *, written_as: str | None) -> None:
        """`paths`: the sources' files and folders; what they have in common is what `root` stands for.

        `written_as`: what messages call the folder; None for one that is only read.
        """
        self.root = root
        self._name = written_as
        self._last = "", False
        self._base = os.path.commonpath([absolute(folder_of(path)) for path in paths])

    @property
    def holds_backups(self) -> bool:
        """Whether it is a tree of backups."""
        return self._name == "backup"

    def check_writable(self, paths: Sequence[str]) -> None:
        """Refuse a folder that holds sources: the new tree would be written among, or over, the old one."""
        if os.path.lexists(self.root) and not os.path.isdir(self.root):
            raise OptionsError(f"the {self._name} is not a folder: {self.root}")
        root, above_root = folder_identity(self.root), lineage(self.root)
        for path in paths:
            for folder in filter(None, (folder_of(path), os.path.dirname(os.path.realpath(path)))):
                if root is not None and root in lineage(folder):
                    hint = "; leave out -o to replace files in place" if self._name == "output" else ""
                    raise OptionsError(f"the {self._name} folder {self.root} holds the source {path}{hint}")
            if self._name == "backup" and os.path.isdir(path) and folder_identity(path) in above_root:
                raise OptionsError(f"the backup folder {self.root} lies below {path}: a later run would change it")

    def place(self, candidate: Candidate, path: str) -> Candidate | FileReport:
        """Give a candidate its place; `path`: the argument that it was found by."""
        if self._name is None and not os.path.isdir(self.root):
            return candidate._replace(counterpart=self.root)
        # A file that is named through a link keeps the place of the link, not that of its target.
        is_link = os.path.islink(path) and not os.path.isdir(path)
        shown = path if is_link else candidate.path
        place = os.path.join(self.root, os.path.relpath(absolute(shown), self._base))
        if self._name is None or self._holds(os.path.dirname(place)):
            return candidate._replace(counterpart=place, like=shown if is_link else None)
        reason = f"its place in the {self._name} folder is behind a link that leads out of it"
        return FileReport(path=candidate.path, status=Status.FAILED, reason=reason, size_before=candidate.size)

    def _holds(self, folder: str) -> bool:
        """Whether a folder, which need not exist yet, is really below the root; the answer for the last one is kept."""
        if folder != self._last[0]:
            root = folder_identity(self.root)
            self._last = folder, root is None or root in lineage(folder)
        return self._last[1]


def absolute(path: str) -> str:
    """Make a path absolute. `..` behind a symbolic link leads to the folder that holds the link's target."""
    folder, name = os.path.split(path)
    if os.pardir not in path.split(os.sep):
        return os.path.abspath(path)
    return os.path.realpath(path) if name in ("", os.pardir) else os.path.join(os.path.realpath(folder), name)


def folder_of(path: str) -> str:
    """Return a folder itself, or the folder that a file is in."""
    return path if os.path.isdir(path) else os.path.dirname(path) or "."


FolderIdentity = tuple[int, int]
"""Device and inode of a folder."""


def folder_identity(path: str) -> FolderIdentity | None:
    """Tell which folder this is, or None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def lineage(path: str) -> list[FolderIdentity]:
    """List the identities of a folder, which need not exist yet, and of every folder above it."""
    real = os.path.realpath(path)
    return [each for each in map(folder_identity, (real, *parents(real))) if each is not None]


def parents(path: str) -> Iterator[str]:
    """Yield every folder above a path."""
    while (parent := os.path.dirname(path)) != path:
        yield parent
        path = parent
