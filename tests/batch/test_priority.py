"""Runs give way to other programs."""

import contextlib
import json
import os
import sys
from pathlib import Path

import pytest

from exrbatch import OptionsError
from exrbatch.batch import priority
from exrbatch.batch.control import Control
from exrbatch.batch.options import Options
from exrbatch.batch.run_limits.limits import Limits
from exrbatch.batch.run_limits.yielding import WHY, Yielding
from exrbatch.batch.workers.forkserver import start_context
from exrbatch.batch.workers.slot import Slot
from exrbatch.cli.awake import kept_awake


def test_a_farm_shares_out_its_machines_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tasks keep their priority, unless the user wants another."""
    for name in priority.FARM_MARKS:
        monkeypatch.delenv(name, raising=False)
    assert [priority.niceness(each) for each in (None, 0, 5)] == [19, 0, 5]
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert [priority.niceness(each) for each in (None, 0, 5)] == [0, 0, 5]


def own_priority() -> str:
    """Return the priority of this process. A worker runs this."""
    import psutil

    process = psutil.Process()
    facts = [os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0), int(process.ionice().ioclass)]
    return json.dumps(facts)


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(os, "SCHED_BATCH"), reason="needs Linux")
@pytest.mark.parametrize("nice", [0, 19])
def test_workers_have_the_priority_of_the_run(nice: int) -> None:
    """CPU, scheduling class and disk; or all as before."""
    before = json.loads(own_priority())
    slot = Slot(start_context(), 0, nice)
    try:
        found = json.loads(slot.executor.submit(own_priority).result())
    finally:
        slot.close()
    assert found == ([19, os.SCHED_BATCH, 3] if nice else before)


def test_the_session_gets_its_priority_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the run ends with an error. A session that is lower already is left alone."""
    values = [3]
    monkeypatch.setattr(priority, "_autogroup", lambda: values[-1])
    monkeypatch.setattr(priority, "_set_autogroup", values.append)
    with contextlib.suppress(KeyboardInterrupt), priority.lowered_session(19):
        assert values == [3, 19]
        raise KeyboardInterrupt
    assert values == [3, 19, 3]
    with priority.lowered_session(0), priority.lowered_session(2):
        assert values == [3, 19, 3]


def test_pauses_while_others_keep_the_machine_busy() -> None:
    """Neither a short burst nor a short rest counts. Between the two thresholds nothing changes."""
    control, now, used = Control(), 0.0, 0.0
    yielding = Yielding(control, used=lambda: used, clock=lambda: now, cores=4)
    paused = []
    for share, seconds in ((0.05, 10), (0.9, 3), (0.2, 10), (0.3, 6), (0.2, 60), (0.05, 20), (0.5, 2), (0.05, 33)):
        for _ in range(10 * seconds):
            now, used = now + 0.1, used + 0.1 * 4 * share
            yielding.look()
        paused.append(control.pauses == (WHY,))
    assert paused == [False, False, False, True, True, True, True, False]


def test_yielding_needs_a_lower_priority() -> None:
    """Otherwise its own workers would look like other programs."""
    with pytest.raises(OptionsError, match="nice value of 1 or more"):
        Options(limits=Limits(give_way=True))
    with pytest.raises(OptionsError, match="from 0 to 19"):
        Options(nice=20)


def test_the_helper_that_keeps_the_machine_awake_ends_with_the_run(tmp_path: Path) -> None:
    """Its standard input ends, also if the run is killed. It is waited for, so it is no zombie."""
    ended = tmp_path / "ended"
    with kept_awake(["sh", "-c", f"cat; touch {ended}"]) as words:
        assert "is kept awake" in words
        assert not ended.exists()
    assert ended.exists()
    for command in (None, ["/no/such/command"]):
        with kept_awake(command) as words:
            assert "may fall asleep" in words
