"""The records of `--report` and `--json` are valid JSON, and a full disk does not stop the job."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch.batch.run_report import BatchReport
from exrbatch.cli.records import GuardedSink, JsonDocument, RecordFile
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.journal.records import BEGINNINGS
from exrbatch.journal.writer import about_run


@st.composite
def reports(draw: st.DrawFn) -> FileReport:
    """Any report, with any characters that Python allows in a path."""
    text = st.text(st.characters(exclude_categories=[]), max_size=20)
    return FileReport(
        path=draw(text),
        status=draw(st.sampled_from(Status)),
        reason=draw(st.none() | text),
        notes=tuple(draw(st.lists(text, max_size=2))),
        size_before=draw(st.integers(0, 1 << 60)),
        size_after=draw(st.integers(0, 1 << 60)),
    )


def expected(report: FileReport) -> tuple[str, int, int]:
    return report.status.value, report.size_before, report.size_after


def found(record: dict[str, object]) -> tuple[object, object, object]:
    return record["status"], record["size_before"], record["size_after"]


@given(st.lists(reports(), max_size=4))
def test_document_is_valid_json_for_any_number_of_files(files: list[FileReport]) -> None:
    """None, one or several files: one document that holds each of them in order, and the totals."""
    stream = io.StringIO()
    document = JsonDocument(stream, about_run("recompress"))
    totals = BatchReport()
    for report in files:
        document.add(report)
        totals.add(report)
    document.close(totals)
    content = json.loads(stream.getvalue())
    assert [found(record) for record in content["files"]] == [expected(report) for report in files]
    assert content["summary"]["files"] == len(files)


@given(st.lists(reports(), max_size=4))
def test_report_has_one_line_for_each_file(files: list[FileReport]) -> None:
    """No name or reason breaks a line, and every report begins so that it is known again later."""
    stream = io.StringIO()
    lines = RecordFile(stream, about_run("recompress"))
    lines.begin()
    for report in files:
        lines.add(report)
    about, *records = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (about["type"], about["command"]) == ("run", "recompress")
    assert [found(record) for record in records] == [expected(report) for report in files]
    assert all(record["type"] == "file" for record in records)
    assert stream.getvalue().startswith(BEGINNINGS[0])


def test_each_record_is_written_at_once() -> None:
    """After a crash the report holds every file that had ended, because each record is flushed."""
    storage = io.BytesIO()
    records = RecordFile(io.TextIOWrapper(storage, encoding="utf-8"), about_run("verify"))
    for count in (1, 2):
        records.add(FileReport(path="a.exr", status=Status.ALREADY))
        assert storage.getvalue().count(b"\n") == count


def test_a_sink_that_fails_is_used_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    """The job goes on: one warning, no further records, and the sink is still closed at the end."""
    calls: list[str] = []

    def add(report: FileReport) -> None:
        calls.append(report.path)
        if report.path == "b.exr":
            raise OSError(28, "No space left on device")

    sink = GuardedSink(add, lambda report: calls.append("closed"))
    for name in ("a.exr", "b.exr", "c.exr"):
        sink.add(FileReport(path=name, status=Status.ALREADY))
    sink.finish(BatchReport())
    assert calls == ["a.exr", "b.exr", "closed"]
    assert sink.error is not None
    assert capsys.readouterr().err.count("No space left on device") == 1


def test_an_error_at_the_end_is_kept_and_not_raised(capsys: pytest.CaptureFixture[str]) -> None:
    """A report that can't be closed shows in `error`, which decides the exit code."""

    def finish(report: BatchReport) -> None:
        raise OSError(5, "Input/output error")

    sink = GuardedSink(lambda report: None, finish)
    sink.finish(BatchReport())
    assert sink.error is not None
    assert "Input/output error" in capsys.readouterr().err
