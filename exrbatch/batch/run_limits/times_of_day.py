"""Times of day, and hours of a week, as a clock on the wall shows them.

A time zone of None stands for the local one of this system. In the night when clocks go forward,
the times that are left out count as an hour later. In the night when clocks go back, an hour
happens twice: both are inside of hours that contain it, and the first is the next 02:30.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = 24 * 60 * 60
_TIME = r"(\d{1,2}):(\d{2})"
_WINDOW = re.compile(rf"(?:(?P<first>[a-z]{{3}})(?:-(?P<last>[a-z]{{3}}))?)?\s*(?:{_TIME}\s*-\s*{_TIME})?")


def parse_time(text: str) -> int:
    """Parse a time of day such as 07:30 into seconds after midnight.

    Raises:
        ValueError: it is none.
    """
    match = re.fullmatch(_TIME, text.strip())
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise ValueError(f"{text!r} is not a time of day such as 07:30")
    return 3600 * int(match[1]) + 60 * int(match[2])


def show_time(seconds: int) -> str:
    """Return a time of day as 07:30."""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}"


def next_time(seconds: int, after: float, zone: tzinfo | None = None) -> float:
    """Return when a clock shows a time of day next.

    Args:
        seconds: the time of day, in seconds after midnight.
        after: a moment in seconds since 1970.
        zone: time zone of the clock.

    Returns:
        The first such moment after `after`, in seconds since 1970.
    """
    today = datetime.fromtimestamp(after, zone).date()
    moments = [each for days in (-1, 0, 1, 2) for each in _moments(today + timedelta(days=days), seconds, zone)]
    return min(moment for moment in moments if moment > after)


def _moments(day: date, seconds: int, zone: tzinfo | None) -> list[float]:
    """Return the moments of a day at which a clock shows a time: one, or two if it goes back."""
    clock = time(seconds // 3600, seconds // 60 % 60, seconds % 60)
    both = [datetime.combine(day, clock.replace(fold=fold), zone).timestamp() for fold in (0, 1)]
    shown = [moment for moment in both if datetime.fromtimestamp(moment, zone).time() == clock]
    return shown or both[:1]


@dataclass(frozen=True, slots=True)
class Window:
    """Some hours on some days of the week.

    Attributes:
        days: the days on which the hours begin, from 0 for Monday.
        start: when they begin, in seconds after midnight.
        end: when they end; on the next day if that is not after `start`.
    """

    days: frozenset[int]
    start: int
    end: int

    def holds(self, weekday: int, seconds: int) -> bool:
        """Return whether a day and time of day lie in the window."""
        if self.start < self.end:
            return weekday in self.days and self.start <= seconds < self.end
        if seconds >= self.start:
            return weekday in self.days
        return (weekday - 1) % 7 in self.days and seconds < self.end


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours of a week in which files may start.

    Attributes:
        text: the hours as the user wrote them.
        windows: the hours.
    """

    text: str
    windows: Sequence[Window]

    @classmethod
    def parse(cls, text: str) -> "Hours":
        """Parse hours such as "19:00-07:30", "mon-fri 19:00-07:30, sat-sun" or "sat".

        Raises:
            ValueError: the text is wrong.
        """
        try:
            return cls(text, [_parse_window(each) for each in text.lower().split(",")])
        except ValueError as error:
            raise ValueError(f"{error}; examples are '19:00-07:30' and 'mon-fri 19:00-07:30, sat-sun'") from None

    def hold(self, moment: float, zone: tzinfo | None = None) -> bool:
        """Return whether a moment, in seconds since 1970, lies within the hours."""
        shown = datetime.fromtimestamp(moment, zone)
        seconds = 3600 * shown.hour + 60 * shown.minute + shown.second
        return any(window.holds(shown.weekday(), seconds) for window in self.windows)


def _parse_window(text: str) -> Window:
    match = _WINDOW.fullmatch(text.strip())
    wrong = ValueError(f"{text.strip()!r} is not a time span")
    if match is None or not match[0]:
        raise wrong
    first, last = match["first"], match["last"] or match["first"]
    if first is not None and (first not in DAYS or last not in DAYS):
        raise ValueError(f"{text.strip()!r}: days are {', '.join(DAYS)}")
    days = frozenset(range(7))
    if first is not None:
        begin, length = DAYS.index(first), (DAYS.index(last) - DAYS.index(first)) % 7 + 1
        days = frozenset((begin + day) % 7 for day in range(length))
    if match[3] is None:
        return Window(days, 0, DAY)
    start = parse_time(f"{match[3]}:{match[4]}")
    end = DAY if (match[5], match[6]) == ("24", "00") else parse_time(f"{match[5]}:{match[6]}")
    if start == end:
        raise ValueError(f"{text.strip()!r} begins and ends at the same time")
    return Window(days, start, end)
