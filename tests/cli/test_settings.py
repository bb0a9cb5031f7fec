"""Settings from files and the environment: which one counts, and what is refused."""

import argparse
import contextlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch.cli.commands import build_parser
from exrbatch.cli.parser import parse
from exrbatch.cli.setting_files import MAX_BYTES, NAME, PROJECT_MAY_SET, Known, find_files, project_file
from exrbatch.cli.settings import add_setting_options, options_of, parse_with_settings
from exrbatch.errors import OptionsError
from tests.support.build import PartSpec, build
from tests.support.commands import exrbatch

WITHOUT = ("config", "compressions", "ps", "attach", "pause", "resume", "stop")
ARGUMENTS: dict[str, list[str]] = {
    "shard": [],
    "shard plan": ["x", "-o", "plan", "--count", "3"],
    "shard run": ["plan", "1"],
    "shard retry": ["plan", "-o", "again"],
    "verify": ["a", "b"],
    "demo": ["d"],
    "completion": ["bash"],
    "jobs": ["2"],
    **{name: [] for name in WITHOUT},
}
"""The arguments of commands that have others than one path."""


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The paths of the files of settings, none of which exists, with the current folder below."""
    (tmp_path / "show" / "shots").mkdir(parents=True)
    (tmp_path / "config" / "exrbatch").mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path / "show" / "shots")
    return {
        "project": tmp_path / "show" / NAME,
        "user": tmp_path / "config" / "exrbatch" / NAME,
        "--config": tmp_path / "named.toml",
    }


def recompress(*arguments: str) -> argparse.Namespace:
    return parse(["recompress", "x", *arguments])


def refusal(*arguments: str) -> str:
    with pytest.raises(OptionsError) as caught:
        recompress(*arguments)
    assert caught.value.message.isprintable()
    return caught.value.message


@pytest.mark.parametrize("name", build_parser().commands)
def test_without_settings_every_option_has_its_default(name: str, places: dict[str, Path]) -> None:
    """The same as argparse would give, for each command."""
    arguments = ARGUMENTS.get(name, ["x"])
    expected = vars(build_parser().parse_args([*name.split(), *arguments]))
    found, unknown, _ = parse_with_settings(build_parser().commands, name, arguments)
    assert unknown == []
    assert {dest: vars(found).get(dest) for dest in expected} == expected
    assert vars(found).keys() >= expected.keys()


def test_the_most_important_place_wins(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """From the command line down to the default; taking one away shows the next."""
    places["user"].write_text('compression = "user"\n[preset.a]\ncompression = "preset a"\n')
    places["project"].write_text('compression = "zips"\n[preset.b]\ncompression = "piz"\n')
    places["--config"].write_text('compression = "named"\n')
    monkeypatch.setenv("EXRBATCH_COMPRESSION", "variable")
    monkeypatch.setenv("EXRBATCH_PRESET", "b")
    named = ["--config", str(places["--config"])]
    found = [
        recompress(*named, "--preset", "a", "-c", "line").compression,
        recompress(*named, "--preset", "a").compression,
        recompress(*named).compression,
    ]
    monkeypatch.delenv("EXRBATCH_COMPRESSION")
    found.append(recompress(*named).compression)
    monkeypatch.delenv("EXRBATCH_PRESET")
    found.append(recompress(*named).compression)
    found.append(recompress().compression)
    places["project"].unlink()
    found.append(recompress().compression)
    places["user"].unlink()
    found.append(recompress().compression)
    assert found == ["line", "preset a", "variable", "piz", "named", "zips", "user", "zip"]


def test_config_can_be_named_by_the_environment(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The option is more important; a named project file is trusted, and read once."""
    places["--config"].write_text('effort = "max"')
    places["project"].write_text("force = true")
    monkeypatch.setenv("EXRBATCH_CONFIG", str(places["project"]))
    assert recompress().force
    places["project"].write_text("quiet = true")
    monkeypatch.setenv("EXRBATCH_CONFIG", str(places["--config"]))
    assert recompress().effort == "max"
    assert recompress("--config", str(places["project"])).effort == "balanced"


