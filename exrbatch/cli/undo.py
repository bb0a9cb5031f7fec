"""`exrbatch undo`: give the files of an earlier run back the compressions that they had."""

import argparse

from exrbatch.batch.options import Options
from exrbatch.batch.priority import niceness
from exrbatch.batch.run import Run
from exrbatch.batch.run_limits.limits import FailOn
from exrbatch.cli.earlier_run import past_run
from exrbatch.cli.limit_arguments import parse_limits
from exrbatch.cli.shown_run import about, show_run
from exrbatch.errors import OptionsError
from exrbatch.jobs.recompress_job import RecompressRules
from exrbatch.jobs.restoring import Restore
from exrbatch.journal.folder import journals, may_have_replaced
from exrbatch.journal.history import RECOMPRESSED, PastFile, PastRun
from exrbatch.recompression.choices import Permissions
from exrbatch.text import format_count, safe_text


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch undo`; return the exit code."""
    past = past_run(arguments.run)
    if arguments.run is None and (undone := _undone_by(past)) is not None:
        past = past_run(undone)
    restore = restorable(past)
    if not restore:
        raise OptionsError(f"the run {safe_text(past.name)} has replaced no file, so there is nothing to undo{_hint()}")
    options = Options(
        rules=RecompressRules(
            dry_run=arguments.dry_run,
            undoes=past.name,
            permissions=Permissions(allow_aces=True),  # what is restored is what it was before
        ),
        jobs=arguments.jobs,
        file_timeout=arguments.file_timeout,
        fail_on=FailOn.parse(arguments.fail_on),
        nice=niceness(arguments.nice),
        limits=parse_limits(arguments),
    )
    run = Run((), options, about(arguments), listed=list(restore), restore=restore)
    run.notes += _notes(past, len(restore))
    return show_run(run, arguments)


def _notes(past: PastRun, restorable_files: int) -> list[str]:
    """Return what the user should know about what is not undone."""
    notes = []
    replaced = sum(file.status == RECOMPRESSED and file.destination is None for file in past.files.values())
    if (lacking := replaced + len(past.unfinished) - restorable_files) > 0:
        notes.append(f"{format_count(lacking, 'file')} can't be undone: the state after that run was not recorded")
    if isinstance(earlier := past.about.get("continues"), str):
        notes.append(
            f"{safe_text(past.name)} continued {safe_text(earlier)}, which is not undone now: exrbatch undo {earlier}"
        )
    return notes


def _undone_by(past: PastRun) -> str | None:
    """Return the ID of the run that a run has undone; None if it was another kind of run.

    Who says `undo` twice, perhaps because the first one was interrupted, wants the same thing.
    """
    decided_by = past.about.get("decided_by")
    undone = decided_by.get("undoes") if isinstance(decided_by, dict) else None
    return undone if isinstance(undone, str) else None


def _hint() -> str:
    """Name the last run that has replaced files, if there is one."""
    for path in journals():
        if may_have_replaced(path):
            return f"; the last run that replaced files is {path.stem}"
    return ""


def restorable(past: PastRun) -> dict[str, Restore]:
    """Return what each file was that a run has replaced in place, or was replacing when it died."""
    replaced = [each for each in past.files.values() if each.status == RECOMPRESSED and each.destination is None]
    return {each.path: found for each in [*replaced, *past.unfinished.values()] if (found := _restore(each))}


def _restore(file: PastFile) -> Restore | None:
    if file.before is None or file.after is None or not file.compressions_before:
        return None
    return Restore(compressions=file.compressions_before, before=file.before, after=file.after)
