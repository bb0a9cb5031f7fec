"""`exrbatch digest`, `verify --digests` and `--digests` as a user runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from exrbatch.cli import digest
from exrbatch.cli.parser import parse
from tests.support.build import PartSpec, build
from tests.support.commands import exrbatch
from tests.support.content import content_sha256

SPECS = {
    "beauty/b.1001.exr": [PartSpec(window=(0, 0, 31, 31), noise=0.0, seed=1)],
    "beauty/b.1002.exr": [PartSpec(window=(0, 0, 31, 31), noise=0.0, seed=2)],
    "depth/d.1001.exr": [PartSpec("deepscanline", window=(0, 0, 31, 31), noise=0.0)],
}


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Make a folder with three frames in two sub-folders."""
    for name, specs in SPECS.items():
        path = tmp_path / "shot" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(build(specs))
    return tmp_path / "shot"


def lines_of(shot: Path) -> str:
    """The list as it must be: sorted, with paths below the folder."""
    return "".join(
        f"{content_sha256((shot / name).read_bytes(), specs)}  {name}\n" for name, specs in sorted(SPECS.items())
    )


def test_list_survives_recompression_on_another_machine(shot: Path, tmp_path: Path) -> None:
    """Only the list is on stdout; it is about the tree, wherever that is."""
    done = exrbatch("digest", shot, "-j", 2)
    assert done.stdout == lines_of(shot)
    assert "3 files: 3 digested" in done.stderr
    assert "no file was changed" in done.stderr
    (tmp_path / "list").write_text(done.stdout)
    exrbatch("recompress", shot, "-c", "zstd", "-q")
    shot.rename(tmp_path / "elsewhere")
    compared = exrbatch("verify", "--digests", tmp_path / "list", tmp_path / "elsewhere")
    assert "3 files: 3 equal" in compared.stdout
    assert exrbatch("digest", tmp_path / "elsewhere").stdout == done.stdout


def test_what_differs_is_missing_or_new_is_listed(shot: Path, tmp_path: Path) -> None:
    """The exit code is 1; patterns select from both sides."""
    (tmp_path / "list").write_text(lines_of(shot))
    data = bytearray((shot / "beauty/b.1001.exr").read_bytes())
    data[-1] ^= 1
    (shot / "beauty/b.1001.exr").write_bytes(data)
    (shot / "beauty/b.1002.exr").rename(shot / "beauty/b.1003.exr")
    done = exrbatch("verify", shot, "--digests", tmp_path / "list", "--report", tmp_path / "r.jsonl", code=1)
    records = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    found = {each["path"]: (each["status"], each.get("reason_code")) for each in records if each["type"] == "file"}
    assert found == {
        f"{shot}/beauty/b.1001.exr": ("different", "differs"),
        f"{shot}/beauty/b.1002.exr": ("failed", "missing"),
        f"{shot}/beauty/b.1003.exr": ("failed", "missing"),
        f"{shot}/depth/d.1001.exr": ("equal", None),
    }
    assert "b.1001.exr: its content digest is not the one in the list" in done.stdout
    assert "b.1002.exr: in the list, but not there" in done.stderr
    assert "b.1003.exr: not in the list" in done.stderr
    exrbatch("verify", shot, "--digests", tmp_path / "list", "--include", "depth/*")
    exrbatch("verify", shot, "--digests", tmp_path / "list", "--exclude", "beauty/")


