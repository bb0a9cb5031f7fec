"""`exrbatch config`: show the value of each option, and where it comes from."""

import argparse
import json
import os
import sys

from rich.table import Table
from rich.text import Text

from exrbatch.cli.commands import build_parser
from exrbatch.cli.console import lasting_console
from exrbatch.cli.outputs import print_document
from exrbatch.cli.setting_files import project_file, user_file
from exrbatch.cli.settings import Setting, options_of, presets_of, settings_of
from exrbatch.cli.shared_arguments import duration_text, percentage
from exrbatch.errors import OptionsError
from exrbatch.suggestions import unknown_name
from exrbatch.text import printable, safe_text


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch config`; return the exit code."""
    commands = {name: command for name, command in build_parser().commands.items() if options_of(command)}
    if arguments.of not in commands:
        raise OptionsError(unknown_name("command with settings", arguments.of, commands))
    chosen = argparse.Namespace(config=arguments.config, preset=arguments.preset, no_config=arguments.no_config)
    settings = settings_of(commands, arguments.of, chosen)
    if arguments.changed:
        settings = {name: each for name, each in settings.items() if each.origin != "default"}
    presets = presets_of(commands, chosen)
    if arguments.json:
        return 0 if print_document(_document(arguments, settings, presets)) else 1
    options = options_of(commands[arguments.of])
    console = lasting_console(sys.stdout)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("option", "value", "from"):
        table.add_column(column, overflow="fold")
    for name, setting in settings.items():
        style = "dim" if setting.origin == "default" else ""
        table.add_row(
            Text(name), Text(safe_text(_shown(setting, options[name]))), Text(safe_text(_from(setting))), style=style
        )
    if settings:
        console.print(table)
    else:
        console.print("all options have their defaults")
    for kind, path in _places(arguments).items():
        state = "" if path is not None and os.path.lexists(path) else " (no such file)"
        console.print(Text(f"{kind}: {safe_text(path) if path is not None else 'none'}{state if path else ''}"))
    for name, path in sorted(presets.items()):
        console.print(Text(f"preset {safe_text(name)}: {safe_text(path)}"))
    return 0


def _shown(setting: Setting, option: argparse.Action) -> str:
    """Return a value as it can stand in a file of settings; "none" for one that is not set."""
    value = setting.value
    if setting.written is not None and not isinstance(value, bool | list | tuple):
        value = setting.written
    elif option.type is percentage and isinstance(value, float):
        value = f"{100 * value:g}%"
    elif isinstance(value, float):
        value = duration_text(value)
    if value is None:
        return "none"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(json.dumps(str(each), ensure_ascii=False) for each in value)}]"
    return json.dumps(str(value), ensure_ascii=False)


def _from(setting: Setting) -> str:
    if setting.origin in ("environment", "preset") or not setting.where:
        return setting.where or setting.origin
    return f"{setting.where} ({setting.origin})"


def _places(arguments: argparse.Namespace) -> dict[str, str | None]:
    """Return the files of settings, whether or not they exist."""
    if arguments.no_config:
        return {}
    named = arguments.config or os.environ.get("EXRBATCH_CONFIG")
    return ({"--config": named} if named else {}) | {"project's file": project_file(), "user's file": user_file()}


def _document(
    arguments: argparse.Namespace, settings: dict[str, Setting], presets: dict[str, str]
) -> dict[str, object]:
    return {
        "command": arguments.of,
        "files": {kind: None if path is None else printable(path) for kind, path in _places(arguments).items()},
        "options": {
            name: {"value": _plain(each.value), "origin": each.origin, "where": printable(each.where)}
            for name, each in settings.items()
        },
        "presets": {name: printable(path) for name, path in presets.items()},
    }


def _plain(value: object) -> object:
    """Return a value that can be written as JSON."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or type(value) in (bool, int, float, str) else str(value)
