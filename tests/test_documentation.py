"""README and docs are true: commands parse, tables match the code, links work."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

import exrbatch
from exrbatch.cli.commands import build_parser
from exrbatch.cli.compressions import markdown

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EVERYWHERE = {"--config", "--preset", "--no-config"}
TEXT = "\n".join(page.read_text() for page in PAGES)


def commands() -> list[list[str]]:
    """List every exrbatch command in the code blocks of README and docs."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", TEXT, re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    pieces = [piece.strip() for line in lines for piece in line.split("&&")]
    return [shlex.split(piece, comments=True) for piece in pieces if re.match(r"(\S*/)?exrbatch ", piece)]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_commands_in_the_documentation_parse(command: list[str]) -> None:
    """Every option that README and docs show exists."""
    arguments = command[1:]
    if ">" in arguments:
        arguments = arguments[: arguments.index(">")]
    build_parser().parse_args(arguments)


def test_table_of_compressions_matches_the_code() -> None:
    """The table in the docs is made of the facts that the code uses."""
    assert markdown() in TEXT


COMMANDS = [
    *("recompress", "scan", "bench", "verify", "check", "digest", "doctor", "ps", "pause"),
    *("shard plan", "shard run", "shard status", "shard retry"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_option_tables_match_the_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The guide's table of a command has every option of it, long and short, and no other."""
    with pytest.raises(SystemExit):
        build_parser().parse_args([*command.split(), "--help"])
    first_columns = re.findall(r"^  (-.*?)(?:  |$)", capsys.readouterr().out, re.MULTILINE)
    if command == "shard plan":  # its other options are those of recompress
        known = set(build_parser().commands["recompress"].options()) - {"-o"}
        first_columns = [column for column in first_columns if not names([column]) <= known]
    section = re.search(rf"^## Options of {command}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert section is not None
    first_cells = re.findall(r"^\| (`-.*?) \|", section[1], re.MULTILINE)
    assert names(first_cells) == names(first_columns) - {"-h", "--help"} - EVERYWHERE
    assert names(re.findall(r"^\| (`-.*?) \|", every_command()[1], re.MULTILINE)) == EVERYWHERE


def every_command() -> re.Match[str]:
    found = re.search(r"^## Options of every command\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found


def names(cells: list[str]) -> set[str]:
    """List the options in cells such as "-j N, --jobs N"."""
    return {option for cell in cells for option in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", cell)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_project_work(page: Path) -> None:
    """Every link is to a file, and to a heading, that exists."""
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text()):
        target = page.parent / path if path else page
        assert target.exists(), path
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor in [re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings]


def test_python_examples_use_what_exists() -> None:
    """Every `exrbatch.name` of the documentation exists, and every example is valid Python."""
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        compile(block, "documentation", "exec")
        for name in re.findall(r"\bexrbatch\.(\w+)", block):
            assert hasattr(exrbatch, name), name


def test_lowest_versions_are_those_of_the_project() -> None:
    """The file of lowest versions names every dependency, with the version of `pyproject.toml`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "tests" / "lowest.txt").read_text().splitlines()
    lowest = dict(line.split("==") for line in lines if not line.startswith("#"))
    needed = [*project["dependencies"], *project["optional-dependencies"]["dask"]]
    allowed = dict(each.split(">=") for each in needed)
    assert lowest.keys() == allowed.keys()
    for name, version in allowed.items():
        assert f"{lowest[name]}.".startswith(f"{version}."), name
    for name in (ROOT / "tests" / "lowest_tests.txt").read_text().split():
        assert (ROOT / name).exists(), name
