"""Several threads on one file; and systems that have no read by position."""

import os
from pathlib import Path

import pytest

from exrbatch.exr.compression import Compression
from exrbatch.jobs import job
from exrbatch.jobs.file_report import Status
from exrbatch.recompression import spans
from tests.support.build import PartSpec, build
from tests.support.explode import explode
from tests.support.jobs import recompress_job


@pytest.mark.parametrize("compression", [0, 3])
@pytest.mark.parametrize("has_preadv", [True, False])
def test_threads_read_one_file_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: int, has_preadv: bool
) -> None:
    """Three threads on many small spans give the bytes of one thread, with the system's scattered read or without."""
    monkeypatch.setattr(spans, "SPAN_BYTES", 2000)
    if not has_preadv:
        monkeypatch.delattr(os, "preadv", raising=False)
    data = build([PartSpec(window=(0, 0, 99, 299), compression=compression)])
    packed = []
    for threads in (1, 3):
        frame = tmp_path / f"{threads}.exr"
        frame.write_bytes(data)
        plan = recompress_job(str(frame), compression=Compression.ZIPS, force=True, threads=threads)
        assert job.run(plan).status is Status.RECOMPRESSED
        packed.append(frame.read_bytes())
    assert packed[0] == packed[1]
    assert explode(packed[0])[0].raw == explode(build([PartSpec(window=(0, 0, 99, 299))]))[0].raw