def test_values_have_the_types_of_the_command_line(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers, texts, flags, and lists, with dashes or underscores."""
    places["user"].write_text(
        'jobs = 3\nmin-savings = "2%"\nfile_timeout = "1h30m"\ninclude = ["a b", "c"]\nexclude = "d"\ndry-run = true\n'
    )
    found = recompress()
    assert (found.jobs, found.min_savings, found.file_timeout) == (3, 0.02, 5400)
    assert (found.include, found.exclude, found.dry_run) == (["a b", "c"], ["d"], True)
    assert recompress("--include", "e", "--include", "f").include == ["e", "f"]  # instead of those in the file
    monkeypatch.setenv("EXRBATCH_INCLUDE", "g 'h i'")
    monkeypatch.setenv("EXRBATCH_DRY_RUN", "No")
    monkeypatch.setenv("EXRBATCH_JOBS", "")
    found = recompress()
    assert (found.include, found.dry_run, found.jobs) == (["g", "h i"], False, 3)


@pytest.mark.parametrize(
    ("option", "toml", "message"),
    [
        ("jobs", '"many"', "'many' is not a number of workers such as 8, -2 or 50%"),
        ("effort", '"hihg"', "unknown effort 'hihg'; choose from fast, balanced, high, max; did you mean high?"),
        ("min-savings", '"much"', "'much' is not a percentage such as 2%"),
        ("file-timeout", "-1", "'-1': must be 0 or more"),
        ("force", '"maybe"', "must be true or false, not 'maybe'"),
        ("force", "1", "must be true or false, not 1"),
        ("effort", "true", "must be a text or a number, not true or false"),
        ("effort", '["high"]', "must be a text or a number, not a list"),
        ("include", "[[1]]", "must be a text or a number, not a list"),
        ("include", "[{a = 1}]", "must be a text or a number, not a table"),
    ],
)
def test_wrong_values_are_refused_as_on_the_command_line(
    places: dict[str, Path], option: str, toml: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the file and the name of the setting."""
    places["user"].write_text(f"{option} = {toml}\n")
    assert refusal() == f"{places['user']}: {option}: {message}"
    if toml.startswith('"') and option != "force":
        with pytest.raises(SystemExit):
            recompress(f"--{option}={toml[1:-1]}")
        assert message in capsys.readouterr().err


def test_options_that_exclude_each_other(places: dict[str, Path]) -> None:
    """The more important place wins; in one place, they are an error."""
    places["user"].write_text("quiet = true\n")
    assert recompress().quiet
    shown = recompress("-v")
    assert (shown.quiet, shown.verbose) == (False, True)
    places["project"].write_text("verbose = true\n")
    assert (recompress().quiet, recompress().verbose) == (False, True)
    places["project"].write_text("verbose = false\n")
    assert recompress().quiet
    places["user"].write_text("quiet = true\nverbose = true\n")
    places["project"].unlink()
    assert refusal().endswith("exclude each other")


REFUSED = sorted({name for command in build_parser().commands.values() for name in options_of(command)})


@pytest.mark.parametrize("option", REFUSED)
def test_a_project_can_set_nothing_that_matters(places: dict[str, Path], option: str) -> None:
    """At the top, for a command, and in a preset; the command stops before anything begins."""
    home = next(name for name, command in build_parser().commands.items() if option in options_of(command))
    tables = [f"[{home}]\n{option} = true\n"]
    if home != "bench":
        tables += [f"{option} = true\n", f"[preset.x]\n{option} = true\n"]
    for table in tables:
        places["project"].write_text(table)
        if option in PROJECT_MAY_SET:
            find_files(None, known)
        else:
            assert f"may not set {option!r}" in refusal()
            assert str(places["project"]) in refusal()
    assert recompress("--no-config").force is False


def known() -> Known:
    commands = {name: frozenset(options_of(command)) for name, command in build_parser().commands.items()}
    return Known(commands, frozenset().union(*commands.values()))


KNOWN = known()
"""Made once, because it takes longer than anything else here."""


def test_what_a_project_may_set_is_harmless() -> None:
    """A new name here needs thought: could it lose data, or write somewhere else?"""
    assert sorted(PROJECT_MAY_SET) == ["compression", "effort", "exclude", "include", "jobs", "quiet", "verbose"]


@pytest.mark.parametrize("name", ["dwaa", "DWAB", "b44", "pxr24"])
def test_a_project_cannot_choose_a_lossy_compression(places: dict[str, Path], name: str) -> None:
    """The user may have allowed loss for a command of their own."""
    places["user"].write_text("[recompress]\nallow-lossy = true\n")
    for table in ("", "[recompress]\n", "[preset.x]\n"):
        places["project"].write_text(f'{table}compression = "{name}"\n')
        assert "lossless for any file" in refusal()
    places["project"].write_text('compression = "zstd"\n')
    assert recompress().compression == "zstd"


def test_a_project_cannot_change_a_preset_of_the_user(places: dict[str, Path]) -> None:
    """`--preset safe` means what it means everywhere."""
    places["user"].write_text('[preset.safe]\nbackup-dir = "/backup"\n')
    places["project"].write_text('[preset.safe]\ncompression = "zips"\n[preset.own]\ncompression = "piz"\n')
    found = recompress("--preset", "safe")
    assert (found.backup_dir, found.compression) == ("/backup", "zip")
    assert recompress("--preset", "own").compression == "piz"
    assert refusal("--preset", "ow") == "--preset: unknown preset 'ow'; choose from own, safe; did you mean own?"
    places["user"].unlink()
    places["project"].unlink()
    assert refusal("--preset", "own") == "--preset: there is no preset 'own': no file of settings has any"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('compresion = "zip"', "unknown setting 'compresion'; did you mean compression?"),
        ("zzz = 1", "unknown setting 'zzz'"),
        ("[recompres]\njobs = 1", "unknown table [recompres]; did you mean [recompress]?"),
        ("[zzz]\njobs = 1", "unknown table [zzz]"),
        ('goal = "archive"', "'goal' belongs to [bench]"),
        ("[bench]\nforce = true", "[bench]: 'force' belongs to [recompress]"),
        ("[recompress]\nyes = true", "[recompress]: unknown setting 'yes'"),
        ("[preset.x]\nzzz = true", "[preset.x]: unknown setting 'zzz'"),
        ("preset = 1", "a preset is a table, such as [preset.nuke]"),
        ("preset.x = 1", "a preset is a table, such as [preset.nuke]"),
        ("dry-run = true\ndry_run = false", "'dry-run' is there twice"),
        ("config = 'x'", "unknown setting 'config'"),
        ("compression =", "not valid TOML: Invalid value (at"),
        ("a = " + "[" * 5000, "not valid TOML"),
        ("\x1b[2J = 1", "not valid TOML: "),
        ('"\\u001b[2J" = 1', r"unknown setting '\x1b[2J'"),
    ],
)
def test_mistakes_in_a_file_are_named(places: dict[str, Path], text: str, message: str) -> None:
    """On one line, with the file."""
    places["user"].write_text(text)
    assert refusal().startswith(str(places["user"]))
    assert message in refusal()


