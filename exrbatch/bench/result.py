"""Results of trials as plain values, and the file that holds them.

`--report` writes the file line by line, `--json` prints one document, and `--baseline` and `--load`
read either. They also read the files of format 1, which the option `--json FILE` wrote at first.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from exrbatch.bench.machine_facts import Facts
from exrbatch.bench.packing import Choice, Packing, Trial
from exrbatch.bench.sample import ContentClass, Sample, SampleFile
from exrbatch.codecs.effort import Effort
from exrbatch.errors import OptionsError
from exrbatch.exr.compression import Compression
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.recompression.choices import DEFAULT_READERS
from exrbatch.recompression.measurement import ChannelError
from exrbatch.text import printable, safe_text

BEGINNING = '{"type": "bench"'
"""How every such file begins."""
FORMAT = 2
"""Version of the records that are written."""
READABLE = (1, 2)
"""Versions that can be read. Format 1 lacks `errors` and `chosen` of a file, and `readers`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResult:
    """The result of one file in one trial.

    Attributes:
        index: index of the file in the sample.
        status: how the file ended.
        reason: why, if the status needs a reason.
        new_size: size of the new file in bytes.
        cpu_seconds: CPU time of the worker.
        pack_seconds: time to compress it; 0 unless the trial was in memory.
        unpack_seconds: time to decompress it; 0 unless the trial was in memory.
        peak_memory: most memory that the worker held, in bytes; 0 unless the trial was in memory.
        is_lossy: whether samples changed.
        is_renamed: whether no part of the file could have the compression.
        errors: how much each channel changed; empty unless the trial was in memory.
        chosen: for an automatic choice, the name of the compression of each part.
    """

    index: int
    status: Status
    reason: str | None
    new_size: int
    cpu_seconds: float
    pack_seconds: float = 0.0
    unpack_seconds: float = 0.0
    peak_memory: int = 0
    is_lossy: bool = False
    is_renamed: bool = False
    errors: tuple[ChannelError, ...] = ()
    chosen: tuple[str, ...] = ()

    @classmethod
    def of(cls, index: int, report: FileReport, wanted: Compression | None) -> "FileResult":
        """Extract from a report what the figures need.

        Args:
            index: index of the file in the sample.
            report: the report.
            wanted: the compression of the trial; None for an automatic choice.
        """
        measured = report.measurement
        plain = cls(
            index=index,
            status=report.status,
            reason=report.reason,
            new_size=report.size_after,
            cpu_seconds=report.cpu_seconds,
            is_lossy=bool(report.lossy_channels),
            is_renamed=wanted is not None and bool(report.notes) and wanted.name not in report.compressions_after,
            chosen=report.compressions_after if wanted is None else (),
        )
        if measured is None:
            return plain
        return dataclasses.replace(
            plain,
            new_size=measured.new_size,
            cpu_seconds=measured.cpu_seconds,
            pack_seconds=measured.choice_seconds + measured.pack_seconds if wanted is None else measured.pack_seconds,
            unpack_seconds=measured.unpack_seconds,
            peak_memory=measured.peak_memory,
            errors=measured.errors,
        )

    @property
    def is_good(self) -> bool:
        """Whether it was compressed, decompressed and compared successfully."""
        return self.status in (Status.MEASURED, Status.RECOMPRESSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """The result of one trial in one pass.

    Attributes:
        trial: the trial.
        number: number of the pass.
        seconds: from when the first file went to a worker until the last report.
        files: results of the files that were reported.
        held: fraction of the sources that stayed in the page cache, 0 to 1; None unless the cache
            was emptied before the trial.
    """

    trial: Trial
    number: int
    seconds: float
    files: Sequence[FileResult]
    held: float | None = None


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that a benchmark measured.

    Attributes:
        machine: facts about the machine.
        settings: options of the benchmark.
        sample: the sample.
        trials: results of the trials, in the order in which they ran.
    """

    machine: Facts
    settings: Mapping[str, Any]
    sample: Sample
    trials: list[TrialResult]


class ResultFile:
    """A file of results, written line by line, so that finished trials survive a crash."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def begin(self, results: Results) -> None:
        """Write the first line: everything that is known before the first trial."""
        self._write(head_record(results))

    def add(self, result: TrialResult) -> None:
        """Write the result of one trial."""
        self._write(trial_record(result))

    def _write(self, record: Mapping[str, object]) -> None:
        self._stream.write(json.dumps(record) + "\n")
        self._stream.flush()


def head_record(results: Results) -> dict[str, object]:
    """Return the record of everything that is known before the first trial."""
    sample = dataclasses.asdict(results.sample)
    sample["files"] = [each | {"path": printable(each["path"])} for each in sample["files"]]
    for name, reports in (("failures", results.sample.failures), ("skipped", results.sample.skipped)):
        sample[name] = [report.to_json() for report in reports]
    head: dict[str, object] = {"type": "bench", "format": FORMAT, "machine": results.machine}
    return head | {"settings": results.settings, "sample": sample}


def trial_record(result: TrialResult) -> dict[str, object]:
    """Return the record of one trial."""
    packing = result.trial.packing
    return {
        "type": "trial",
        "pass": result.number,
        "compression": packing.word,
        "effort": str(packing.effort),
        "named": packing.is_named,
        "readers": packing.readers,
        "jobs": result.trial.jobs,
        "seconds": result.seconds,
        "held": result.held,
        "files": [dataclasses.asdict(file) for file in result.files],
    }


def read_results(text: str, name: str) -> Results:
    """Read the lines of `--report`, or the document of `--json`.

    An incomplete last line is ignored.

    Args:
        text: the contents of the file.
        name: path of the file, for messages.

    Raises:
        OptionsError: the file is something else, or has another format.
    """
    try:
        first, *others = _records(text) or [{}]
        if first.get("type") != "bench" or first.get("format") not in READABLE:
            raise OptionsError(f"{name} is not a result of exrbatch bench, as --report and --json write it")
        if not isinstance(first["machine"], dict) or not isinstance(first["settings"], dict):
            raise OptionsError(f"{name} is not a valid benchmark result: the machine or the settings are missing")
        trials = [_trial(record) for record in [*first.get("trials", []), *others] if record["type"] == "trial"]
        return Results(first["machine"], first["settings"], _sample(first["sample"]), trials)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, OptionsError):
            raise
        raise OptionsError(f"{name} is not a valid benchmark result: {type(error).__name__}: {error}") from None


