"""Turn the results of trials into rows of figures.

There is a row for each packing over the whole sample, and one for each packing and content class.
One more row has the best packing of each file.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from exrbatch.bench.best_per_file import with_best_per_file
from exrbatch.bench.lossy import ErrorFigure, error_figures
from exrbatch.bench.machine_facts import usable_cores
from exrbatch.bench.packing import Choice, Packing
from exrbatch.bench.passes import WARM_UP, Statistic, paired_ratio
from exrbatch.bench.result import FileResult, Results, TrialResult
from exrbatch.text import format_count

TOTAL = "all"
"""Value of `Row.content` for rows about the whole sample."""
WORTH_IT = 0.5
"""More jobs are worth it if they bring at least this fraction of the ideal gain."""


@dataclass(slots=True, kw_only=True)
class Row:
    """The figures of one packing, over one content class or the whole sample.

    Sizes are bytes of the files in `files`, each multiplied by its weight in the sample.

    Attributes:
        packing: compression and effort.
        content: name of the content class, or `TOTAL`.
        files: number of files that succeeded in every trial.
        asked: number of files that were to be measured.
        renamed: number of files that got another compression because they cannot have this one.
        raw_size: size of the raw bytes.
        old_size: size of the files as they are.
        new_size: size of the new files.
        kept_size: size after a run, which keeps files that would grow.
        is_lossy: whether samples of any file changed.
        pack: compression speed in raw bytes per second, in memory, on one core.
        unpack: decompression speed in raw bytes per second, in memory, on one core.
        cpu_per_byte: CPU seconds per raw byte; with disk and verification if there was an
            end-to-end trial.
        peak_memory: the most memory that a worker held for a file, in bytes.
        rates: files per second end to end, by number of jobs; files are not weighted.
        efficiency: speed-up over the fewest jobs as a fraction of the ideal one, by number of jobs.
            Ideal is proportional to the jobs, up to the number of cores.
        errors: how much samples changed, for each channel that is not lossless.
        chosen: for an automatic choice, the number of files for each compression that was chosen.
        problems: observations that make the figures doubtful, in words.
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
    errors: list[ErrorFigure] = field(default_factory=list)
    chosen: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Compressed size over raw size."""
        return self.new_size / max(1, self.raw_size)

    @property
    def change(self) -> float:
        """Size after a run over size before it."""
        return self.kept_size / max(1, self.old_size)

    @property
    def is_whole(self) -> bool:
        """Whether every file could be compressed this way.

        If not, the figures cannot be compared with those of other rows.
        """
        return self.files == self.asked and self.renamed < self.files

    @property
    def can_be_taken(self) -> bool:
        """Whether it may be recommended: it is lossless and covers every file."""
        return self.is_whole and not self.is_lossy and not self.is_computed

    @property
    def is_computed(self) -> bool:
        """Whether it combines the figures of other rows."""
        return self.packing.compression is Choice.BEST

    @property
    def name(self) -> str:
        """The name of the packing, with a mark if it is lossy."""
        return self.packing.name + (" (lossy)" if self.is_lossy else "")

    @property
    def saved_per_cpu_hour(self) -> float:
        """Bytes saved per hour of CPU time."""
        return (self.old_size - self.kept_size) / max(1e-12, self.cpu_per_byte * self.raw_size) * 3600

    @property
    def knee(self) -> int | None:
        """The most jobs up to which every step brought at least half of the ideal gain.

        None if the figures vary so much that this cannot be determined.
        """
        best = None
        for jobs, rate in sorted(self.rates.items()):
            if best is not None:
                gain = rate.median / self.rates[best].median - 1
                doubt = max(rate.doubt, self.rates[best].doubt) * (1 + gain)
                needed = WORTH_IT * (jobs / best - 1)
                if gain + doubt < needed:
                    return best
                if gain - doubt < needed:
                    return None
            best = jobs
        return best


def make_rows(results: Results) -> list[Row]:
    """Return a row for each packing over the whole sample, then one for each class and packing.

    If there is only one content class, its rows are left out.
    """
    results = with_best_per_file(results)
    packings = list(dict.fromkeys(result.trial.packing for result in results.trials))
    contents = list(dict.fromkeys(file.content for file in results.sample.files))
    rows = []
    for content in [TOTAL, *(contents if len(contents) > 1 else [])]:
        indices = {i for i, file in enumerate(results.sample.files) if content in (TOTAL, file.content)}
        rows += [row for packing in packings if (row := _row(results, packing, content, indices)) is not None]
    return rows


def _row(results: Results, packing: Packing, content: str, asked: set[int]) -> Row | None:
    """Combine the passes of one packing. The warm-up counts only if there is no other pass.

    Returns:
        The row; None if there was no trial in memory, or if no file succeeded in every trial.
    """
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
        errors=error_figures(file.errors for file in passes[0]),
        chosen=Counter("+".join(dict.fromkeys(file.chosen)).lower() for file in passes[0] if file.chosen),
    )
    if content == TOTAL:
        _add_rates(row, mine, usable_cores(results.machine))
    row.problems = [*_file_problems(row, mine, good), *_spread_problems(row), *_cache_problems(mine)]
    return row


def _speed(size: float, seconds: Sequence[float]) -> Statistic | None:
    return Statistic.of([size / each for each in seconds]) if all(seconds) else None


def _cpu_seconds(mine: Sequence[TrialResult], weights: Mapping[int, float]) -> float:
    """Return the weighted CPU seconds of end-to-end trials with the fewest jobs.

    If there is no end-to-end trial, return those of the trials in memory.
    """
    jobs = min((result.trial.jobs for result in mine if result.trial.jobs), default=0)
    totals = []
    for result in mine:
        if result.trial.jobs == jobs:
            files = [file for file in result.files if file.index in weights]
            copies = len(files) / len(weights)
            totals.append(sum(weights[file.index] * file.cpu_seconds for file in files) / copies)
    return Statistic.of(totals).median


def _add_rates(row: Row, mine: Sequence[TrialResult], cores: int | None) -> None:
    """Fill in files per second and efficiency by number of jobs."""
    rates: dict[int, list[float]] = {}
    for result in mine:
        done = sum(file.is_good for file in result.files)
        if result.trial.jobs and result.seconds and done:
            rates.setdefault(result.trial.jobs, []).append(done / result.seconds)
    row.rates = {jobs: Statistic.of(values) for jobs, values in sorted(rates.items())}
    if rates:
        fewest = min(rates)
        # A pass that was interrupted may lack a trial, and then has no ratio.
        pairs = {jobs: list(zip(values, rates[fewest], strict=False)) for jobs, values in rates.items()}
        for jobs, both in sorted(pairs.items()):
            ratio = paired_ratio([value for value, _ in both], [base for _, base in both])
            most = cores or max(rates)
            row.efficiency[jobs] = ratio * min(fewest, most) / min(jobs, most)


def _file_problems(row: Row, mine: Sequence[TrialResult], good: set[int]) -> list[str]:
    """Report packings that cannot be trusted or that some files cannot have.

    A file must get the same size in every trial, in memory and on disk.
    """
    sizes: dict[int, set[int]] = {}
    for result in mine:
        for file in result.files:
            if file.index in good:
                sizes.setdefault(file.index, set()).add(file.new_size)
    count = sum(len(found) > 1 for found in sizes.values())
    found = [f"{format_count(count, 'file')} changed in size from trial to trial"] if count else []
    if row.renamed:
        found.append(f"{row.renamed} of {row.files} files can't have it (deep data) and got ZIPS instead")
    if lost := sum(error.lost for error in row.errors):
        found.append(f"{format_count(lost, 'sample')} became infinite or NaN; the error figures leave them out")
    return found


def _spread_problems(row: Row) -> list[str]:
    if row.is_computed:
        return []  # the rows that it is computed from have the warning
    named = {"compression": row.pack, "decompression": row.unpack}
    named |= {f"{format_count(jobs, 'job')}": figure for jobs, figure in row.rates.items()}
    wide = [f"{name} {100 * figure.spread:.0f} %" for name, figure in named.items() if figure and figure.is_wide]
    return ["figures vary between passes: " + ", ".join(wide)] if wide else []


def _cache_problems(mine: Sequence[TrialResult]) -> list[str]:
    held = max((result.held for result in mine if result.held is not None), default=0.0)
    return [f"{100 * held:.0f} % of the sources stayed in the page cache"] if held > 0.01 else []


def unmeasured(results: Results) -> list[tuple[Packing, FileResult]]:
    """Return the files that could not be measured, once for each packing and file."""
    found: dict[tuple[Packing, int], FileResult] = {}
    for result in results.trials:
        for file in result.files:
            if not file.is_good:
                found.setdefault((result.trial.packing, file.index), file)
    return [(packing, file) for (packing, _), file in found.items()]
