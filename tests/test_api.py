"""The functions of the library: runs as objects, logging, keywords, types, and the main guard."""

import inspect
import logging
import os
import pkgutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import exrbatch
from exrbatch import OptionsError, RunProgress, Status
from tests.support.build import PartSpec, build

DATA = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Make a folder with six frames, in two sub-folders."""
    for name in ("beauty/1.exr", "beauty/2.exr", "beauty/3.exr", "depth/1.exr", "depth/2.exr", "depth/3.exr"):
        (tmp_path / "shot" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "shot" / name).write_bytes(DATA)
    return tmp_path / "shot"


def names(folder: Path, size: int) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.exr") if path.stat().st_size == size}


def python(code: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | environment)


def test_run_counts_while_it_is_iterated(shot: Path) -> None:
    """`totals` has the files that have been reported, and in the end all of them."""
    run = exrbatch.recompress_many(shot, jobs=2)
    first = next(run)
    assert (run.totals.files, run.totals.saved) == (1, first.saved)
    rest = list(run)
    assert run.totals.counts[Status.RECOMPRESSED] == 6
    assert run.totals.saved == first.saved + sum(report.saved for report in rest) > 0
    assert run.totals.exit_code == 0
    assert list(run) == []


def test_patterns_select_files(shot: Path) -> None:
    """A single pattern may be a string."""
    reports = list(exrbatch.recompress_many(shot, include=["1.exr", "2.exr"], exclude="beauty/", jobs=1))
    assert {os.path.relpath(report.path, shot) for report in reports} == {"depth/1.exr", "depth/2.exr"}
    assert names(shot, len(DATA)) == {"beauty/1.exr", "beauty/2.exr", "beauty/3.exr", "depth/3.exr"}


def test_progress_is_called_in_the_thread_that_iterates(shot: Path) -> None:
    """The last call has all files; numbers never fall."""
    seen: list[RunProgress] = []
    threads: set[int] = set()

    def note(now: RunProgress) -> None:
        seen.append(now)
        threads.add(threading.get_ident())

    list(exrbatch.recompress_many(shot, jobs=2, progress=note))
    assert threads == {threading.get_ident()}
    last = seen[-1]
    assert (last.files, last.found, last.is_scanned) == (6, 6, True)
    assert (last.done_size, last.found_size, last.fraction) == (6 * len(DATA), 6 * len(DATA), 1.0)
    assert [now.files for now in seen] == sorted(now.files for now in seen)
    assert last.saved > 0


def test_cancelled_run_ends_normally_and_starts_nothing(shot: Path) -> None:
    """A run that is cancelled before it starts touches no file."""
    run = exrbatch.recompress_many(shot, jobs=1)
    run.cancel()
    assert list(run) == []
    assert len(names(shot, len(DATA))) == 6


def test_cancelling_finishes_files_in_progress(tmp_path: Path) -> None:
    """Every file is whole, and some were never started."""
    for index in range(400):
        (tmp_path / f"{index}.exr").write_bytes(DATA)
    run = exrbatch.recompress_many(tmp_path, jobs=1)
    reports = [next(run)]
    timer = threading.Thread(target=run.cancel)
    timer.start()
    timer.join()
    reports += run
    assert {report.status for report in reports} == {Status.RECOMPRESSED}
    assert 1 <= len(reports) < 400
    assert len(names(tmp_path, len(DATA))) == 400 - len(reports)
    assert run.totals.files == len(reports)


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_run_ends_with_its_block(tmp_path: Path, error: type[BaseException] | None) -> None:
    """However the block ends, no worker is left, and every file is old or new."""
    for index in range(100):
        (tmp_path / f"{index}.exr").write_bytes(DATA)
    before = set(children())
    try:
        with exrbatch.recompress_many(tmp_path, jobs=2) as run:
            next(run)
            if error is not None:
                raise error
    except (ValueError, KeyboardInterrupt):
        assert error is not None
    assert not {pid for pid, name in children() if "exrbatch" in name} - {pid for pid, _ in before}
    new = {path.stat().st_size for path in tmp_path.iterdir()} - {len(DATA)}
    assert len(new) == 1
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".exr"]
    with pytest.raises(StopIteration):
        next(run)


def children() -> list[tuple[int, str]]:
    import psutil

    return [(each.pid, " ".join(each.cmdline())) for each in psutil.Process().children() if each.status() != "zombie"]


def test_verify_compares_two_files(shot: Path, tmp_path: Path) -> None:
    """In this process; the status is EQUAL, or DIFFERENT with the place."""
    a, b = shot / "beauty" / "1.exr", shot / "beauty" / "2.exr"
    exrbatch.recompress(b, "piz")
    assert exrbatch.verify(a, b).status is Status.EQUAL
    b.write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    report = exrbatch.verify(str(a), os.fsencode(b), decoder="native")
    assert report.status is Status.DIFFERENT
    assert report.reason == "part 0, chunk 63, channel R, pixel x 63 y 63"
    with pytest.raises(OptionsError, match="no such file"):
        exrbatch.verify(a, tmp_path / "typo.exr")
    with pytest.raises(OptionsError, match=r"is a folder; verify_many\(\) accepts folders"):
        exrbatch.verify(shot, shot)
    with pytest.raises(OptionsError, match="unknown decoder 'none'"):
        exrbatch.verify(a, b, decoder="none")


def test_verify_many_compares_two_trees(shot: Path, tmp_path: Path) -> None:
    """Files of one side only have failed, and a comparison of nothing is no success."""
    list(exrbatch.recompress_many(shot, output=tmp_path / "out", jobs=1))
    (tmp_path / "out" / "depth" / "3.exr").unlink()
    run = exrbatch.verify_many(shot, tmp_path / "out", jobs=1)
    reports = {os.path.relpath(report.path, shot): report for report in run}
    assert [name for name, report in reports.items() if not report.ok] == ["depth/3.exr"]
    assert (run.totals.counts[Status.EQUAL], run.totals.exit_code) == (5, 1)
    nothing = exrbatch.verify_many(shot, tmp_path / "out", include="typo", jobs=1)
    assert (list(nothing), nothing.totals.exit_code) == ([], 1)
    with pytest.raises(OptionsError, match="is a folder and"):
        exrbatch.verify_many(shot, shot / "beauty" / "1.exr")


def test_check_lists_damage(shot: Path) -> None:
    """In this process; the status is SOUND, or FAILED with the places."""
    path = shot / "beauty" / "1.exr"
    assert exrbatch.check(path).status is Status.SOUND
    path.write_bytes(DATA[:-200])
    report = exrbatch.check(path, decoder="native")
    assert report.status is Status.FAILED
    assert [damage.chunk for damage in report.damage] == [62, 63]
    run = exrbatch.check_many([shot], jobs=1)
    damaged = [each.path for each in run if each.damage]
    assert (damaged, run.totals.damaged, run.totals.counts[Status.SOUND]) == ([str(path)], 1, 5)
    assert run.totals.exit_code == 1
    with pytest.raises(OptionsError, match=r"is a folder; check_many\(\) accepts folders"):
        exrbatch.check(shot)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("recompress", {"compresion": "zip"}, "'compresion'; did you mean 'compression'?"),
        ("recompress", {"verfy": "none"}, "'verfy'; did you mean 'verify'?"),
        ("recompress", {"include": "*"}, "'include'"),
        ("recompress_many", {"backupdir": "x"}, "'backupdir'; did you mean 'backup_dir'?"),
        ("recompress_many", {"exclud": "x"}, "'exclud'; did you mean 'exclude'?"),
        ("recompress_many", {"rules": {}}, "'rules'"),
        ("verify", {"decodr": "native"}, "'decodr'; did you mean 'decoder'?"),
        ("verify_many", {"job": 1}, "'job'; did you mean 'jobs'?"),
        ("check", {"decode": "native"}, "'decode'; did you mean 'decoder'?"),
        ("check_many", {"progres": print}, "'progres'; did you mean 'progress'?"),
    ],
)
def test_unknown_keywords_raise_type_error(name: str, arguments: dict[str, object], message: str) -> None:
    """The message names the function that was called, and the closest keyword."""
    with pytest.raises(TypeError) as caught:
        getattr(exrbatch, name)("nothing.exr", **arguments)
    assert str(caught.value) == f"{name}() got an unexpected keyword argument {message}"


def test_signatures_are_those_of_the_functions() -> None:
    """`help` shows the parameters."""
    assert list(inspect.signature(exrbatch.check).parameters) == ["path", "decoder"]
    assert "The report. Its status is SOUND" in (inspect.getdoc(exrbatch.check) or "")


def test_digests_are_those_of_reports(shot: Path) -> None:
    """Of one file, of many, and of a recompression, which does not change them."""
    one = exrbatch.digest(shot / "beauty/1.exr")
    many = {report.path: report for report in exrbatch.digest_many(shot, jobs=1)}
    assert one.status is Status.DIGESTED
    assert many[one.path].content_sha256 == one.content_sha256
    assert exrbatch.recompress(one.path, "zips", digests=True).content_sha256 == one.content_sha256


def test_logger_tells_what_happened(shot: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Runs are INFO, files DEBUG, failures WARNING; names are safe to print."""
    bad = shot / os.fsdecode(b"\x1b\xff.exr")
    bad.write_bytes(DATA[:-3])
    with caplog.at_level(logging.DEBUG, "exrbatch"):
        list(exrbatch.recompress_many(shot, jobs=1))
        exrbatch.check(bad)
    levels = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "exrbatch"]
    assert levels[0] == ("INFO", "recompressing to ZIP, effort balanced, 1 worker")
    assert [message.rpartition(": ")[2] for level, message in levels if level == "DEBUG"] == ["recompressed"] * 6
    warnings = [message for level, message in levels if level == "WARNING"]
    assert [message.partition(": ")[0] for message in warnings] == [rf"{shot}/\x1b\xff.exr"] * 2
    assert "failed; part 0, chunk 63 at byte" in warnings[0]
    assert ("INFO", "the run has ended") in levels


