"""Where the value of each option comes from.

In this order: the command line, a preset named there, the environment, a preset named there, the
file of `--config`, that of the project, that of the user, and the default. Everything is derived
from the parser, so a new option needs no change here.
"""

import argparse
import copy
import difflib
import functools
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from exrbatch.cli.setting_files import CONFIG, PROJECT, USER, Known, SettingFile, Values, find_files
from exrbatch.errors import OptionsError
from exrbatch.suggestions import unknown_name

PREFIX = "EXRBATCH_"
ONE_CALL = frozenset(
    (*("help", "version", "config", "preset", "no-config"), *("plan", "count", "size", "for", "executable"))
)
"""Options that can't be set: they choose the settings, end the command, or are about one plan."""
LISTS = frozenset(("bench",))
"""Commands that only have settings of their own.

Their options are lists of what is compared: `compression` means something else there.
"""
NOT_SET = frozenset((("verify", "digests"),))
"""Options whose value is about one call, although another command has a setting of that name."""
LIKE = MappingProxyType({"shard plan": "recompress"})
"""Commands that have the settings of another one, not their own: they prepare what it does."""
_ON, _OFF = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_ADDING = (argparse._AppendAction, argparse._AppendConstAction, argparse._CountAction)
_UNSET = object()
_LINE = "command line"
_ENVIRONMENT = "environment"
_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Setting:
    """The value of an option, and where it comes from.

    Attributes:
        value: the value, as the command gets it.
        origin: "command line", "preset", "environment", "--config", "project", "user" or "default".
        where: the variable, preset or file; "" for the command line and for defaults.
        written: the value as it is written there; None for the command line and for defaults.
    """

    value: object
    origin: str
    where: str
    written: object = None


@dataclass(frozen=True, slots=True)
class _Layer:
    """Values from one place, by the name of their option; as text, or as TOML has them."""

    origin: str
    where: str
    values: Values
    names: Mapping[str, str]  # by option, what to call a value in a message

    def name(self, option: str) -> str:
        return self.names.get(option, f"{self.where}: {option}")


def add_setting_options(command: argparse.ArgumentParser) -> None:
    """Add the options that choose settings."""
    group = command.add_argument_group("settings")
    group.add_argument("--config", metavar="FILE", help="read settings from FILE, too (docs/configuration.md)")
    group.add_argument("--preset", metavar="NAME", help="use the values of the table [preset.NAME] in your settings")
    group.add_argument(
        "--no-config", action="store_true", help="read no file of settings, and no variables of the environment"
    )


