"""Group the names of a folder by frame sequence, and name sequences as users write them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from exrbatch.text import safe_text


@dataclass(frozen=True, slots=True)
class NameGroup:
    """The frames of one sequence in one folder, or a single file.

    Attributes:
        names: names of the files, in the order of their frame numbers.
        frames: their frame numbers; empty for a file without one.
        prefix: what stands before the frame number.
        suffix: what stands behind it.
        width: number of digits that all numbers have at least.
    """

    names: tuple[str, ...]
    frames: tuple[int, ...] = ()
    prefix: str = ""
    suffix: str = ""
    width: int = 1

    def name(self, frames: Iterable[int] | None = None) -> str:
        """Return a name such as `beauty.1001-1005,1008#.exr`; of a single file, its own name.

        A single # stands for numbers without leading zeros; otherwise there is one # for each
        digit. The name can be pasted into a command, unless the files have names that no terminal
        can show.

        Args:
            frames: name only these; None for all.
        """
        chosen = self.frames if frames is None else tuple(frames)
        if len(chosen) == 1:
            return self.names[self.frames.index(chosen[0])]
        if not chosen:
            return self.names[0]
        return f"{self.prefix}{frame_ranges(chosen)}{self.marks}{self.suffix}"

    @property
    def marks(self) -> str:
        """The number signs of the name: one, or as many as the numbers have digits."""
        is_natural = self.frames[0] >= 0 and len(str(self.frames[0])) >= self.width
        return "#" * (1 if is_natural else self.width)


def gaps(frames: Sequence[int]) -> list[tuple[int, int]]:
    """Return the gaps between frame numbers in ascending order, as pairs of first and last frame.

    The step of the sequence is the largest that explains all frames, if there are at least three.
    """
    step = _step(frames)
    return [(before + step, after - step) for before, after in pairwise(frames) if after - before > step]


def count_missing(frames: Sequence[int]) -> int:
    """Return how many frames the gaps between frame numbers have."""
    step = _step(frames)
    return sum((after - before) // step - 1 for before, after in pairwise(frames))


def _step(frames: Sequence[int]) -> int:
    """Return the step of a sequence: 1 if there are only one or two frames."""
    differences = [after - before for before, after in pairwise(frames)]
    return max(1, math.gcd(*differences)) if len(differences) > 1 else 1


def frame_ranges(frames: Iterable[int]) -> str:
    """Return frame numbers as ranges, such as 1001-1005,1008 or 1001-1099x2."""
    import fileseq  # takes 0.1 s, so it is imported only if there is something to name

    return str(fileseq.framesToFrameRange(sorted(frames), sort=False, compress=False))


def group_names(names: Sequence[str]) -> list[NameGroup]:
    """Group the names of one folder by sequence, in the order of the names.

    Every name is in exactly one group. Names that a terminal can't show are grouped by what is
    shown instead, because fileseq drops names with line breaks.
    """
    import fileseq  # takes 0.1 s

    if len(names) == 1:
        return [NameGroup((names[0],))]
    originals: dict[str, str] = {}
    for name in names:
        originals.setdefault(name if name.isprintable() else safe_text(name), name)
    kept = set(originals.values())
    alone = [NameGroup((name,)) for name in names if name not in kept]
    groups: list[NameGroup] = []
    for sequence in fileseq.findSequencesInList(list(originals), pad_style=fileseq.PAD_STYLE_HASH1):
        frame_set = sequence.frameSet()
        members = [originals.pop(text, None) for text in map(str, sequence)]
        if frame_set is None or None in members:  # a name that fileseq spells in another way
            alone += [NameGroup((member,)) for member in members if member is not None]
            continue
        pairs = sorted(zip((int(frame) for frame in frame_set), filter(None, members), strict=True))
        frames, files = zip(*pairs, strict=True)
        suffix = sequence.extension()
        digits = len(sequence[0]) - len(sequence.dirname() + sequence.basename() + suffix)
        if not all(name.endswith(suffix) for name in files):  # its suffix can't be shown as it is
            alone += [NameGroup((name,)) for name in files]
            continue
        prefix = files[0][: len(files[0]) - len(suffix) - digits]
        groups.append(NameGroup(files, frames, prefix, suffix, sequence.zfill()))
    groups += alone + [NameGroup((name,)) for name in originals.values()]
    return sorted(groups, key=lambda group: group.names[0])
