"""Runs that are killed, and runs that meet: every frame is old or new at any moment, and the next run ends the work."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest

from exrbatch import recompress
from tests.support.build import PartSpec, build
from tests.support.explode import explode

OLD = build([PartSpec(window=(0, 0, 255, 255), noise=0.2)])
FRAMES = 12
KILLS = 50


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What every frame becomes: the same bytes each time, with the pixels of the old ones."""
    path = tmp_path_factory.mktemp("new") / "frame.exr"
    path.write_bytes(OLD)
    recompress(path)
    assert explode(path.read_bytes())[0].raw == explode(OLD)[0].raw
    return path.read_bytes()


def start(folder: Path, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "exrbatch", "recompress", str(folder), "-j", "2", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def fill(folder: Path) -> None:
    for index in range(FRAMES):
        (folder / f"{index}.exr").write_bytes(OLD)


def frames(folder: Path) -> list[bytes]:
    return [(folder / f"{index}.exr").read_bytes() for index in range(FRAMES)]


def kill_somewhere(run: "subprocess.Popen[str]", lines: int) -> None:
    """Kill the parent once it has told of so many files; wait until none of its processes is left."""
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
    _, alive = psutil.wait_procs(others, timeout=60)
    assert alive == [], "no worker lives on"


def test_kill_9_of_the_parent_at_50_moments(tmp_path: Path, new: bytes) -> None:
    """Every file is old or new; no worker lives on; the next run sweeps what was left and ends the work."""
    chance = random.Random(4)
    seen: Counter[bytes] = Counter()
    for number in range(KILLS):
        fill(tmp_path)
        kill_somewhere(start(tmp_path, "-v"), chance.randrange(FRAMES))
        now = frames(tmp_path)
        assert set(now) <= {OLD, new}
        seen.update(now)
        if number % 5 == 4:
            run = start(tmp_path)
            assert run.communicate()[0]
            assert run.returncode == 0
            assert set(frames(tmp_path)) == {new}
            assert sorted(os.listdir(tmp_path)) == sorted(f"{index}.exr" for index in range(FRAMES))
    assert min(seen[OLD], seen[new]) > FRAMES, "the kills came neither all too early nor all too late"


def test_two_runs_on_one_tree(tmp_path: Path, new: bytes) -> None:
    """Both end well and every file is whole; at worst one of them finds a file changed and leaves it alone."""
    for _ in range(5):
        fill(tmp_path)
        runs = [start(tmp_path, "--json") for _ in range(2)]
        answers = [json.loads(run.communicate()[0].partition("\n]")[0] + "]}") for run in runs]
        assert [run.returncode for run in runs] == [0, 0]
        assert set(frames(tmp_path)) == {new}
        assert len(os.listdir(tmp_path)) == FRAMES
        done: Counter[str] = Counter()
        for answer in answers:
            statuses = Counter(file["status"] for file in answer["files"])
            assert statuses.total() == FRAMES
            assert set(statuses) <= {"recompressed", "already", "skipped"}
            done += statuses
        assert done["recompressed"] >= FRAMES