def test_files_that_are_no_files_are_refused(places: dict[str, Path], tmp_path: Path) -> None:
    """A pipe, a folder, a huge one, one that is not text, and one that is not there."""
    project = places["project"]
    os.mkfifo(project)
    assert refusal() == f"can't read the settings in {project}: not a regular file"
    project.unlink()
    project.mkdir()
    assert refusal() == f"can't read the settings in {project}: Is a directory"
    project.rmdir()
    project.write_text("#" * (MAX_BYTES + 1))
    assert refusal() == f"can't read the settings in {project}: larger than {MAX_BYTES} bytes"
    project.write_bytes(b"\xff")
    assert refusal() == f"{project}: not valid TOML: it is not UTF-8"
    project.unlink()
    project.symlink_to(tmp_path / "nowhere")
    assert refusal() == f"can't read the settings in {project}: No such file or directory"
    assert "No such file or directory" in refusal("--config", str(tmp_path / "none"))
    assert recompress("--no-config").jobs is None


def test_a_project_file_of_another_user_is_refused(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is named with --config, or belongs to root; that of the user may be anyone's."""
    places["project"].write_text("jobs = 1")
    places["user"].write_text("jobs = 2")
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    if me:
        assert f"belongs to another user (uid {me})" in refusal()
    else:
        assert recompress().jobs == 1
        os.chown(places["project"], 12345, 12345)
        assert "belongs to another user (uid 12345): name it with --config to use it" in refusal()
    assert recompress("--config", str(places["project"])).jobs == 1
    places["project"].unlink()
    assert recompress().jobs == 2


def test_the_file_of_the_user_may_set_everything_in_its_own_folder(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There, it is not taken for that of a project."""
    places["user"].write_text("force = true")
    monkeypatch.chdir(places["user"].parent)
    assert recompress().force


def test_unreadable_files_are_named(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The command stops: the file may say that nothing must be replaced in place."""
    places["user"].write_text('output = "/x"')

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    assert refusal() == f"can't read the settings in {places['user']}: Permission denied"


def test_search_for_the_file_of_a_project(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest one above counts; the search ends at .git, and below the home folder."""
    show = places["project"].parent
    assert project_file() is None
    (show.parent / NAME).write_text("")
    assert project_file() == str(show.parent / NAME)
    (show / NAME).write_text("")
    assert project_file() == str(show / NAME)
    (show / NAME).unlink()
    (show / ".git").mkdir()
    assert project_file() is None
    (show / ".git").rmdir()
    monkeypatch.setenv("HOME", str(show.parent))
    assert project_file() is None
    monkeypatch.chdir(show.parent)
    assert project_file() == str(show.parent / NAME)


def test_variables_that_are_no_options(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """They may belong to something else, unless they look like a spelling mistake."""
    monkeypatch.setenv("EXRBATCH_IMITATE", "windows")
    monkeypatch.setenv("EXRBATCH_HOME", "/opt")
    monkeypatch.setenv("EXRBATCH_WORK_DIR", "/x")
    assert recompress().jobs is None
    monkeypatch.setenv("EXRBATCH_DRY_RUNN", "1")
    assert refusal() == "the variable EXRBATCH_DRY_RUNN is no option; did you mean EXRBATCH_DRY_RUN?"
    assert recompress("--no-config").dry_run is False
    monkeypatch.delenv("EXRBATCH_DRY_RUNN")
    monkeypatch.setenv("EXRBATCH_EXCLUDE", "'a")
    assert refusal() == "EXRBATCH_EXCLUDE: No closing quotation"


def test_bench_has_settings_of_its_own(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its `compression` is a list of what is compared; `verify --digests` is about one call."""
    monkeypatch.setenv("EXRBATCH_COMPRESSION", "zstd")
    places["user"].write_text('effort = "max"\ndigests = true\n[bench]\npasses = 2\n')
    default = build_parser().parse_args(["bench", "x"])
    found = parse(["bench", "x"])
    assert (found.compression, found.effort, found.passes) == (default.compression, default.effort, 2)
    assert parse(["verify", "a", "b"]).digests is None
    assert parse(["check", "a"]).digests is True


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Never a traceback."""
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(data)
    with contextlib.suppress(OptionsError):
        find_files(str(path), lambda: KNOWN)


@pytest.fixture
def shot(places: dict[str, Path]) -> Path:
    """A frame in the current folder."""
    path = places["project"].parent / "shots" / "a.exr"
    path.write_bytes(build([PartSpec(window=(0, 0, 63, 63), noise=0.0)]))
    return path


def test_a_run_says_what_a_project_has_set(places: dict[str, Path], shot: Path) -> None:
    """On stderr; what may not be set stops it before any frame is touched."""
    before = shot.read_bytes()
    places["project"].write_text('output = "/elsewhere"\n')
    (line,) = exrbatch("recompress", ".", code=2).stderr.splitlines()
    assert f"{places['project']}: the file of a project may not set 'output'" in line
    assert shot.read_bytes() == before
    places["project"].write_text('compression = "zips"\nverbose = true\n')
    done = exrbatch("recompress", ".")
    assert f"exrbatch: compression, verbose from {places['project']}\n" in done.stderr
    assert "NONE → ZIPS" in done.stdout
    assert "from" not in exrbatch("compressions").stderr


def test_config_shows_where_values_come_from(places: dict[str, Path]) -> None:
    """As a table and as a document."""
    places["user"].write_text('output = "/x/[red]"\n[recompress]\nmin-savings = "3%"\n')
    places["project"].write_text('exclude = ["old/", "tmp"]\n[preset.fast]\neffort = "fast"\n')
    table = exrbatch("config", "--preset", "fast", EXRBATCH_JOBS="2", COLUMNS="400").stdout
    rows = {line.split()[0]: line.rstrip() for line in table.splitlines()}
    assert rows["effort"].split(maxsplit=2)[1:] == ['"fast"', f"preset fast in {places['project']} (project)"]
    assert rows["jobs"].split()[1:] == ['"2"', "EXRBATCH_JOBS"]
    assert rows["output"].split(maxsplit=2)[1:] == ['"/x/[red]"', f"{places['user']} (user)"]
    assert rows["min-savings"].split()[1] == '"3%"'
    assert '["old/", "tmp"]' in rows["exclude"]
    shown = {name: rows[name].split()[1] for name in ("force", "include", "base", "stop-grace", "min-size")}
    assert shown == {"force": "false", "include": "[]", "base": "none", "stop-grace": '"10m"', "min-size": "0"}
    assert table.splitlines()[-1] == f"preset fast: {places['project']}"
    changed = exrbatch("config", "--changed", COLUMNS="400").stdout
    assert [line.split()[0] for line in changed.splitlines()[1:4]] == ["min-savings", "exclude", "output"]
    assert "effort" not in changed
    document = json.loads(exrbatch("config", "check", "--json", EXRBATCH_DECODER="native").stdout)
    assert document["command"] == "check"
    assert document["files"]["user's file"] == str(places["user"])
    assert document["options"]["decoder"] == {"value": "native", "origin": "environment", "where": "EXRBATCH_DECODER"}
    assert document["options"]["exclude"]["value"] == ["old/", "tmp"]
    assert "output" not in document["options"]
    assert "did you mean recompress?" in exrbatch("config", "recompres", code=2).stderr


def test_unusual_options_are_understood(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of None, counts, several values, and two options for one value."""
    command = argparse.ArgumentParser()
    command.add_argument("--limit", type=lambda text: None if text == "off" else int(text), default=5)
    command.add_argument("--pair", nargs=2)
    command.add_argument("-d", "--debug", action="count", default=0)
    command.add_argument("--colour", action=argparse.BooleanOptionalAction, default=True)
    command.add_argument("--journal", dest="journal", action="store_true", default=True)
    command.add_argument("--no-journal", dest="journal", action="store_false")
    add_setting_options(command)

    def found(*arguments: str) -> tuple[object, ...]:
        parsed = parse_with_settings({"x": command}, "x", arguments)[0]
        return parsed.limit, parsed.pair, parsed.debug, parsed.colour, parsed.journal

    assert found() == (5, None, 0, True, True)
    places["user"].write_text('limit = 7\npair = ["a", "b"]\ncolour = false\nno-journal = true\n')
    assert found() == (7, ["a", "b"], 0, False, False)
    assert found("--limit", "off", "-dd", "--colour", "--journal") == (None, ["a", "b"], 2, True, True)
    monkeypatch.setenv("EXRBATCH_PAIR", "c 'd e'")
    assert found("--limit=3")[:2] == (3, ["c", "d e"])


def test_a_plan_of_shards_has_the_settings_of_recompress(places: dict[str, Path]) -> None:
    """Because it says what `recompress` will do; but not what it does with its own files."""
    places["user"].write_text('jobs = "50%"\n[recompress]\ncompression = "zips"\n')
    parsed = parse(["shard", "plan", "x", "-o", "plan", "--count", "3"])
    assert (parsed.compression, parsed.jobs, parsed.output, parsed.plan) == ("zips", "50%", None, "plan")
    for text in ('["shard plan"]\njobs = 3\n', "count = 3\n"):
        places["user"].write_text(text)
        with pytest.raises(OptionsError, match=r"unknown|not"):
            parse(["shard", "plan", "x", "-o", "plan", "--count", "3"])
