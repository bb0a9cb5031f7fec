"""Folders that a plan needs on every host, and how to tell that their file systems are mounted.

Where a file system is not mounted, there is an empty folder. So a plan remembers some names that
each folder holds, and a host must see at least one of them.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from exrbatch.journal.records import list_fields, path_fields, read_list, read_path
from exrbatch.replacing import mount_of
from exrbatch.text import safe_text

MOST_NAMES = 8
"""Number of names that are remembered of a folder."""
MOST_OF_DEVICE = 8
"""Number of folders that are remembered of one file system. They are mounted together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder as the host that made the plan saw it.

    Attributes:
        path: its absolute path.
        names: some of the names in it.
        is_mount_point: whether a file system was mounted just there.
        is_on_root: whether it was on the same file system as the root folder.
        source: the device, or the server and its export, for messages; empty if unknown.
    """

    path: str
    names: tuple[str, ...]
    is_mount_point: bool
    is_on_root: bool
    source: str

    @classmethod
    def of(cls, path: str) -> Self:
        """Look at a folder.

        Raises:
            OSError: it can't be read.
        """
        folders: list[str] = []
        files: list[str] = []
        with os.scandir(path) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    (folders if _is_folder(entry) else files).append(entry.name)
        names = [*sorted(folders)[:MOST_NAMES], *sorted(files)[:MOST_NAMES]][:MOST_NAMES]
        status = os.stat(path)
        return cls(
            path=path,
            names=tuple(names),
            is_mount_point=os.path.ismount(path),
            is_on_root=_is_on_root(path),
            source=mount_of(status.st_dev, os.path.realpath(path)).source,
        )

    def trouble(self, *, holds_results: bool = False) -> str | None:
        """Say in one line why the folder can't be used on this host; None if it can.

        Args:
            holds_results: whether files are written there. It may have held nothing when the plan
                was made. Then a mount point must still be one, and what was on another file system
                than the root folder must not be on that one.
        """
        shown = safe_text(self.path)
        source = f" ({safe_text(self.source)})" if ":" in self.source or self.source.startswith("/") else ""
        try:
            present = set(os.listdir(self.path))  # this also makes an automounter mount it
        except OSError as error:
            return f"{shown}: {error.strerror}: is its file system{source} not mounted on this host?"
        if self.names and present.isdisjoint(self.names):
            names = ", ".join(map(safe_text, self.names[:3]))
            return (
                f"{shown} has none of the names that it had when the plan was made, such as {names}: is its file"
                f" system{source} not mounted on this host?"
            )
        if holds_results and self.is_mount_point and not os.path.ismount(self.path):
            return f"{shown} is no mount point here, but was one when the plan was made{source}: mount it"
        if holds_results and not self.is_on_root and _is_on_root(self.path):
            return (
                f"{shown} is on the root file system here, but was not when the plan was made: is its file system"
                f"{source} not mounted on this host?"
            )
        return None

    def to_json(self) -> dict[str, object]:
        """Return the place for the settings of a plan."""
        return {
            **path_fields("path", self.path),
            **list_fields("names", self.names),
            "is_mount_point": self.is_mount_point,
            "is_on_root": self.is_on_root,
            **path_fields("source", self.source),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read a place from the settings of a plan.

        Raises:
            ValueError: it is none.
        """
        path = read_path(record, "path")
        if path is None or not os.path.isabs(path):
            raise ValueError("a folder without an absolute path")
        return cls(
            path=path,
            names=tuple(read_list(record, "names")),
            is_mount_point=record.get("is_mount_point") is True,
            is_on_root=record.get("is_on_root") is True,
            source=read_path(record, "source") or "",
        )


def _is_on_root(path: str) -> bool:
    return os.stat(path).st_dev == os.stat(os.sep).st_dev


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def places_of(folders: Iterable[str]) -> list[Place]:
    """Look at the folders of a plan: all of them, or the first ones of each file system.

    Raises:
        OSError: one can't be read.
    """
    counts: dict[int, int] = {}
    places = []
    for folder in dict.fromkeys(folders):
        device = os.stat(folder).st_dev
        counts[device] = counts.get(device, 0) + 1
        if counts[device] <= MOST_OF_DEVICE:
            places.append(Place.of(folder))
    return places
