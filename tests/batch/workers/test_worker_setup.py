"""What a worker asks of the system for its own process. Each test runs in a process of its own."""

import subprocess
import sys

import psutil
import pytest

from tests.support.processes import survivors

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="each call does nothing elsewhere")

MEGABYTE = 1 << 20


def run(code: str) -> list[int]:
    """Run Python code in a new process; return the numbers that it prints."""
    start = "import os, resource, psutil\nfrom exrbatch.batch.workers.worker_setup import *\n"
    done = subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def test_a_worker_writes_no_core_files() -> None:
    """The limit is 0 even if the user allows core files."""
    before, soft, hard = run(
        "hard = resource.getrlimit(resource.RLIMIT_CORE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))\n"
        "write_no_core_files()\n"
        "print(hard, *resource.getrlimit(resource.RLIMIT_CORE))"
    )
    if before == 0:
        pytest.skip("core files are already forbidden here")
    assert (soft, hard) == (0, 0)


def test_the_kernel_kills_a_worker_before_its_parent() -> None:
    """The worker has the highest score of all processes when memory runs out."""
    assert run("be_first_for_oom_killer()\nprint(open('/proc/self/oom_score_adj').read())") == [1000]


def test_resident_memory_agrees_with_psutil() -> None:
    """The number counts bytes, not pages: 64 MB that are in use are part of it."""
    before, after, expected = run(
        "before = resident_memory()\n"
        "data = b'x' * (64 << 20)\n"
        "print(before, resident_memory(), psutil.Process().memory_info().rss)"
    )
    assert after - before > 60 * MEGABYTE
    assert abs(after - expected) < 4 * MEGABYTE


def test_peak_memory_counts_from_the_last_reset() -> None:
    """The peak includes memory that is free again, until it is reset."""
    before, peak, reset, again = run(
        "print(peak_memory())\n"
        "data = b'x' * (96 << 20)\n"
        "del data\n"
        "print(peak_memory())\n"
        "reset_peak_memory()\n"
        "print(peak_memory())\n"
        "data = b'x' * (64 << 20)\n"
        "print(peak_memory())\n"
    )
    assert peak - before > 90 * MEGABYTE
    assert peak - reset > 80 * MEGABYTE
    assert 50 * MEGABYTE < again - reset < 80 * MEGABYTE


def test_freed_memory_is_kept_for_the_next_buffers() -> None:
    """A freed buffer of 48 MB stays with the process; by default the C library gives it back."""
    code = (
        "start = psutil.Process().memory_info().rss\n"
        "data = bytearray(b'x') * (48 << 20)\n"
        "del data\n"
        "print(psutil.Process().memory_info().rss - start)"
    )
    (by_default,) = run(code)
    if by_default > 8 * MEGABYTE:
        pytest.skip("this C library keeps large buffers by itself")
    assert run("keep_freed_memory()\n" + code)[0] > 40 * MEGABYTE


SERVER = """
import subprocess, sys
worker = '''
import time
from exrbatch.batch.workers.worker_setup import die_with_server
{call}
print("ready", flush=True)
time.sleep(1000)
'''
process = subprocess.Popen([sys.executable, "-c", worker], stdout=subprocess.PIPE)
process.stdout.readline()
print(process.pid, flush=True)
process.wait()
"""


def test_a_worker_dies_with_the_process_that_started_it() -> None:
    """After kill -9 of its parent the worker ends, too; without the call it would live on."""
    workers = []
    for call in ("die_with_server()", "pass"):
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER.replace("{call}", call)], stdout=subprocess.PIPE, text=True
        )
        assert server.stdout is not None
        workers.append(psutil.Process(int(server.stdout.readline())))
        server.kill()
        server.wait()
        server.stdout.close()
    bound, free = workers
    try:
        assert survivors([bound]) == []
        assert free.is_running()
    finally:
        free.kill()
