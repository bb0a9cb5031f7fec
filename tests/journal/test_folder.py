"""Journals are private, are found by their names, and are removed only if nobody needs them."""

import fcntl
import os
import stat
import threading
import time
from pathlib import Path

import pytest

from exrbatch.errors import OptionsError
from exrbatch.journal import folder
from exrbatch.journal.folder import (
    KEPT,
    LOOKED_AT,
    UNDO_DAYS,
    create_journal,
    find_journal,
    is_running,
    journals,
    remove_old_journals,
    runs_folder,
)
from exrbatch.journal.records import line_of
from exrbatch.journal.writer import Journal

pytestmark = pytest.mark.usefixtures("own_state")


def old_run(day: int, *, replaced: int | None = 0, in_place: bool = True) -> Path:
    """Write the journal of a run that ended `day` days ago; with `replaced=None` it died."""
    runs_folder().mkdir(parents=True, exist_ok=True)
    moment = time.time() - 86400 * day
    path = runs_folder() / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(moment))}-000aa.jsonl"
    lines = [{"type": "run", "replaces_files": in_place}]
    if replaced is not None:
        lines.append({"type": "summary", "counts": {"recompressed": replaced}})
    path.write_bytes(b"".join(map(line_of, lines)))
    os.utime(path, (moment, moment))
    return path


def test_only_the_user_can_read_a_journal() -> None:
    run_id, path, fd = create_journal()
    os.close(fd)
    assert Path(path).stem == run_id
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(runs_folder().stat().st_mode) == 0o700


def test_a_run_is_alive_as_long_as_its_process_holds_the_journal() -> None:
    journal = Journal({}, pytest.fail)
    assert journal.path is not None
    assert is_running(journal.path)
    journal.close()
    assert not is_running(journal.path)


def test_a_look_at_a_new_journal_does_not_take_its_lock_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another command may look between the two calls that create and lock it."""
    create = os.open
    looking = threading.Event()

    def look(path: str) -> None:
        fd = create(path, os.O_RDONLY)
        fcntl.flock(fd, fcntl.LOCK_SH)
        looking.set()
        time.sleep(0.05)
        os.close(fd)

    def create_and_look(path: str, flags: int, mode: int = 0o777) -> int:
        fd = create(path, flags, mode)
        threading.Thread(target=look, args=(path,)).start()
        looking.wait()
        return fd

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", create_and_look)
        _, path, fd = create_journal()
    assert is_running(path)
    os.close(fd)
    assert not is_running(path)


def test_superfluous_journals_are_removed_and_others_kept() -> None:
    """The last ones stay, those that undo needs, and what is not ours."""
    useless = [old_run(day) for day in range(UNDO_DAYS, UNDO_DAYS + 3)]
    to_undo, died = old_run(UNDO_DAYS - 1, replaced=7), old_run(UNDO_DAYS - 2, replaced=None)
    too_old, mirrored = old_run(UNDO_DAYS + 9, replaced=7), old_run(UNDO_DAYS - 3, replaced=7, in_place=False)
    foreign = runs_folder() / "notes.txt"
    foreign.touch()
    link = runs_folder() / "20200101-000000-000bb.jsonl"
    link.symlink_to(foreign)
    latest = [old_run(day) for day in range(KEPT)]
    remove_old_journals()
    assert not any(path.exists() for path in (*useless, too_old, mirrored))
    assert all(path.exists() for path in (*latest, to_undo, died, foreign, link))


def test_many_old_journals_are_removed_by_a_few_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single run looks at few of them, so that it begins at once."""
    useless = [old_run(UNDO_DAYS + day) for day in range(2 * LOOKED_AT)]
    for day in range(KEPT):
        old_run(day)
    seen: list[Path] = []

    def is_not_running(path: Path) -> bool:
        seen.append(path)
        return False

    monkeypatch.setattr(folder, "is_running", is_not_running)
    remove_old_journals()
    assert len(seen) == LOOKED_AT
    remove_old_journals()
    assert not any(path.exists() for path in useless)


def test_the_journal_of_a_running_run_is_kept_however_many_began_later() -> None:
    journal = Journal({}, pytest.fail)
    assert journal.path is not None
    running = Path(journal.path)
    old = running.with_name("20200101-000000-000cc.jsonl")
    running.rename(old)
    for day in range(KEPT):
        old_run(day)
    os.utime(old, (0, 0))
    remove_old_journals()
    assert old.exists()
    journal.close()
    remove_old_journals()
    assert not old.exists()


def test_a_run_is_found_by_the_beginning_of_its_name(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="there is no journal"):
        find_journal()
    first, second = old_run(2), old_run(1)
    report = tmp_path / "report.jsonl"
    report.touch()
    assert find_journal() == journals()[0] == second
    assert find_journal(first.stem[:15]) == first
    assert find_journal(str(report)) == report
    with pytest.raises(OptionsError, match="2 runs begin with 2"):
        find_journal("2")
    with pytest.raises(OptionsError, match="no such run or file: \\\\x1b"):
        find_journal("\x1b[2J")


def test_a_run_without_a_place_for_its_journal_warns_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    warnings: list[str] = []
    journal = Journal({}, warnings.append)
    journal.add({"status": "already", "saved": 0})
    journal.end({})
    assert len(warnings) == 1
    assert warnings[0].startswith("can't write the journal: Not a directory")
    assert journal.path is None
