"""`exrbatch doctor` reports what each kind of storage can do, and leaves nothing behind."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.quirky_mount import QUIRKS, mounted, why_not


def doctor(*arguments: str | Path, code: int = 0) -> Any:
    """Run `exrbatch doctor`; return its document."""
    command = [sys.executable, "-m", "exrbatch", "doctor", "--json", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["exit_code"] == code
    return document


def test_reports_a_local_disk_as_the_system_does(tmp_path: Path) -> None:
    """Every value agrees with that of the system, and the probe's own files are removed."""
    found = doctor(tmp_path)
    (path,) = found["paths"]
    shown = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], check=True, capture_output=True, text=True).stdout
    assert path["file_system"].startswith(shown.strip()[:3])
    assert path["in_place"] == {"works": True, "how": "by exchange of names"}
    assert path["backups"]["works"]
    assert path["outputs"]["works"]
    assert found["versions"]["OpenEXR"][0].isdigit()
    assert found["machine"]["jobs"] >= 1
    assert os.listdir(tmp_path) == []


def test_prints_a_printable_line_for_each_finding(tmp_path: Path) -> None:
    """All characters are such that a terminal shows them as they are."""
    hostile = tmp_path / "a\x1b[31m\nb"
    hostile.mkdir()
    command = [sys.executable, "-m", "exrbatch", "doctor", str(hostile)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "\x1b" not in shown
    for title in ("versions", "storage", "in place", "backups", "promise", "hard links", "latency"):
        assert any(line.strip().startswith(title) for line in shown.splitlines()), title


def test_accepts_an_output_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    """Its nearest existing parent is examined; for a frame sequence, the folder that it is in."""
    output, sequence = tmp_path / "new" / "tree", tmp_path / "beauty.####.exr"
    found = doctor(sequence, "-o", output)
    assert [(path["path"], path["outputs"]["works"]) for path in found["paths"]] == [
        (str(sequence), True),
        (str(output), True),
    ]
    assert os.listdir(tmp_path) == []


def test_refuses_a_missing_path(tmp_path: Path) -> None:
    """One line, and exit code 2."""
    command = [sys.executable, "-m", "exrbatch", "doctor", str(tmp_path / "missing")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"exrbatch: no such file or folder: {tmp_path / 'missing'}\n"


def test_reports_an_unwritable_folder() -> None:
    """The exit code is 1, and the reason is given."""
    (path,) = doctor("/proc", code=1)["paths"]
    assert not path["in_place"]["works"]
    assert "probes" not in path


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "mounting works")
@pytest.mark.parametrize("quirk", [name for name, quirk in QUIRKS.items() if not quirk.failures])
def test_finds_every_quirk_of_a_mount(tmp_path: Path, quirk: str) -> None:
    """The doctor reports what the mount imitates, and a run does what the doctor says."""
    expected = QUIRKS[quirk]
    with mounted(quirk, tmp_path) as mount:
        code = 0 if expected.can_replace_open else 1
        (path,) = doctor(mount.path, code=code)["paths"]
        (output,) = doctor("-o", mount.path)["paths"]
        assert os.listdir(mount.folder) == []
    probes = path["probes"]
    assert path["in_place"]["works"] == expected.can_replace_open
    assert output["outputs"]["works"]
    assert probes["exchange"] == (expected.rename_flags == "work")
    assert probes["rename_without_overwriting"] == (expected.rename_flags == "work")
    assert probes["rename_over_open_file"] == expected.can_replace_open
    assert probes["extended_attributes"] == expected.has_xattrs
    assert probes["time_step_ns"] == expected.time_step
    links = "no" if not expected.has_links else "yes" if expected.has_same_inodes else "yes, but"
    assert probes["hard_links"].startswith(links)
    assert (path["size"] is not None) == expected.has_size
    assert probes["round_trip_ms"] >= 1000 * expected.latency
    assert "60 s old" in path["promise"] or not path["in_place"]["works"]
