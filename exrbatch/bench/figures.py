"""Trials -> rows of figures: for each way to pack, over the whole sample and by content class."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from exrbatch.bench.matrix import Packing
from exrbatch.bench.passes import WARM_UP, Figure, paired_ratio
from exrbatch.bench.result import FileResult, Results, TrialResult

TOTAL = "all"
"""The content of the rows that are about the whole sample."""
WORTH_IT = 0.5
"""A step to more jobs is worth it if it brings at least this part of what it would ideally bring."""


@dataclass(slots=True, kw_only=True)
class Row:
    """One way to pack, over one content class or all.

    `files`: that came back as they were, in every pass, of `asked`. Sizes are bytes of those files. `pack`, `unpack`:
    raw bytes per second, in memory, on one core. `cpu_per_byte`: CPU seconds for each raw byte, with disk and
    verification where there was an end-to-end trial. `rates`: files per second end to end, by jobs; `efficiency`:
    against as many times the rate of the fewest jobs. `problems`: what was noticed, in words.
    """

    packing: Packing
    content: str
    files: int
    asked: int
    raw_size: int
    old_size: int
    new_size: int
    is_lossy: bool
    pack: Figure | None
    unpack: Figure | None
    cpu_per_byte: float
    peak_memory: int
    rates: dict[int, Figure] = field(default_factory=dict)
    efficiency: dict[int, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """New over raw bytes."""
        return self.new_size / max(1, self.raw_size)

    @property
    def change(self) -> float:
        """New over current bytes of the files."""
        return self.new_size / max(1, self.old_size)

    @property
    def is_whole(self) -> bool:
        """Whether every file could be packed so: else its figures can't be compared with others'."""
        return self.files == self.asked

    @property
    def saved_per_cpu_hour(self) -> float:
        """Bytes saved for each hour of CPU time; negative where files grow."""
        return (self.old_size - self.new_size) / max(1e-12, self.cpu_per_byte * self.raw_size) * 3600

    @property
    def knee(self) -> int | None:
        """The most jobs up to which every step brought at least half of what it ideally brings."""
        best = None
        for jobs, rate in sorted(self.rates.items()):
            if best is not None:
                gain = rate.median / self.rates[best].median - 1
                if gain < WORTH_IT * (jobs / best - 1):
                    return best
            best = jobs
        return best


def make_rows(results: Results) -> list[Row]:
    """Make a row for each way to pack, over all content; then one for each way and class."""
    packings = list(dict.fromkeys(result.trial.packing for result in results.trials))
    contents = list(dict.fromkeys(file.content for file in results.sample.files))
    rows = []
    for content in [TOTAL, *(contents if len(contents) > 1 else [])]:
        indices = {i for i, file in enumerate(results.sample.files) if content in (TOTAL, file.content)}
        rows += [row for packing in packings if (row := _row(results, packing, content, indices)) is not None]
    return rows


def _row(results: Results, packing: Packing, content: str, asked: set[int]) -> Row | None:
    """Sum up the passes; the warm-up counts only where there is no other."""
    mine = [result for result in results.trials if result.trial.packing == packing]
    mine = [result for result in mine if result.number != WARM_UP] or mine
    memory = [result for result in mine if not result.trial.jobs]
    good = set(asked)
    for result in mine:
        good -= {file.index for file in result.files if not file.is_good}
    if not memory or not good:
        return None
    sources = [results.sample.files[index] for index in good]
    raw_size = sum(file.raw_size for file in sources)
    passes = [[file for file in result.files if file.index in good] for result in memory]
    row = Row(
        packing=packing,
        content=content,
        files=len(good),
        asked=len(asked),
        raw_size=raw_size,
        old_size=sum(file.size for file in sources),
        new_size=sum(file.new_size for file in passes[0]),
        is_lossy=any(file.is_lossy for file in passes[0]),
        pack=_speed(raw_size, [sum(file.pack_seconds for file in files) for files in passes]),
        unpack=_speed(raw_size, [sum(file.unpack_seconds for file in files) for files in passes]),
        cpu_per_byte=_cpu_seconds(mine, good) / max(1, raw_size),
        peak_memory=max(file.peak_memory for files in passes for file in files),
    )
    if content == TOTAL:
        _add_rates(row, mine)
    row.problems = [*_size_problems(mine, good), *_spread_problems(row), *_cache_problems(mine)]
    return row


def _speed(size: int, seconds: Sequence[float]) -> Figure | None:
    return Figure.of([size / each for each in seconds]) if all(seconds) else None


def _cpu_seconds(mine: Sequence[TrialResult], good: set[int]) -> float:
    """Return the CPU seconds of one copy of the files, end to end with the fewest jobs; else of packing alone."""
    jobs = min((result.trial.jobs for result in mine if result.trial.jobs), default=0)
    totals = []
    for result in mine:
        if result.trial.jobs == jobs:
            files = [file for file in result.files if file.index in good]
            totals.append(sum(file.cpu_seconds for file in files) * len(good) / max(1, len(files)))
    return Figure.of(totals).median


def _add_rates(row: Row, mine: Sequence[TrialResult]) -> None:
    """Fill in files per second by jobs."""
    rates: dict[int, list[float]] = {}
    for result in mine:
        if result.trial.jobs and result.seconds:
            done = sum(file.is_good for file in result.files)
            rates.setdefault(result.trial.jobs, []).append(done / result.seconds)
    row.rates = {jobs: Figure.of(values) for jobs, values in sorted(rates.items())}
    if rates:
        fewest = min(rates)
        # A pass that was cut short has no ratio.
        pairs = {jobs: list(zip(values, rates[fewest], strict=False)) for jobs, values in rates.items()}
        for jobs, both in sorted(pairs.items()):
            ratio = paired_ratio([value for value, _ in both], [base for _, base in both])
            row.efficiency[jobs] = ratio * fewest / jobs


def _size_problems(mine: Sequence[TrialResult], good: set[int]) -> list[str]:
    """A packer that gives another size each time, or another in memory than on disk, is not to be trusted."""
    sizes: dict[int, set[int]] = {}
    for result in mine:
        for file in result.files:
            if file.index in good:
                sizes.setdefault(file.index, set()).add(file.new_size)
    count = sum(len(found) > 1 for found in sizes.values())
    return [f"{count} files differ in size from trial to trial"] if count else []


def _spread_problems(row: Row) -> list[str]:
    named = {"packing": row.pack, "unpacking": row.unpack}
    named |= {f"{jobs} job{'s' * (jobs > 1)}": figure for jobs, figure in row.rates.items()}
    wide = [f"{name} {100 * figure.spread:.0f} %" for name, figure in named.items() if figure and figure.is_wide]
    return ["figures vary: " + ", ".join(wide)] if wide else []


def _cache_problems(mine: Sequence[TrialResult]) -> list[str]:
    held = max((result.held for result in mine if result.held is not None), default=0.0)
    return [f"{100 * held:.0f} % of the sources stayed in the page cache"] if held > 0.01 else []


def unmeasured(results: Results) -> list[tuple[Packing, FileResult]]:
    """List what could not be packed so, once for each way and file."""
    found: dict[tuple[Packing, int], FileResult] = {}
    for result in results.trials:
        for file in result.files:
            if not file.is_good:
                found.setdefault((result.trial.packing, file.index), file)
    return [(packing, file) for (packing, _), file in found.items()]