def test_logger_is_silent_by_default(tmp_path: Path) -> None:
    """Even a warning is not printed, unless the program configures logging."""
    (tmp_path / "a.exr").write_text("text")
    code = "import exrbatch, sys; print(exrbatch.recompress(sys.argv[1]).status)"
    done = python(code, tmp_path / "a.exr")
    assert (done.stdout, done.stderr) == ("failed\n", "")
    done = python("import logging; logging.basicConfig(); " + code, tmp_path / "a.exr")
    assert done.stderr.startswith(f"WARNING:exrbatch:{tmp_path}/a.exr: failed; not an OpenEXR file")


SCRIPT = """
import sys
import exrbatch

for report in exrbatch.recompress_many(sys.argv[1], jobs=2):
    print(report.status)
"""


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_script_without_a_main_guard_gets_one_sentence(shot: Path, tmp_path: Path, method: str) -> None:
    """One traceback, that of the script, ends with it. No file is changed."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    (tmp_path / "sitecustomize.py").write_text(
        f"import multiprocessing.context as c\nc.DefaultContext.get_all_start_methods = lambda self: [{method!r}]\n"
    )
    command = [sys.executable, str(script), str(shot)]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1, done.stderr
    assert done.stderr.splitlines()[-1] == (
        'exrbatch.errors.RunStopped: the script must start the run below `if __name__ == "__main__":`,'
        " because each worker process imports the script before it begins"
    )
    assert len(names(shot, len(DATA))) == 6
    script.write_text(SCRIPT.replace("in exrbatch", "in [] if __name__ != '__main__' else exrbatch"))
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert done.stdout.count("recompressed") == 6
    assert done.stderr == ""


def test_run_in_a_foreign_worker_without_a_guard_is_refused(shot: Path, tmp_path: Path) -> None:
    """A pool of the program itself: its workers print the sentence, too."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, multiprocessing, exrbatch\n"
        "if __name__ == '__main__':\n"
        "    process = multiprocessing.get_context('spawn').Process(target=print)\n"
        "    process.start()\n"
        "    process.join()\n"
        "else:\n"
        "    list(exrbatch.recompress_many(sys.argv[1], jobs=1))\n"
    )
    done = subprocess.run([sys.executable, str(script), str(shot)], check=True, capture_output=True, text=True)
    assert "RuntimeError: the script must start the run below" in done.stderr
    assert len(names(shot, len(DATA))) == 6


