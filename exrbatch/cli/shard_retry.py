"""`exrbatch shard retry`: a new plan from what failed, or was never processed."""

import argparse
from collections.abc import Iterator
from typing import Any

from exrbatch.batch.run_report import EXIT_DONE
from exrbatch.cli.console import Output
from exrbatch.cli.retry import MAY_PASS
from exrbatch.cli.shard_plan import find, number_of_shards, report_nothing, write
from exrbatch.cli.shard_run import arguments_of, planned_options
from exrbatch.errors import OptionsError, ReasonCode
from exrbatch.farm.plan import Plan, check_new, read_plan
from exrbatch.farm.planning import identity_of
from exrbatch.farm.status import outcomes_of
from exrbatch.jobs.file_report import Status
from exrbatch.paths import absolute
from exrbatch.text import safe_text


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch shard retry`; return the exit code."""
    folder = absolute(arguments.plan)
    check_new(folder)
    old = read_plan(arguments.earlier)
    old.check_host()
    paths = list(_to_retry(old))
    if not paths:
        Output().progress.print(f"nothing failed in {safe_text(old.folder)}: nothing to do", markup=False)
        return EXIT_DONE
    as_planned = argparse.Namespace(jobs=None, json=False, log=None, quiet=False, verbose=False, progress_line=None)
    found = find((), paths, planned_options(old, arguments_of(old, as_planned)), old.refusal)
    if not found.units:
        return report_nothing(found)
    fields: dict[str, Any] = {
        "folder": folder,
        "retries": old.folder,
        "base": old.base,
        "sources": old.sources,
        "links": found.links,
    }
    new = Plan.new(**{name: getattr(old, name) for name in _KEPT}, **fields)
    mean = max(1, old.size // len(old.shards))
    count = arguments.count or number_of_shards(found.size, arguments.size or mean)
    return write(new, found, arguments, count)


_KEPT = ("options", "output", "backup_dir", "results")
"""What a new plan takes from the old one, besides the folders of its files."""


def _to_retry(plan: Plan) -> Iterator[str]:
    """Yield the files of a plan that failed, may succeed now, or have not ended.

    Raises:
        OptionsError: a shard is running.
    """
    for number, (outcomes, is_running) in enumerate(outcomes_of(plan), 1):
        if is_running:
            raise OptionsError(
                f"shard {number} of {plan.folder} is running, or has been until a moment ago: wait until it has ended"
                " (exrbatch shard status)"
            )
        wanted, others = [], []
        for path, file in outcomes.items():
            is_skipped = file is not None and file.status == Status.SKIPPED and file.reason_code in MAY_PASS
            if file is None or file.status == Status.FAILED or is_skipped:
                wanted.append(path)
            elif file.reason_code == ReasonCode.ANOTHER_NAME:
                others.append(path)
        yield from wanted
        if others:  # a file is only done if all of its names are there
            same = set(map(identity_of, wanted)) - {None}
            yield from (path for path in others if identity_of(path) in same)
