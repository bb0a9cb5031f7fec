"""Draw the picture of the dashboard in the README.

    python -m benchmarks.dashboard_picture docs/dashboard.svg

Runs `exrbatch` on the demo's frames in a temporary folder, and exports one frame of the dashboard
as SVG when the given share of the bytes is done.
"""

import argparse
import contextlib
import io
import os
import tempfile
import time

from rich.console import Console

from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.batch.run_report import BatchReport
from exrbatch.dashboard import Dashboard, Snapshot
from exrbatch.demo import write_frames

FOLDER = "ab010_beauty"
"""Folder of the frames; the picture shows its name."""
REFRESH_SECONDS = 0.25


def draw(path: str, frames: int, jobs: int, share: float) -> None:
    """Recompress frames, and write the picture.

    Args:
        path: path of the SVG file.
        frames: number of frames to recompress.
        jobs: number of worker processes.
        share: fraction of the bytes that is done in the picture, 0 to 1.
    """
    picture = None
    with tempfile.TemporaryDirectory(prefix="exrbatch-picture-") as folder, contextlib.chdir(folder):
        write_frames(FOLDER, frames)
        run, report = Run([FOLDER], Options.parse(compression="zip", jobs=jobs, min_age=0.0)), BatchReport()
        dashboard = Dashboard(run, report)
        next_look = time.monotonic()
        for finished in run.events():
            if finished is not None:
                report.add(finished)
                dashboard.history.add(finished)
            dashboard.update(run, report)
            # Redraw as often as on a terminal, because CPU use is measured between two frames.
            if time.monotonic() >= next_look:
                next_look += REFRESH_SECONDS
                Console(width=100, file=io.StringIO()).print(dashboard)
            snapshot = Snapshot.of(run, report)
            is_busy = len(snapshot.running) == jobs and all(row.done for row in snapshot.running)
            if picture is None and is_busy and snapshot.reached_size >= share * snapshot.found_size:
                console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True)
                console.print(dashboard)
                picture = console.export_svg(title="exrbatch recompress ab010_beauty")
    if picture is None:
        raise SystemExit("the run ended before the picture was taken: try more frames, or a smaller share")
    with open(path, "w", encoding="utf-8") as file:
        file.write(picture)


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", metavar="FILE.svg")
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--share", type=float, default=0.6)
    arguments = parser.parse_args()
    draw(os.path.abspath(arguments.path), arguments.frames, arguments.jobs, arguments.share)


if __name__ == "__main__":
    main()
