"""A pytest plugin for imitated systems: files need not be a minute old before they are replaced.

Without /proc/self/mountinfo, every file system is unknown, and nothing shows whether a file is
still being written. Tests have no minute to wait.
"""

from exrbatch.jobs.recompress_job import RecompressRules

_defaults = RecompressRules.__init__.__kwdefaults__
assert _defaults is not None, "a dataclass with keyword arguments only"
_defaults["min_age"] = -3600.0  # clocks may differ a little, too
