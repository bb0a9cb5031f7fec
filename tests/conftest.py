"""Shared set-up: hypothesis without clocks, and the folder of reference images."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# No example may fail for being slow on a busy machine, and CI sees the same examples each time.
settings.register_profile("exrbatch", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("exrbatch")


@pytest.fixture(scope="session", autouse=True)
def _journals_in_a_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the journals of the tests' runs out of the user's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "openexr-images"


@pytest.fixture(scope="session")
def reference_images() -> Path:
    """Return the folder of OpenEXR reference images; they are not part of the project."""
    if not REFERENCE.is_dir():
        pytest.skip("the OpenEXR reference images are not here (shared/openexr-images beside the checkout)")
    return REFERENCE
