"""Find and read `exrbatch.toml`: the file of the user, that of a project, and that of `--config`.

A file is read as a whole before any of it is used, and a mistake in it stops the command: otherwise
a run could replace files although the file says, for example, that results go to another folder.
"""

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exrbatch.errors import OptionsError
from exrbatch.exr.compression import Compression
from exrbatch.paths import parents
from exrbatch.suggestions import closest

NAME = "exrbatch.toml"
MAX_BYTES = 1 << 20
"""Most bytes of a file of settings. Real ones have a few hundred."""
CONFIG, PROJECT, USER = "--config", "project", "user"
PROJECT_MAY_SET = frozenset(("compression", "effort", "jobs", "include", "exclude", "quiet", "verbose"))
"""What the file of a project may set.

It lies where the frames are, so anyone who may write there could change what a run does to them.
None of these options can lose data, or make a run write anywhere else.
"""
_PRESET = "preset"
Values = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Known:
    """The names that a file may use.

    Attributes:
        commands: for each command, the names of its options.
        common: names of options that may stand outside of the table of a command.
    """

    commands: Mapping[str, frozenset[str]]
    common: frozenset[str]


EXACT = frozenset(
    (
        *(compression.name.lower() for compression in Compression if not compression.facts.lossy_types),
        *("auto", "auto:size", "auto:speed"),
    )
)
"""Compressions that a project may choose. Others can change pixels, if the user allows that."""


@dataclass(frozen=True, slots=True)
class SettingFile:
    """A file of settings. The values are those of TOML.

    Attributes:
        kind: CONFIG, PROJECT or USER.
        path: its path.
        common: values for all commands.
        commands: values for one command each.
        presets: values that are used if the user names the preset.
    """

    kind: str
    path: str
    common: Values
    commands: Mapping[str, Values]
    presets: Mapping[str, Values]


def find_files(config: str | None, known: Callable[[], Known]) -> list[SettingFile]:
    """Read the files that apply here, the most important first.

    Args:
        config: the file that the user has named, or None.
        known: returns the names that they may use; called only if there is a file.

    Raises:
        OptionsError: one of them can't be read, or says something that it may not say.
    """
    found = [] if config is None else [_read(CONFIG, config, known())]
    user, project = user_file(), project_file()
    if project is not None and _is_same(project, user):  # the current folder is that of the user's file
        project = None
    for kind, path in ((PROJECT, project), (USER, user)):
        if path is not None and os.path.lexists(path) and not any(_is_same(path, other.path) for other in found):
            found.append(_read(kind, path, known()))
    return found


def user_file() -> str:
    """Return the path of the user's file, which need not exist."""
    import platformdirs  # imported late, as only this needs it

    return os.path.join(platformdirs.user_config_dir("exrbatch", appauthor=False), NAME)


def project_file() -> str | None:
    """Return the path of the nearest file in the current folder and those above it, or None.

    The search ends at a folder with `.git`, which is the top of a project, and below the home
    folder, so that a file in there never applies to everything.
    """
    try:
        folder = os.getcwd()
    except OSError:  # it was removed
        return None
    home = os.path.realpath(os.path.expanduser("~"))
    for each in (folder, *parents(folder)):
        if os.path.lexists(path := os.path.join(each, NAME)):
            return path
        if os.path.lexists(os.path.join(each, ".git")) or os.path.dirname(each) == home:
            return None
    return None


def _is_same(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def _read(kind: str, path: str, known: Known) -> SettingFile:
    """Read and check one file."""
    import tomllib  # imported late: most runs have no such file

    data = _bytes_of(kind, path)
    try:
        document = tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise OptionsError(f"{path}: not valid TOML: it is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise OptionsError(f"{path}: not valid TOML: {str(error) or 'too many brackets'}") from None
    presets = document.pop(_PRESET, {})
    commands = {name: document.pop(name) for name in known.commands if isinstance(document.get(name), dict)}
    _check_names(kind, path, document, known.common, known)
    for name, values in commands.items():
        _check_names(kind, f"{path}, [{name}]", values, known.commands[name], known)
    if not isinstance(presets, dict) or not all(isinstance(values, dict) for values in presets.values()):
        raise OptionsError(f"{path}: a preset is a table, such as [preset.nuke]")
    for name, values in presets.items():
        _check_names(kind, f"{path}, [preset.{name}]", values, known.common, known)
    return SettingFile(
        kind,
        path,
        _with_dashes(document),
        {name: _with_dashes(values) for name, values in commands.items()},
        {name: _with_dashes(values) for name, values in presets.items()},
    )


def _bytes_of(kind: str, path: str) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # without waiting for the writer of a pipe
        with open(fd, "rb") as file:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise OptionsError(f"can't read the settings in {path}: not a regular file")
            if kind == PROJECT:
                _check_owner(path, status)
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise OptionsError(f"can't read the settings in {path}: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise OptionsError(f"can't read the settings in {path}: larger than {MAX_BYTES} bytes")
    return data


def _check_owner(path: str, status: os.stat_result) -> None:
    """Check that the file of a project is from someone whom the user trusts."""
    if hasattr(os, "geteuid") and status.st_uid not in (0, os.geteuid()):
        raise OptionsError(
            f"{path} belongs to another user (uid {status.st_uid}): name it with --config to use it, or ignore all"
            " settings with --no-config"
        )


def _with_dashes(values: Values) -> Values:
    return {_as_option(name): value for name, value in values.items()}


def _as_option(name: str) -> str:
    """Return the name of an option as it is on the command line: min_openexr is min-openexr."""
    return name.replace("_", "-")


def _check_names(kind: str, where: str, values: Values, names: frozenset[str], known: Known) -> None:
    """Check that the names in a table are known, allowed and given once."""
    seen: set[str] = set()
    for name in values:
        option = _as_option(name)
        if option not in names:
            raise OptionsError(f"{where}: {_unknown(option, values[name], names, known)}")
        if option in seen:
            raise OptionsError(f"{where}: {option!r} is there twice")
        seen.add(option)
        if kind == PROJECT and option not in PROJECT_MAY_SET:
            raise OptionsError(
                f"{where}: the file of a project may not set {option!r}, only {', '.join(sorted(PROJECT_MAY_SET))};"
                " set it on the command line or in your own file, or ignore all settings with --no-config"
            )
        if kind == PROJECT and option == "compression" and _may_be_lossy(values[name]):
            raise OptionsError(
                f"{where}: the file of a project may only set a compression that is lossless for any file: "
                + ", ".join(sorted(EXACT))
            )


def _may_be_lossy(value: object) -> bool:
    """Return whether a compression may change pixels; odd values are refused later."""
    return isinstance(value, str | int) and not isinstance(value, bool) and str(value).lower() not in EXACT


def _unknown(option: str, value: object, names: frozenset[str], known: Known) -> str:
    if isinstance(value, dict):
        close = closest(option, [*known.commands, _PRESET])
        return f"unknown table [{option}]" + (f"; did you mean [{close}]?" if close is not None else "")
    homes = [f"[{command}]" for command, options in known.commands.items() if option in options]
    if homes:
        return f"{option!r} belongs to {' or '.join(homes)}"
    close = closest(option, names)
    return f"unknown setting {option!r}" + (f"; did you mean {close}?" if close is not None else "")
