"""Killed runs and simultaneous runs leave every frame old or new.

The next run finishes the work.
"""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.support.build import PartSpec, build
from tests.support.explode import explode
from tests.support.processes import survivors

OLD = build([PartSpec(window=(0, 0, 255, 255), noise=0.2)])
FRAMES = 12


PIXELS = explode(OLD)[0].raw
HEADER = [(name, kind, b"\3" if name == "compression" else value) for name, kind, value in explode(OLD)[0].attributes]
"""The attributes of a new frame: ZIP is the only difference."""


def start(folder: Path, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "exrbatch", "recompress", str(folder), "-j", "2", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def fill(folder: Path) -> None:
    for index in range(FRAMES):
        (folder / f"{index}.exr").write_bytes(OLD)


def frames(folder: Path) -> list[str]:
    """Say of each frame whether it is old or new; new ones may differ by bytes, see `Packer`."""
    return [_kind((folder / f"{index}.exr").read_bytes()) for index in range(FRAMES)]


def _kind(data: bytes) -> str:
    if data == OLD:
        return "old"
    part = explode(data)[0]
    return "new" if part.raw == PIXELS and part.attributes == HEADER else repr(data)


def kill_somewhere(run: "subprocess.Popen[str]", lines: int) -> None:
    """Kill the parent after it has reported some files; wait until all its processes are gone."""
    assert run.stdout is not None
    for _ in range(lines):
        run.stdout.readline()
    try:
        others = psutil.Process(run.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        others = []
    run.kill()
    run.wait()
    run.stdout.close()
    assert survivors(others) == [], "no worker lives on"


@pytest.mark.parametrize("kills", [24, pytest.param(200, marks=pytest.mark.deep_profile)])
def test_next_run_finishes_the_work_of_a_killed_parent(tmp_path: Path, kills: int) -> None:
    """After kill -9 every file is old or new, and no worker survives.

    The next run removes the leftovers and finishes the work.
    """
    chance = random.Random(4)
    seen: Counter[str] = Counter()
    for number in range(kills):
        fill(tmp_path)
        kill_somewhere(start(tmp_path, "-v"), chance.randrange(FRAMES))
        now = frames(tmp_path)
        assert set(now) <= {"old", "new"}
        seen.update(now)
        if number % 6 == 5:
            run = start(tmp_path)
            assert run.communicate()[0]
            assert run.returncode == 0
            assert set(frames(tmp_path)) == {"new"}
            assert sorted(os.listdir(tmp_path)) == sorted(f"{index}.exr" for index in range(FRAMES))
    assert min(seen["old"], seen["new"]) > FRAMES, "the kills came neither all too early nor all too late"


def test_two_simultaneous_runs_keep_every_frame(tmp_path: Path) -> None:
    """Both runs end normally, and every file is whole.

    At worst one run finds that a file has changed, and leaves it alone.
    """
    for _ in range(3):
        fill(tmp_path)
        runs = [start(tmp_path, "--json") for _ in range(2)]
        answers = [json.loads(run.communicate()[0]) for run in runs]
        assert [run.returncode for run in runs] == [0, 0]
        assert set(frames(tmp_path)) == {"new"}
        assert len(os.listdir(tmp_path)) == FRAMES
        done: Counter[str] = Counter()
        for answer in answers:
            statuses = Counter(file["status"] for file in answer["files"])
            assert statuses.total() == FRAMES
            assert set(statuses) <= {"recompressed", "already", "skipped"}
            done += statuses
        assert done["recompressed"] >= FRAMES
