"""`report`, `continue`, `retry` and `undo`: what a wrangler does in the morning."""

import json
import os
import shutil
from pathlib import Path

import jsonschema
import pytest

from exrbatch.journal.folder import journals
from exrbatch.journal.history import read_runs
from exrbatch.journal.records import read_records
from tests.support.build import PartSpec, build
from tests.support.commands import exrbatch

DATA = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])
LONG_AGO = 1_600_000_000_000_000_000
SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "records.schema.json").read_text())


pytestmark = pytest.mark.usefixtures("own_state")


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Make a folder with four frames, one of them damaged, and one that is no regular file."""
    folder = tmp_path / "shot"
    folder.mkdir()
    for frame in range(1001, 1005):
        (folder / f"b.{frame}.exr").write_bytes(DATA if frame != 1003 else DATA[:-50])
        os.utime(folder / f"b.{frame}.exr", ns=(LONG_AGO, LONG_AGO))
    (folder / "link.exr").symlink_to("b.1001.exr")
    return folder


def records(path: Path) -> list[dict[str, object]]:
    with path.open("rb") as stream:
        return list(read_records(stream))


def test_records_follow_the_schema(shot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a journal and of a report, in place and with an output, for odd names, too."""
    monkeypatch.chdir(tmp_path)
    odd = os.fsencode(shot) + b"/caf\xe9\n.exr"
    Path(os.fsdecode(odd)).write_bytes(DATA)
    exrbatch("recompress", "shot", "-o", "out", "-c", "auto", "--digests", "--report", "report.jsonl", code=1)
    exrbatch("recompress", "shot", "--report", "report.jsonl", code=1)
    exrbatch("check", "shot", "--report", "report.jsonl", code=1)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    kinds: set[object] = set()
    for path in (tmp_path / "report.jsonl", *journals()):
        for record in records(path):
            validator.validate(record)
            kinds.add(record["type"])
    assert kinds == {"run", "replacing", "file", "summary"}
    assert len(journals()) == 2, "check changes nothing and keeps no journal"


def test_the_morning_after(shot: Path, tmp_path: Path) -> None:
    """Report what failed; mend it; retry; report both runs; undo; and nothing is lost."""
    exrbatch("recompress", shot, code=1)
    shown = exrbatch("report", COLUMNS="200").stdout
    assert "done, with failures" in shown
    assert "5 files: 3 recompressed, 1 skipped, 1 failed" in shown
    assert f"3 files  {shot}/b.1001-1002,1004#.exr" in shown
    assert f"    {shot}/b.1003.exr" in shown
    (shot / "b.1003.exr").write_bytes(DATA)
    assert "1 file: 1 recompressed" in exrbatch("retry").stdout
    first, second = (path.stem for path in reversed(journals()))
    page = tmp_path / "page.html"
    document = json.loads(exrbatch("report", first, second, "--html", page, "--json").stdout)
    assert document["counts"] == {"recompressed": 4, "skipped": 1}
    assert page.read_text().startswith("<!doctype html>")
    assert (done := exrbatch("report", first, "--html", page)).stdout == ""
    assert done.stderr == f"the page is {page}\n"
    assert '<th class="text">status</th>' in page.read_text()
    for link in ("http:", "https:", "<script"):
        assert link not in page.read_text()
    assert "nothing failed" in exrbatch("retry", second).stderr
    exrbatch("undo", first)
    assert json.loads(exrbatch("undo", second, "--json").stdout)["summary"]["counts"]["recompressed"] == 1
    assert [path.read_bytes() == DATA for path in sorted(shot.glob("b.*.exr"))] == [True] * 4


def test_continue_goes_on_with_the_same_paths_and_options(shot: Path, tmp_path: Path) -> None:
    """From another folder, and with an output, whose places stay the same."""
    (shot / "b.1003.exr").unlink()
    exrbatch("recompress", shot, "-o", tmp_path / "out", "-c", "zips", "--exclude", "b.1002.exr", code=1)
    shutil.copy(shot / "b.1001.exr", shot / "b.1005.exr")
    done = exrbatch("continue", code=1)
    assert "4 files: 1 recompressed, 2 already, 1 skipped" in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"b.1001.exr", "b.1004.exr", "b.1005.exr"}
    (run,) = read_runs(journals()[0])
    assert {file.compressions_after for file in run.files.values() if file.destination} == {("ZIPS",)}


def test_a_run_that_died_is_named_with_its_last_file(shot: Path) -> None:
    """Without a summary, the report says after which file it died; undo knows what was replaced."""
    (shot / "b.1003.exr").unlink()
    exrbatch("recompress", shot)
    (journal,) = journals()
    lines = journal.read_bytes().splitlines(keepends=True)
    files = [index for index, line in enumerate(lines) if b'"type": "file"' in line and b"1004" in line]
    kept = [line for index, line in enumerate(lines) if index not in files and b'"summary"' not in line]
    journal.write_bytes(b"".join(kept) + b'{"type": "file", "path": "/torn')
    shown = exrbatch("report", COLUMNS="200").stdout
    assert "it died after" in shown
    status = b'{"type": "status", "at": "2026-01-01T00:00:00Z", "found": 9, "is_scanned": true}\n'
    journal.write_bytes(b"".join(kept) + status)
    assert f"; 6 files remained; to go on: exrbatch continue {journal.stem}" in exrbatch("report", "--list").stdout
    exrbatch("undo")
    assert all(path.read_bytes() == DATA for path in shot.glob("b.*.exr"))