def test_records_of_a_run_are_a_list(shot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of `recompress` (new files, and finished ones), of `check`, and of `digest --json`."""
    relative = Path(os.path.relpath(shot, tmp_path))
    expected = lines_of(shot)
    monkeypatch.chdir(tmp_path)
    for command in (
        ["recompress", relative, "--digests", "--report", "1.jsonl"],
        ["recompress", relative, "--digests", "--report", "2.jsonl"],
        ["check", relative, "--digests", "--report", "3.jsonl"],
    ):
        exrbatch(*command)
    (tmp_path / "4.json").write_text(exrbatch("digest", relative, "--json").stdout)
    for name in ("1.jsonl", "2.jsonl", "3.jsonl", "4.json"):
        done = exrbatch("verify", shot, "--digests", tmp_path / name)
        assert "shot in the list stands for" in done.stderr
        assert "3 files: 3 equal" in done.stdout
    assert exrbatch("digest", relative).stdout == expected


def test_any_name_makes_the_round_trip(tmp_path: Path) -> None:
    """With escapes or NUL; a link is left out on both sides."""
    folder = tmp_path / "shot"
    folder.mkdir()
    for name in ("line\nfeed.exr", "back\\slash.exr", "\udcff\x1b[2J.exr", " [red]blanks  .exr"):
        (folder / name).write_bytes(build([PartSpec()]))
    (folder / "link.exr").symlink_to(" [red]blanks  .exr")
    for options in ([], ["-0"]):
        command = [sys.executable, "-m", "exrbatch"]
        made = subprocess.run([*command, "digest", folder, *options], check=True, capture_output=True).stdout
        compared = subprocess.run(
            [*command, "verify", "--digests", "-", folder], check=True, capture_output=True, input=made
        )
        assert b"4 equal" in compared.stdout
        assert b"1 skipped" in compared.stdout
        assert made.count(b"\0") == (4 if options else 0)
    made += made[:64] + b"  link.exr\0"
    compared = subprocess.run([*command, "verify", "--digests", "-", folder], capture_output=True, input=made)
    assert compared.returncode == 1
    assert b"1 failed" in compared.stdout


def test_files_that_are_named(shot: Path, tmp_path: Path) -> None:
    """Paths begin at the common folder; a link has its own name; any suffix will do."""
    (shot / "depth/d.1001.exr").rename(shot / "depth/plate")
    (tmp_path / "link.exr").symlink_to(shot / "depth/plate")
    named = exrbatch("digest", shot / "depth/plate", shot / "beauty/b.####.exr", tmp_path / "link.exr").stdout
    names = [line.split("  ")[1] for line in named.splitlines()]
    assert names == ["shot/beauty/b.1001.exr", "shot/beauty/b.1002.exr", "shot/depth/plate"]  # each file once
    assert exrbatch("digest", tmp_path / "link.exr").stdout.split("  ")[1] == "link.exr\n"
    (tmp_path / "list").write_text(exrbatch("digest", shot / "depth/plate", shot / "beauty").stdout)
    assert "3 equal" in exrbatch("verify", "--digests", tmp_path / "list", shot).stdout
    assert "1 equal" in exrbatch("verify", "--digests", tmp_path / "list", shot / "depth/plate").stdout


def test_unreadable_files_give_1_and_the_others_are_listed(shot: Path) -> None:
    """The failure is on stderr."""
    (shot / "beauty/b.1001.exr").write_bytes(b"v/1\1 no frame")
    done = exrbatch("digest", shot, code=1)
    assert [line.split("  ")[1] for line in done.stdout.splitlines()] == ["beauty/b.1002.exr", "depth/d.1001.exr"]
    assert "b.1001.exr" in done.stderr


@pytest.mark.parametrize(("code", "is_complete"), [(0, True), (1, True), (3, False), (130, False)])
def test_says_that_a_list_is_incomplete(
    code: int, is_complete: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a run that was stopped. Its list looks like any other."""
    monkeypatch.setattr("exrbatch.cli.digest.show_run", lambda *_, **__: code)
    assert digest.run(parse(["digest", "."])) == code
    assert ("the list is incomplete" not in capsys.readouterr().err) is is_complete


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a"], "compares two files or folders, or one with a list"),
        (["--digests", "list", "a", "b"], "compares a list with one file or folder, but two are given"),
        (["--digests", "none", "."], "can't read the list none: No such file or directory"),
        (["--digests", ".", "."], "can't read the list .: Is a directory"),
        (["--digests", "list", "none"], "no such file or folder: none"),
        (["--digests", "/dev/null", "."], "/dev/null has no digests"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], message: str) -> None:
    """The exit code is 2."""
    (line,) = exrbatch("verify", *arguments, code=2).stderr.splitlines()
    assert message in line


def test_a_path_that_is_missing_fails_and_the_others_are_listed(shot: Path, tmp_path: Path) -> None:
    done = exrbatch("digest", shot, tmp_path / "nope.exr", "--report", tmp_path / "r.jsonl", code=1)
    assert [line.partition("  ")[2] for line in done.stdout.splitlines()] == [f"shot/{name}" for name in sorted(SPECS)]
    assert f"{tmp_path}/nope.exr: no such file or folder" in done.stderr
    assert json.loads((tmp_path / "r.jsonl").read_text().splitlines()[0])["command"] == "digest"
