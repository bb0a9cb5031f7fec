"""Runs on a cluster: real processes on loopback, and whatever can happen to them.

In every case all files are whole, each is counted once, and the run ends.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exrbatch.cli.main import main
from tests.support.build import PartSpec, build
from tests.support.cluster import LocalCluster, kill_tree, local_cluster, wait_until, workers_of
from tests.support.explode import explode

pytest.importorskip("distributed", reason="Dask is not installed")

OLD = build([PartSpec(window=(0, 0, 127, 127), noise=0.2)])
RAW = explode(OLD)[0].raw


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A cluster with two workers, for tests that leave it usable."""
    with local_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.add_workers(2)
        yield cluster


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    """A scheduler for one test, without workers."""
    with local_cluster(tmp_path / "cluster") as cluster:
        yield cluster


@pytest.fixture
def show(tmp_path: Path) -> Path:
    folder = tmp_path / "show"
    folder.mkdir()
    return folder


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / f"{name}.exr").write_bytes(OLD)


def numbered(count: int, word: str = "") -> list[str]:
    return [f"{word}{index}" for index in range(count)]


def start(folder: Path, cluster: LocalCluster, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "exrbatch", "recompress", str(folder), "--cluster", str(cluster.file)]
    return subprocess.Popen([*command, "--json", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(run: "subprocess.Popen[str]") -> tuple[int, dict[str, Any], str]:
    """Wait for the end of a run; return its exit code, its document, and what it printed."""
    out, err = run.communicate(timeout=120)
    assert "Traceback" not in err, err
    return run.returncode, json.loads(out), err


def statuses(document: dict[str, Any]) -> Counter[str]:
    paths = [file["path"] for file in document["files"]]
    assert len(paths) == len(set(paths)), "each file is counted once"
    return Counter(file["status"] for file in document["files"])


def check_whole(folder: Path, *, done: int | None = None) -> None:
    """Check that every frame is old or new, and nothing else is there."""
    frames = sorted(folder.glob("*.exr"))
    assert all(explode(frame.read_bytes())[0].raw == RAW for frame in frames)
    if done is not None:
        assert sum(frame.read_bytes() != OLD for frame in frames) == done
        assert sorted(os.listdir(folder)) == [frame.name for frame in frames], "nothing is left behind"


def test_real_images_end_as_in_a_local_run(cluster: LocalCluster, reference_images: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        shutil.copytree(reference_images, folder)
    options = ["--compression", "zips", "--include-lossy-sources"]
    local = subprocess.run(
        [sys.executable, "-m", "exrbatch", "recompress", str(here), "--json", *options], capture_output=True, text=True
    )
    code, document, err = result(start(there, cluster, *options))
    assert code == local.returncode, err
    wanted = json.loads(local.stdout)
    assert statuses(document) == statuses(wanted)
    assert document["summary"]["bytes_saved"] == wanted["summary"]["bytes_saved"]
    for path in sorted(here.rglob("*.exr")):
        assert path.read_bytes() == (there / path.relative_to(here)).read_bytes(), path


def test_mirror_backup_and_relative_paths(
    cluster: LocalCluster, show: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workers have another current folder."""
    fill(show, *numbered(3))
    monkeypatch.chdir(tmp_path)
    code, document, err = result(start(Path("show"), cluster, "-o", "out"))
    assert (code, statuses(document)) == (0, {"recompressed": 3}), err
    assert {file["path"] for file in document["files"]} == {f"show/{name}.exr" for name in numbered(3)}
    assert {file["destination"] for file in document["files"]} == {f"out/{name}.exr" for name in numbered(3)}
    check_whole(show, done=0)
    check_whole(tmp_path / "out", done=3)
    code, document, err = result(start(Path("show"), cluster, "--backup-dir", "kept", "--keep-backups"))
    assert (code, statuses(document)) == (0, {"recompressed": 3}), err
    check_whole(show, done=3)
    check_whole(tmp_path / "kept", done=0)


def test_a_worker_that_dies_right_after_the_exchange_has_saved_what_it_saved(cluster: LocalCluster, show: Path) -> None:
    """Its report is lost, and the file comes again; the totals are those of an undisturbed run."""
    fill(show, *numbered(12), "swap")
    code, document, err = result(start(show, cluster))
    assert (code, statuses(document)) == (0, {"recompressed": 13}), err
    assert document["summary"]["bytes_saved"] == 13 * len(OLD) - sum(p.stat().st_size for p in show.glob("*.exr"))
    swap = next(file for file in document["files"] if file["path"].endswith("swap.exr"))
    assert "done, although its worker died" in swap["notes"]
    check_whole(show, done=13)


def test_a_file_that_kills_its_workers_fails_alone(cluster: LocalCluster, show: Path) -> None:
    fill(show, *numbered(12), "poison")
    code, document, err = result(start(show, cluster))
    assert (code, statuses(document)) == (1, {"recompressed": 12, "failed": 1}), err
    failed = next(file for file in document["files"] if file["status"] == "failed")
    assert failed["path"].endswith("poison.exr")
    assert failed["reason_code"] == "crashed"
    check_whole(show, done=12)


def test_workers_that_are_killed_all_the_time_lose_nothing(own_cluster: LocalCluster, show: Path) -> None:
    """As when a cloud takes machines away."""
    fill(show, *numbered(24, "slow"))
    nanny = own_cluster.add_workers(2)
    run = start(show, own_cluster)
    for seconds in (0.2, 0.9, 0.5):
        wait_until(lambda: bool(workers_of(nanny)), "a worker")
        done = sum(frame.read_bytes() != OLD for frame in show.glob("*.exr"))
        wait_until(
            lambda done=done: sum(frame.read_bytes() != OLD for frame in show.glob("*.exr")) > done,  # type: ignore[misc]
            f"another frame, {seconds}",
        )
        for worker in workers_of(nanny)[:1]:
            worker.kill()
    code, document, err = result(run)
    assert (code, statuses(document)) == (0, {"recompressed": 24}), err
    check_whole(show, done=24)


def test_the_death_of_a_nanny_costs_only_its_workers(own_cluster: LocalCluster, show: Path) -> None:
    fill(show, *numbered(20, "slow"))
    nanny = own_cluster.add_workers(1)
    own_cluster.add_workers(1)
    run = start(show, own_cluster)
    wait_until(lambda: any(frame.read_bytes() != OLD for frame in show.glob("*.exr")), "the first frame")
    nanny.kill()
    code, document, err = result(run)
    assert (code, statuses(document)) == (0, {"recompressed": 20}), err
    check_whole(show, done=20)


def test_the_death_of_the_scheduler_ends_the_run_and_it_can_be_continued(
    own_cluster: LocalCluster, show: Path, own_state: None
) -> None:
    fill(show, *numbered(20, "slow"))
    own_cluster.add_workers(2)
    run = start(show, own_cluster)
    wait_until(lambda: any(frame.read_bytes() != OLD for frame in show.glob("*.exr")), "the first frame")
    own_cluster.scheduler.kill()
    code, document, err = result(run)
    assert code == 3, err
    assert "is gone" in document["summary"]["stop_reason"]
    check_whole(show)
    for process in own_cluster.processes:
        kill_tree(process)
    again = subprocess.run(
        [sys.executable, "-m", "exrbatch", "recompress", str(show), "--json"], capture_output=True, text=True
    )
    assert again.returncode == 0, again.stderr
    check_whole(show, done=20)


def test_a_killed_client_leaves_whole_files_and_workers_for_others(own_cluster: LocalCluster, show: Path) -> None:
    fill(show, *numbered(20, "slow"))
    own_cluster.add_workers(2)
    run = start(show, own_cluster)
    wait_until(lambda: any(frame.read_bytes() != OLD for frame in show.glob("*.exr")), "the first frame")
    run.kill()
    run.communicate()
    check_whole(show)
    code, document, err = result(start(show, own_cluster))
    assert code == 0, err
    assert set(statuses(document)) <= {"recompressed", "already"}
    check_whole(show, done=20)


def test_without_a_nanny_the_run_ends_when_its_last_worker_is_dead(own_cluster: LocalCluster, show: Path) -> None:
    """Dask alone would wait for ever."""
    fill(show, *numbered(4), "poison")
    own_cluster.add_worker_without_nanny()
    own_cluster.wait_for_worker()
    code, document, err = result(start(show, own_cluster, "--worker-timeout", "8"))
    assert code == 3, err
    assert "no worker for 8 s" in document["summary"]["stop_reason"]
    check_whole(show)


def test_a_worker_that_joins_late_gets_files(own_cluster: LocalCluster, show: Path) -> None:
    fill(show, *numbered(6))
    run = start(show, own_cluster)
    own_cluster.add_workers(1)
    code, document, err = result(run)
    assert (code, statuses(document)) == (0, {"recompressed": 6}), err
    check_whole(show, done=6)


def test_a_worker_of_another_version_is_set_aside_and_named(own_cluster: LocalCluster, show: Path) -> None:
    fill(show, *numbered(6))
    own_cluster.add_workers(1, environment={"EXRBATCH_TEST_VERSION": "9.9.9"})
    own_cluster.wait_for_worker()
    code, document, err = result(start(show, own_cluster, "--worker-timeout", "8"))
    assert code == 3, err
    assert "exrbatch 9.9.9" in document["summary"]["stop_reason"]
    check_whole(show, done=0)


def test_a_worker_without_the_mount_is_set_aside_and_the_others_do_all(own_cluster: LocalCluster, show: Path) -> None:
    """The folder is there, but empty, as a mount point is."""
    probe = ["unshare", "-m", "mount", "-t", "tmpfs", "none", str(show)]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True).returncode != 0:
        pytest.skip("mount namespaces can't be made here")
    fill(show, *numbered(20, "slow"))
    hidden = f'mount -t tmpfs none "{show}" && exec "$@"'
    own_cluster.add_workers(1, before=("unshare", "-m", "sh", "-c", hidden, "sh"))
    own_cluster.add_workers(1)
    code, document, err = result(start(show, own_cluster))
    assert (code, statuses(document)) == (0, {"recompressed": 20}), err
    assert "does not see" in err
    check_whole(show, done=20)


def test_two_clients_on_one_tree_replace_each_file_once(cluster: LocalCluster, show: Path) -> None:
    fill(show, *numbered(30))
    runs = [start(show, cluster), start(show, cluster)]
    ended = [result(run) for run in runs]
    assert [code for code, _, _ in ended] == [0, 0], ended
    assert sum(statuses(document)["recompressed"] for _, document, _ in ended) == 30
    check_whole(show, done=30)


def test_an_encrypted_cluster_serves_only_those_with_a_certificate(show: Path, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes certificates, is not here")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    request = ["-subj", "/CN=ab01", "-days", "2", "-newkey", "rsa:2048", "-nodes"]
    command = ["openssl", "req", "-x509", *request, "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    tls = ["--tls-ca-file", str(cert), "--tls-cert", str(cert), "--tls-key", str(key)]
    fill(show, *numbered(3))
    with local_cluster(tmp_path / "cluster", tls) as cluster:
        cluster.add_workers(1)
        run = start(show, cluster)
        _, err = run.communicate(timeout=120)
        assert run.returncode == 2, err
        assert "uses TLS" in err
        assert len(err.splitlines()) == 1
        check_whole(show, done=0)
        code, document, err = result(start(show, cluster, *tls))
    assert (code, statuses(document)) == (0, {"recompressed": 3}), err
    check_whole(show, done=3)


@pytest.mark.parametrize("signals", [1, 2])
def test_ctrl_c_ends_the_run_with_whole_files(signals: int, cluster: LocalCluster, show: Path) -> None:
    """Once: the files in progress are finished. Twice: they are given up."""
    fill(show, *numbered(30, "slow"))
    run = start(show, cluster)
    wait_until(lambda: any(frame.read_bytes() != OLD for frame in show.glob("*.exr")), "the first frame")
    for _ in range(signals):
        run.send_signal(signal.SIGINT)
    code, document, err = result(run)
    assert code == 130, err
    done = sum(frame.read_bytes() != OLD for frame in show.glob("*.exr"))
    assert done < 30
    assert statuses(document)["recompressed"] == done
    check_whole(show, done=done)


@pytest.mark.parametrize("arguments", [["worker", "tcp://ab01:8786"], ["recompress", ".", "--cluster", "tcp://ab01:1"]])
def test_without_dask_one_line_says_what_to_install(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith(("exrbatch.cluster", "exrbatch.cli.worker"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(arguments) == 2
    assert (
        capsys.readouterr().err == "exrbatch: clusters need Dask: in the exrbatch checkout, run pip install '.[dask]'\n"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cluster", "tcp://127.0.0.1:9"], "can't reach the Dask scheduler tcp://127.0.0.1:9"),
        (["--cluster", "no-such-file.json"], "no such file, and no address such as"),
        (["--cluster", "tcp://127.0.0.1:9", "--tls-cert", "x.pem"], "--tls-ca-file"),
    ],
)
def test_a_cluster_that_is_not_there_is_wrong_usage(options: list[str], words: str, show: Path) -> None:
    fill(show, "1")
    run = subprocess.run(
        [sys.executable, "-m", "exrbatch", "recompress", str(show), *options], capture_output=True, text=True
    )
    assert run.returncode == 2
    assert words in run.stderr
    assert len(run.stderr.splitlines()) == 1
    check_whole(show, done=0)
