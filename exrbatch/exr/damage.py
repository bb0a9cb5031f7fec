"""Damaged places of a file, as values. Light to import."""

import re
from dataclasses import dataclass, field

from exrbatch.text import safe_text

MAX_LISTED = 100
"""Number of damaged places of a file that are listed, and after which no more chunks are tried."""
_PLACE = re.compile(r"part (\d+)(?:, chunk (\d+)(?: at byte (\d+))?)?(?:: | )")


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One damaged place of a file.

    Attributes:
        reason: what is wrong, in one line.
        part: index of the part; None if the damage is not in one part.
        chunk: index of the chunk in the offset table; None if the damage is not in one chunk.
        level: x and y level of the chunk; None if its part has only one level.
        offset: byte in the file: where the chunk begins, or, if the chunk can't be found, where its
            entry in the offset table is; None if unknown.
    """

    reason: str
    part: int | None = None
    chunk: int | None = None
    level: tuple[int, int] | None = None
    offset: int | None = None

    def __post_init__(self) -> None:
        """Make the reason safe to print, because parts of it may come from the file."""
        object.__setattr__(self, "reason", safe_text(self.reason))

    def __str__(self) -> str:
        """Return the place and the reason in one line."""
        words = [] if self.part is None else [f"part {self.part}"]
        words += [] if self.level is None else [f"level {self.level[0]} {self.level[1]}"]
        words += [] if self.chunk is None else [f"chunk {self.chunk}"]
        place = ", ".join(words) + ("" if self.offset is None else f" at byte {self.offset}")
        return f"{place}: {self.reason}" if words else self.reason

    @classmethod
    def of_message(cls, message: str) -> "Damage":
        """Make a damage from the message of an `InvalidFile`, which begins with its place."""
        found = _PLACE.match(message)
        if found is None:
            return cls(reason=message)
        part, chunk, offset = (None if number is None else int(number) for number in found.groups())
        return cls(reason=message[found.end() :], part=part, chunk=chunk, offset=offset)

    def to_json(self) -> dict[str, object]:
        """Return the damage as plain values that can be written as JSON."""
        record: dict[str, object] = {
            name: value for name in ("part", "chunk", "offset") if (value := getattr(self, name)) is not None
        }
        return record | ({"level": list(self.level)} if self.level is not None else {}) | {"reason": self.reason}


@dataclass(slots=True)
class Findings:
    """What a check has found so far.

    Attributes:
        listed: the first `MAX_LISTED` damaged places.
        total: number of damaged places, including those that are not listed.
        notes: facts that no reader minds, one line each.
        content_sha256: the content digest in hexadecimal, if it was asked for and the chunks are
            sound.
    """

    listed: list[Damage] = field(default_factory=list)
    total: int = 0
    notes: list[str] = field(default_factory=list)
    content_sha256: str | None = None

    def add(self, damage: Damage) -> None:
        """Add a damaged place."""
        self.total += 1
        if len(self.listed) < MAX_LISTED:
            self.listed.append(damage)
