"""What trials gave, as plain values: the lines of the file of `--json`, which is what `--baseline` reads, too."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from exrbatch.bench.machine_facts import Facts
from exrbatch.bench.matrix import Packing, Trial
from exrbatch.bench.sample import ContentClass, Sample, SampleFile
from exrbatch.codecs.effort import Effort
from exrbatch.errors import OptionsError
from exrbatch.exr.compression import Compression
from exrbatch.jobs.file_report import FileReport, Status, printable
from exrbatch.text import safe_text

BEGINNING = '{"type": "bench"'
"""How every such file begins."""
FORMAT = 1
"""Of the records; another number is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResult:
    """One file in one trial. `index`: which of the sample; sizes in bytes.

    Of a trial in memory: seconds of packing and unpacking, and the most memory that the worker held; else 0.
    `is_renamed`: no part of it could have the compression.
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

    @classmethod
    def of(cls, index: int, report: FileReport, wanted: Compression) -> "FileResult":
        """Keep of a report what figures are made of; `wanted`: the compression that was asked for."""
        measured = report.measurement
        plain = cls(
            index=index,
            status=report.status,
            reason=report.reason,
            new_size=report.size_after,
            cpu_seconds=report.cpu_seconds,
            is_lossy=bool(report.lossy_channels),
            is_renamed=bool(report.notes) and wanted.name not in report.compressions_after,
        )
        if measured is None:
            return plain
        return dataclasses.replace(
            plain,
            new_size=measured.new_size,
            cpu_seconds=measured.cpu_seconds,
            pack_seconds=measured.pack_seconds,
            unpack_seconds=measured.unpack_seconds,
            peak_memory=measured.peak_memory,
        )

    @property
    def is_good(self) -> bool:
        """Whether it was packed, unpacked and compared."""
        return self.status in (Status.MEASURED, Status.RECOMPRESSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """One trial in one pass. `seconds`: from when the first file was handed out to the last report.

    `held`: part of the sources that was in the page cache before, 0 to 1, where it was to be cold.
    """

    trial: Trial
    number: int
    seconds: float
    files: Sequence[FileResult]
    held: float | None = None


@dataclass(frozen=True, slots=True)
class Results:
    """All that a benchmark knows: where, of what, and each trial."""

    machine: Facts
    settings: Mapping[str, Any]
    sample: Sample
    trials: list[TrialResult]


class ResultFile:
    """Writes results line by line, as they come: what there is survives whatever happens next."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def begin(self, results: Results) -> None:
        """Write all that is known before the first trial."""
        sample = dataclasses.asdict(results.sample)
        sample["files"] = [each | {"path": printable(each["path"])} for each in sample["files"]]
        for name, reports in (("failures", results.sample.failures), ("skipped", results.sample.skipped)):
            sample[name] = [report.to_json() for report in reports]
        header = {"type": "bench", "format": FORMAT, "machine": results.machine, "settings": results.settings}
        self._write(header | {"sample": sample})

    def add(self, result: TrialResult) -> None:
        """Write one trial."""
        packing = result.trial.packing
        self._write(
            {
                "type": "trial",
                "pass": result.number,
                "compression": packing.compression.name.lower(),
                "effort": str(packing.effort),
                "named": packing.is_named,
                "jobs": result.trial.jobs,
                "seconds": result.seconds,
                "held": result.held,
                "files": [dataclasses.asdict(file) for file in result.files],
            }
        )

    def _write(self, record: Mapping[str, object]) -> None:
        self._stream.write(json.dumps(record) + "\n")
        self._stream.flush()


def read_results(lines: Iterable[str], name: str) -> Results:
    """Read what `ResultFile` wrote, also if it was cut short. Raises `OptionsError` for anything else."""
    try:
        records = _records(lines)
        first = next(records, {})
        if first.get("type") != "bench" or first.get("format") != FORMAT:
            raise OptionsError(f"{name} is no result of exrbatch bench --json (of format {FORMAT})")
        if not isinstance(first["machine"], dict) or not isinstance(first["settings"], dict):
            raise OptionsError(f"{name} has no machine or no settings in it")
        trials = [_trial(record) for record in records if record["type"] == "trial"]
        return Results(first["machine"], first["settings"], _sample(first["sample"]), trials)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, OptionsError):
            raise
        raise OptionsError(f"{name} can't be understood: {type(error).__name__}: {error}") from None


def _records(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if not line.endswith("\n"):  # the run was killed while it wrote
            return
        yield _printable(json.loads(line))


def _printable(value: Any) -> Any:
    """Make every text in a record safe to print: the file may come from anywhere."""
    if isinstance(value, str):
        return safe_text(value)
    if isinstance(value, list):
        return [_printable(each) for each in value]
    if isinstance(value, dict):
        return {safe_text(key): _printable(each) for key, each in value.items()}
    return value


def _sample(record: dict[str, Any]) -> Sample:
    files = [SampleFile(**each) for each in record["files"]]
    classes = [ContentClass(**each) for each in record["classes"]]
    return Sample(**(record | {"files": files, "classes": classes, "failures": [], "skipped": []}))


def _trial(record: dict[str, Any]) -> TrialResult:
    packing = Packing(Compression[record["compression"].upper()], Effort(record["effort"]), record["named"])
    files = [FileResult(**(each | {"status": Status(each["status"])})) for each in record["files"]]
    return TrialResult(
        trial=Trial(packing, record["jobs"]),
        number=record["pass"],
        seconds=record["seconds"],
        files=files,
        held=record["held"],
    )
