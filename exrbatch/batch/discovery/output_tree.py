"""A tree that mirrors the sources: the outputs, the backups, or the other side of a comparison.

Folders are compared by device and inode, never by the spelling of their paths. Different paths may
lead to the same folder, for example through a bind mount, through another mount of the same export,
or with different case on a file system that ignores case.
"""

import os
from collections.abc import Sequence

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.errors import OptionsError, ReasonCode
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.paths import absolute, parents

SUFFIXES = (".exr", ".sxr", ".mxr")
"""Suffixes of OpenEXR files."""


class OutputTree:
    """Gives each source its place in the tree.

    Attributes:
        root: path of the top folder of the tree.
    """

    def __init__(self, root: str, paths: Sequence[str], *, written_as: str | None, base: str | None = None) -> None:
        """Make a tree.

        Args:
            root: path of its top folder. If the tree is only read, it may also be a single file.
            paths: files and folders of the sources.
            written_as: "output" or "backup", which is used in messages; None if the tree is only
                read.
            base: the folder that corresponds to the root; None for the deepest folder that all
                sources have in common.
        """
        self.root = root
        self._name = written_as
        self._last = "", False
        self._base = base or os.path.commonpath([absolute(folder_of(path)) for path in paths])
        self._is_file = written_as == "output" and is_output_file(root, paths)

    @property
    def holds_backups(self) -> bool:
        """Whether this is a tree of backups."""
        return self._name == "backup"

    def check_writable(self, paths: Sequence[str]) -> None:
        """Check that the tree can be written without touching the sources.

        If its folder contained sources, new files would be written among them, or over them.

        Args:
            paths: files and folders of the sources.

        Raises:
            OptionsError: the root is not a folder, it contains a source, or it is a backup folder
                below a folder of sources.
        """
        if self._is_file:
            return  # the job checks a single output
        if os.path.lexists(self.root) and not os.path.isdir(self.root):
            raise OptionsError(f"the {self._name} is not a folder: {self.root}")
        root, above_root = folder_identity(self.root), lineage(self.root)
        for path in paths:
            for folder in filter(None, (folder_of(path), os.path.dirname(os.path.realpath(path)))):
                if root is not None and root in lineage(folder):
                    hint = "; leave out -o to replace files in place" if self._name == "output" else ""
                    raise OptionsError(f"the {self._name} folder {self.root} holds the source {path}{hint}")
            if self._name == "backup" and os.path.isdir(path) and folder_identity(path) in above_root:
                raise OptionsError(
                    f"the backup folder {self.root} lies below {path}: a later run would change the backups"
                )

    def place(self, candidate: Candidate, path: str) -> Candidate | FileReport:
        """Give a candidate its place in the tree.

        Args:
            candidate: the file.
            path: the argument that it was found by.

        Returns:
            the candidate with its place, or a report if a link makes the place lie outside the
            tree.
        """
        if self._is_file or (self._name is None and not os.path.isdir(self.root)):
            return candidate._replace(counterpart=self.root)
        # A file that is named through a link gets the place of the link, not that of its target.
        is_link = os.path.islink(path) and not os.path.isdir(path)
        shown = path if is_link else candidate.path
        place = os.path.join(self.root, os.path.relpath(absolute(shown), self._base))
        if self._name is None or self._holds(os.path.dirname(place)):
            return candidate._replace(counterpart=place, like=shown if is_link else None)
        reason = f"its place in the {self._name} folder is behind a link that leads out of it"
        return FileReport(
            path=candidate.path,
            status=Status.FAILED,
            reason=reason,
            reason_code=ReasonCode.OUTPUT_PLACE,
            size_before=candidate.size,
        )

    def _holds(self, folder: str) -> bool:
        """Return whether a folder is really below the root, after links are resolved.

        The folder need not exist yet. The answer for the last folder is cached.
        """
        if folder != self._last[0]:
            root = folder_identity(self.root)
            self._last = folder, root is None or root in lineage(folder)
        return self._last[1]


def is_output_file(output: str, paths: Sequence[str]) -> bool:
    """Return whether an output is meant as the name of a file, not of a folder.

    Raises:
        OptionsError: it looks like a file, but there is more than one source.
    """
    if not output.lower().endswith(SUFFIXES) or os.path.isdir(output):
        return False
    if len(paths) == 1 and os.path.isfile(paths[0]):
        return True
    raise OptionsError(f"the output {output} has the name of a file, but not one file is its source; name a folder")


def folder_of(path: str) -> str:
    """Return the path itself if it is a folder, or else the folder that contains it."""
    return path if os.path.isdir(path) else os.path.dirname(path) or "."


FolderIdentity = tuple[int, int]
"""Device and inode of a folder."""


def folder_identity(path: str) -> FolderIdentity | None:
    """Return the identity of a folder, or None if it does not exist."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def lineage(path: str) -> list[FolderIdentity]:
    """List the identities of a folder and of all folders above it, as far as they exist."""
    real = os.path.realpath(path)
    return [each for each in map(folder_identity, (real, *parents(real))) if each is not None]
