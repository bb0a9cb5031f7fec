"""What a scan has found, as frozen values."""

import base64
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from exrbatch.inventory.header_facts import HeaderFacts
from exrbatch.jobs.file_report import FileReport
from exrbatch.text import path_bytes, printable

FORMAT = "exrbatch-scan-1"


@dataclass(frozen=True, slots=True)
class FrameFile:
    """A file of a sequence.

    Attributes:
        path: path of the file.
        size: size in bytes.
        links: number of its names (hard links).
    """

    path: str
    size: int
    links: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSequence:
    """A frame sequence in one folder, or a single file.

    Attributes:
        name: path that `recompress` accepts, such as `shots/beauty.1001-1005,1008#.exr`. It names
            the files of the sequence, not its symbolic links. If only links were found, it names
            them.
        frames: number of files, without symbolic links.
        ranges: their frame numbers, such as "1001-1005,1008"; empty for a name without a number.
        missing: number of frames that are missing between the first and the last.
        missing_ranges: their numbers, such as "1006-1007".
        size: bytes of the files.
        headers: what the headers that were read say, with the number of files for each.
        broken: number of files that are damaged, incomplete or can't be read.
        symbolic_links: number of frames that are symbolic links. A run skips them.
        hard_links: number of files that have other names, too. By default a run skips them.
        files: the files in the order of their frame numbers; empty unless the scan keeps them.
    """

    name: str
    frames: int
    ranges: str = ""
    missing: int = 0
    missing_ranges: str = ""
    size: int = 0
    headers: tuple[tuple[HeaderFacts, int], ...] = ()
    broken: int = 0
    symbolic_links: int = 0
    hard_links: int = 0
    files: tuple[FrameFile, ...] = ()

    @property
    def facts(self) -> HeaderFacts | None:
        """What most of the headers say; None if none could be read."""
        return self.headers[0][0] if self.headers else None

    def shares(self) -> Iterator[tuple[HeaderFacts, float]]:
        """Yield what the headers say, each with its share of the files, 0 to 1."""
        count = sum(number for _, number in self.headers)
        yield from ((facts, number / count) for facts, number in self.headers)

    def to_json(self) -> dict[str, object]:
        """Return the sequence as plain values that can be written as JSON."""
        return {
            **_path("name", self.name),
            "frames": self.frames,
            "ranges": self.ranges,
            "missing": self.missing,
            "missing_ranges": self.missing_ranges,
            "size": self.size,
            "headers": [facts.to_json() | {"files": number} for facts, number in self.headers],
            "broken": self.broken,
            "symbolic_links": self.symbolic_links,
            "hard_links": self.hard_links,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All that a scan has found.

    Attributes:
        sequences: sequences and single files.
        failures: a report for each file that is damaged, incomplete or can't be read, each folder
            that can't be listed, and each frame that was named and is missing.
        left_out: a report for each other path that a run would skip before it looks at pixels:
            linked folders, special files, files that can't be processed or that have vanished.
        not_selected: number of files that the patterns have left out.
        has_all_headers: whether the headers of all files were read, with their chunk tables.
    """

    sequences: tuple[FrameSequence, ...]
    failures: tuple[FileReport, ...] = ()
    left_out: tuple[FileReport, ...] = ()
    not_selected: int = 0
    has_all_headers: bool = False

    @property
    def frames(self) -> int:
        """Number of files in all sequences."""
        return sum(sequence.frames for sequence in self.sequences)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(sequence.size for sequence in self.sequences)

    def sizes_by_compression(self) -> dict[str, int]:
        """Return the bytes of the files of each compression, largest first.

        The headers that were read stand for the others of their sequences.
        """
        sizes: Counter[str] = Counter()
        for sequence in self.sequences:
            for facts, share in sequence.shares():
                sizes["+".join(dict.fromkeys(facts.compressions))] += round(sequence.size * share)
        return dict(sizes.most_common())

    def to_json(self) -> dict[str, object]:
        """Return the inventory as plain values that can be written as JSON."""
        return {
            "sequences": [sequence.to_json() for sequence in self.sequences],
            "failures": [_reason(report) for report in self.failures],
            "left_out": [_reason(report) for report in self.left_out],
            "totals": {
                "sequences": len(self.sequences),
                "frames": self.frames,
                "size": self.size,
                "missing": sum(sequence.missing for sequence in self.sequences),
                "broken": sum(sequence.broken for sequence in self.sequences),
                "symbolic_links": sum(sequence.symbolic_links for sequence in self.sequences),
                "hard_links": sum(sequence.hard_links for sequence in self.sequences),
                "not_selected": self.not_selected,
                "sizes_by_compression": self.sizes_by_compression(),
                "has_all_headers": self.has_all_headers,
            },
        }


def counted(facts: Iterable[HeaderFacts]) -> tuple[tuple[HeaderFacts, int], ...]:
    """Return each different value with its number, most frequent first."""
    return tuple(Counter(facts).most_common())


def _reason(report: FileReport) -> dict[str, object]:
    return {**_path("path", report.path), "reason": report.reason, "reason_code": report.reason_code}


def _path(key: str, path: str) -> dict[str, object]:
    """Return a path for JSON; if it is not valid UTF-8, also its bytes in base64."""
    if (text := printable(path)) == path:
        return {key: path}
    return {key: text, f"{key}_b64": base64.b64encode(path_bytes(path)).decode("ascii")}
