"""Every mode on FUSE mounts that imitate other storage: frames are whole, statuses are true."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from exrbatch.replacing import linux
from exrbatch.replacing.file_systems import file_system_at
from tests.support.build import PartSpec, build
from tests.support.explode import explode
from tests.support.quirky_mount import QUIRKS, Mount, mounted, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "mounting works")

OLD = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])
PIXELS = explode(OLD)[0].raw
LONG_AGO = 1_600_000_001
CANT_REPLACE = "no rename over an open file"


@dataclass(frozen=True)
class Mode:
    """A way to use the tool; DIR in `options` is a folder on the mount."""

    name: str
    options: tuple[str, ...] = ()

    @property
    def writes_elsewhere(self) -> bool:
        return "-o" in self.options


MODES = [
    Mode("in place"),
    Mode("output", ("-o", "DIR")),
    Mode("backup", ("--backup-dir", "DIR")),
    Mode("kept backup", ("--backup-dir", "DIR", "--keep-backups")),
    Mode("broken links", ("--hardlinks", "break")),
]


class Trial:
    """One mode on a mount: a few frames in a folder of their own."""

    def __init__(self, mount: Mount, mode: Mode, count: int) -> None:
        self.mode = mode
        place = mode.name.replace(" ", "-")
        self.frames, self.other = mount.path / place / "in", mount.path / place / "other"
        self.behind = mount.folder / place
        (self.behind / "in").mkdir(parents=True)
        self.names = [f"shot.{1001 + number}.exr" for number in range(count)]
        for name in self.names:
            path = self.behind / "in" / name
            path.write_bytes(OLD)
            if mode.name == "broken links":
                os.link(path, self.behind / f"second-{name}")
            os.utime(path, (LONG_AGO, LONG_AGO))
        self.said = ""
        self.records: dict[str, dict[str, object]] = {}

    def run(self, place: Path | None = None) -> int:
        """Run the command line on the mount, or on the folder behind it; return its exit code."""
        frames, other = (self.frames, self.other) if place is None else (place / "in", place / "other")
        report = self.behind / "report.jsonl"
        report.unlink(missing_ok=True)
        options = [str(other) if option == "DIR" else option for option in self.mode.options]
        command = ["recompress", str(frames), "-j", "1", "--report", str(report), *options]
        done = subprocess.run([sys.executable, "-m", "exrbatch", *command], check=False, capture_output=True, text=True)
        self.said = done.stdout + done.stderr
        lines = map(json.loads, report.read_text().splitlines() if report.exists() else [])
        self.records = {Path(line["path"]).name: line for line in lines if "path" in line}
        self.said += json.dumps(self.records)
        return done.returncode

    def statuses(self) -> set[object]:
        """Return which statuses the files of the last run have."""
        return {self.records[name]["status"] for name in self.names if name in self.records}

    def problems(self) -> Iterator[str]:
        """Yield each promise that does not hold, whatever the mount does."""
        folder = self.behind / ("other" if self.mode.writes_elsewhere else "in")
        for name in self.names:
            target, status = folder / name, self.records.get(name, {}).get("status")
            reason = str(self.records.get(name, {}).get("reason"))
            if self.mode.writes_elsewhere and (self.behind / "in" / name).read_bytes() != OLD:
                yield f"{name}: the source was touched"
            if status in ("recompressed", "already") and not _is_new(target):
                yield f"{name}: said to be {status}, and is not"
            if status not in ("recompressed", "already") and not (_is_new(target) or _is_old(target)):
                named = [path for path in self.behind.rglob(".exrbatch-*") if path.name in reason]
                if not self.mode.writes_elsewhere and not any(_is_new(path) or _is_old(path) for path in named):
                    yield f"{name}: neither old nor new, and not kept: {status}, {reason}"
            if "internal error" in reason:
                yield f"{name}: {reason}"
            is_kept = self.mode.name == "kept backup" and status == "recompressed"
            if is_kept and not _is_old(self.behind / "other" / name):
                yield f"{name}: no backup"
            if self.mode.name == "broken links" and not _is_old(self.behind / f"second-{name}"):
                yield f"{name}: its second name was touched"

    def leftovers(self) -> list[str]:
        """Return temp files that no message names."""
        names = [path.name for path in self.behind.rglob(".exrbatch-*")]
        return [name for name in names if name not in self.said]


def _is_old(path: Path) -> bool:
    return path.exists() and path.read_bytes() == OLD


def _is_new(path: Path) -> bool:
    try:
        data = path.read_bytes()
        return len(data) < len(OLD) and explode(data)[0].raw == PIXELS
    except (OSError, AssertionError, IndexError, ValueError):
        return False


@pytest.mark.parametrize("quirk", [name for name, quirk in QUIRKS.items() if not quirk.failures])
def test_every_mode_processes_all_frames_or_refuses_up_front(tmp_path: Path, quirk: str) -> None:
    """The storage works without errors.

    A second run finds every output up to date, and nothing is left behind.
    """
    with mounted(quirk, tmp_path) as mount:
        for mode in MODES:
            trial = Trial(mount, mode, 3)
            if quirk == CANT_REPLACE and not mode.writes_elsewhere:
                assert trial.run() == 2, trial.said
                assert "can't be replaced in place" in trial.said
                assert all(_is_old(trial.behind / "in" / name) for name in trial.names)
            else:
                assert trial.run() == 0, trial.said
                assert trial.statuses() == {"recompressed"}, trial.said
                assert list(trial.problems()) == []
                assert trial.run() == 0, trial.said
                assert trial.statuses() == {"already"}
            assert list(trial.problems()) == []
            assert [path.name for path in trial.behind.rglob(".exrbatch-*")] == []


@pytest.mark.parametrize("quirk", [name for name, quirk in QUIRKS.items() if quirk.failures])
def test_failing_calls_lose_no_frame(tmp_path: Path, quirk: str) -> None:
    """Late errors, stale handles and lost replies.

    Then the storage works again, and the next run finishes.
    """
    with mounted(quirk, tmp_path) as mount:
        for mode in MODES:
            trial = Trial(mount, mode, 8)
            assert trial.run() in (0, 1, 3), trial.said
            assert list(trial.problems()) == []
            left, said = trial.leftovers(), trial.said
            trial.run(trial.behind)
            assert list(trial.problems()) == []
            still = [name for name in trial.leftovers() if name not in said]
            assert still == [], f"left by the first run: {left}"
            if "backup" not in mode.name:  # one that may be somebody's stops the next run
                assert trial.statuses() <= {"recompressed", "already"}, trial.said


MOST_REQUESTS = {"in place": (26, 5), "output": (26, 9), "backup": (45, 7), "kept backup": (42, 11)}
"""Requests for a file and for a finished one, except reads and writes.

