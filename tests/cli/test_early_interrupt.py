"""Ctrl-C at any moment after the start, in every command."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exrbatch import signals
from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.cli.console import lasting_console
from exrbatch.cli.driving import drive
from tests.support.build import PartSpec, build
from tests.support.explode import explode

DATA = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])
DELAYS = [0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1.0]
OURS = re.compile(r'File ".*/exrbatch/(?!__(init|main)__\.py", line \d+, in <module>)')
LOST_BY_PYTHON = re.compile(r"Exception ignored in: <function _get_module_lock.*\n(.*\n)*?KeyboardInterrupt: ?\n")
"""What Python prints if it drops Ctrl-C before the entry module has set its handler and hook."""
FRAMES = 60


def interrupted(arguments: list[str], delay: float) -> tuple[int, str, str]:
    """Start a command and send Ctrl-C to its process group. Return exit code, stdout and stderr."""
    process = subprocess.Popen(
        [sys.executable, "-m", "exrbatch", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        process.wait(delay)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate()
    return process.returncode, out, LOST_BY_PYTHON.sub("", err)


def test_an_interrupt_that_was_lost_stops_the_run_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python drops an exception that a signal handler raises in a destructor or a callback."""
    (tmp_path / "1.exr").write_bytes(DATA)
    monkeypatch.setattr(signals, "interruptions", [signal.SIGINT])
    with pytest.raises(KeyboardInterrupt):
        drive(Run([str(tmp_path)], Options(jobs=1)), lasting_console(sys.stderr))
    assert (tmp_path / "1.exr").read_bytes() == DATA


LOST = """
import concurrent.futures.process as futures
import sys
from exrbatch.__main__ import main
from exrbatch.batch.workers import slot

kept = []

def lose(self, bundle, jobs):
    kept.append(self.executor)  # so that its thread is not told to end
    self.executor.submit(int).result()  # the thread looks around after each result
    futures._threads_wakeups.clear()
    raise KeyboardInterrupt

slot.Slot.submit = lose
slot.Slot.kill = lambda self: []
if __name__ == "__main__":
    sys.exit(main())
"""
"""A command whose worker is forgotten by all that would end it, as interruptions can do."""


def test_a_worker_that_an_interruption_has_left_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """The interpreter waited for such a worker forever."""
    (tmp_path / "1.exr").write_bytes(DATA)
    (tmp_path / "lost.py").write_text(LOST)
    command = [sys.executable, str(tmp_path / "lost.py"), "check", str(tmp_path / "1.exr"), "-j", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "no OpenEXR files found" in done.stdout, done.stderr


@pytest.mark.parametrize("command", ["recompress", "verify", "bench", "doctor", "clean", "demo", "compressions"])
def test_ctrl_c_at_any_moment_prints_no_traceback_of_ours(command: str, tmp_path: Path) -> None:
    """It is never lost, and whoever says that no file was changed is right.

    56 of 60 early interrupts printed a traceback, and 4 were lost while files were replaced (issue
    17). Until the entry module has set its handler, Python itself may die with its own traceback.
    """
    for delay in DELAYS:
        folder = tmp_path / f"{delay}"
        for tree in ("a", "b") if command == "verify" else ("a",):
            (folder / tree).mkdir(parents=True)
            for index in range(FRAMES):
                (folder / tree / f"{index}.exr").write_bytes(DATA)
        a, b = str(folder / "a"), str(folder / "b")
        arguments = {
            "recompress": [a, "--effort", "max"],
            "verify": [a, b],
            "demo": [str(folder / "demo"), "--frames", "2"],
            "compressions": [],
            "bench": [a, "--passes", "1"],
        }.get(command, [a])
        code, out, err = interrupted([command, *arguments], delay)
        shown = f"{command} after {delay} s: {code}\n{out}\n{err}"
        assert not OURS.search(err), shown
        assert "Exception ignored" not in err, shown
        frames = [path.read_bytes() for path in Path(a).glob("*.exr")]
        if command != "recompress":
            assert frames == [DATA] * FRAMES, shown
            continue
        changed = [frame for frame in frames if frame != DATA]
        assert len(frames) == FRAMES, shown
        assert all(explode(frame)[0].raw == explode(DATA)[0].raw for frame in changed), shown
        if code == 0 or "no file was changed" in err:
            assert len(changed) == (FRAMES if code == 0 else 0), shown


@pytest.mark.parametrize("command", ["recompress", "clean"])
def test_many_ctrl_c_print_no_traceback_and_leave_the_document_whole(command: str, tmp_path: Path) -> None:
    """The second came while the first was reported, a worker started, or totals were written."""
    for index in range(FRAMES):
        (tmp_path / f"{index}.exr").write_bytes(DATA)
    for delay in [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9]:
        process = subprocess.Popen(
            [sys.executable, "-m", "exrbatch", command, str(tmp_path), "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(delay)
        for _ in range(200):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                time.sleep(0.0005)
        out, err = process.communicate()
        assert "Traceback" not in err, f"{delay}: {err}"
        if out:
            json.loads(out)
