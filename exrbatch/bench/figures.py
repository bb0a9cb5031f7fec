"""Trials -> rows of figures: for each way to pack, over the whole sample and by content class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from exrbatch.bench.matrix import Packing
from exrbatch.bench.passes import WARM_UP, Statistic, paired_ratio
from exrbatch.bench.result import FileResult, Results, TrialResult

TOTAL = "all"
"""The content of the rows that are about the whole sample."""
WORTH_IT = 0.5
"""A step to more jobs is worth it if it brings at least this part of what it would ideally bring."""


@dataclass(slots=True, kw_only=True)
class Row:
    """One way to pack, over one content class or all.

    `files`: that came back as they were, in every trial, of `asked`; `renamed`: those that got another compression, as
    theirs can't have this one. Sizes are bytes of those files, each counted as often as it stands for others;
    `kept_size`: of what a run would leave, as files that would grow stay. `pack`, `unpack`: raw bytes per second, in
    memory, on one core. `cpu_per_byte`: CPU seconds for each raw byte, with disk and verification where there was an
    end-to-end trial. `rates`: files per second end to end, by jobs, of the sample as it is; `efficiency`: against as
    many times the rate of the fewest jobs. `problems`: what was noticed, in words.
    """

    packing: Packing
    content: str
    files: int
    asked: int
    renamed: int
    raw_size: float
    old_size: float
    new_size: float
    kept_size: float
    is_lossy: bool
    pack: Statistic | None
    unpack: Statistic | None
    cpu_per_byte: float
    peak_memory: int
    rates: dict[int, Statistic] = field(default_factory=dict)
    efficiency: dict[int, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """New over raw bytes."""
        return self.new_size / max(1, self.raw_size)

    @property
    def change(self) -> float:
        """Bytes after a run over those before it."""
        return self.kept_size / max(1, self.old_size)

    @property
    def is_whole(self) -> bool:
        """Whether every file could be packed so: else its figures can't be compared with others'."""
        return self.files == self.asked and self.renamed < self.files

    @property
    def can_be_taken(self) -> bool:
        """Whether it may be advised: it loses nothing and leaves nothing out."""
        return self.is_whole and not self.is_lossy

    @property
    def saved_per_cpu_hour(self) -> float:
        """Bytes saved for each hour of CPU time."""
        return (self.old_size - self.kept_size) / max(1e-12, self.cpu_per_byte * self.raw_size) * 3600

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
    all_mine = [result for result in results.trials if result.trial.packing == packing]
    in_memory = [result for result in all_mine if not result.trial.jobs]
    in_memory = [result for result in in_memory if result.number != WARM_UP] or in_memory
    mine = [*in_memory, *(result for result in all_mine if result.trial.jobs)]
    good = set(asked)
    for result in mine:
        good -= {file.index for file in result.files if not file.is_good}
        good &= {file.index for file in result.files}
    if not in_memory or not good:
        return None
    files = results.sample.files
    weights = {index: files[index].weight for index in good}
    passes = [[file for file in result.files if file.index in good] for result in in_memory]
    raw_size = sum(weight * files[index].raw_size for index, weight in weights.items())
    row = Row(
        packing=packing,
        content=content,
        files=len(good),
        asked=len(asked),
        renamed=sum(file.is_renamed for file in passes[0]),
        raw_size=raw_size,
        old_size=sum(weight * files[index].size for index, weight in weights.items()),
        new_size=sum(weights[file.index] * file.new_size for file in passes[0]),
        kept_size=sum(weights[file.index] * min(file.new_size, files[file.index].size) for file in passes[0]),
        is_lossy=any(file.is_lossy for file in passes[0]),
        pack=_speed(raw_size, [sum(weights[f.index] * f.pack_seconds for f in found) for found in passes]),
        unpack=_speed(raw_size, [sum(weights[f.index] * f.unpack_seconds for f in found) for found in passes]),
        cpu_per_byte=_cpu_seconds(mine, weights) / max(1, raw_size),
        peak_memory=max(file.peak_memory for found in passes for file in found),
    )
    if content == TOTAL:
        _add_rates(row, mine)
    row.problems = [*_file_problems(row, mine, good), *_spread_problems(row), *_cache_problems(mine)]
    return row


def _speed(size: float, seconds: Sequence[float]) -> Statistic | None:
    return Statistic.of([size / each for each in seconds]) if all(seconds) else None


def _cpu_seconds(mine: Sequence[TrialResult], weights: Mapping[int, float]) -> float:
    """Return the CPU seconds of what the files stand for, end to end with the fewest jobs; else of packing alone."""
    jobs = min((result.trial.jobs for result in mine if result.trial.jobs), default=0)
    totals = []
    for result in mine:
        if result.trial.jobs == jobs:
            files = [file for file in result.files if file.index in weights]
            copies = len(files) / len(weights)
            totals.append(sum(weights[file.index] * file.cpu_seconds for file in files) / copies)
    return Statistic.of(totals).median


def _add_rates(row: Row, mine: Sequence[TrialResult]) -> None:
    """Fill in files per second by jobs."""
    rates: dict[int, list[float]] = {}
    for result in mine:
        done = sum(file.is_good for file in result.files)
        if result.trial.jobs and result.seconds and done:
            rates.setdefault(result.trial.jobs, []).append(done / result.seconds)
    row.rates = {jobs: Statistic.of(values) for jobs, values in sorted(rates.items())}
    if rates:
        fewest = min(rates)
        # A pass that was cut short has no ratio.
        pairs = {jobs: list(zip(values, rates[fewest], strict=False)) for jobs, values in rates.items()}
        for jobs, both in sorted(pairs.items()):
            ratio = paired_ratio([value for value, _ in both], [base for _, base in both])
            row.efficiency[jobs] = ratio * fewest / jobs


def _file_problems(row: Row, mine: Sequence[TrialResult], good: set[int]) -> list[str]:
    """A packer that gives another size each time, or another in memory than on disk, is not to be trusted."""
    sizes: dict[int, set[int]] = {}
    for result in mine:
        for file in result.files:
            if file.index in good:
                sizes.setdefault(file.index, set()).add(file.new_size)
    count = sum(len(found) > 1 for found in sizes.values())
    found = [f"{count} files differ in size from trial to trial"] if count else []
    if row.renamed:
        found.append(f"{row.renamed} of {row.files} files can't have it (deep data) and got ZIPS")
    return found


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
