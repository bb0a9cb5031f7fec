"""The live display of a run, drawn with rich.

The loop that drives the run makes immutable snapshots of it, and `Dashboard` draws the latest one.
A snapshot has plain values only, so that another process can draw it, too.
"""

from exrbatch.dashboard.dashboard import Dashboard
from exrbatch.dashboard.frame import STOPPING
from exrbatch.dashboard.history import History
from exrbatch.dashboard.plain_line import plain_line
from exrbatch.dashboard.snapshot import Snapshot
from exrbatch.dashboard.styles import STYLES
from exrbatch.dashboard.views import View

__all__ = ["STOPPING", "STYLES", "Dashboard", "History", "Snapshot", "View", "plain_line"]