def test_runs_are_listed_with_what_they_did(shot: Path) -> None:
    """The latest first, in both forms; an interruption is called that."""
    exrbatch("recompress", shot, code=1)
    exrbatch("recompress", shot / "b.1001.exr")
    path = journals()[0]
    path.write_text(path.read_text().replace('"exit_code": 0', '"exit_code": 130'))
    latest, first = exrbatch("report", "--list", COLUMNS="400").stdout.splitlines()
    assert f"  recompress {shot}/b.1001.exr  " in latest
    assert latest.endswith(", 1 file: interrupted (Ctrl-C)")
    assert f"  recompress {shot}  " in first
    assert ", 5 files, saved " in first
    document = json.loads(exrbatch("report", "--list", "--json").stdout)
    assert document["format"] == "exrbatch-runs-1"
    assert [(run["run"], run["command"]) for run in document["runs"]] == [
        (latest.split()[0], "recompress"),
        (first.split()[0], "recompress"),
    ]


def test_commands_about_runs_refuse_what_they_cannot_do(shot: Path, tmp_path: Path) -> None:
    assert "there is no journal of a run" in exrbatch("report", code=2).stderr
    other = tmp_path / "x.jsonl"
    other.write_text("no records\n")
    assert "has no records of exrbatch" in exrbatch("report", other, code=2).stderr
    exrbatch("recompress", shot, "-o", tmp_path / "out", code=1)
    assert "has replaced no file" in exrbatch("undo", code=2).stderr
    page = shot / "b.1001.exr"
    assert "is not an exrbatch report" in exrbatch("report", "--html", page, code=2).stderr
    assert page.read_bytes() == DATA


def test_an_undo_that_is_repeated_goes_on(shot: Path) -> None:
    """It does not undo itself. The ID of the undo is needed for that."""
    exrbatch("recompress", shot, code=1)
    exrbatch("undo")
    assert "3 files: 3 already" in exrbatch("undo").stdout
    assert (shot / "b.1001.exr").read_bytes() == DATA
    exrbatch("undo", journals()[0].stem, code=2)  # it has changed nothing
    exrbatch("undo", journals()[1].stem)
    assert (shot / "b.1001.exr").read_bytes() != DATA


def test_continue_takes_no_name_for_a_pattern(tmp_path: Path) -> None:
    """A literal name that is gone matches nothing else; with a list that ended with null bytes."""
    for name in ("fr*.exr", "fr1.exr", "[12].exr", "1.exr"):
        (tmp_path / name).write_bytes(DATA)
    names = "\0".join(str(tmp_path / name) for name in ("fr*.exr", "[12].exr"))
    (tmp_path / "list").write_text(names)
    exrbatch("recompress", "--files-from", tmp_path / "list", "-0")
    (tmp_path / "fr*.exr").unlink()
    assert "2 files: 1 already, 1 failed" in exrbatch("continue", code=1).stdout
    assert (tmp_path / "fr1.exr").read_bytes() == (tmp_path / "1.exr").read_bytes() == DATA


def test_continue_includes_what_was_missing(shot: Path, tmp_path: Path) -> None:
    """A share that was not mounted is not forgotten."""
    exrbatch("recompress", shot / "b.1001.exr", tmp_path / "late", code=1)
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / "a.exr").write_bytes(DATA)
    assert "2 files: 1 recompressed, 1 already" in exrbatch("continue").stdout


def test_a_report_from_elsewhere_can_do_no_harm(shot: Path, tmp_path: Path) -> None:
    """It can't run a command, nor print control characters, nor break the other commands."""
    report = tmp_path / "report.jsonl"
    exrbatch("recompress", shot, "--report", report, code=1)
    run, *others = records(report)
    assert isinstance(run["options"], dict)
    run["options"]["on_finish"] = f"touch {tmp_path}/done"
    odd = {"type": "file", "path": "/a", "status": "failed", "reason": "\x1b[31mred", "seconds": None}
    damaged = {"type": "file", "path": "/b", "path_b64": "a", "status": "failed", "seconds": "x"}
    report.write_text("".join(json.dumps(each) + "\n" for each in [run, *others, odd, damaged]))
    assert "would run the command" in exrbatch("retry", report, code=2).stderr
    assert not (tmp_path / "done").exists()
    shown = exrbatch("report", report).stdout
    assert "\x1b" not in shown
    assert r"\x1b[31mred" in shown


def test_an_empty_journal_hides_no_other_run(shot: Path) -> None:
    """The disk was full when it was begun."""
    exrbatch("recompress", shot, code=1)
    (journal,) = journals()
    journal.with_name("20991231-000000-00000.jsonl").touch()
    assert journal.stem in exrbatch("report", "--list").stdout
    assert "report --list" in exrbatch("undo", code=2).stderr


def test_a_run_that_is_stopped_hard_reports_each_file_that_it_has_replaced(tmp_path: Path) -> None:
    """Its totals are those of the disk, although workers report several small files at once.

    At most the files whose workers were killed in the very moment of the swap are in the journal
    only, as files that were being replaced.
    """
    for frame in range(300):
        (tmp_path / f"a.{frame:04}.exr").write_bytes(DATA)
    # With its limit of bytes, the run takes 10 s on any machine.
    stopped = ("--max-duration", "2s", "--stop-grace", "0s", "--bwlimit", "400K", "--json")
    done = json.loads(exrbatch("recompress", tmp_path, "-j", 2, *stopped, code=3).stdout)
    changed = {str(path) for path in tmp_path.glob("*.exr") if path.read_bytes() != DATA}
    reported = {each["path"] for each in done["files"] if each["status"] == "recompressed"}
    assert done["summary"]["counts"]["recompressed"] == len(reported)
    (run,) = read_runs(journals()[0])
    recorded = {file.path: (file.status, file.reason) for file in run.files.values()}
    assert recorded == {each["path"]: (each["status"], each.get("reason") or "") for each in done["files"]}
    assert reported <= changed <= reported | run.unfinished.keys()
    assert len(changed - reported) <= 2, "no more than there are workers"
