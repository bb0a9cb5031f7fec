"""Jobs for tests: a flat list of arguments instead of rules, place and share."""

from dataclasses import replace
from typing import Any

from exrbatch.jobs.job import Place, Share
from exrbatch.jobs.recompress_job import RecompressJob, RecompressRules

_PLACE = {"destination", "backup", "hard_links", "like", "root"}
_SHARE = {"memory", "threads", "reserved"}


def recompress_job(source: str, **arguments: Any) -> RecompressJob:
    """Make the job of recompressing a file.

    Arguments that concern neither its place nor its share are rules.
    """
    place = {name: arguments.pop(name) for name in _PLACE & arguments.keys()}
    share = {name: arguments.pop(name) for name in _SHARE & arguments.keys()}
    return RecompressJob(rules=RecompressRules(**arguments), place=Place(source=source, **place), share=Share(**share))


def changed(job: RecompressJob, **arguments: Any) -> RecompressJob:
    """The same job with other arguments, as `recompress_job` takes them."""
    place = {name: arguments.pop(name) for name in _PLACE & arguments.keys()}
    share = {name: arguments.pop(name) for name in _SHARE & arguments.keys()}
    return RecompressJob(
        rules=replace(job.rules, **arguments), place=replace(job.place, **place), share=replace(job.share, **share)
    )
