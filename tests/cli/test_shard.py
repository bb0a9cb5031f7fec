"""`shard plan`, `run`, `status` and `retry` as a farm and its users run them."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import jsonschema
import pytest

from exrbatch import signals
from exrbatch.batch.run_report import BatchReport
from exrbatch.cli.main import main
from exrbatch.cli.records import RecordFile
from exrbatch.cli.shard_arguments import shard_numbers
from exrbatch.errors import OptionsError
from exrbatch.farm.plan import read_plan, sealed
from exrbatch.farm.status import SILENT_SECONDS, State, status_of
from exrbatch.journal.records import read_records
from tests.cli.test_history import SCHEMA
from tests.cli.test_recompress import DATA, identities, sizes
from tests.support.commands import exrbatch

pytestmark = pytest.mark.usefixtures("own_state")
JOB = ("-j", "1")


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Make a folder with three sequences of four frames."""
    folder = tmp_path / "shot"
    for name in ("beauty/b", "depth/d", "diffuse/f"):
        (folder / name).parent.mkdir(parents=True)
        for frame in range(1001, 1005):
            (folder / f"{name}.{frame}.exr").write_bytes(DATA)
    return folder


def call(*arguments: object, code: int = 0) -> None:
    """Run a command in this process, and check its exit code."""
    assert main([str(each) for each in arguments]) == code


def make_plan(shot: Path, *more: object, count: int = 3, code: int = 0) -> Path:
    folder = shot.parent / "plan"
    call("shard", "plan", shot, "-o", folder, "--count", count, *more, code=code)
    return folder


def listed(plan: Path) -> list[list[str]]:
    lists = sorted((plan / "lists").iterdir(), key=lambda path: int(path.name))
    return [[os.fsdecode(each) for each in path.read_bytes().split(b"\0")[:-1]] for path in lists]


def forge(plan: Path, /, **changes: object) -> None:
    """Change settings as someone can who knows how they are sealed."""
    path = plan / "settings.json"
    with contextlib.suppress(ValueError):
        changes = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(sealed(changes)))


def records(plan: Path) -> list[dict[str, object]]:
    found = []
    for path in sorted((plan / "reports").iterdir()):
        with path.open("rb") as stream:
            found += list(read_records(stream))
    return found


def status(plan: Path, capsys: pytest.CaptureFixture[str], code: int = 0) -> dict[str, object]:
    capsys.readouterr()
    call("shard", "status", plan, "--json", code=code)
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    return document


