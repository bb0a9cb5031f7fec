"""Results are read back as they were written: reports, documents and files of old versions."""

import io
import json
from pathlib import Path

import pytest

from exrbatch import OptionsError
from exrbatch.bench.exports import make_document
from exrbatch.bench.figures import make_rows
from exrbatch.bench.goal import Goal
from exrbatch.bench.result import BEGINNING, ResultFile, read_results
from exrbatch.jobs.file_report import Status
from tests.bench.made import PIZ, ZIP, end_to_end, in_memory, many_packings, many_results, results

OLD = Path(__file__).parent / "data" / "written_by_json_file.jsonl"
"""A file that `bench --json FILE` wrote, before `--json` became a flag."""


def written() -> tuple[str, list[object]]:
    trials = [in_memory(ZIP, 0, (500, 1.5, 1.25)), end_to_end(PIZ, 1, 2, 1.0, 500)]
    stream = io.StringIO()
    file = ResultFile(stream)
    file.begin(results(trials, "plates"))
    for trial in trials:
        file.add(trial)
    return stream.getvalue(), list(trials)


def test_reads_back_what_was_written() -> None:
    """Every trial, the sample and the machine are read back."""
    text, trials = written()
    assert text.startswith(BEGINNING)
    found = read_results(text, "run.json")
    assert found.trials == trials
    assert found.sample == results([], "plates").sample
    assert found.machine == results([], "plates").machine


def test_reads_the_complete_lines_of_a_cut_file() -> None:
    """The run may be killed while it writes."""
    text, trials = written()
    assert read_results(text[:-20], "run.json").trials == trials[:-1]


def test_reads_back_automatic_choices_and_errors() -> None:
    """What a choice took, and how much a lossy compression changed, survive."""
    now = many_results(many_packings(), [1, 2])
    stream = io.StringIO()
    file = ResultFile(stream)
    file.begin(now)
    for trial in now.trials:
        file.add(trial)
    assert read_results(stream.getvalue(), "run.jsonl").trials == now.trials


@pytest.mark.parametrize("indent", [None, 2])
def test_reads_the_document_in_any_layout(indent: int | None) -> None:
    """It may have gone through jq, and says what the report says."""
    now = many_results(many_packings(), [1, 2])
    document = make_document(now, make_rows(now), Goal.BALANCED, 12.0)
    found = read_results(json.dumps(document, indent=indent) + "\n", "run.json")
    assert found.trials == now.trials
    assert found.sample == now.sample


def test_document_is_valid_json_whatever_the_figures() -> None:
    """A channel without any error has an infinite ratio, which JSON has no word for."""
    now = many_results(many_packings(), [1])
    text = json.dumps(make_document(now, make_rows(now), Goal.ARCHIVE, 1.0), allow_nan=False)
    assert {"type", "format", "machine", "settings", "sample", "advice", "rows", "trials"} <= set(json.loads(text))


def test_reads_a_file_of_an_old_version() -> None:
    """It has fewer fields. Its rows and figures are the same as ever."""
    found = read_results(OLD.read_text(), "old.json")
    assert len(found.trials) == 14
    assert [Path(file.path).name for file in found.sample.files] == ["beauty.1001.exr", "plate.1001.exr"]
    sizes = {row.packing.name: row.new_size for row in make_rows(found) if row.content == "all"}
    assert sizes == {"zip balanced": 2959 + 58668, "piz": 6852 + 65190, "best per file": 2959 + 58668}


def test_reports_of_left_out_files_are_read_back() -> None:
    """A page that is made from the file names them again."""
    record = {"path": "/show/bad.exr", "status": "failed", "reason": "damaged"}
    head = {"type": "bench", "format": 2, "machine": {}, "settings": {}}
    sample = {"found": 1, "looked_at": 1, "classes": [], "files": [], "failures": [record], "skipped": []}
    (failure,) = read_results(json.dumps(head | {"sample": sample}) + "\n", "run").sample.failures
    assert (failure.path, failure.status, failure.reason) == ("/show/bad.exr", Status.FAILED, "damaged")


@pytest.mark.parametrize(
    "text",
    ["", "{}\n", "no JSON\n", '["bench"]\n', '{"type": "bench", "format": 99}\n', '{"type": "bench", "format": 1}\n'],
)
def test_refuses_any_other_file_in_one_line(text: str) -> None:
    """The message names the file."""
    with pytest.raises(OptionsError, match=r"run\.json"):
        read_results(text, "run.json")
