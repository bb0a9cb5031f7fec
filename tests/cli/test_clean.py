"""`exrbatch clean`: what killed runs left, and the removal of what nobody needs."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from exrbatch import recompress
from exrbatch.cli.main import main
from exrbatch.replacing import leftovers, temp_files
from tests.cli.test_recompress import DATA
from tests.support.commands import exrbatch


@pytest.fixture
def dead_pid() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def left(frame: Path, pid: int, phase: str, content: bytes, *, host: str | None = None) -> Path:
    """Make a temp file of another process for a frame, as it looks when that process was killed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "getpid", lambda: pid)
        name = temp_files.temp_name(frame.name, frame.stat(), phase)
    if host is not None:
        name = re.sub(r"exrbatch-[0-9a-f]{8}", f"exrbatch-{host}", name)
    path = frame.parent / name
    path.write_bytes(content)
    return path


def test_removes_only_what_nobody_needs(tmp_path: Path, dead_pid: int) -> None:
    """An unfinished new file goes. What may be the only copy of something, or is in use, stays."""
    frame = tmp_path / "shot" / "1.exr"
    frame.parent.mkdir()
    frame.write_bytes(DATA)
    unfinished = left(frame, dead_pid, "tmp", b"half")
    unknown = left(frame, dead_pid, "old", b"written by another program")
    in_use = left(frame, os.getpid(), "tmp", b"half")
    foreign = left(frame, 1, "tmp", b"half", host="00000000")
    every = {unfinished, unknown, in_use, foreign}
    done = exrbatch("clean", tmp_path, code=1)
    assert set(frame.parent.iterdir()) == {*every, frame}
    assert f"superfluous  {unfinished}, 4 B: a new file that was not finished" in done.stdout
    assert f"kept         {unknown}, 26 B" in done.stdout
    assert f"in use by a running process ({os.getpid()})" in done.stdout
    assert "made on another host" in done.stdout
    assert "--yes removes" in done.stdout
    document = json.loads(exrbatch("clean", tmp_path, "--yes", "--json", code=1).stdout)
    assert {Path(each["path"]) for each in document["leftovers"] if each["removed"]} == {unfinished}
    assert set(frame.parent.iterdir()) == {*every - {unfinished}, frame}


def test_keeps_the_original_of_a_frame_that_is_damaged(tmp_path: Path, dead_pid: int) -> None:
    """It goes only when the frame is complete."""
    frame = tmp_path / "1.exr"
    frame.write_bytes(DATA)
    status = frame.stat()
    name = left(frame, dead_pid, "old", b"").name
    os.unlink(tmp_path / name)
    os.rename(frame, tmp_path / name)  # as after the exchange: the original has the temp name
    frame.write_bytes(DATA[:-9])
    exrbatch("clean", tmp_path, "--yes", code=1)
    assert (tmp_path / name).stat().st_ino == status.st_ino
    frame.write_bytes(DATA)
    exrbatch("clean", tmp_path, "--yes")
    assert os.listdir(tmp_path) == ["1.exr"]


def test_finds_nothing_after_a_normal_run(tmp_path: Path) -> None:
    """Frames, and files of others that look almost like ours, are no leftovers."""
    (tmp_path / "1.exr").write_bytes(DATA)
    (tmp_path / ".exrbatch-notes.txt").write_text("mine")
    recompress(tmp_path / "1.exr")
    assert "nothing is left over" in exrbatch("clean", tmp_path, "--yes").stdout
    assert len(os.listdir(tmp_path)) == 2
    assert "no such file or folder" in exrbatch("clean", tmp_path / "none", code=2).stderr


@pytest.mark.parametrize("command", [["clean", "."], ["doctor"], ["compressions"]])
def test_a_document_that_cannot_be_written_is_no_crash(command: list[str], tmp_path: Path) -> None:
    """The disk is full: a line on stderr, and exit code 1."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "exrbatch", *command, "--json"],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
    assert done.stderr == "exrbatch: can't write the document: No space left on device\n"
    assert done.returncode == 1


def test_a_folder_that_cannot_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may hold anything: the exit code is 1."""

    def refused(_path: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(tmp_path))

    monkeypatch.setattr(os, "scandir", refused)
    assert main(["clean", str(tmp_path)]) == 1
    assert f"{tmp_path}: can't list the folder: Permission denied" in capsys.readouterr().err


def test_a_leftover_that_cannot_be_opened_stays(tmp_path: Path, dead_pid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user owns it. It was a traceback."""

    def refused(*_arguments: object) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(leftovers, "is_superfluous", refused)
    frame = tmp_path / "1.exr"
    frame.write_bytes(DATA)
    left(frame, dead_pid, "old", b"x")
    assert main(["clean", str(tmp_path)]) == 1
