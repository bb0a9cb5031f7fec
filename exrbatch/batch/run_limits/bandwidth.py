"""How many bytes a second a run may read and write, at which time of day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from exrbatch.batch.run_limits.times_of_day import parse_time
from exrbatch.text import parse_size

OFF = "off"


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """A timetable of rates.

    Attributes:
        entries: from which time of day (seconds after midnight) which rate applies (bytes per
            second; None for no limit), in the order of the day.
    """

    entries: Sequence[tuple[int, int | None]]

    @classmethod
    def parse(cls, text: str | float) -> "Bandwidth":
        """Parse a rate such as 200M, or a timetable such as "08:00,20M 19:00,off".

        Args:
            text: the rate or timetable; a number is bytes per second. 0 and off stand for no limit.

        Raises:
            ValueError: the text is wrong, or a rate in it has no unit. Other programs take such a
                number for kilobytes or megabytes.
        """
        if isinstance(text, int | float):
            text = f"{text:.0f}B" if text >= 1 else OFF if text == 0 else str(text)
        words = text.split()
        if len(words) == 1 and "," not in words[0]:
            return cls([(0, _parse_rate(words[0]))])
        entries = {}
        for word in words:
            time, comma, rate = word.partition(",")
            if not comma:
                raise ValueError(f"{word!r} is not an entry of a timetable such as 08:00,20M")
            entries[parse_time(time)] = _parse_rate(rate)
        if not entries:
            raise ValueError("a rate such as 200M, or a timetable such as '08:00,20M 19:00,off', is needed")
        return cls(sorted(entries.items()))

    def rate(self, moment: float, zone: tzinfo | None = None) -> int | None:
        """Return the bytes per second that apply at a moment in seconds since 1970, or None."""
        shown = datetime.fromtimestamp(moment, zone)
        seconds = 3600 * shown.hour + 60 * shown.minute + shown.second
        begun = [rate for start, rate in self.entries if start <= seconds]
        return begun[-1] if begun else self.entries[-1][1]  # the last entry of the day before still applies

    @property
    def lowest(self) -> int | None:
        """The lowest rate of the day in bytes per second; None if there is never a limit."""
        return min((rate for _, rate in self.entries if rate is not None), default=None)


def _parse_rate(text: str) -> int | None:
    """Return a rate in bytes per second; None for no limit."""
    word = text.lower().removesuffix("/s")
    if word in (OFF, "0"):
        return None
    rate = parse_size(word)
    if word[-1].isdigit():
        raise ValueError(f"{text!r}: give a unit, such as {word}M")
    if rate < 1:
        raise ValueError(f"a rate of {text}: must be more than 0, or off")
    return rate
