"""Job files: what each farm would run. Open Job Description's really run."""

import ast
import json
import re
import shlex
import subprocess
import sys
import types
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from exrbatch.cli.main import main
from exrbatch.errors import OptionsError
from exrbatch.farm.job_files import FARMS, FarmJob, job_files
from tests.cli.test_recompress import DATA

PLANS = ["/shows/ab.plan", "/a b/it's $HOME `x`", "/{x}/[y];#z\\q", "/über & co/~(1)", "/a*b?/!c|d"]
EXECUTABLES = [["exrbatch"], ["/opt/my tools/python", "-m", "exrbatch"]]

pytestmark = pytest.mark.usefixtures("own_state")


@pytest.fixture
def planned(tmp_path: Path) -> Path:
    """Plan three frames as three shards, in a folder with a blank and quotes, with job files."""
    (tmp_path / "shot").mkdir()
    for frame in (1, 2, 3):
        (tmp_path / "shot" / f"b.{frame}.exr").write_bytes(DATA)
    plan = tmp_path / "my $plan's"
    executable = shlex.join([sys.executable, "-m", "exrbatch"])
    arguments = ["-o", str(plan), "--count", "3", "--executable", executable, "--for", "openjd", "-j", "1"]
    assert main(["shard", "plan", str(tmp_path / "shot"), *arguments]) == 0
    return plan


def openjd(*arguments: object) -> str:
    """Run the command line of Open Job Description, which must succeed."""
    if find_spec("openjd") is None:
        pytest.skip("openjd-cli is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "openjd", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["openjd.json", "openjd-chunks.json"])
def test_open_job_description_runs(name: str, planned: Path) -> None:
    """The template is valid, all of its tasks run, and their progress arrives."""
    openjd("check", planned / name)
    shown = openjd("run", planned / name, "--step", "Shards")
    assert len(re.findall("openjd_progress: 100.0", shown)) == (3 if name == "openjd.json" else 1)
    assert all(path.stat().st_size < len(DATA) for path in (planned.parent / "shot").iterdir())
    assert sorted(path.name.partition(".")[0] for path in (planned / "reports").iterdir()) == ["1", "2", "3"]
    assert main(["shard", "status", str(planned)]) == 0


def test_open_job_description_is_told_to_wait(planned: Path) -> None:
    """A cancelled task gets a signal first, and time for the files in progress."""
    for name, kind in (("openjd.json", "INT"), ("openjd-chunks.json", "CHUNK[INT]")):
        (step,) = json.loads((planned / name).read_text())["steps"]
        assert step["parameterSpace"]["taskParameterDefinitions"][0]["type"] == kind
        cancelation = step["script"]["actions"]["onRun"]["cancelation"]
        assert cancelation == {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": 600}


def wanted(job: FarmJob, number: str, farm: str | None) -> list[str]:
    lines = [] if farm is None else ["--progress-line", farm]
    return [*job.executable, "shard", "run", job.plan, number, *lines]


@pytest.mark.parametrize("executable", EXECUTABLES)
@pytest.mark.parametrize("plan", PLANS)
def test_deadline_runs_the_command(plan: str, executable: list[str]) -> None:
    """One task for each shard. Only double quotes group there, and nothing else is special."""
    job = FarmJob(plan, 12, executable)
    files = job_files("deadline", job)
    info, plugin = (dict(line.split("=", 1) for line in text.splitlines()) for text in files.values())
    assert (info["Plugin"], info["Frames"], info["ChunkSize"]) == ("CommandLine", "1-12", "1")
    assert (plugin["Shell"], plugin["ShellExecute"]) == ("default", "False")
    arguments = plugin["Arguments"].replace("<STARTFRAME>", "7")
    words = [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', arguments)]
    assert [plugin["Executable"], *words] == wanted(job, "7", "deadline")


@pytest.mark.parametrize("executable", EXECUTABLES)
@pytest.mark.parametrize("plan", PLANS)
def test_opencue_runs_the_command(plan: str, executable: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The script is run with an imitation of PyOutline, which puts the frame in as that does."""
    job = FarmJob(plan, 12, executable)
    (script,) = job_files("opencue", job).values()
    ast.parse(script)
    layers: list[dict[str, Any]] = []
    launched: list[Any] = []
    outline, cuerun, shell = (types.ModuleType(name) for name in ("outline", "outline.cuerun", "outline.modules.shell"))
    vars(outline)["Outline"] = lambda name, **_: types.SimpleNamespace(name=name, add_layer=layers.append)
    vars(outline)["cuerun"] = cuerun
    vars(cuerun)["launch"] = launched.append
    vars(shell)["Shell"] = lambda name, **facts: {"name": name, **facts}
    for module in (outline, cuerun, types.ModuleType("outline.modules"), shell):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(script, "script", "exec"), {"__name__": "__main__"})
    (layer,) = layers
    assert (layer["range"], layer["chunk"], len(launched)) == ("1-12", 1, 1)
    assert re.fullmatch(r"[a-z0-9_]+", launched[0].name)
    assert [word.replace("%{FRAME}", "7") for word in layer["command"]] == wanted(job, "7", None)


@pytest.mark.parametrize("executable", EXECUTABLES)
@pytest.mark.parametrize("plan", PLANS)
def test_tractor_runs_the_command(plan: str, executable: list[str]) -> None:
    """A Tcl interpreter reads the file, and splits each command into words once."""
    tkinter = pytest.importorskip("tkinter", reason="this Python has no Tcl")
    tcl = tkinter.Tcl()
    tcl.eval("proc Job args {global job; set job $args; eval [lindex $args end]}")
    tcl.eval("proc Task {title args} {eval [lindex $args end]}")
    tcl.eval("set commands {}; proc RemoteCmd {words args} {global commands; lappend commands $words}")
    job = FarmJob(plan, 3, executable)
    (script,) = job_files("tractor", job).values()
    tcl.eval(script)
    commands = [list(map(str, tcl.splitlist(each))) for each in tcl.splitlist(tcl.eval("set commands"))]
    assert commands == [wanted(job, str(number), "tractor") for number in (1, 2, 3)]
    assert "exit_status" not in script.lower()


@pytest.mark.parametrize(
    ("farm", "path"),
    [
        *((farm, "/a\nb") for farm in FARMS),
        *((farm, "/caf\udce9") for farm in FARMS),
        *(("openjd", "/a{{Param.X}}"), ("deadline", '/a"b'), ("deadline", "/<QUOTE>"), ("tractor", "/100%D")),
        ("opencue", "/%{FRAME}"),
    ],
)
def test_refuses_what_a_farm_would_read_differently(farm: str, path: str) -> None:
    """Rather than let it run another command."""
    with pytest.raises(OptionsError, match=f"job files.* can't name .*{re.escape(path[1])}"):
        job_files(farm, FarmJob(path, 3, ["exrbatch"]))