def _records(text: str) -> list[dict[str, Any]]:
    """Return the records of a file of JSON Lines, or the one document of a file that holds no more.

    A document may have any layout, because tools such as jq change it.
    """
    try:
        return [_printable(json.loads(text))]
    except json.JSONDecodeError:
        lines = text.split("\n")
        return [_printable(json.loads(line)) for line in lines[:-1]]  # the run was killed in the last line


def _printable(value: Any) -> Any:
    """Make every text in a record safe to print, because the file may come from anywhere."""
    if isinstance(value, str):
        return safe_text(value)
    if isinstance(value, list):
        return [_printable(each) for each in value]
    if isinstance(value, dict):
        return {safe_text(key): _printable(each) for key, each in value.items()}
    return value


def _sample(record: dict[str, Any]) -> Sample:
    known = {field.name for field in dataclasses.fields(Sample)}  # format 1 has one more
    return Sample(
        **{name: value for name, value in record.items() if name in known}
        | {
            "files": [SampleFile(**each) for each in record["files"]],
            "classes": [ContentClass(**each) for each in record["classes"]],
            "failures": [_report(each) for each in record["failures"]],
            "skipped": [_report(each) for each in record["skipped"]],
        }
    )


def _report(record: dict[str, Any]) -> FileReport:
    return FileReport(path=record["path"], status=Status(record["status"]), reason=record.get("reason"))


def _trial(record: dict[str, Any]) -> TrialResult:
    word = record["compression"]
    compression = Choice.AUTO if word == Choice.AUTO else Compression[word.upper()]
    readers = record.get("readers", DEFAULT_READERS)
    files = [
        FileResult(
            **each
            | {
                "status": Status(each["status"]),
                "errors": tuple(ChannelError(**error) for error in each.get("errors", [])),
                "chosen": tuple(each.get("chosen", [])),
            }
        )
        for each in record["files"]
    ]
    return TrialResult(
        trial=Trial(Packing(compression, Effort(record["effort"]), record["named"], readers), record["jobs"]),
        number=record["pass"],
        seconds=record["seconds"],
        files=files,
        held=record["held"],
    )