TYPED = """
import exrbatch
import exrbatch.api
import exrbatch.batch
import exrbatch.bench
import exrbatch.cli.check
import exrbatch.cli.verify
import exrbatch.demo
import exrbatch.recompression.verification
from exrbatch import BatchRun, FileReport, RunProgress, check, check_many, recompress, recompress_many, verify

def show(now: RunProgress) -> None:
    print(now.fraction)

one: FileReport = recompress("a.exr", "zip", effort="fast")
two: FileReport = verify("a.exr", "b.exr", decoder="native")
three: FileReport = check("a.exr")
run: BatchRun = recompress_many(["a"], include=["*"], exclude="x", progress=show, jobs=2, dry_run=True)
with check_many("a", jobs=1) as checked:
    for report in checked:
        report.damage[0].chunk
    checked.cancel()
    checked.totals.exit_code
exrbatch.verify("a", "b")
"""
WRONG = """
from exrbatch import check, recompress, recompress_many, recompres
recompress("a.exr", compresion="zip")
recompress_many("a.exr", jobs="2")
check("a.exr", decodr="native")
check(1)
"""


def test_type_checkers_see_the_functions(tmp_path: Path) -> None:
    """Also after submodules were imported. Wrong names and arguments are errors."""
    pytest.importorskip("mypy")
    for name, text in (("typed", TYPED), ("wrong", WRONG)):
        (tmp_path / f"{name}.py").write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", f"--cache-dir={tmp_path}/cache"]
    command.append("--follow-imports=silent")  # an installed package is not checked, either
    environment = os.environ | {"MYPYPATH": str(ROOT)}
    command += ["typed.py", "wrong.py"]
    shown = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=tmp_path, env=environment
    ).stdout.splitlines()
    lines = [tuple(line.split(":")[:2]) for line in shown if ": note:" not in line]
    assert lines == [("wrong.py", number) for number in "23456"], shown


