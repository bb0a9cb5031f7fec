"""Short names for many paths: frames of one sequence share a line, as `beauty.1001-1100#.exr`."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from exrbatch.batch.discovery.sequences import NameGroup, frame_ranges, group_names
from exrbatch.text import safe_text, shortened_end

MAX_FRAMES = 200
"""Characters of a list of frames that are shown; thousands of single frames would fill a screen."""


class Named(NamedTuple):
    """Some frames of one sequence, or a single file.

    Attributes:
        name: text that is safe to print, and that can be pasted into a command if it needed no
            escapes and was not shortened.
        files: number of files.
    """

    name: str
    files: int


def sequence_names(paths: Sequence[str]) -> list[Named]:
    """Group paths by frame sequence, in the order of the paths of their first frames."""
    return [named for named, _ in named_groups(paths)]


def named_groups(paths: Sequence[str]) -> list[tuple[Named, list[str]]]:
    """Group paths by frame sequence, like `sequence_names`.

    Returns:
        for each sequence, its name, and the paths of its files.
    """
    folders: dict[str, list[str]] = {}
    for path in paths:
        folder, name = os.path.split(path)
        folders.setdefault(folder, []).append(name)
    return [
        (
            Named(_shown(os.path.join(folder, ""), group), len(group.names)),
            [os.path.join(folder, n) for n in group.names],
        )
        for folder, names in sorted(folders.items())
        for group in group_names(names)
    ]


def _shown(folder: str, group: NameGroup) -> str:
    if len(group.names) == 1:
        return safe_text(folder + group.names[0])
    ranges = shortened_end(frame_ranges(group.frames), MAX_FRAMES)
    return safe_text(f"{folder}{group.prefix}{ranges}{group.marks}{group.suffix}")
