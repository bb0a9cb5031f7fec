"""The completion scripts, tried in the shells themselves."""

import shutil
import subprocess
from pathlib import Path

import pytest

from exrbatch.cli.parser import parse
from tests.support.commands import exrbatch

CASES = [
    ("recom", ["recompress"]),
    ("recompress -c zi", ["zip", "zips"]),
    ("recompress -c auto", ["auto", "auto:speed"]),
    ("recompress --effort ", ["balanced", "fast", "high", "max"]),
    ("recompress --dry", ["--dry-run"]),
    ("recompress -o ", ["shots"]),
    ("recompress ", ["frame.exr", "shots"]),
    ("completion ", ["bash", "fish", "zsh"]),
]
BASH = """
source "$1"
read -ra COMP_WORDS <<< "exrbatch $2"
[[ "$2" == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
_shtab_exrbatch
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file and a folder."""
    (tmp_path / "here" / "shots").mkdir(parents=True)
    (tmp_path / "here" / "frame.exr").touch()
    return tmp_path / "here"


def script(shell: str, folder: Path) -> Path:
    path = folder.parent / f"_exrbatch{'' if shell == 'zsh' else '.' + shell}"
    path.write_text(exrbatch("completion", shell).stdout)
    return path


def test_bash_completes(folder: Path) -> None:
    """Commands, options, compressions, efforts, files and folders."""
    path = script("bash", folder)
    for line, expected in CASES:
        done = subprocess.run(
            ["bash", "-c", BASH, "bash", path, line], cwd=folder, capture_output=True, text=True, check=True
        )
        assert sorted(done.stdout.split()) == expected, line
        assert done.stderr == ""


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes(folder: Path) -> None:
    """The same."""
    path = script("fish", folder)
    lines = "; ".join(f"complete -C 'exrbatch {line}' | string split -f1 \\t; echo =" for line, _ in CASES)
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source {path}; {lines}"], cwd=folder, capture_output=True, text=True, check=True
    )
    answers = [sorted(word.rstrip("/") for word in answer.split()) for answer in done.stdout.split("=\n")]
    assert answers[: len(CASES)] == [expected for _, expected in CASES]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_takes_the_script(folder: Path) -> None:
    """As a function for this command; what it offers needs a terminal."""
    path = script("zsh", folder)
    code = 'fpath=("$1" $fpath); autoload -U compinit; compinit -u -D; echo $_comps[exrbatch]; zsh -n "$1/_exrbatch"'
    done = subprocess.run(["zsh", "-fc", code, "zsh", path.parent], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("_exrbatch\n", "")
    assert "htj2k32" in path.read_text()


def test_a_broken_file_of_settings_does_not_break_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell may run `exrbatch completion` whenever it starts."""
    (tmp_path / "exrbatch.toml").write_text("=")
    monkeypatch.chdir(tmp_path)
    assert parse(["completion", "bash"]).shell == "bash"
