"""The options of a comparison of two files or two folders."""

import os
from typing import Any

from exrbatch.batch.options import Options
from exrbatch.errors import OptionsError
from exrbatch.jobs.compare_job import CompareRules
from exrbatch.recompression.choices import Verify


def comparison_options(a: str, b: str, decoder: Verify, **run: Any) -> Options:
    """Make the options of a run over A that compares it with B.

    Args:
        a: path of a file or folder.
        b: path of the file or folder that it is compared with.
        decoder: decoder for B.
        run: other attributes of `Options`.

    Raises:
        OptionsError: a path does not exist, or A is a folder and B is not.
    """
    for path in (a, b):
        if not os.path.exists(path):
            raise OptionsError(f"no such file or folder: {path}")
    if os.path.isdir(a) and not os.path.isdir(b):
        raise OptionsError(f"{a} is a folder and {b} is a file")
    other = os.path.realpath(b) if os.path.isfile(b) else b
    return Options(rules=CompareRules(verify=decoder, other=b), other=other, **run)
