"""What killed runs have left behind, in words, and the removal of what is provably superfluous."""

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from exrbatch.replacing import disk
from exrbatch.replacing.temp_files import (
    is_alive,
    is_left_over,
    is_of_this_host,
    is_placed_record,
    is_superfluous,
    parse_temp_name,
    sweep_folder,
)
from exrbatch.text import format_duration

_WHAT = {
    "tmp": "a new file that was not finished",
    "old": "the original of a frame, or its new file, from the moment when they changed places",
    "bak": "the record of a backup that was to be removed",
    "keep": "the record of a backup that was to stay",
}


class Leftover(NamedTuple):
    """A temp file in a folder.

    Attributes:
        path: its path.
        what: what it is.
        why: why it is superfluous, or why it must stay.
        is_superfluous: whether it is proved that nobody needs it.
        size: its size in bytes.
    """

    path: str
    what: str
    why: str
    is_superfluous: bool
    size: int


def find_leftovers(directory: str, names: Sequence[str], is_whole: Callable[[str], bool]) -> Iterator[Leftover]:
    """Yield the temp files of a folder. Nothing is changed.

    Args:
        directory: the folder.
        names: the names in it.
        is_whole: whether the file at a path is complete, so that the file it replaced can go.
    """
    for name in sorted(names):
        if (left := parse_temp_name(name)) is None:
            continue
        path = os.path.join(directory, name)
        with contextlib.suppress(FileNotFoundError):
            size = disk.DISK.look(path).st_size
            what = _WHAT[left["phase"]]
            if not is_left_over(path):
                yield Leftover(path, what, _why_in_use(path, left), False, size)
            elif is_placed_record(directory, names, left):
                yield Leftover(path, what, "the backup is in place; the next run for its frame decides", False, size)
            elif _is_superfluous(path, left, directory, is_whole):
                yield Leftover(path, what, "its run has ended, and no frame needs it", True, size)
            else:
                why = "it may be the only copy of something: compare it with the frames in its folder, then remove it"
                yield Leftover(path, what, why, False, size)


def _is_superfluous(path: str, left: re.Match[str], directory: str, is_whole: Callable[[str], bool]) -> bool:
    with contextlib.suppress(PermissionError):  # a file that this user can't open proves nothing
        return is_superfluous(path, left, directory, is_whole)
    return False


def remove_superfluous(directory: str, is_whole: Callable[[str], bool]) -> None:
    """Remove the temp files of a folder that are superfluous at this moment."""
    with contextlib.suppress(FileNotFoundError):
        sweep_folder(directory, os.listdir(directory), is_whole)


def _why_in_use(path: str, left: re.Match[str]) -> str:
    if is_of_this_host(left) and is_alive(int(left["pid"])):
        return f"in use by a running process ({left['pid']})"
    age = time.time() - disk.DISK.look(path).st_ctime
    return f"made on another host {format_duration(max(0, age))} ago; after a day it counts as left over"
