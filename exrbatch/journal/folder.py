"""The folder of journals: make a new one, list and find old ones, remove those nobody needs.

The journal of a run is called `RUN.jsonl`, where RUN is the time when it began, in UTC and down to
the millisecond, and two random characters. The run holds a lock on its journal. So a journal
without a summary and without a lock is from a run that died.
"""

import contextlib
import os
import random
import re
import secrets
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from exrbatch.errors import OptionsError
from exrbatch.journal.records import last_record, open_records, read_records
from exrbatch.text import safe_text

if os.name == "posix":
    import fcntl

KEPT = 20
"""Number of journals that are always kept."""
UNDO_DAYS = 30
"""Days for which the journal of a run that replaced files is kept, because `undo` needs it."""
LOOKED_AT = 8
"""Number of older journals that are looked at when a run begins.

There may be thousands, and each look reads two records. Every run adds one journal, so a few at a
time, chosen at random, are enough.
"""
_NAME = re.compile(r"\d{8}-\d{6}-\d{3}[0-9a-f]{2}\.jsonl")


def runs_folder() -> Path:
    """Return the path of the folder of journals; it need not exist yet."""
    import platformdirs  # imported late: only runs that write, and commands about runs, need it

    return Path(platformdirs.user_state_path("exrbatch", appauthor=False)) / "runs"


def create_journal() -> tuple[str, str, int]:
    """Create an empty journal and lock it.

    Returns:
        the ID of the run, the path of its journal, and a descriptor opened for appending.

    Raises:
        OSError: it can't be created.
    """
    folder = runs_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        run_id = new_run_id()
        path = str(folder / f"{run_id}.jsonl")
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        with contextlib.suppress(FileExistsError):
            fd = os.open(path, flags, 0o600)
            _lock(fd)
            return run_id, path, fd


def new_run_id() -> str:
    """Return an ID for a run that begins now. Two runs may still get the same one."""
    now = time.time()
    moment = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{int(1000 * now) % 1000:03}"
    return f"{moment}{secrets.token_hex(1)}"


def _lock(fd: int) -> None:
    """Lock a journal until its descriptor is closed.

    This waits for `is_running` of another process, which holds a lock for a moment only.
    """
    if os.name == "posix":
        with contextlib.suppress(OSError):  # no locks on this file system: the run counts as ended
            fcntl.flock(fd, fcntl.LOCK_EX)


def is_running(path: str | Path) -> bool:
    """Return whether the run of a journal is still going on, on this machine."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return False
    try:
        if os.name == "posix":
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # no locks on this file system
    finally:
        os.close(fd)
    return False


def journals() -> list[Path]:
    """List the journals, latest first."""
    try:
        names = os.listdir(folder := runs_folder())
    except OSError:
        return []
    return [folder / name for name in sorted(names, reverse=True) if _NAME.fullmatch(name)]


def find_journal(name: str | None = None) -> Path:
    """Find a journal, or any file of records.

    Args:
        name: the ID of a run or its beginning, or the path of a file of records; None for the last
            run.

    Raises:
        OptionsError: there is no such run or file, or there are several such runs.
    """
    if name is None:
        return last_journal()
    known = journals()
    matching = [path for path in known if name and path.stem.startswith(name)]
    if len(matching) == 1:
        return matching[0]
    if os.path.isfile(name):
        return Path(name)
    if matching:
        raise OptionsError(f"{len(matching)} runs begin with {safe_text(name)}: {', '.join(p.stem for p in matching)}")
    raise OptionsError(f"no such run or file: {safe_text(name)} (exrbatch report --list lists the runs)")


def last_journal(of: Collection[str] = ()) -> Path:
    """Find the journal of the last run that has processed a file, or else of the last run.

    Args:
        of: only runs of these commands count; empty for all.

    Raises:
        OptionsError: there is none.
    """
    found = [path for path in journals() if not of or run_record(path).get("command") in of]
    if not found:
        raise OptionsError(f"there is no journal of a run{' of ' * bool(of)}{' or '.join(of)} in {runs_folder()}")
    return next((path for path in found if summary_record(path).get("files") != 0), found[0])


def run_record(path: Path) -> dict[str, Any]:
    """Return the first record of a journal; empty if that is not the record of a run."""
    with contextlib.suppress(OSError), open_records(path) as stream:
        for record in read_records(stream):
            return record if record["type"] == "run" else {}
    return {}


def summary_record(path: Path) -> dict[str, Any]:
    """Return the summary at the end of a journal; empty if there is none."""
    with contextlib.suppress(OSError), open_records(path) as stream:
        last = last_record(stream)
        return last if last.get("type") == "summary" else {}
    return {}


def remove_old_journals() -> None:
    """Remove some journals that nobody needs: not the last ones, nor those that `undo` needs."""
    for path in _superfluous():
        with contextlib.suppress(OSError):  # another run may just have removed it
            path.unlink()


def _superfluous() -> Iterator[Path]:
    oldest = time.time() - UNDO_DAYS * 86400
    older = journals()[KEPT:]
    for path in random.sample(older, min(len(older), LOOKED_AT)):
        try:
            status = path.lstat()
        except OSError:
            continue
        is_recent = status.st_mtime > oldest
        if path.is_symlink() or is_running(path) or (is_recent and may_have_replaced(path)):
            continue
        yield path


def may_have_replaced(path: Path) -> bool:
    """Return whether a run may have replaced files in place."""
    if not run_record(path).get("replaces_files", False):
        return False
    counts = summary_record(path).get("counts")
    return not isinstance(counts, dict) or counts.get("recompressed") != 0
