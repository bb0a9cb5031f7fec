"""The limits of a run as the user states them."""

import re
from dataclasses import dataclass

from exrbatch.batch.run_limits.bandwidth import Bandwidth
from exrbatch.batch.run_limits.times_of_day import Hours, parse_time
from exrbatch.errors import OptionsError
from exrbatch.text import format_count

MIN_FILES = 20
"""Number of files that must have ended before a share of failures says anything."""


@dataclass(frozen=True, slots=True)
class FailureLimit:
    """A number of failures, or a share of all files.

    Attributes:
        count: the number; None for a share.
        share: the share of all files that have ended, 0 to 1.
    """

    count: int | None = None
    share: float = 0.0

    @classmethod
    def parse(cls, value: str | int) -> "FailureLimit":
        """Parse a number such as 10, or a share such as 5%.

        Raises:
            ValueError: it is neither.
        """
        match = re.fullmatch(r"(\d+)|(\d+(?:\.\d+)?)\s*%", str(value).strip())
        if match is None:
            raise ValueError(f"{value!r} is not a number of files such as 10, or a share such as 5%")
        return cls(int(match[1])) if match[1] is not None else cls(share=float(match[2]) / 100)

    @property
    def words(self) -> str:
        """The same in words, such as "10 failures" or "5 % failures"."""
        return f"{100 * self.share:g} % failures" if self.count is None else format_count(self.count, "failure")

    def is_exceeded(self, failures: int, files: int) -> bool:
        """Return whether more files than this have failed.

        Args:
            failures: number of files that have failed.
            files: number of files that have ended.
        """
        if self.count is not None:
            return failures > self.count
        return files >= MIN_FILES and failures > self.share * files

    def __str__(self) -> str:
        return f"{100 * self.share:g}%" if self.count is None else str(self.count)


@dataclass(frozen=True, slots=True)
class FailOn:
    """How many files must fail for the exit code of the run to be 1.

    Attributes:
        count: the number; None if failures do not matter.
        share: the share of all files, 0 to 1; None for a number.
    """

    count: int | None = 1
    share: float | None = None

    @classmethod
    def parse(cls, value: str | int) -> "FailOn":
        """Parse "any", "none", a number such as 10, or a share such as 5%.

        Raises:
            OptionsError: it is neither.
        """
        word = str(value).strip().lower()
        if word in ("any", "none"):
            return cls(1 if word == "any" else None)
        try:
            limit = FailureLimit.parse(word)
        except ValueError:
            raise OptionsError(f"{value!r} is not any, none, a number of files, or a share such as 5%") from None
        if limit.count == 0 or (limit.count is None and not limit.share):
            raise OptionsError("0 failures would always be reached; use any or none")
        return cls(limit.count, None if limit.count is not None else limit.share)

    def is_met(self, failures: int, files: int) -> bool:
        """Return whether so many of all files have failed.

        Args:
            failures: number of files that have failed.
            files: number of all files.
        """
        if self.share is not None:
            return failures > 0 and failures >= self.share * files
        return self.count is not None and failures >= self.count


ANY_FAILURE = FailOn()
"""One failure is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a run.

    Attributes:
        stop_at: time of day at which the run ends, in seconds after midnight.
        max_duration: seconds after which the run ends.
        stop_grace: seconds that files in progress get after that, before the run is stopped hard.
        hours: when files may start.
        max_failures: if more files than this fail, the run ends.
        bandwidth: bytes per second that may be read and written.
        give_way: pause while other programs keep the machine busy.
    """

    stop_at: int | None = None
    max_duration: float | None = None
    stop_grace: float = 600.0
    hours: Hours | None = None
    max_failures: FailureLimit | None = None
    bandwidth: Bandwidth | None = None
    give_way: bool = False

    @classmethod
    def parse(
        cls,
        *,
        stop_at: str | None = None,
        max_duration: float | None = None,
        stop_grace: float = stop_grace,
        hours: str | None = None,
        max_failures: str | int | None = None,
        bwlimit: str | float | None = None,
        give_way: bool = False,
    ) -> "Limits":
        """Make limits from plain values.

        Args:
            stop_at: a time of day such as "07:30".
            max_duration: in seconds.
            stop_grace: in seconds.
            hours: such as "19:00-07:30" or "mon-fri 19:00-07:30, sat-sun".
            max_failures: a number, or a share such as "5%".
            bwlimit: bytes per second as a number or as "200M", or a timetable such as
                "08:00,20M 19:00,off".
            give_way: as the attribute.

        Raises:
            OptionsError: a value is invalid.
        """
        try:
            limits = cls(
                stop_at=None if stop_at is None else parse_time(stop_at),
                max_duration=max_duration,
                stop_grace=stop_grace,
                hours=None if hours is None else Hours.parse(hours),
                max_failures=None if max_failures is None else FailureLimit.parse(max_failures),
                bandwidth=None if bwlimit is None else Bandwidth.parse(bwlimit),
                give_way=give_way,
            )
        except ValueError as error:
            raise OptionsError(str(error)) from None
        if max_duration is not None and not max_duration > 0:
            raise OptionsError(f"a maximum duration of {max_duration} s: must be more than 0")
        if not stop_grace >= 0:
            raise OptionsError(f"a grace of {stop_grace} s: must be 0 or more")
        return limits


NO_LIMITS = Limits()
"""For a run that ends when all is done."""
