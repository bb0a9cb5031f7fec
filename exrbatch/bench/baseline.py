"""Compare figures with those of an earlier benchmark: a new OpenEXR, a new machine, a new disk."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from exrbatch.bench.figures import TOTAL, Row, make_rows
from exrbatch.bench.machine_facts import format_facts
from exrbatch.bench.passes import Statistic
from exrbatch.bench.result import Results
from exrbatch.bench.sample import Sample, SampleFile
from exrbatch.errors import OptionsError
from exrbatch.text import printable, safe_text


@dataclass(frozen=True, slots=True)
class Change:
    """One packing now, relative to the baseline. A ratio above 1 is larger or faster.

    Attributes:
        name: name of the packing.
        size: ratio of the compressed sizes, each relative to its raw size.
        pack: ratio of the compression speeds; None if either benchmark has no such figure.
        unpack: ratio of the decompression speeds; None if either benchmark has no such figure.
        rates: ratio of files per second, by number of jobs.
    """

    name: str
    size: float
    pack: float | None
    unpack: float | None
    rates: dict[int, float]


def changes(rows: Sequence[Row], earlier: Results) -> list[Change]:
    """Compare the rows about the whole sample with those of an earlier benchmark.

    Packings that the earlier benchmark does not have are left out.
    """
    before = {row.packing.name: row for row in make_rows(earlier) if row.content == TOTAL}
    found = []
    for row in rows:
        if row.content == TOTAL and (old := before.get(row.packing.name)) is not None:
            rates = {jobs: row.rates[jobs].median / old.rates[jobs].median for jobs in row.rates if jobs in old.rates}
            ratio = row.ratio / max(1e-12, old.ratio)
            found.append(
                Change(row.packing.name, ratio, _ratio(row.pack, old.pack), _ratio(row.unpack, old.unpack), rates)
            )
    return found


def _ratio(now: Statistic | None, then: Statistic | None) -> float | None:
    return None if now is None or then is None else now.median / then.median


def check_files(now: Sample, then: Sample, name: str) -> None:
    """Check that a baseline is about the same files.

    Folders do not matter, because another machine may have the files elsewhere.

    Args:
        now: the sample of this benchmark.
        then: the sample of the baseline.
        name: name of the baseline, for the message.

    Raises:
        OptionsError: the files have other names, sizes or contents, or there are more or fewer.
    """
    ours, theirs = (Counter(map(_identity, sample.files)) for sample in (now, then))
    if ours == theirs:
        return
    names, other_names = ({identity[0] for identity in counted} for counted in (ours, theirs))
    if others := sorted(names - other_names):
        why = f"{others[0]} was not among them"
    elif missing := sorted(other_names - names):
        why = f"{missing[0]} was among them, and is not in this sample"
    elif changed := sorted(identity[0] for identity in ours - theirs):
        why = f"{changed[0]} has another size or other contents now"
    else:
        why = "some were measured more often"
    raise OptionsError(
        f"the baseline {name} is about other files: {why}; --force-baseline compares with it all the same"
    )


def _identity(file: SampleFile) -> tuple[str, int, str]:
    return safe_text(printable(os.path.basename(file.path))), file.size, file.sha256


def differences(now: Results, then: Results) -> list[str]:
    """Describe what else differs between two benchmarks, because it affects the ratios, too."""
    facts, old_facts = format_facts(now.machine), format_facts(then.machine)
    found = [
        f"{name.replace('_', ' ')}: {old_facts[name]} then, {value} now"
        for name, value in facts.items()
        if old_facts.get(name, value) != value  # older versions noted fewer facts
    ]
    if Counter(map(_identity, now.sample.files)) != Counter(map(_identity, then.sample.files)):
        found.append("the samples are different files, so sizes and speeds are not directly comparable")
    found += [
        f"{name}: {then.settings.get(name)} then, {value} now"
        for name, value in now.settings.items()
        if then.settings.get(name) != value
    ]
    return found