def options_of(command: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """Return the options of a command that can be set, by the name of their settings.

    There are none unless the command has the options of `add_setting_options`. A mistake in a file
    must not keep anyone from, for example, stopping a run.
    """
    found: dict[str, argparse.Action] = {}
    if not any(action.dest == "no_config" for action in command._actions):
        return found
    for action in command._actions:
        long = [name for name in action.option_strings if name.startswith("--")]
        if long and action.help != argparse.SUPPRESS and long[0][2:] not in ONE_CALL:
            found[long[0][2:]] = action
    return found


def parse_with_settings(
    commands: Mapping[str, argparse.ArgumentParser], name: str, arguments: Sequence[str]
) -> tuple[argparse.Namespace, list[str], dict[str, Setting]]:
    """Parse the arguments of a command, and fill in what they do not say.

    Args:
        commands: the parser of each command.
        name: the command.
        arguments: the command line behind it.

    Returns:
        the options, the arguments that are unknown, and the setting of each option by its name.

    Raises:
        OptionsError: a setting is invalid, or a file of settings can't be used.
    """
    command = commands[name]
    options = [action for action in command._actions if action.option_strings and action.dest != "help"]
    # A value that is there already keeps argparse from filling in the default. Options that add to
    # it take None for nothing.
    unset = {action.dest: None if isinstance(action, _ADDING) else _UNSET for action in options}
    parsed, unknown = command.parse_known_args(arguments, argparse.Namespace(**unset))
    is_given = {dest: dest not in unset or value is not unset[dest] for dest, value in vars(parsed).items()}
    given = argparse.Namespace(**{dest: value for dest, value in vars(parsed).items() if is_given[dest]})
    settings = {} if unknown else settings_of(commands, name, given)
    # Two options may set the same value; then a default is less important.
    named = options_of(command)
    for option, setting in sorted(settings.items(), key=lambda item: item[1].origin != _DEFAULT):
        setattr(given, named[option].dest, setting.value)
    for action in options:
        if not hasattr(given, action.dest):
            setattr(given, action.dest, _default(command, action))
    return given, unknown, settings


def project_note(settings: Mapping[str, Setting]) -> str | None:
    """Return which settings come from the file of a project, which the user may not know."""
    found: dict[str, list[str]] = {}
    for name, each in settings.items():
        if each.origin == PROJECT:
            found.setdefault(each.where, []).append(name)
    return "; ".join(f"{', '.join(names)} from {where}" for where, names in found.items()) or None


def settings_of(
    commands: Mapping[str, argparse.ArgumentParser], name: str, given: argparse.Namespace
) -> dict[str, Setting]:
    """Return the setting of each option of a command, by its name.

    Args:
        commands: the parser of each command.
        name: the command.
        given: what the command line says, and nothing else.
    """
    command = commands[name]
    options = {option: action for option, action in options_of(command).items() if (name, option) not in NOT_SET}
    if not options:
        return {}
    layers = [] if getattr(given, "no_config", False) else list(_layers(commands, name, given))
    found: dict[str, tuple[int, Setting]] = {}
    for option, action in options.items():
        found[option] = _find(command, (option, action), layers, given)
    _settle_groups(command, options, found, layers)
    return {option: setting for option, (_, setting) in found.items()}


def presets_of(commands: Mapping[str, argparse.ArgumentParser], given: argparse.Namespace) -> dict[str, str]:
    """Return the file of each preset that could be named, as `settings_of` would find it."""
    if getattr(given, "no_config", False):
        return {}
    files = _files(_known(commands), given)
    return {name: file.path for file in reversed(_by_trust(files)) for name in file.presets}


def _find(
    command: argparse.ArgumentParser,
    option: tuple[str, argparse.Action],
    layers: Sequence[_Layer],
    given: argparse.Namespace,
) -> tuple[int, Setting]:
    """Return the setting of one option, and the index of its layer; -1 for the command line."""
    name, action = option
    if hasattr(given, action.dest):
        return -1, Setting(getattr(given, action.dest), _LINE, "")
    for index, layer in enumerate(layers):
        if name in layer.values:
            value = _convert(command, action, layer.values[name], layer.name(name))
            return index, Setting(value, layer.origin, layer.where or layer.name(name), layer.values[name])
    return len(layers), Setting(_default(command, action), _DEFAULT, "")


def _settle_groups(
    command: argparse.ArgumentParser,
    options: Mapping[str, argparse.Action],
    found: dict[str, tuple[int, Setting]],
    layers: Sequence[_Layer],
) -> None:
    """Keep of options that exclude each other, such as --quiet and --verbose, the most important.

    Raises:
        OptionsError: two of them are set in one place.
    """
    for group in command._mutually_exclusive_groups:
        names = [name for name, action in options.items() if action in group._group_actions]
        is_set = sorted((found[name][0], name) for name in names if found[name][1].value != options[name].default)
        for index, name in is_set[1:]:
            if index == is_set[0][0] >= 0:
                layer = layers[index]
                raise OptionsError(f"{layer.name(name)} and {layer.name(is_set[0][1])} exclude each other")
            found[name] = len(layers), Setting(_default(command, options[name]), _DEFAULT, "")


def _layers(commands: Mapping[str, argparse.ArgumentParser], name: str, given: argparse.Namespace) -> Iterator[_Layer]:
    """Yield the places that have values for a command, the most important first."""
    known = _known(commands)
    files = _files(known, given)
    if preset := getattr(given, "preset", None):
        yield _preset(preset, files, "--preset")
    yield _of_environment(known, name)
    if (preset := os.environ.get(f"{PREFIX}PRESET")) and name not in LISTS:
        yield _preset(preset, files, f"{PREFIX}PRESET")
    for file in files:
        yield _Layer(file.kind, file.path, file.commands.get(LIKE.get(name, name), {}), {})
        if name not in LISTS:
            yield _Layer(file.kind, file.path, file.common, {})


def _files(known: Callable[[], Known], given: argparse.Namespace) -> list[SettingFile]:
    """Read the files that apply, the most important first."""
    return find_files(getattr(given, "config", None) or os.environ.get(f"{PREFIX}CONFIG") or None, known)


def _by_trust(files: Sequence[SettingFile]) -> list[SettingFile]:
    """Sort files for presets: a project can't change what a preset of the user means."""
    kinds = (CONFIG, USER, PROJECT)
    return sorted(files, key=lambda file: kinds.index(file.kind))


def _known(commands: Mapping[str, argparse.ArgumentParser]) -> Callable[[], Known]:
    """Return a function that finds out what can be set. It needs the parsers of all commands."""

    @functools.cache
    def known() -> Known:
        names = {
            name: frozenset(option for option in options_of(command) if (name, option) not in NOT_SET)
            for name, command in commands.items()
            if name not in LIKE
        }
        common = frozenset().union(*(options for name, options in names.items() if name not in LISTS))
        return Known({name: options for name, options in names.items() if options}, common)

    return known


def _preset(name: str, files: Sequence[SettingFile], option: str) -> _Layer:
    """Find a preset."""
    for file in _by_trust(files):
        if name in file.presets:
            where = f"preset {name} in {file.path}"
            return _Layer(PROJECT if file.kind == PROJECT else "preset", where, file.presets[name], {})
    names = sorted({preset for file in files for preset in file.presets})
    if not names:
        raise OptionsError(f"{option}: there is no preset {name!r}: no file of settings has any")
    raise OptionsError(f"{option}: {unknown_name('preset', name, names)}")


def _of_environment(known: Callable[[], Known], command: str) -> _Layer:
    """Return the values in the environment. An empty variable counts as not set.

    Raises:
        OptionsError: a variable looks like one with a spelling mistake. All others that are no
            options are left alone: they may belong to something else.
    """
    others = f"{PREFIX}CONFIG", f"{PREFIX}PRESET"
    if not (variables := sorted(name for name in os.environ if name.startswith(PREFIX) and name not in others)):
        return _Layer(_ENVIRONMENT, "", {}, {})
    common = known().common
    options = {PREFIX + _upper(option): option for option in common}
    values = {}
    for variable in variables:
        if variable not in options:
            if close := difflib.get_close_matches(variable[len(PREFIX) :], map(_upper, common), n=1, cutoff=0.8):
                raise OptionsError(f"the variable {variable} is no option; did you mean {PREFIX}{close[0]}?")
        elif os.environ[variable] and command not in LISTS:
            values[options[variable]] = os.environ[variable]
    return _Layer(_ENVIRONMENT, "", values, {option: variable for variable, option in options.items()})


def _upper(option: str) -> str:
    return option.upper().replace("-", "_")


def _default(command: argparse.ArgumentParser, action: argparse.Action) -> object:
    """Return the default of an option as argparse would."""
    if action.default is argparse.SUPPRESS:
        return None
    if isinstance(action.default, str):
        return command._get_value(action, action.default)
    return copy.copy(action.default)


def _convert(command: argparse.ArgumentParser, action: argparse.Action, raw: object, name: str) -> object:
    """Convert a value as on the command line.

    Args:
        command: the parser of the command.
        action: the option.
        raw: its value: text, or a value of TOML.
        name: what to call it in messages.

    Raises:
        OptionsError: the value is invalid; the message is that of the command line.
    """
    if action.nargs == 0:
        return _flag(action, raw, name)
    is_list = isinstance(action.nargs, int) or action.nargs in ("*", "+")
    try:
        if isinstance(action, argparse._AppendAction | argparse._ExtendAction):
            return [command._get_values(action, [text]) for text in _texts(raw, name)]
        return command._get_values(action, _texts(raw, name) if is_list else [_text(raw, name)])
    except argparse.ArgumentError as error:
        raise OptionsError(f"{name}: {error.message}") from None


def _flag(action: argparse.Action, raw: object, name: str) -> object:
    """Return the value of an option without an argument."""
    word = raw.lower() if isinstance(raw, str) else raw
    if word not in (True, False, *_ON, *_OFF) or (isinstance(word, int) and not isinstance(word, bool)):
        raise OptionsError(f"{name}: must be true or false, not {raw!r}")
    is_on = word is True or word in _ON
    if isinstance(action, argparse.BooleanOptionalAction):
        return is_on
    return action.const if is_on else copy.copy(action.default)


def _texts(raw: object, name: str) -> list[str]:
    """Return the values of a list. In the environment, they are separated as in a shell."""
    if isinstance(raw, list):
        return [_text(each, name) for each in raw]
    try:
        return shlex.split(raw) if isinstance(raw, str) and name.startswith(PREFIX) else [_text(raw, name)]
    except ValueError as error:
        raise OptionsError(f"{name}: {error}") from None


def _text(raw: object, name: str) -> str:
    """Return one value as text."""
    if isinstance(raw, bool | list | dict):
        kind = {bool: "true or false", list: "a list", dict: "a table"}[type(raw)]
        raise OptionsError(f"{name}: must be a text or a number, not {kind}")
    return str(raw)
