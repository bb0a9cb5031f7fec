"""Short names for many paths: frames of one sequence share a line, as `beauty.1001-1100#.exr`."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

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
    import fileseq  # takes 0.1 s, so it is imported only if there is something to list

    plain = [path for path in paths if path.isprintable()]  # fileseq silently drops names with line breaks
    found = [(path, Named(safe_text(path), 1)) for path in paths if not path.isprintable()]
    for sequence in fileseq.findSequencesInList(plain, pad_style=fileseq.PAD_STYLE_HASH1):
        first = sequence[0]
        found.append((first, Named(first if len(sequence) == 1 else _name(sequence), len(sequence))))
    return [named for _, named in sorted(found, key=lambda each: _by_folder(each[0]))]


def _by_folder(path: str) -> tuple[str, str]:
    return os.path.split(path)


def _name(sequence: Any) -> str:
    """Return the name of a sequence of several frames.

    A single # stands for numbers without leading zeros; otherwise there is one # for each digit.
    """
    width = sequence.zfill()
    is_natural = sequence.start() >= 0 and len(str(sequence.start())) >= width
    marks = "#" * (1 if is_natural else width)
    frames = f"{shortened_end(str(sequence.frameSet()), MAX_FRAMES)}{marks}"
    return f"{sequence.dirname()}{sequence.basename()}{frames}{sequence.extension()}"
