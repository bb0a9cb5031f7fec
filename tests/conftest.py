"""Shared set-up: hypothesis without clocks, and the folder of reference images."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import is_hypothesis_test, settings

from tests.support import examples

# No example may fail for being slow on a busy machine, and CI sees the same examples each time.
settings.register_profile("exrbatch", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("exrbatch")


def pytest_configure(config: pytest.Config) -> None:
    """Ask for more examples before the tests are imported, which say how many they want."""
    examples.is_deep = config.getoption("markexpr") == "deep_profile"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the deep profile have all properties."""
    for item in items if examples.is_deep else ():
        if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj):
            item.add_marker("deep_profile")


# As a task of a farm, runs keep their priority. Otherwise the workers of one test would wait for
# all other tests, and some time limit would be too short.
os.environ["CUE_FRAME"] = "1"


@pytest.fixture(scope="session", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the journals and control sockets of the tests' runs apart from those of the user."""
    # The path of a socket must be short.
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="exrbatch-", dir="/tmp") as runtime:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("EXRBATCH_RUNTIME_DIR", runtime)
        yield


@pytest.fixture
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without journals."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "openexr-images"


@pytest.fixture(scope="session", autouse=True)
def _no_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the settings of whoever runs the tests away from them, and from their processes."""
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))
    for name in list(os.environ):
        if name.startswith("EXRBATCH_") and not name.startswith("EXRBATCH_IMITAT"):
            del os.environ[name]


@pytest.fixture(scope="session")
def reference_images() -> Path:
    """Return the folder of OpenEXR reference images; they are not part of the project."""
    if not REFERENCE.is_dir():
        pytest.skip("the OpenEXR reference images are not here (shared/openexr-images beside the checkout)")
    return REFERENCE
