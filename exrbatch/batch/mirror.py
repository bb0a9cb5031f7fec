"""A tree beside the sources that mirrors theirs: the output, the backups, or the other side of a comparison."""

import os
from collections.abc import Iterator, Sequence

from exrbatch.batch.candidate import Candidate
from exrbatch.errors import OptionsError
from exrbatch.file.report import FileReport, Status


class Mirror:
    """Gives each source its place in the tree below `root`."""

    def __init__(self, root: str, paths: Sequence[str], *, written_as: str | None) -> None:
        """`paths`: the sources' files and folders; what they have in common is what `root` stands for.

        `written_as`: what messages call the folder; None for one that is only read.
        """
        self.root = root
        self.real = os.path.realpath(root)
        self._name = written_as
        self._base = os.path.commonpath([os.path.abspath(folder_of(path)) for path in paths])

    def check_writable(self, paths: Sequence[str]) -> None:
        """Refuse a folder that holds sources: the new tree would be written among, or over, the old one."""
        if os.path.lexists(self.root) and not os.path.isdir(self.root):
            raise OptionsError(f"the {self._name} is not a folder: {self.root}")
        if self._name == "backup":
            for path in filter(os.path.isdir, paths):
                if os.path.realpath(path) in self_and_parents(self.real):
                    raise OptionsError(f"the backup folder {self.root} lies below {path}: a later run would change it")
        for path in paths:
            for folder in (folder_of(path), os.path.dirname(os.path.realpath(path)) if os.path.islink(path) else ""):
                if folder and self.real in self_and_parents(os.path.realpath(folder)):
                    hint = "; leave out -o to replace files in place" if self._name == "output" else ""
                    raise OptionsError(f"the {self._name} folder {self.root} holds the source {path}{hint}")

    def place(self, candidate: Candidate, path: str) -> Candidate | FileReport:
        """Give a candidate its place; `path`: the argument that it was found by."""
        if self._name is None and not os.path.isdir(self.root):
            return candidate._replace(mirror=self.root)
        # A file that is named through a link keeps the place of the link, not that of its target.
        shown = path if os.path.islink(path) and not os.path.isdir(path) else candidate.path
        place = os.path.join(self.root, os.path.relpath(os.path.abspath(shown), self._base))
        if self._name is None or self.real in self_and_parents(os.path.realpath(os.path.dirname(place))):
            return candidate._replace(mirror=place)
        reason = f"its place in the {self._name} folder is behind a link that leads out of it"
        return FileReport(path=candidate.path, status=Status.FAILED, reason=reason, size_before=candidate.size)


def folder_of(path: str) -> str:
    """Return a folder itself, or the folder that a file is in."""
    return path if os.path.isdir(path) else os.path.dirname(path) or "."


def self_and_parents(path: str) -> Iterator[str]:
    """Yield a path and every folder above it."""
    yield path
    yield from parents(path)


def parents(path: str) -> Iterator[str]:
    """Yield every folder above a path."""
    while (parent := os.path.dirname(path)) != path:
        yield parent
        path = parent
