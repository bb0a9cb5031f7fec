"""`exrbatch scan PATH...`: list what is below some paths, and estimate what a run would save."""

import argparse
from collections.abc import Sequence

from rich.text import Text

from exrbatch.batch.discovery.selection import Selection
from exrbatch.batch.run_report import EXIT_DONE, EXIT_FAILURES, EXIT_STOPPED
from exrbatch.bench.matrix import parse_packings
from exrbatch.bench.packing import Packing
from exrbatch.cli.console import Output
from exrbatch.cli.interrupts import Interrupts
from exrbatch.cli.outputs import print_document
from exrbatch.cli.scan_tables import print_estimate, print_failures, print_inventory, print_totals
from exrbatch.cli.waiting import WaitingLine
from exrbatch.errors import OptionsError, RunStopped
from exrbatch.inventory.estimate import Estimator
from exrbatch.inventory.listing import FORMAT, Inventory
from exrbatch.inventory.prediction import Estimate
from exrbatch.inventory.scanning import scan
from exrbatch.recompression.choices import Permissions
from exrbatch.text import format_count, safe_text
from exrbatch.version import __version__


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch scan`; return the exit code."""
    if arguments.compression is not None and not arguments.estimate:
        raise OptionsError("-c is for an estimate: add --estimate")
    packings = parse_packings(arguments.compression or "zip", arguments.effort, arguments.readers)
    output = Output(is_json=arguments.json)
    interrupts = Interrupts()
    with interrupts.caught():
        return _scan(arguments, packings if arguments.estimate else [], output)
    interrupts.say()
    return interrupts.exit_code


def _scan(arguments: argparse.Namespace, packings: Sequence[Packing], output: Output) -> int:
    """Scan and estimate, print the results, and return the exit code."""
    with WaitingLine(output.progress, quiet=arguments.quiet) as line:
        inventory = _inventory(arguments, line)
    code = EXIT_FAILURES if inventory.failures else EXIT_DONE
    document = {"format": FORMAT, "exrbatch": __version__} | inventory.to_json()
    if not arguments.json:
        print_inventory(output.results, inventory)
        print_totals(output.results, inventory)
    print_failures(output.progress, inventory)
    if packings:
        try:
            estimate = _estimate(arguments, packings, inventory, output)
        except RunStopped as stopped:
            output.progress.print(Text(f"stopped: {stopped}", style="bold red"))
            code = EXIT_STOPPED
        else:
            document["estimate"] = estimate.to_json()
            if not arguments.json:
                print_estimate(output.results, estimate)
    if arguments.json and not print_document(document | {"exit_code": code}):
        return EXIT_FAILURES
    return code


def _inventory(arguments: argparse.Namespace, line: WaitingLine) -> Inventory:
    def progress(files: int, headers: int, path: str) -> None:
        if line.is_due:
            counts = f"{format_count(files, 'file')} found, {format_count(headers, 'header')} read"
            line.show(f"{counts} {safe_text(path)}".rstrip())

    selection = Selection(arguments.include, arguments.exclude)
    return scan(
        arguments.paths,
        selection,
        all_headers=arguments.headers,
        keeps_files=arguments.estimate,
        progress=progress,
    )


def _estimate(
    arguments: argparse.Namespace, packings: Sequence[Packing], inventory: Inventory, output: Output
) -> Estimate:
    permissions = Permissions(include_lossy_sources=arguments.include_lossy_sources, allow_aces=arguments.allow_aces)
    estimator = Estimator(inventory, packings, permissions, arguments.jobs)
    with WaitingLine(output.progress, quiet=arguments.quiet) as line:

        def said(text: str) -> None:
            if line.is_due:
                line.show(text)

        return estimator.run(arguments.sample_time, said)
