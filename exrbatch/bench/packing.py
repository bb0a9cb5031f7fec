"""The settings that a benchmark compares: a compression with an effort, or an automatic choice."""

import enum
from dataclasses import dataclass

from exrbatch.codecs.effort import Effort
from exrbatch.exr.compression import Compression
from exrbatch.recompression.choices import DEFAULT_READERS
from exrbatch.text import format_count

WITH_EFFORT = (Compression.ZIPS, Compression.ZIP, Compression.ZSTD)
"""Compressions that have an effort setting. Each of the others has only one row."""


class Choice(enum.StrEnum):
    """What can take the place of a compression: several of them, one for each file.

    Attributes:
        AUTO: the automatic choice, as `recompress -c auto` makes it.
        BEST: for each file, the smallest lossless result that was measured. It is computed, not
            measured, and shows what choosing by file could bring at most.
    """

    AUTO = "auto"
    BEST = "best per file"


@dataclass(frozen=True, slots=True)
class Packing:
    """A compression with an effort: one of the settings that are compared.

    Attributes:
        compression: the compression, or how one is chosen for each file.
        effort: compression strength; used by the compressions in `WITH_EFFORT` and by AUTO.
        is_named: whether the user named the compression, which permits a lossy one.
        readers: for AUTO, the oldest OpenEXR release that must be able to read what is chosen.
    """

    compression: Compression | Choice
    effort: Effort
    is_named: bool = False
    readers: str = DEFAULT_READERS

    @property
    def word(self) -> str:
        """The name of the compression or choice, without the effort."""
        return self.compression.value if isinstance(self.compression, Choice) else self.compression.name.lower()

    @property
    def has_effort(self) -> bool:
        """Whether the effort has an effect."""
        return self.compression in WITH_EFFORT or self.compression is Choice.AUTO

    @property
    def name(self) -> str:
        """The compression's name, followed by the effort if the compression has that setting."""
        return f"{self.word} {self.effort}" if self.has_effort else self.word

    @property
    def fixed(self) -> Compression | None:
        """The compression that every file gets; None if one is chosen for each file."""
        return None if isinstance(self.compression, Choice) else self.compression

    @property
    def first_release(self) -> str:
        """The oldest OpenEXR release that reads the result."""
        return self.readers if self.fixed is None else self.fixed.facts.first_release


@dataclass(frozen=True, slots=True)
class Trial:
    """One measurement over the whole sample, taken once per pass.

    Attributes:
        packing: compression and effort.
        jobs: number of workers of an end-to-end run with disk and verification; 0 for compressing
            and decompressing in memory.
    """

    packing: Packing
    jobs: int

    @property
    def name(self) -> str:
        """The packing and the kind of trial, in a few words."""
        return f"{self.packing.name}, " + (f"{format_count(self.jobs, 'job')}" if self.jobs else "in memory")
