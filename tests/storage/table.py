"""Print the results of a run of the storage test: `table.py RESULTS STORAGE ...`.

The exit code is 0 if all promises hold.
"""

import json
import sys
from pathlib import Path


def main() -> int:
    """Print one table, what failed, and the versions; return the exit code."""
    results, storages = Path(sys.argv[1]), sys.argv[2:]
    verdicts: dict[str, dict[str, str]] = {}
    failures: list[str] = []
    for storage in storages:
        if not (results / storage / "finished").exists():
            failures.append(f"{storage}: the guest did not finish; see {results / storage / 'console.log'}")
        for record in read(results / storage / "results.jsonl"):
            verdicts.setdefault(record["promise"], {})[storage] = record["verdict"]
            if record["verdict"] != "PASS":
                failures.append(f"{storage}: {record['promise']}: {record['detail']}")
    lines = [row(["promise", *storages]), row(["---"] * (1 + len(storages)))]
    lines += [row([name, *(found.get(storage, "") for storage in storages)]) for name, found in verdicts.items()]
    table = "\n".join(lines) + "\n\n" + "\n".join(versions(results, storages)) + "\n"
    (results / "table.md").write_text(table)
    print(table)
    print("\n".join(failures) or "All promises hold.")
    return 1 if failures or not verdicts else 0


def read(path: Path) -> list[dict[str, str]]:
    """Return the records of one storage; none if its guest has not come that far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def row(cells: list[str]) -> str:
    """Return a row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def versions(results: Path, storages: list[str]) -> list[str]:
    """Return the versions in the guests, each line once."""
    files = [results / storage / "versions" for storage in storages]
    lines = [line for file in files if file.exists() for line in file.read_text().splitlines()]
    return [f"- {line}" for line in dict.fromkeys(lines)]


if __name__ == "__main__":
    sys.exit(main())
