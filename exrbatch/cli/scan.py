"""`exrbatch scan PATH...`: list what is below some paths, and estimate what a run would save."""

import argparse
from typing import Any

from exrbatch.batch.discovery.selection import Selection
from exrbatch.batch.run_report import EXIT_DONE, EXIT_FAILURES
from exrbatch.cli.console import Output
from exrbatch.cli.interrupts import Interrupts
from exrbatch.cli.outputs import print_document
from exrbatch.cli.scan_tables import print_failures, print_inventory, print_totals
from exrbatch.cli.waiting import WaitingLine
from exrbatch.inventory.listing import FORMAT, Inventory
from exrbatch.inventory.scanning import scan
from exrbatch.text import format_count, safe_text
from exrbatch.version import __version__


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch scan`; return the exit code."""
    output = Output(is_json=arguments.json)
    interrupts = Interrupts()
    with interrupts.caught():
        inventory = _scan(arguments, output)
        code = EXIT_FAILURES if inventory.failures else EXIT_DONE
        document = {"format": FORMAT, "exrbatch": __version__} | inventory.to_json()
        if not arguments.json:
            print_inventory(output.results, inventory)
            print_totals(output.results, inventory)
        print_failures(output.progress, inventory)
        if arguments.json and not print_document(document | {"exit_code": code}):
            return EXIT_FAILURES
        return code
    interrupts.say()
    return interrupts.exit_code


def _scan(arguments: argparse.Namespace, output: Output) -> Inventory:
    options: dict[str, Any] = {"all_headers": arguments.headers}
    with WaitingLine(output.progress, quiet=arguments.quiet) as line:

        def progress(files: int, headers: int, path: str) -> None:
            if line.is_due:
                counts = f"{format_count(files, 'file')} found, {format_count(headers, 'header')} read"
                line.show(f"{counts} {safe_text(path)}".rstrip())

        return scan(arguments.paths, Selection(arguments.include, arguments.exclude), progress=progress, **options)
