"""No command, output or error sends a control character of a file name to a terminal."""

import importlib.util
import json
import os
from pathlib import Path

import pytest

from tests.support.build import PartSpec, build
from tests.support.commands import exrbatch

DATA = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])
EVIL = b"\x1b]0;title\x07\x1b[2J\n\r\x9b31m[bold]\xff\xe2\x80\xae"
"""Sets the title, clears the screen, breaks the line, colours text by C1, and reverses it.

It is also markup, and not UTF-8.
"""
FORBIDDEN = [*map(chr, range(32)), "\x7f", *map(chr, range(0x80, 0xA0)), "\u202e"]


def run(*arguments: str | bytes, code: int) -> str:
    """Run the command line; return what it printed, on both streams."""
    done = exrbatch(*arguments, code=code, NO_COLOR="1")
    return done.stdout + done.stderr


def is_safe(printed: str) -> bool:
    return not any(each in printed for each in FORBIDDEN if each != "\n")


@pytest.fixture
def show(tmp_path: Path) -> bytes:
    """Make a folder with a hostile name and several kinds of files.

    A frame, a damaged one, a link to a file, one to a folder, and a hard link.
    """
    folder = os.fsencode(tmp_path) + b"/" + EVIL
    os.makedirs(folder + b"/sub")
    for name, data in ((b"good", DATA), (b"bad", DATA[:-9]), (b"sub/linked", DATA)):
        with open(folder + b"/" + name + EVIL + b".exr", "wb") as file:
            file.write(data)
    os.symlink(folder + b"/good" + EVIL + b".exr", folder + b"/link" + EVIL + b".exr")
    os.symlink(folder + b"/sub", folder + b"/folder" + EVIL)
    os.link(folder + b"/sub/linked" + EVIL + b".exr", folder + b"/sub/twin" + EVIL + b".exr")
    return folder


COMMANDS: dict[str, tuple[list[bytes], int]] = {
    "in place": ([b"recompress", b"SHOW", b"-v"], 1),
    "dry run": ([b"recompress", b"SHOW", b"-n", b"-v"], 1),
    "output": ([b"recompress", b"SHOW", b"-v", b"-o", b"OUT"], 1),
    "output that holds the source": ([b"recompress", b"SHOW", b"-o", b"SHOW"], 2),
    "backup": ([b"recompress", b"SHOW", b"-v", b"--backup-dir", b"OUT", b"--hardlinks", b"break"], 1),
    "backup below the source": ([b"recompress", b"SHOW", b"--backup-dir", b"SHOW/sub"], 2),
    "relink": ([b"recompress", b"SHOW", b"-v", b"--hardlinks", b"relink"], 1),
    "no such file": ([b"recompress", b"OUT"], 2),
    "colon range": ([b"recompress", b"OUT.1:2#"], 2),
    "report over a frame": ([b"recompress", b"SHOW", b"--report", b"FRAME"], 2),
    "report in no folder": ([b"recompress", b"SHOW", b"--report", b"OUT/x/y.jsonl"], 2),
    "unknown compression": ([b"recompress", b"SHOW", b"-c", EVIL], 2),
    "unknown option": ([b"recompress", b"SHOW", b"--" + EVIL], 2),
    "unknown command": ([EVIL], 2),
    "number": ([b"recompress", b"SHOW", b"-j", EVIL], 2),
    "pattern": ([b"recompress", b"SHOW", b"--include", b"!" + EVIL + b"/**["], 0),
    "verify": ([b"verify", b"SHOW", b"SHOW/sub"], 1),
    "verify, missing": ([b"verify", b"SHOW", b"OUT"], 2),
    "verify, only in the other": ([b"verify", b"SHOW/sub", b"SHOW"], 1),
    "verify, a file": ([b"verify", b"SHOW", b"FRAME"], 2),
    "bench": ([b"bench", b"SHOW", b"-c", b"zip", b"--cache", b"memory", b"--passes", b"1"], 1),
    "bench, dry run": ([b"bench", b"SHOW", b"-n", b"-c", b"zip"], 1),
    "bench, no such folder": ([b"bench", b"SHOW", b"-c", b"zip", b"--work-dir", b"OUT"], 2),
    "bench, baseline": ([b"bench", b"SHOW", b"--baseline", b"FRAME"], 2),
    "demo": ([b"demo", b"SHOW"], 2),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_escapes_control_characters_of_names(show: bytes, name: str) -> None:
    """A file name could clear the terminal or set its title (issue 13, B11)."""
    words, code = COMMANDS[name]
    places = {b"SHOW": show, b"OUT": show + b"-out", b"FRAME": show + b"/good" + EVIL + b".exr"}

    def filled(word: bytes) -> bytes:
        for place, path in places.items():
            if word.startswith(place):
                return path + word.removeprefix(place)
        return word

    printed = run(*map(filled, words), code=code)
    assert is_safe(printed), ascii(printed)


def test_json_escapes_names_and_keeps_their_bytes(show: bytes, tmp_path: Path) -> None:
    """JSON escapes control characters; the bytes of a name are in a field of their own."""
    report, page, table = (str(tmp_path / name) for name in ("r.jsonl", "p.html", "t.csv"))
    printed = run(b"recompress", show, "-n", "--json", "--report", report, code=1)
    assert is_safe(printed)
    lines = Path(report).read_text().splitlines()
    assert {type(json.loads(line)) for line in lines} == {dict}
    assert all(is_safe(line) for line in lines)
    assert any("path_b64" in line for line in lines)
    options = ["-c", "zip", "--cache", "memory", "--passes", "1", "--csv", table, "--report", report + "b"]
    run(b"bench", show, *options, *(["--html", page] if _has_matplotlib() else []), code=1)
    for path in filter(os.path.exists, (table, page)):
        assert is_safe(Path(path).read_text()), path


def _has_matplotlib() -> bool:
    return importlib.util.find_spec("matplotlib") is not None