def test_a_plan_touches_no_frame_and_lists_each_once(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each shard has the whole sequences of one folder; the settings are those of the command."""
    before = identities(shot)
    plan = make_plan(shot, "-c", "zips", "--exclude", "*.1004.exr", "-j", "50%")
    assert identities(shot) == before
    assert listed(plan) == [
        [f"{shot}/{name}.{frame}.exr" for frame in range(1001, 1004)] for name in ("beauty/b", "depth/d", "diffuse/f")
    ]
    settings = json.loads((plan / "settings.json").read_text())
    assert (settings["options"]["compression"], settings["options"]["jobs"]) == ("zips", "50%")
    assert settings["base"] == str(shot)
    assert not set(settings["options"]) & {"report", "on_finish", "output", "quiet", "plan", "count", "module"}
    shown = capsys.readouterr().out
    assert f"3 shards of {len(DATA) * 3 / 1000:.1f} kB: 9 files" in shown
    assert "3 by size or pattern" in shown
    assert "the files are replaced in place" in shown


def test_all_shards_make_what_one_run_makes(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With an output: the same files in the same places. A second attempt changes nothing."""
    out, single = shot.parent / "out", shot.parent / "single"
    plan = make_plan(shot, "--output", out, "-c", "rle", count=5)
    assert out.is_dir(), "made by the plan, never by a shard"
    for number in range(1, 6):
        call("shard", "run", plan, number, *JOB)
    call("recompress", shot, "-o", single, "-c", "rle", *JOB)
    assert {path.relative_to(out): path.read_bytes() for path in out.rglob("*.exr")} == {
        path.relative_to(single): path.read_bytes() for path in single.rglob("*.exr")
    }
    before = identities(out)
    call("shard", "run", plan, "2-3", *JOB)
    assert identities(out) == before
    found = status(plan, capsys)
    assert found["total"]["counts"] == {"recompressed": 12}  # type: ignore[index]
    assert found["total"]["attempts"] == 7  # type: ignore[index]
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for record in records(plan):
        validator.validate(record)
    assert {(each["shard"], each["command"]) for each in records(plan) if each["type"] == "run"} == {
        (number, "recompress") for number in range(1, 6)
    }


@pytest.mark.parametrize("command", ["continue", "retry"])
def test_the_run_of_a_shard_is_repeated_by_its_plan(
    command: str, shot: Path, own_state: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only `shard run` checks that nothing has taken the place of a planned file."""
    plan = make_plan(shot)
    call("shard", "run", plan, 2, *JOB)
    before = identities(shot)
    call(command, code=2)
    assert f"run it again: exrbatch shard run {plan} 2" in capsys.readouterr().err
    assert identities(shot) == before


def test_two_attempts_at_once_replace_each_file_once(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both succeed, the files are whole, and the totals count each file once."""
    copy = shot.parent / "copy"
    shutil.copytree(shot, copy)
    plan = make_plan(shot, count=1)
    command = [sys.executable, "-m", "exrbatch", "shard", "run", str(plan), "1", "-q", "-j", "2"]
    attempts = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [attempt.wait() for attempt in attempts] == [0, 0]
    call("verify", shot, copy, "-q")
    found = status(plan, capsys)
    total = found["total"]
    assert isinstance(total, dict)
    assert total["counts"] == {"recompressed": 12}
    assert total["bytes_saved"] == sum(path.stat().st_size for path in copy.rglob("*.exr")) - sum(
        path.stat().st_size for path in shot.rglob("*.exr")
    )
    replaced = Counter(each["path"] for each in records(plan) if each.get("status") == "recompressed")
    assert len(replaced) == 12
    assert set(replaced.values()) == {1}
    assert len(list((plan / "reports").iterdir())) == 2


def test_retry_plans_what_failed_or_never_ran(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing else; then nothing is left."""
    damaged = shot / "depth" / "d.1002.exr"
    damaged.write_bytes(DATA[:-50])
    plan = make_plan(shot)
    call("shard", "run", plan, 1, *JOB)
    call("shard", "run", plan, 2, *JOB, code=1)
    found = status(plan, capsys, code=1)
    assert [each["state"] for each in found["shards"]] == ["done", "failed", "waiting"]  # type: ignore[attr-defined]
    again = shot.parent / "again"
    call("shard", "retry", plan, "-o", again, "--count", 2)
    assert sorted(path for each in listed(again) for path in each) == sorted(
        [str(damaged), *(f"{shot}/diffuse/f.{frame}.exr" for frame in range(1001, 1005))]
    )
    damaged.write_bytes(DATA)
    call("shard", "run", again, "1-2", *JOB)
    capsys.readouterr()
    call("shard", "retry", again, "-o", shot.parent / "third")
    assert "nothing failed" in capsys.readouterr().err
    assert not (shot.parent / "third").exists()
    assert json.loads((again / "settings.json").read_text())["retries"] == str(plan)


def test_hard_links_stay_together_and_are_relinked(shot: Path) -> None:
    """Wherever their names are; all of them get the new file."""
    names = [shot / "beauty" / "b.1001.exr", shot / "depth" / "same.exr", shot / "diffuse" / "same.exr"]
    for name in names[1:]:
        os.link(names[0], name)
    plan = make_plan(shot, "--hardlinks", "relink", count=4)
    where = [number for number, paths in enumerate(listed(plan)) for name in names if str(name) in paths]
    assert len(set(where)) == 1
    assert len(where) == 3
    call("shard", "run", plan, where[0] + 1, *JOB)
    assert len({name.stat().st_ino for name in names}) == 1
    assert names[0].stat().st_size < len(DATA)


def test_a_folder_for_results_without_its_mount_is_an_error(
    shot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if a folder with its name is there, which was made while nothing was mounted."""
    out = shot.parent / "out"
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("exrbatch.farm.places._is_on_root", lambda path: path != str(out))
        plan = make_plan(shot, "--output", out)
    monkeypatch.setattr("exrbatch.farm.places._is_on_root", lambda _path: True)
    call("shard", "run", plan, 1, code=2)
    assert f"{out} is on the root file system here" in capsys.readouterr().err
    assert list(out.iterdir()) == []


def test_a_missing_mount_is_an_error(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As where a file system is not mounted: an empty folder. Neither sources nor results."""
    out, hidden = shot.parent / "out", shot.parent / "hidden"
    plan = make_plan(shot, "--output", out)
    shot.rename(hidden)
    for is_there in (False, True):
        if is_there:
            shot.mkdir()
        call("shard", "run", plan, 1, code=2)
        assert "not mounted on this host?" in capsys.readouterr().err
    shot.rmdir()
    hidden.rename(shot)
    out.rmdir()
    call("shard", "run", plan, 1, code=2)
    assert f"{out}: No such file or directory" in capsys.readouterr().err
    assert not out.exists()
    assert list((plan / "reports").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "words"), [("exrbatch", "exrbatch 0.0.0, but this host has"), ("openexr", "OpenEXR 0.0.0, but this host")]
)
def test_another_version_is_an_error(shot: Path, name: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names both."""
    plan = make_plan(shot)
    forge(plan, **{name: "0.0.0"})
    call("shard", "run", plan, 1, code=2)
    assert words in capsys.readouterr().err
    assert sizes(shot) == {len(DATA)}


def test_a_changed_list_or_setting_is_an_error(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whether it was cut short or edited; what a plan must not set is ignored."""
    plan = make_plan(shot)
    first = plan / "lists" / "1"
    whole = first.read_bytes()
    for data in (whole[:-1], whole[: whole.index(b"\0") + 1], whole.replace(b"1001", b"1009"), b""):
        first.write_bytes(data)
        call("shard", "run", plan, 1, code=2)
        assert "is not the list that was planned" in capsys.readouterr().err
    first.write_bytes(whole)
    text = (plan / "settings.json").read_text()
    settings = json.loads(text)
    marker = shot.parent / "marker"
    forge(plan, options=settings["options"] | {"on_finish": f"touch {marker}", "report": str(marker)})
    call("shard", "run", plan, 1, *JOB)
    assert not marker.exists()
    capsys.readouterr()
    changes = ('"sources"', '"x"'), ('"zip"', "[]"), ('"force": false', '"force": true')
    for damaged in (text[:-9], "[]", "{}", "[" * 100_000, *(text.replace(*change) for change in changes)):
        (plan / "settings.json").write_text(damaged)
        call("shard", "run", plan, 2, code=2)
        assert re.fullmatch(r"exrbatch: \S+ \S.*\n", capsys.readouterr().err)
    for name, value in (("output", None), ("output_b64", "?"), ("backup_dir", 1), ("base", "x"), ("shards", [])):
        forge(plan, **settings | {name: value})
        call("shard", "run", plan, 2, code=2)
        assert "settings.json is damaged: ValueError" in capsys.readouterr().err
    assert {path.stat().st_size for path in (shot / "depth").iterdir()} == {len(DATA)}


def test_retry_keeps_the_names_of_a_file_together(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Otherwise a file that failed under its first name would be skipped for ever."""
    first = shot / "depth" / "d.1001.exr"
    os.link(first, shot / "depth" / "e.exr")
    first.write_bytes(DATA[:-50])
    plan = make_plan(shot, "--hardlinks", "relink", count=1)
    call("shard", "run", plan, 1, *JOB, code=1)
    first.write_bytes(DATA)
    again = shot.parent / "again"
    call("shard", "retry", plan, "-o", again)
    assert listed(again) == [[str(first), str(shot / "depth" / "e.exr")]]
    call("shard", "run", again, 1, *JOB)
    assert first.stat().st_size < len(DATA)
    assert first.samefile(shot / "depth" / "e.exr")


def test_what_took_the_place_of_a_planned_file_is_left_alone(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is in a folder, or behind a link, is not in the plan, unless the link itself was."""
    named, other, published = shot / "beauty" / "b.1001.exr", shot.parent / "other", shot.parent / "published.exr"
    plan = make_plan(shot, count=1)
    other.mkdir()
    for path in (other / "x.exr", published):
        path.write_bytes(DATA)
    for name, target in (("b.1001", other), ("b.1002", published)):
        (shot / "beauty" / f"{name}.exr").unlink()
        (shot / "beauty" / f"{name}.exr").symlink_to(target)
    (shot / "beauty" / "b.1003.exr").unlink()
    (shot / "beauty" / "b.1003.exr").mkdir()
    (shot / "beauty" / "b.1003.exr" / "x.exr").write_bytes(DATA)
    call("shard", "run", plan, 1, *JOB, code=1)
    assert "is a folder now" in (shown := capsys.readouterr().err)
    assert "is a symbolic link now" in shown
    assert sizes(other) | sizes(shot / "beauty" / "b.1003.exr") | {published.stat().st_size} == {len(DATA)}
    assert status(plan, capsys, code=1)["total"]["counts"] == {"failed": 3, "recompressed": 9}  # type: ignore[index]
    call("shard", "retry", plan, "-o", shot.parent / "again", code=2)
    assert "folder now" in capsys.readouterr().err
    named.unlink()
    named.symlink_to(published)
    linked = shot.parent / "linked"
    call("shard", "plan", named, "--backup-dir", shot.parent / "backups", "-o", linked, "--count", 1)
    call("shard", "run", linked, 1, *JOB)
    assert named.is_symlink()
    assert published.stat().st_size < len(DATA)


def test_folders_for_results_are_as_private_as_the_sources(shot: Path) -> None:
    """As a run would make them."""
    shot.chmod(0o700)
    make_plan(shot, "--output", shot.parent / "out")
    assert (shot.parent / "out").stat().st_mode & 0o777 == 0o700


def test_a_plan_needs_a_folder_of_its_own(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which is empty, or not there. A plan that can't be written leaves nothing behind."""
    for path in (shot, shot / "beauty" / "b.1001.exr"):
        call("shard", "plan", shot, "-o", path, "--count", 2, code=2)
    (shot.parent / "plan").mkdir()
    plan = make_plan(shot, count=2)
    call("shard", "plan", shot, "-o", plan, "--count", 2, code=2)
    assert "is not empty" in capsys.readouterr().err
    with pytest.raises(OptionsError, match="can't write the plan"):
        read_plan(str(plan)).write([(1, ["/x"])], {})
    assert [path for path in shot.parent.iterdir() if path.name.startswith(".exrbatch")] == []
    call("shard", "plan", shot / "none", "-o", shot.parent / "p2", "--count", 2, code=2)
    with pytest.raises(SystemExit):
        main(["shard", "plan", str(shot), "-o", "p2"])


def test_what_can_not_be_planned_is_said(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing frames make the exit code 1; links are counted."""
    (shot / "beauty" / "link.exr").symlink_to("b.1001.exr")
    plan = shot.parent / "plan"
    call("shard", "plan", shot, shot.parent / "gone.exr", "-o", plan, "--count", 3, code=1)
    shown = capsys.readouterr()
    assert "not planned: " in shown.err
    assert "gone.exr" in shown.err
    assert "1 link or other file" in shown.out
    assert sum(map(len, listed(plan))) == 12
    (shot.parent / "empty").mkdir()
    call("shard", "plan", shot.parent / "empty", "--allow-empty", "-o", shot.parent / "p", "--count", 2)
    assert "no plan was written" in capsys.readouterr().out


def test_status_tells_running_from_dead(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the last sign of life. Torn records and foreign files do no harm."""
    plan_folder = make_plan(shot, count=4)
    plan = read_plan(str(plan_folder))
    for number in (1, 2):
        call("shard", "run", plan_folder, number, *JOB)
    first, second = (next((plan_folder / "reports").glob(f"{number}.*")) for number in (1, 2))
    lines = first.read_bytes().splitlines(keepends=True)
    first.write_bytes(b"".join(lines[:2]) + lines[2][:20])
    second.write_bytes(second.read_bytes().replace(plan.plan_id.encode(), b"20200101-000000-00000"))
    (plan_folder / "reports" / "notes.txt").write_text("hello")
    (plan_folder / "reports" / "3.20261126-021833-030b85d43ba.jsonl").touch()
    now = time.time()
    found = status_of(plan, now)
    assert [shard.state for shard in found.shards] == [State.RUNNING, State.WAITING, State.RUNNING, State.WAITING]
    assert (found.shards[0].counts, found.shards[0].left) == (Counter(recompressed=1), 2)
    assert found.others == 2
    assert found.seconds_left(now) is not None
    call("shard", "retry", plan_folder, "-o", shot.parent / "p2", code=2)
    assert "is running" in capsys.readouterr().err
    assert [shard.state for shard in status_of(plan, now + SILENT_SECONDS + 1).shards][::2] == [State.DEAD, State.DEAD]


def test_a_clock_far_ahead_does_not_keep_an_attempt_alive(shot: Path) -> None:
    """Nor does it make one look dead that writes: its report has the time of the file server."""
    folder = make_plan(shot, count=1)
    call("shard", "run", folder, 1, *JOB)
    (report,) = (folder / "reports").iterdir()
    first, *_ = report.read_text().splitlines(keepends=True)
    report.write_text(re.sub(r'"started_at": "\d+', '"started_at": "2999', first))
    plan, now = read_plan(str(folder)), time.time()
    assert status_of(plan, now).shards[0].state is State.RUNNING
    assert status_of(plan, now + SILENT_SECONDS + 1).shards[0].state is State.DEAD


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
def test_pipes_and_absurd_records_neither_hang_nor_crash(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Anyone who can write to the folder of the plan may have left them there."""
    plan = make_plan(shot)
    name = "20260101-000000-00000.jsonl"
    for number in (1, 2):
        os.mkfifo(plan / "reports" / f"{number}.{name}")
    begin = {"type": "run", "plan_id": read_plan(str(plan)).plan_id}
    end = {"type": "summary", "exit_code": 0, "files": 4, "counts": {"recompressed": 4}, "bytes_saved": 10**400}
    (plan / "reports" / f"3.{name}").write_text(f"{json.dumps(begin)}\n{json.dumps(end)}\n")
    deep = '{"type": "run", "x": ' + "[" * 100_000
    (plan / "reports" / "1.20260101-000000-00001.jsonl").write_text(deep)
    assert status(plan, capsys, code=3)["other_files"] == 3
    call("shard", "status", plan, code=3)
    for path in (plan / "lists" / "1", plan / "settings.json"):
        path.unlink()
        os.mkfifo(path)
        call("shard", "run", plan, 1, code=2)
        assert "not a regular file" in capsys.readouterr().err


def test_a_signal_between_two_shards_is_not_lost(
    shot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The records of the first one are completed, and the second one is not begun."""
    close = RecordFile.close

    def interrupted(self: RecordFile, report: BatchReport) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        close(self, report)

    plan = make_plan(shot)
    monkeypatch.setattr(RecordFile, "close", interrupted)
    call("shard", "run", plan, "1-2", *JOB, code=128 + signal.SIGTERM)
    signals.late.clear()
    monkeypatch.undo()
    states = status(plan, capsys, code=3)["states"]
    assert (states["done"], states["waiting"]) == (1, 2)  # type: ignore[index]


def test_status_of_many_shards_shows_those_that_matter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are named in a line for each state. The totals come last."""
    (tmp_path / "shot").mkdir()
    for frame in range(1, 61):
        (tmp_path / "shot" / f"b.{frame:04}.exr").write_bytes(DATA if frame != 33 else DATA[:-50])
    plan = make_plan(tmp_path / "shot", count=60)
    call("shard", "run", plan, "30-35", *JOB, code=1)
    for columns in ("40", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        capsys.readouterr()
        call("shard", "status", plan, code=1)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) < 20
        assert "waiting: 1-29,36-60" in lines
        assert "done: 30-32,34-35" in lines
        assert "60 shards: 1 failed, 54 waiting, 5 done" in lines
        assert lines[-1].startswith("60 files: 5 done, 1 failed, 54 left; saved ")


def test_a_shard_whose_files_are_all_skipped_has_not_failed(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A farm would retry it in vain, although the same files are no failure among others."""
    for path in (shot / "beauty").iterdir():
        os.link(path, path.with_suffix(".link"))
    plan = make_plan(shot)
    call("shard", "run", plan, "1-3", *JOB)
    capsys.readouterr()
    call("shard", "status", plan)
    shown = capsys.readouterr().out
    assert "skipped: 4 files: it has 2 hard links" in shown
    assert "12 files: 8 done, 4 skipped; saved" in shown
    call("recompress", shot / "beauty", *JOB, code=1)


def test_numbers_of_shards() -> None:
    """As Open Job Description writes chunks."""
    assert shard_numbers("7") == [7]
    assert shard_numbers("1-4,9") == [1, 2, 3, 4, 9]
    assert shard_numbers("1-7:3,4") == [1, 4, 7]
    for text in ("0", "", "4-1", "1-", "x", "1-5:0", "-3", "1-5:00"):
        with pytest.raises(Exception, match=re.escape(repr(text))):
            shard_numbers(text)


def test_a_shard_that_does_not_exist(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And folders that are no plans, and more than one document."""
    plan = make_plan(shot)
    call("shard", "run", plan, 4, code=2)
    assert "there is no shard 4" in capsys.readouterr().err
    call("shard", "run", shot, 1, code=2)
    assert "is no plan" in capsys.readouterr().err
    call("shard", "run", plan, "1-2", "--json", code=2)


def test_names_are_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Newlines, number signs, stars and bytes that are not UTF-8 are taken literally."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\n"))
    folder.mkdir()
    for name in ("a####.exr", "*.exr", "[bold]x\n.exr"):
        (folder / name).write_bytes(DATA)
    plan = folder.parent / "plan"
    call("shard", "plan", folder, "-o", plan, "--count", 2)
    call("shard", "run", plan, "1-2", *JOB)
    assert all(path.stat().st_size < len(DATA) for path in folder.iterdir())
    assert status(plan, capsys)["total"]["done"] == 3  # type: ignore[index]


def test_the_group_shows_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """Without one of them, it is wrong usage."""
    for arguments, words in (([], "retry     make a new plan"), (["pln"], "unknown shard command 'pln'")):
        with pytest.raises(SystemExit) as ended:
            main(["shard", *arguments])
        assert ended.value.code == 2
        assert words in capsys.readouterr().err
    assert "--executable" in exrbatch("help", "shard", "plan").stdout
