"""The file of results is read back as it was written, also after a killed run."""

import io

import pytest

from exrbatch import OptionsError
from exrbatch.bench.result import BEGINNING, ResultFile, read_results
from tests.bench.made import PIZ, ZIP, end_to_end, in_memory, results


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
    found = read_results(io.StringIO(text), "run.json")
    assert found.trials == trials
    assert found.sample == results([], "plates").sample
    assert found.machine == results([], "plates").machine


def test_reads_the_complete_lines_of_a_cut_file() -> None:
    """The run may be killed while it writes."""
    text, trials = written()
    assert read_results(io.StringIO(text[:-20]), "run.json").trials == trials[:-1]


@pytest.mark.parametrize(
    "text",
    ["", "{}\n", "no JSON\n", '["bench"]\n', '{"type": "bench", "format": 99}\n', '{"type": "bench", "format": 1}\n'],
)
def test_refuses_any_other_file_in_one_line(text: str) -> None:
    """The message names the file."""
    with pytest.raises(OptionsError, match=r"run\.json"):
        read_results(io.StringIO(text), "run.json")
