"""The paths that a user names: frame sequences, frame ranges, and patterns in quotes."""

import glob
import os
import re
from collections.abc import Iterable

from exrbatch.errors import OptionsError

_SEQUENCE = re.compile(r"[#@]|%0?\d*d|\$F\d*")
_NUMBERS = r"-?\d+(?:-\d+(?:x\d+)?)?"
_RANGE = re.compile(rf"{_NUMBERS}(?:,{_NUMBERS})*")
_READ_AS_RANGE = re.compile(r"(\d[xy:]?|[-,])$")
"""End of a name that would be read as a part of the frame range that follows it."""
_WITH_RANGE = re.compile(rf"(?P<path>.*\S)\s+(?P<range>{_RANGE.pattern})", re.DOTALL)


def is_sequence(path: str) -> bool:
    """Return whether a path that does not exist names a frame sequence."""
    return _SEQUENCE.search(os.path.basename(path)) is not None


def expand(paths: Iterable[str], missing: dict[str, str] | None = None) -> list[str]:
    """Replace quoted patterns by the paths that they match, and join sequences with their ranges.

    Nuke writes a sequence with its range behind it: `beauty.%04d.exr 1025-1040`, as one argument or
    as two. What exists under its literal name is never taken for anything else.

    Args:
        paths: what the user named.
        missing: gets each path that does not exist, and is neither a sequence nor a pattern that
            matches something, with the reason. If it is None, such a path is an error.

    Raises:
        OptionsError: a path is missing, or a frame range is ambiguous.
    """
    expanded: list[str] = []
    for path in paths:
        if os.path.lexists(path):
            expanded.append(path)
        elif expanded and _RANGE.fullmatch(path) and _takes_range(expanded[-1]):
            expanded[-1] = _with_range(expanded[-1], path)
        elif (both := _WITH_RANGE.fullmatch(path)) and _takes_range(both["path"]):
            expanded.append(_with_range(both["path"], both["range"]))
        elif is_sequence(path):
            if re.search(r"\d:\d", os.path.basename(path)):
                raise OptionsError(f"a frame range with ':' is read differently by different tools: {path}")
            expanded.append(path)
        else:
            found, reason = _matches(path)
            if reason is not None and missing is None:
                raise OptionsError(f"{reason}: {path}")
            if reason is not None and missing is not None:
                missing[path] = reason
            expanded += found
    return expanded


def _takes_range(path: str) -> bool:
    """Return whether a path is a sequence that names no frames yet."""
    name = os.path.basename(path)
    found = _SEQUENCE.search(name)
    return not os.path.lexists(path) and found is not None and not re.search(r"\d-\d+(x\d+)?$", name[: found.start()])


def _with_range(path: str, frames: str) -> str:
    folder, name = os.path.split(path)
    found = _SEQUENCE.search(name)
    assert found is not None, "see `_takes_range`"
    if _READ_AS_RANGE.search(name[: found.start()]):
        raise OptionsError(f"what stands before the frame numbers of {path} would be read as a part of {frames}")
    return os.path.join(folder, name[: found.start()] + frames + name[found.start() :])


def _matches(pattern: str) -> tuple[list[str], str | None]:
    """Return what a pattern matches, and why if that is nothing."""
    if not glob.has_magic(pattern):
        return [], "no such file or folder"
    found = sorted(glob.glob(pattern, recursive=True))
    return found, None if found else "no file or folder matches"
