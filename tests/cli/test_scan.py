"""`exrbatch scan` as a user runs it: lines, documents, exit codes, interruptions."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from exrbatch.cli.scan_tables import pasted, print_inventory, print_totals
from exrbatch.inventory.scanning import scan
from tests.cli.test_recompress import DATA, identities
from tests.support.commands import exrbatch


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Make a sequence with a gap, a single file and a broken one, in folders with odd names."""
    folder = tmp_path / "shots"
    for name in ("ab 010/b.1001.exr", "ab 010/b.1002.exr", "ab 010/b.1004.exr", "x#[red]/single.exr"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(DATA)
    (folder / "x#[red]" / "broken.exr").write_bytes(DATA[:50])
    return folder


def test_lists_sequences_and_changes_nothing(shots: Path) -> None:
    """A broken header makes the exit code 1. The name can be pasted behind `recompress`."""
    before = identities(shots), sorted(shots.rglob("*"))
    done = exrbatch("scan", shots, code=1)
    (line,) = [line for line in done.stdout.splitlines() if "b.1001" in line]
    assert line.split()[:2] == ["3", "1"]
    assert line.endswith(f"'{shots}/ab 010/b.1001-1002,1004#.exr'")
    assert "1 sequence, 2 single files, 5 frames" in done.stdout
    assert f"failed: {shots}/x#[red]/broken.exr: damaged" in done.stderr
    assert (identities(shots), sorted(shots.rglob("*"))) == before
    assert "already" not in exrbatch("recompress", "-n", f"{shots}/ab 010/b.1001-1002,1004#.exr").stderr


def test_document(shots: Path) -> None:
    """Nothing but JSON on stdout. A name that is not UTF-8 has its bytes in base64."""
    odd = os.fsencode(shots) + b"/\x80.1.exr"
    Path(os.fsdecode(odd)).write_bytes(DATA)
    document = json.loads(exrbatch("scan", shots, "--json", "--headers", code=1).stdout)
    assert document["format"] == "exrbatch-scan-1"
    assert document["exit_code"] == 1
    by_name = {each["name"]: each for each in document["sequences"]}
    sequence = by_name[f"{shots}/ab 010/b.1001-1002,1004#.exr"]
    assert sequence["headers"][0]["compressions"] == ["NONE"]
    assert sequence["headers"][0]["files"] == 3
    assert (sequence["ranges"], sequence["missing_ranges"]) == ("1001-1002,1004", "1003")
    assert sum("name_b64" in each for each in document["sequences"]) == 1
    assert document["totals"]["frames"] == 6
    assert [each["reason_code"] for each in document["failures"]] == ["damaged"]


def test_what_is_no_error(tmp_path: Path) -> None:
    """An empty folder, and patterns that select nothing."""
    assert "no frames found" in exrbatch("scan", tmp_path).stdout
    (tmp_path / "a.exr").write_bytes(DATA)
    assert "1 file left out by --include and --exclude" in exrbatch("scan", tmp_path, "--exclude", "*").stdout


def test_wrong_usage(tmp_path: Path) -> None:
    """One line, exit code 2."""
    assert "no such file or folder" in exrbatch("scan", tmp_path / "gone", code=2).stderr


def test_a_frame_that_was_named_and_is_missing(shots: Path) -> None:
    """It is a failure, and the others are listed."""
    done = exrbatch("scan", f"{shots}/ab 010/b.1001-1004#.exr", code=1)
    assert "this frame of the sequence is missing" in done.stderr
    assert "b.1001-1002,1004#.exr" in done.stdout


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_names_are_never_cut(shots: Path, width: int) -> None:
    """On a narrow terminal each has a line of its own, and what is said about it fits."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=True, color_system=None, soft_wrap=True)
    inventory = scan([str(shots)])
    print_inventory(console, inventory)
    print_totals(console, inventory)
    lines = stream.getvalue().splitlines()
    for sequence in inventory.sequences:
        assert sum(line.endswith(pasted(sequence.name)) for line in lines) == 1
    names = [pasted(sequence.name) for sequence in inventory.sequences]
    assert all(len(line) <= width or line.endswith(tuple(names)) for line in lines)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a/b.1-2#.exr", "a/b.1-2#.exr"),
        ("a b.exr", "'a b.exr'"),
        ("-n.exr", "./-n.exr"),
        ("#1.exr", "./#1.exr"),
        ("~/a.exr", "'./~/a.exr'"),
        ("a\nb.exr", r"a\nb.exr"),
        ("$(reboot).exr", "'$(reboot).exr'"),
    ],
)
def test_names_are_quoted_for_a_shell(name: str, shown: str) -> None:
    """Only if they need it. A name that can't be shown can't be pasted, either."""
    assert pasted(name) == shown


def test_ends_at_the_first_signal(tmp_path: Path) -> None:
    """No traceback; the exit code tells which signal it was."""
    for number in range(300):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "a.exr").write_bytes(DATA)
    code = (
        "import exrbatch.cli.main as main, exrbatch.inventory.scanning as scanning, os, signal, sys\n"
        "real = scanning.read_header\n"
        "def read(*a, **k):\n"
        "    os.kill(os.getpid(), int(sys.argv[1]))\n"
        "    return real(*a, **k)\n"
        "scanning.read_header = read\n"
        "sys.exit(main.main(['scan', sys.argv[2]]))\n"
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        command = [sys.executable, "-c", code, str(int(number)), str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 128 + number
        assert done.stderr == "exrbatch: interrupted; no file was changed\n"
        assert done.stdout == ""
