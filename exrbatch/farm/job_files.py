"""Job files that hand the shards of a plan to a farm: one task for each shard.

Only those of Open Job Description can be run without a farm. The others follow the documentation
and sources of their farms; docs/farms.md says what has been tested.
"""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from exrbatch.errors import OptionsError

GRACE_SECONDS = 600
"""Seconds that the files in progress get after the first signal. More are not possible."""


@dataclass(frozen=True, slots=True)
class FarmJob:
    """What a farm is to run.

    Attributes:
        plan: absolute path of the folder of the plan.
        shards: number of shards.
        executable: the words that start exrbatch.
    """

    plan: str
    shards: int
    executable: Sequence[str]

    @property
    def title(self) -> str:
        """A title for people."""
        return f"exrbatch {os.path.basename(self.plan)}"

    def words(self, shard: str, farm: str | None) -> list[str]:
        """Return the words of the command for one task.

        Args:
            shard: what stands for the number of the shard.
            farm: whose progress lines are printed; None for none.
        """
        lines = [] if farm is None else ["--progress-line", farm]
        return [*self.executable, "shard", "run", self.plan, shard, *lines]


def job_files(farm: str, job: FarmJob) -> dict[str, str]:
    """Return the text of each job file of a farm, by its name.

    Raises:
        OptionsError: the path of the plan can't be expressed there.
    """
    for word in (job.plan, *job.executable):
        if not word.isprintable():
            raise OptionsError(f"job files can't name {word}: it has control characters, or is not valid UTF-8")
    return FARMS[farm](job)


def _refuse(job: FarmJob, farm: str, pattern: str) -> None:
    for word in (job.plan, *job.executable):
        if found := re.search(pattern, word):
            raise OptionsError(f"job files of {farm} can't name {word}: {found[0]} means something else there")


def _openjd(job: FarmJob) -> dict[str, str]:
    """Return two templates: a task for each shard, and chunks of shards for many small ones."""
    _refuse(job, "openjd", r"\{\{|\}\}")
    single = {"name": "Shard", "type": "INT", "range": f"1-{job.shards}"}
    chunked = single | {
        "type": "CHUNK[INT]",
        "chunks": {"defaultTaskCount": "{{Param.ShardsPerTask}}", "rangeConstraint": "CONTIGUOUS"},
    }
    template = _openjd_template(job, single)
    with_chunks = {
        "extensions": ["TASK_CHUNKING"],
        "parameterDefinitions": [
            {
                "name": "ShardsPerTask",
                "type": "INT",
                "default": 4,
                "minValue": 1,
                "description": "Number of shards that one task runs, one after the other.",
            }
        ],
    }
    head = {"specificationVersion": template["specificationVersion"], **with_chunks}
    return {
        "openjd.json": json.dumps(template, indent=1, ensure_ascii=False) + "\n",
        "openjd-chunks.json": json.dumps(head | _openjd_template(job, chunked), indent=1, ensure_ascii=False) + "\n",
    }


def _openjd_template(job: FarmJob, parameter: Mapping[str, object]) -> dict[str, object]:
    command, *words = job.words("{{Task.Param.Shard}}", "openjd")
    action = {
        "command": command,
        "args": words,
        "cancelation": {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": GRACE_SECONDS},
    }
    step = {
        "name": "Shards",
        "parameterSpace": {"taskParameterDefinitions": [parameter]},
        "script": {"actions": {"onRun": action}},
    }
    return {"specificationVersion": "jobtemplate-2023-09", "name": job.title[:128], "steps": [step]}


def _deadline(job: FarmJob) -> dict[str, str]:
    """Return a job info file and a plugin info file for the plugin CommandLine of Deadline 10."""
    _refuse(job, "deadline", r'["<>]|\\$')
    executable, *words = job.words("<STARTFRAME>", "deadline")
    info = {
        "Plugin": "CommandLine",
        "Name": job.title,
        "Comment": "one task for each shard",
        "Frames": f"1-{job.shards}",
        "ChunkSize": 1,
    }
    plugin = {
        "Executable": executable,
        "Arguments": " ".join(word if re.fullmatch(r"[\w<>.,:/=+-]+", word) else f'"{word}"' for word in words),
        "Shell": "default",
        "ShellExecute": False,
        "SingleFramesOnly": True,
        "StartupDirectory": "",
    }
    return {
        "deadline_job_info.job": "".join(f"{key}={value}\n" for key, value in info.items()),
        "deadline_plugin_info.job": "".join(f"{key}={value}\n" for key, value in plugin.items()),
    }


def _opencue(job: FarmJob) -> dict[str, str]:
    """Return a script for PyOutline. The command is a list of words, which no shell sees."""
    _refuse(job, "opencue", r"%\{(FRAME|ZFRAME|RANGE)\}")
    words = job.words("%{FRAME}", None)
    script = f'''\
"""Submit the shards of a plan of exrbatch to OpenCue: one frame for each shard.

Run it with the Python that has PyOutline. CUEBOT_HOSTS says where Cuebot is.
"""

import os

import outline
import outline.cuerun
from outline.modules.shell import Shell

SHARDS = {job.shards}
COMMAND = {words!a}

job = outline.Outline(
    {_identifier(job.title)!a},
    shot=os.environ.get("SHOT", "exrbatch"),
    show=os.environ.get("SHOW", "testing"),
)
job.add_layer(Shell("shards", command=COMMAND, range="1-%d" % SHARDS, chunk=1))

if __name__ == "__main__":
    outline.cuerun.launch(job)
'''
    return {"opencue_outline.py": script}


def _identifier(text: str) -> str:
    """Return a text as OpenCue allows it in the name of a job."""
    return re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_").lower()


def _tractor(job: FarmJob) -> dict[str, str]:
    """Return a job file in the language of Alfred, which is Tcl."""
    _refuse(job, "tractor", "%")
    tasks = "".join(
        f"  Task {{shard {number}}} -cmds {{\n"
        f"    RemoteCmd {{{_tcl_list(job.words(str(number), 'tractor'))}}} -service {{PixarRender}}\n"
        f"  }}\n"
        for number in range(1, job.shards + 1)
    )
    return {"tractor.alf": f"Job -title {_tcl_word(job.title)} -subtasks {{\n{tasks}}}\n"}


def _tcl_list(words: Sequence[str]) -> str:
    return " ".join(map(_tcl_word, words))


def _tcl_word(word: str) -> str:
    r"""Quote a word for Tcl: a backslash before each character that could mean something."""
    return re.sub(r"([^\w./=+-])", r"\\\1", word)


FARMS: Mapping[str, Callable[[FarmJob], dict[str, str]]] = MappingProxyType(
    {"openjd": _openjd, "deadline": _deadline, "opencue": _opencue, "tractor": _tractor}
)
"""What makes the job files of each farm: a function that returns their texts by name."""
