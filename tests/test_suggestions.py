"""An unknown name gets one line: the closest name, and the list of those that exist."""

import argparse

import pytest

from exrbatch import OptionsError
from exrbatch.batch.options import Options, parse_compression
from exrbatch.cli.commands import build_parser
from exrbatch.cli.parser import parse
from exrbatch.jobs.recompress_job import RecompressRules
from exrbatch.suggestions import unknown_name


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("zlib", "zip"),
        ("deflate", "zip"),
        ("ZLib", "zip"),
        ("zip1", "zips"),
        ("dwa", "dwaa"),
        ("jpeg2000", "htj2k32"),
        ("uncompressed", "none"),
        ("pizz", "piz"),
    ],
)
def test_suggests_the_compression_that_was_probably_meant(word: str, meant: str) -> None:
    """By the name that other programs use, or by spelling; the unknown name is never accepted."""
    with pytest.raises(OptionsError, match=rf"choose from none, rle.*; did you mean {meant}\?$"):
        parse_compression(word)
    with pytest.raises(OptionsError, match=rf"choose from none, rle.*; did you mean {meant}\?$"):
        Options.parse(compression=word)


def test_suggests_nothing_if_nothing_is_close() -> None:
    """A far-fetched guess would only confuse."""
    assert unknown_name("effort", "heroic", ["fast", "max"]) == "unknown effort 'heroic'; choose from fast, max"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["recompres", "x"],
            "exrbatch: unknown command 'recompres'; choose from recompress, ",
        ),
        (
            ["recompress", "x", "--verify", "libary"],
            "choose from library, native, none; did you mean library?",
        ),
        (["recompress", "x", "--hardlinks", "brake"], "choose from skip, break, relink; did you mean break?"),
        (["verify", "x", "y", "--decoder", "none"], "unknown decoder 'none'; choose from library, native"),
        (["bench", "x", "--cache", "wram"], "choose from memory, warm, cold; did you mean warm?"),
        (["recompress", "x", "--verify", "\x1b[31m"], "unknown decoder '\\x1b[31m'"),
    ],
)
def test_options_with_choices_suggest_the_closest(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 2, and there is one line, whatever was typed."""
    with pytest.raises(SystemExit, match="2"):
        parse(arguments)
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_verify_accepts_the_old_name_of_its_option(capsys: pytest.CaptureFixture[str]) -> None:
    """`--native` stands for `--decoder native`, and is not listed."""
    assert parse(["verify", "a", "b", "--native"]).decoder == parse(["verify", "a", "b", "--decoder", "native"]).decoder
    with pytest.raises(SystemExit):
        parse(["verify", "--help"])
    assert "--native" not in capsys.readouterr().out


def test_command_line_library_and_rules_have_the_same_defaults() -> None:
    """A run without options is the same run wherever it is started."""
    arguments = build_parser().parse_args(["recompress", "x"])
    assert isinstance(arguments, argparse.Namespace)
    names = ("effort", "readers", "verify", "hardlinks", "force", "dry_run", "verify_cold", "keep_backups")
    given = {name: getattr(arguments, name) for name in names}
    assert Options.parse(compression=arguments.compression, **given).rules == RecompressRules()
    assert Options.parse(compression="zip").rules == RecompressRules()
