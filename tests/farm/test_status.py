"""How far a plan is, by reports that are made up."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch.farm.plan import Plan
from exrbatch.farm.status import RECENT_SECONDS, SILENT_SECONDS, State, outcomes_of, status_of
from exrbatch.text import timestamp

NOW = 1_800_000_000.0
PATHS = ["/a", "/b", "/c"]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Make a plan with two shards of three files."""
    new = Plan.new(str(tmp_path / "plan"), options={}, base="/", output=None, backup_dir=None, sources=(), results=())
    return new.write([(300, PATHS), (300, ["/x", "/y", "/z"])], {})


def attempt(
    plan: Plan, began: float, files: dict[str, dict[str, Any]], summary: dict[str, Any] | None = None, number: int = 1
) -> None:
    """Write the report of an attempt; `began` and `at` are seconds after NOW."""
    lines = [{"type": "run", "plan_id": plan.plan_id, "host": "h", "folder": "/", "started_at": timestamp(NOW + began)}]
    for path, each in files.items():
        facts = {"size_before": 100, "size_after": 60, "seconds": 5.0, **each}
        lines.append({"type": "file", "path": path, "ended_at": timestamp(NOW + facts.pop("at", began + 10)), **facts})
    if summary is not None:
        lines.append({"type": "summary", **summary})
    name = f"{number}.20261126-021833-{len(list(Path(plan.reports).iterdir())):011x}.jsonl"
    Path(plan.reports, name).write_text("".join(json.dumps(line) + "\n" for line in lines))


def done(**more: Any) -> dict[str, Any]:
    return {"status": "recompressed", **more}


def test_a_file_that_the_other_attempt_replaced_is_done(plan: Plan) -> None:
    """Whether the late attempt finds it finished, or finds that it has changed meanwhile."""
    attempt(plan, 0, {"/a": done(at=20), "/b": done(at=20), "/c": done(at=20)}, {})
    changed = {"status": "skipped", "reason_code": "changed", "at": 22, "seconds": 9.0}
    late: dict[str, dict[str, Any]] = {"/a": {"status": "already"}, "/b": changed}
    attempt(plan, 1, late, {})
    first = status_of(plan, NOW).shards[0]
    assert (first.state, first.counts, first.saved) == (State.DONE, Counter(recompressed=3), 120)


def test_a_file_that_changed_later_counts_as_changed(plan: Plan) -> None:
    """It was not our replacement that changed it."""
    attempt(plan, 0, {"/a": done(at=20), "/b": done(at=20), "/c": done(at=20)}, {})
    attempt(plan, 90, {"/a": {"status": "skipped", "reason_code": "changed", "at": 99, "seconds": 3.0}}, {})
    assert status_of(plan, NOW).shards[0].counts == Counter(recompressed=2, skipped=1)


def test_a_finished_shard_is_the_same_by_its_summary_and_by_its_records(plan: Plan) -> None:
    """Reading one record instead of a million makes no difference."""
    summary = {"files": 3, "counts": {"recompressed": 3}, "bytes_saved": 120, "exit_code": 0}
    summary["ended_at"] = timestamp(NOW + 10)
    for number, added in ((1, {}), (2, {"exit_code": 1})):
        files = {path: done() for path in plan.paths_of(number)}
        attempt(plan, 0, files, {**summary, **added}, number)
    first, second = status_of(plan, NOW + 10).shards
    for name in ("state", "counts", "left", "saved", "attempts", "host", "began", "done"):
        assert getattr(first, name) == getattr(second, name), name
    assert first.recent == second.recent == 300


def test_a_dead_attempt_is_told_from_one_that_stopped(plan: Plan) -> None:
    """By its summary."""
    later = NOW + SILENT_SECONDS + 1e8
    attempt(plan, 0, {"/a": done()}, {"stop_reason": "the disk is full"})
    attempt(plan, 0, {"/x": done()}, number=2)
    first, second = status_of(plan, later).shards
    assert (first.state, first.reason, first.left) == (State.STOPPED, "the disk is full", 2)
    assert (second.state, second.left) == (State.DEAD, 2)
    (outcomes, is_running), _ = outcomes_of(plan)
    assert not is_running
    assert [path for path, file in outcomes.items() if file is None] == ["/b", "/c"]


def test_time_left_comes_from_what_was_done_lately(plan: Plan) -> None:
    """One of six files in ten seconds: five more take fifty."""
    attempt(plan, 0, {"/a": done(at=10)})
    found = status_of(plan, NOW + 10)
    assert found.shards[0].state is State.RUNNING
    assert found.seconds_left(NOW + 10) == pytest.approx(50)
    assert status_of(plan, NOW + RECENT_SECONDS + 11).seconds_left(NOW + RECENT_SECONDS + 11) is None


@given(st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from(["recompressed", "already", "failed", "skipped"]))))
def test_every_file_counts_once(tmp_path_factory: pytest.TempPathFactory, found: list[tuple[str, str]]) -> None:
    """Whatever the attempts say, counts and what is left add up to the files."""
    folder = tmp_path_factory.mktemp("plan") / "plan"
    new = Plan.new(str(folder), options={}, base="/", output=None, backup_dir=None, sources=(), results=())
    plan = new.write([(300, PATHS)], {})
    for number, (path, status) in enumerate(found):
        attempt(plan, number, {path: {"status": status}}, {})
    (shard,) = status_of(plan, NOW).shards
    assert shard.counts.total() + shard.left == 3
    assert shard.left == 3 - len({path for path, _ in found})
