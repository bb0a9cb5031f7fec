"""Shared set-up: hypothesis without clocks, and the folder of reference images."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# No example may fail for being slow on a busy machine, and CI sees the same examples each time.
settings.register_profile("exrbatch", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("exrbatch")

# The runs of tests are not among the runs of the user. The path of a socket must be short.
os.environ["EXRBATCH_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="exrbatch-tests-", dir="/tmp")
atexit.register(shutil.rmtree, os.environ["EXRBATCH_RUNTIME_DIR"], ignore_errors=True)

REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "openexr-images"


@pytest.fixture(scope="session")
def reference_images() -> Path:
    """Return the folder of OpenEXR reference images; they are not part of the project."""
    if not REFERENCE.is_dir():
        pytest.skip("the OpenEXR reference images are not here (shared/openexr-images beside the checkout)")
    return REFERENCE