Each one is a round trip on a network.
"""


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode.name in MOST_REQUESTS], ids=lambda mode: mode.name)
def test_a_frame_takes_few_round_trips(tmp_path: Path, mode: Mode) -> None:
    """40 small files on a server that refuses exchange and caches attributes."""
    count = 40
    most, most_finished = MOST_REQUESTS[mode.name]
    with mounted("no exchange, long cache", tmp_path) as mount:
        trial = Trial(mount, mode, count)
        mount.requests()
        assert trial.run() == 0, trial.said
        first = [name for name in mount.requests() if name not in ("READ", "WRITE")]
        assert len(first) <= most * count, sorted(first)
        assert trial.run() == 0
        second = [name for name in mount.requests() if name not in ("READ", "WRITE")]
        assert len(second) <= most_finished * count, sorted(second)


def test_probes_a_reused_device_number_again(tmp_path: Path) -> None:
    """The next mount often gets the number, path and name of the last one.

    A long-lived worker must notice.
    """
    found = []
    for place, quirk in (("a", "none"), ("a", CANT_REPLACE)):
        folder = tmp_path / place
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        with mounted(quirk, folder) as mount:
            if not linux.mount_id(str(mount.path)):
                pytest.skip("this kernel has no numbers of mounts that are never used again")
            found.append(file_system_at(str(mount.path)).loses_targets)
    assert found == [False, True]