def test_no_submodule_has_the_name_of_a_public_name() -> None:
    """Its import would replace the function by the module."""
    modules = {module.name for module in pkgutil.iter_modules(exrbatch.__path__)}
    assert not modules & set(exrbatch.__all__)
    done = python(
        "import pkgutil, importlib, exrbatch\n"
        "for module in pkgutil.walk_packages(exrbatch.__path__, 'exrbatch.'):\n"
        "    if '__main__' not in module.name and 'plots' not in module.name:\n"
        "        importlib.import_module(module.name)\n"
        "for name in exrbatch.__all__:\n"
        "    assert type(getattr(exrbatch, name)).__name__ != 'module', name\n"
        "print('done')"
    )
    assert done.stdout == "done\n", done.stderr


def test_a_cancelled_run_is_no_success(shot: Path) -> None:
    """Its totals say that files remain."""
    run = exrbatch.recompress_many(shot, jobs=1)
    next(run)
    run.cancel()
    list(run)
    assert run.totals.exit_code == 3
    assert run.totals.to_json()["stop_reason"] == "cancelled"


def test_an_output_of_one_file_is_no_folder(shot: Path, tmp_path: Path) -> None:
    """Nothing is compressed in vain."""
    with pytest.raises(OptionsError, match="is a folder; recompress_many"):
        exrbatch.recompress(shot / "beauty" / "1.exr", output=tmp_path, force=True)
