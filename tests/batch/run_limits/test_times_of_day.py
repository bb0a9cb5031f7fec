"""Times of day, also in the nights in which clocks change."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch.batch.run_limits.bandwidth import Bandwidth
from exrbatch.batch.run_limits.times_of_day import DAY, Hours, next_time, parse_time, show_time

BERLIN = ZoneInfo("Europe/Berlin")
TIMES = st.integers(0, DAY // 60 - 1).map(lambda minutes: 60 * minutes)
MOMENTS = st.floats(datetime(2025, 1, 1, tzinfo=UTC).timestamp(), datetime(2027, 1, 1, tzinfo=UTC).timestamp())


def moment(text: str) -> float:
    """Return a moment in UTC, such as 2026-03-29T01:00."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="minutes")[:16]


@given(TIMES)
def test_a_time_is_shown_as_it_is_written(seconds: int) -> None:
    assert parse_time(show_time(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "7", "24:00", "07:60", "7:3", "07:30:00", "-1:00", "07.30", "noon"])
def test_refuses_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="not a time of day such as 07:30"):
        parse_time(text)


@given(TIMES, MOMENTS)
def test_the_next_time_is_within_a_day(seconds: int, after: float) -> None:
    """A clock in Berlin shows it then, or an hour more if that time is left out."""
    found = next_time(seconds, after, BERLIN)
    assert 0 < found - after <= 26 * 3600
    shown = datetime.fromtimestamp(found, BERLIN)
    assert (3600 * shown.hour + 60 * shown.minute + shown.second - seconds) in (0, 3600)


@pytest.mark.parametrize(
    ("after", "time", "expected"),
    [
        ("2026-03-28T21:00", "07:30", "2026-03-29T05:30"),  # the night before summer time has 9 hours
        ("2026-03-28T21:00", "02:30", "2026-03-29T01:30"),  # left out: 03:30 instead
        ("2026-10-24T21:00", "07:30", "2026-10-25T06:30"),  # the night before winter time has 11 hours
        ("2026-10-24T21:00", "02:30", "2026-10-25T00:30"),  # the first of two
        ("2026-10-25T00:40", "02:30", "2026-10-25T01:30"),  # the second
        ("2026-10-25T01:30", "02:30", "2026-10-26T01:30"),
        ("2026-06-01T10:00", "12:00", "2026-06-02T10:00"),  # exactly now: the next day
    ],
)
def test_times_in_nights_when_clocks_change(after: str, time: str, expected: str) -> None:
    """Clocks change in Berlin on 29 March 2026 at 02:00 and on 25 October 2026 at 03:00."""
    assert utc(next_time(parse_time(time), moment(after), BERLIN)) == expected


def test_hours_over_midnight_follow_the_clock_on_the_wall() -> None:
    """In both nights when clocks change, work ends when the clock shows 07:30."""
    hours = Hours.parse("19:00-07:30")
    for end in ("2026-03-29T05:30", "2026-10-25T06:30", "2026-06-01T05:30", "2026-12-01T06:30"):
        assert hours.hold(moment(end) - 1, BERLIN)
        assert not hours.hold(moment(end), BERLIN)
    twice = Hours.parse("02:00-03:00")
    inside = [minute for minute in range(360) if twice.hold(moment("2026-10-24T22:00") + 60 * minute, BERLIN)]
    assert inside == list(range(120, 240)), "an hour that happens twice counts twice"


def test_hours_on_some_days() -> None:
    """Hours over midnight belong to the day on which they begin. 6 July 2026 is a Monday."""
    hours = Hours.parse("mon-thu 19:00-07:30, sat, SUN 00:00-24:00")
    for text, is_open in (
        ("2026-07-06T07:00", False),
        ("2026-07-06T18:59", False),
        ("2026-07-06T19:00", True),
        ("2026-07-10T07:29", True),
        ("2026-07-10T19:00", False),
        ("2026-07-11T00:00", True),
        ("2026-07-12T23:59", True),
    ):
        assert hours.hold(moment(text), ZoneInfo("UTC")) is is_open, text
    assert Hours.parse("sat-mon 01:00-02:00").windows[0].days == {5, 6, 0}


@given(TIMES, TIMES, MOMENTS)
def test_a_window_and_the_rest_of_the_day_cover_each_moment_once(start: int, end: int, now: float) -> None:
    if start != end:
        window = Hours.parse(f"{show_time(start)}-{show_time(end)}")
        rest = Hours.parse(f"{show_time(end)}-{show_time(start)}")
        assert window.hold(now, BERLIN) is not rest.hold(now, BERLIN)


@pytest.mark.parametrize("text", ["", ",", "19:00", "19-07", "mo 19:00-20:00", "xyz", "19:00-19:00", "25:00-26:00"])
def test_refuses_what_are_no_hours(text: str) -> None:
    with pytest.raises(ValueError, match=r"time span|time of day|days are|same time"):
        Hours.parse(text)


def test_rates_change_with_the_time_of_day() -> None:
    """Before the first entry of a day, the last one of the day before still applies."""
    table = Bandwidth.parse("08:00,20M 19:00,off 12:30,1.5MiB/s")
    rates = [table.rate(moment(f"2026-07-06T{time}"), ZoneInfo("UTC")) for time in ("07:59", "08:00", "12:30", "23:00")]
    assert rates == [None, 20_000_000, 1_572_864, None]
    assert table.lowest == 1_572_864
    assert Bandwidth.parse("200M").rate(0.0) == Bandwidth.parse(200e6).rate(0.0) == 200_000_000
    for text in ("", "fast", "0M", "-1", "08:00,", "08:00,20M 19:00", "8,20M"):
        with pytest.raises(ValueError, match=r"such as|more than 0"):
            Bandwidth.parse(text)


def test_a_rate_needs_a_unit() -> None:
    """Other programs take a bare number for kilobytes or megabytes; 0 stands for no limit there."""
    rates = [Bandwidth.parse(each).rate(0.0) for each in ("0", "off", 0, "4B", "4kB/s", 4)]
    assert rates == [None, None, None, 4, 4000, 4]
    for text in ("4", "0.4", "4/s", "08:00,4 19:00,off"):
        with pytest.raises(ValueError, match=r"give a unit, such as .*4M"):
            Bandwidth.parse(text)
