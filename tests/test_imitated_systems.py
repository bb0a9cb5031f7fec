"""The code does without what Python lacks on macOS and Windows. Neither system is tested.

`tests/imitation` hides functions and modules from exrbatch in every process, workers included.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.build import PartSpec, build
from tests.support.explode import explode

ROOT = Path(__file__).resolve().parents[1]
DATA = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])
SYSTEMS = ("macos", "windows")
FILES = ("test_replacement.py", "test_links_and_backups.py", "test_copies.py", "test_temp_files.py")
"""The tests of safe replacement that run on imitated systems."""
LEFT_OUT = (
    "test_verification_finds_every_changed_byte",  # takes long, and depends on no system
    "test_keeps_mode_mtime_and_xattrs",  # Python has no functions for extended attributes
    "test_public_names_suffice_to_replace_any_file",  # the same
    "test_copies_files_that_are_not_recompressed",  # the same
    "test_ignores_the_default_access_list_of_the_folder",  # the same
    "test_removes_an_original_if_its_successor_is_whole",  # needs to know that the disk is local
    "test_keeps_an_open_original_on_local_file_systems_only",  # the same
    "test_takes_a_zombie_process_for_dead",  # needs /proc
    "test_a_backup_is_a_link_or_an_exact_copy",  # forbids hard links, by which frames are replaced here
    "test_keeps_the_backup_if_the_rename_fails",  # its faults are those of an exchange of names
    "test_takes_over_the_backup_of_a_killed_run",  # the same
    "test_goes_on_after_a_run_killed_before_its_backup",  # the same
)
LEFT_OUT_ON_WINDOWS = (
    "test_keeps_the_owner_if_allowed",  # there are no owners
    "test_does_not_follow_a_link",  # needs O_NOFOLLOW
)

SEVERAL_RUNS = """
import contextlib, io, json, sys
from exrbatch.cli.main import main

ended = []
for command in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = main(command)
    counts = json.loads(printed.getvalue())["summary"]["counts"]
    ended.append([code, {status: count for status, count in counts.items() if count}])
print(json.dumps(ended))
"""
"""A program that runs several commands, so that it loads all modules once."""


def python(system: str, log: Path, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run Python on an imitated system."""
    environment = os.environ | {
        "EXRBATCH_IMITATE": system,
        "EXRBATCH_IMITATION_LOG": str(log),
        "PYTHONPATH": str(ROOT / "tests" / "imitation"),
    }
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Make a folder with four frames that are two minutes old."""
    for name in ("a/1.exr", "a/2.exr", "b/1.exr", "b/2.exr"):
        path = tmp_path / "shot" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(DATA)
        status = path.stat()
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - 120 * 10**9))
    return tmp_path / "shot"


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_kind_of_run_works_on_an_imitated_system(shot: Path, tmp_path: Path, system: str) -> None:
    """Mirror, in place with backups, verify, check, second runs; frames keep pixels and times."""
    log, mirror, backups = tmp_path / "log", tmp_path / "mirror", tmp_path / "backups"
    times = {path: path.stat().st_mtime_ns for path in shot.rglob("*.exr")}

    runs: list[tuple[list[object], dict[str, int]]] = [
        (["recompress", shot, "-o", mirror], {"recompressed": 4}),
        (["recompress", shot, "-o", mirror], {"already": 4}),
        (["recompress", shot, "--backup-dir", backups, "--keep-backups"], {"recompressed": 4}),
        (["recompress", shot], {"already": 4}),
        (["verify", shot, backups], {"equal": 4}),
        (["verify", mirror, backups], {"equal": 4}),
        (["check", tmp_path], {"sound": 12}),
    ]
    commands = [[*map(str, command), "--json", "-j", "2"] for command, _ in runs]
    done = python(system, log, "-c", SEVERAL_RUNS, json.dumps(commands))
    assert json.loads(done.stdout) == [[0, counts] for _, counts in runs]
    for path in shot.rglob("*.exr"):
        assert explode(path.read_bytes())[0].raw == explode(DATA)[0].raw
        assert path.stat().st_size < len(DATA)
        assert path.stat().st_mtime_ns == times[path]
        assert (backups / path.relative_to(shot)).read_bytes() == DATA
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
    (shot / "a" / "1.exr").write_bytes(DATA[:-9])
    done = python(system, log, "-m", "exrbatch", "check", shot, "--json", "-j", 2, code=1)
    counts = json.loads(done.stdout)["summary"]["counts"]
    assert (counts["sound"], counts["failed"], sum(counts.values())) == (3, 1, 4)
    importers = {tuple(line.split()[:2]) for line in log.read_text().splitlines()}
    main = {pid for pid, importer in importers if importer.startswith("exrbatch.cli")}
    assert {pid for pid, importer in importers if importer == "exrbatch.replacing.disk"} - main, (
        "workers are poorer, too"
    )


@pytest.mark.parametrize("system", SYSTEMS)
def test_worker_that_dies_is_blamed_on_an_imitated_system(shot: Path, tmp_path: Path, system: str) -> None:
    """The parent reads the worker's log without `pread`, and the other files are done."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from exrbatch.batch.run import Run\n"
        "from exrbatch.batch.options import Options\n"
        "from tests.cli.test_check import CrashRules\n"
        "if __name__ == '__main__':\n"
        "    sys.path.insert(0, '.')\n"
        "    for report in Run([sys.argv[1]], Options(rules=CrashRules(), jobs=1)).reports():\n"
        "        print(report.status, report.reason)\n"
    )
    (shot / "a" / "2.exr").rename(shot / "a" / "b.1002.exr")
    done = python(system, tmp_path / "log", "-c", script.read_text(), shot)
    lines = sorted(done.stdout.splitlines())
    assert lines[0].startswith("failed the worker died: SIGSEGV")
    assert lines[1:] == ["sound None"] * 3


@pytest.mark.parametrize("system", SYSTEMS)
def test_safe_replacement_on_an_imitated_system(tmp_path: Path, system: str) -> None:
    """The tests of the package `replacing` pass, except those that need what the system lacks."""
    chosen = [ROOT / "tests" / "replacing" / name for name in FILES]
    left_out = LEFT_OUT + (LEFT_OUT_ON_WINDOWS if system == "windows" else ())
    python(
        system,
        tmp_path / "log",
        *("-m", "pytest", "-q", "-n", "0", "-p", "files_of_any_age", "-p", "no:cacheprovider"),
        *("--timeout", "120", "--basetemp", tmp_path / "inner", "-k", " and ".join(f"not {name}" for name in left_out)),
        *chosen,
    )
