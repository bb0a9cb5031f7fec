"""What scripts use: exit codes by choice, a command at the end, and a log."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exrbatch import FileReport, OptionsError, Status
from exrbatch.batch.run_limits.limits import FailOn
from exrbatch.batch.run_report import BatchReport
from tests.cli.test_recompress import DATA
from tests.support.commands import exrbatch


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Make a folder with a sound frame and a damaged one."""
    (tmp_path / "shot").mkdir()
    (tmp_path / "shot" / "a.1001.exr").write_bytes(DATA)
    (tmp_path / "shot" / "b\n.1001.exr").write_bytes(DATA[:-9])
    return tmp_path / "shot"


@pytest.mark.parametrize(
    ("word", "bad", "good", "code"),
    [
        ("any", 0, 9, 0),
        ("any", 1, 9, 1),
        ("none", 9, 0, 0),
        ("3", 2, 0, 0),
        ("3", 3, 0, 1),
        ("20%", 1, 9, 0),
        ("20%", 2, 8, 1),
        ("20%", 0, 0, 0),
    ],
)
def test_failures_that_make_the_exit_code_1(word: str, bad: int, good: int, code: int) -> None:
    """The exit code is 1 if so many files, or such a share of them, have failed."""
    report = BatchReport(fail_on=FailOn.parse(word))
    for status in [Status.FAILED] * bad + [Status.RECOMPRESSED] * good:
        report.add(FileReport(path="x", status=status, reason="no", size_before=9))
    assert report.exit_code == code
    report.stop_reason = "the disk is full"
    assert report.exit_code == 3, "a run that was stopped is not done"


def test_no_failures_count_for_outputs_and_reasons() -> None:
    """With `none`, an incomplete output, or nothing but skipped files, are no failure either."""
    for word, code in (("none", 0), ("any", 1), ("2", 0)):
        report = BatchReport(mirror="out", fail_on=FailOn.parse(word))
        report.add(FileReport(path="x", status=Status.SKIPPED, reason="no", size_before=9))
        assert report.exit_code == code


@pytest.mark.parametrize("word", ["", "some", "-1", "0", "0%"])
def test_refuses_other_words(word: str) -> None:
    with pytest.raises(OptionsError, match=r"is not any, none|use any or none"):
        FailOn.parse(word)


def test_runs_a_command_at_the_end(shot: Path, tmp_path: Path) -> None:
    """It gets the summary as variables and as JSON; what it prints goes to stderr."""
    line = f"cat > {tmp_path}/in; env | grep ^EXRBATCH_RUN_ > {tmp_path}/env; echo printed"
    report = tmp_path / "r.jsonl"
    done = exrbatch("recompress", shot, "--json", "--report", report, "--on-finish", line, code=1)
    summary = json.loads(done.stdout)["summary"]
    assert json.loads((tmp_path / "in").read_text())["counts"] == summary["counts"]
    lines = dict(each.removeprefix("EXRBATCH_RUN_").split("=", 1) for each in (tmp_path / "env").read_text().split())
    wanted = {"COMMAND": "recompress", "EXIT_CODE": "1", "FILES": "2", "RECOMPRESSED": "1", "FAILED": "1"}
    assert lines | wanted | {"REPORT": str(report)} == lines
    assert done.stderr.endswith("printed\n")


def test_a_command_that_fails_is_noticed(shot: Path) -> None:
    """An exit code of 0 becomes 1; others stay."""
    done = exrbatch("check", shot / "a.1001.exr", "--on-finish", "exit 7", code=1)
    assert "the command of --on-finish failed: its exit code is 7" in done.stderr
    done = exrbatch("recompress", shot, "-n", "--fail-on", "none", "--on-finish", "kill -9 $$", code=1)
    assert "it was ended by SIGKILL" in done.stderr


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs POSIX signals")
def test_the_command_gets_ordinary_signals(shot: Path, tmp_path: Path) -> None:
    """None is ignored or blocked in it. SIGTERM is passed on."""
    ready = tmp_path / "ready"
    line = f"grep -E 'Sig(Blk|Ign)' /proc/self/status > {tmp_path}/signals; touch {ready}; exec sleep 60"
    command = [sys.executable, "-m", "exrbatch", "recompress", str(shot / "a.1001.exr"), "--on-finish", line]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not ready.exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "it was ended by SIGTERM" in errors
    blocked, ignored = re.findall(r"[0-9a-f]{16}", (tmp_path / "signals").read_text())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1):
        assert not (int(blocked, 16) | int(ignored, 16)) >> (number - 1) & 1, number


def test_a_log_goes_on_behind_earlier_runs(shot: Path, tmp_path: Path) -> None:
    """Each line has date and time; a name never breaks a line."""
    log = tmp_path / "night.log"
    exrbatch("recompress", shot, "--log", log, code=1)
    exrbatch("check", shot, "--log", log, code=1)
    heading, *lines = log.read_text().splitlines()
    assert heading == "# exrbatch log"
    assert all(len(re.findall(r"\d{4}-\d\d-\d\d", line)) == 1 for line in lines)
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line) for line in lines)
    text = log.read_text()
    assert text.count("failed: ") >= 2
    assert text.count("exit code 1") == 2
    assert "2 workers: recompress" in text or "worker" in lines[0]


def test_a_log_never_writes_to_another_file(shot: Path) -> None:
    """A pattern that the shell expands could name a frame."""
    before = (shot / "a.1001.exr").read_bytes()
    done = exrbatch("recompress", shot, "--log", shot / "a.1001.exr", code=2)
    assert "is not an exrbatch log; not appending to it (--log)" in done.stderr
    assert (shot / "a.1001.exr").read_bytes() == before
