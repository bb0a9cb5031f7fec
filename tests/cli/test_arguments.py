"""What the command line accepts, and what it says about the rest."""

import argparse

import pytest

from exrbatch.batch.resources import automatic_jobs
from exrbatch.cli.commands import build_parser
from exrbatch.cli.parser import parse
from exrbatch.cli.shared_arguments import duration, duration_text, number_of_jobs, percentage
from tests.support.commands import exrbatch


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("0", 0), ("90", 90), ("90s", 90), ("5m", 300), ("2h", 7200), ("1h30m", 5400), ("2.5", 2.5)),
        *(("10min", 600), ("8hours", 28800), ("8 Hours", 28800), ("2d", 172800), ("1 day 2 hrs 30 mins", 95400)),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """A bare number is seconds."""
    assert duration(text) == duration(duration_text(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "h", "5x", "5mi", "2dh", "m5", "1e3", "nan", "-1", "-5m"])
def test_refuses_what_is_no_duration(text: str) -> None:
    """The message says what would be one, or that it must not be negative."""
    with pytest.raises(argparse.ArgumentTypeError, match="must be 0 or more" if text[:1] == "-" else "such as 90, 5m"):
        duration(text)


def test_numbers_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative numbers are about what the machine allows, and at least one worker is left."""
    monkeypatch.setattr("exrbatch.batch.resources.automatic_jobs", lambda: 16)
    assert [number_of_jobs(text) for text in ("8", "-2", "50%", "-99", "1%", "12.5%")] == [8, 14, 8, 1, 1, 2]
    assert parse(["recompress", "x", "-j", "-2"]).jobs == 14
    for text in ("x", "%", "1.5", "--"):
        with pytest.raises(argparse.ArgumentTypeError, match="such as 8, -2 or 50%"):
            number_of_jobs(text)
    assert automatic_jobs() >= 1


def test_negative_numbers_beside_an_option_that_looks_like_one() -> None:
    """-0 is an option of `digest`, -2 a number of workers."""
    parsed = parse(["digest", "x", "-0", "-j", "-2"])
    assert (parsed.null, parsed.jobs) == (True, max(1, automatic_jobs() - 2))


def test_percentages() -> None:
    """With or without the sign; the result is a fraction."""
    assert [percentage(text) for text in ("2%", "2", "0.5 %", "0")] == [0.02, 0.02, 0.005, 0.0]
    with pytest.raises(argparse.ArgumentTypeError, match="such as 2%"):
        percentage("much")
    assert "less than 100 %" in exrbatch("recompress", ".", "--min-savings", "100%", code=2).stderr


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--stop-at", "25:00", "'25:00' is not a time of day such as 07:30"),
        ("--hours", "evening", "examples are '19:00-07:30' and 'mon-fri 19:00-07:30, sat-sun'"),
        ("--max-duration", "0", "must be more than 0"),
        ("--max-failures", "many", "'many' is not a number of files"),
        ("--bwlimit", "4", "'4': give a unit, such as 4M"),
        ("--fail-on", "0", "use any or none"),
        ("--nice", "20", "'20' is not a number from 0 to 19"),
        ("--jobs", "0", "0 jobs: must be 1 or more"),
    ],
)
def test_messages_name_their_option(option: str, value: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line. Values from files of settings have the same parser."""
    with pytest.raises(SystemExit):
        parse(["recompress", "x", option, value])
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{option}: " in line
    assert message in line


def test_nothing_at_all_shows_the_help() -> None:
    """On stderr, because it is wrong usage; the exit code is 2."""
    done = exrbatch(code=2)
    assert "recompress   recompress files, folders and frame sequences" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("arguments", [["help"], ["--help"], ["-h"]])
def test_help_lists_the_commands(arguments: list[str]) -> None:
    """On stdout."""
    assert "find out what exrbatch can do" in exrbatch(*arguments).stdout


def test_help_of_a_command() -> None:
    """`exrbatch help recompress` has groups, examples, exit codes and a pointer to the guide."""
    shown = exrbatch("help", "recompress").stdout
    assert shown == exrbatch("recompress", "--help").stdout
    for part in ("how to compress:", "safety:", "examples:", "exit codes:", "docs/guide.md", "--min-openexr"):
        assert part in shown
    assert "--readers" not in shown
    assert "unknown command 'recompres'" in exrbatch("help", "recompres", code=2).stderr


def test_versions() -> None:
    """-V is short for --version."""
    assert exrbatch("-V").stdout == exrbatch("--version").stdout


def test_old_name_of_min_openexr() -> None:
    """Scripts go on working."""
    assert parse(["recompress", "x", "--readers", "3.4"]).readers == "3.4"
    assert parse(["recompress", "x", "--min-openexr", "3.4"]).readers == "3.4"
    assert parse(["recompress", "x"]).readers == "2.2"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["recompress", "x", "--dryrun"], "recompress: unknown option '--dryrun'; did you mean --dry-run?"),
        (["recompress", "x", "--zzz"], "recompress: unknown option '--zzz' ("),
        (["-v", "recompress", "x"], "exrbatch: '-v' before the command: options follow it"),
        (["--"], "exrbatch: '--' before the command: options follow it"),
        (["verify", "a", "b", "c"], "verify: unexpected argument 'c'"),
        (["doctor", "--jsn"], "doctor: unknown option '--jsn'; did you mean --json?"),
    ],
)
def test_unknown_options_suggest_the_closest(arguments: list[str], message: str) -> None:
    """One line, with the name of the command whose help explains the options."""
    (line,) = exrbatch(*arguments, code=2).stderr.splitlines()
    assert message in line


def test_every_command_is_explained() -> None:
    """Each has a help of its own, and takes no time to print it."""
    for name in build_parser().commands:
        assert name in exrbatch("help", name).stdout
