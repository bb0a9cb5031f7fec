"""Imports follow the layers of docs/architecture.md; modules are small and described."""

import ast
import re
from pathlib import Path

import pytest

from exrbatch import Compression
from exrbatch.cli.commands import Parsers

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "exrbatch"


def layers() -> dict[str, int]:
    """Read the diagram in docs/architecture.md: each package or module with its height, from 0."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    (diagram,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    rows = [line[:33].split(", ") for line in diagram.splitlines()]
    heights = {name.strip(): height for height, row in enumerate(reversed(rows)) for name in row}
    return heights | {"__main__": len(rows), "__init__": len(rows) + 1}


LAYERS = layers()
MODULES = sorted(PACKAGE.rglob("*.py"))


def layer_of(path: Path) -> int:
    return LAYERS[path.relative_to(PACKAGE).parts[0].removesuffix(".py")]


def is_module(name: str) -> bool:
    """Whether a dotted name stands for a module or package."""
    path = ROOT / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").exists()


def imports_of(path: Path) -> list[str]:
    """Return the names of our modules that a module imports.

    Imports inside functions count, those for the type checker alone do not.
    """
    names = []
    tree = ast.parse(path.read_text())
    for block in [node for node in ast.walk(tree) if isinstance(node, ast.If)]:
        if isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING":
            block.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names += [name if is_module(name) else node.module for name in inner]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return [name for name in names if name.split(".")[0] == "exrbatch"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down_the_layers(path: Path) -> None:
    """No module imports from a layer above its own.

    The names of the package itself are for users only.
    """
    for name in imports_of(path):
        parts = name.split(".")
        if len(parts) == 1:
            assert layer_of(path) >= LAYERS["cli"], "import from the module, not from the package"
        else:
            assert LAYERS[parts[1]] <= layer_of(path), f"{path} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_safe_replacement_is_imported_from_its_package(path: Path) -> None:
    """Other packages import names of `exrbatch.replacing`; two of its modules are public."""
    if path.parent.name == "replacing":
        return
    public = {"exrbatch.replacing", "exrbatch.replacing.disk", "exrbatch.replacing.examine"}
    assert {name for name in imports_of(path) if name.startswith("exrbatch.replacing")} <= public


def test_imports_have_no_cycles() -> None:
    """Modules can be put in an order in which each comes after those that it imports."""
    graph = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): set(imports_of(path))
        for path in MODULES
    }
    while graph:
        free = [name for name, needs in graph.items() if not any(need in graph and need != name for need in needs)]
        assert free, f"a cycle among {sorted(graph)}"
        for name in free:
            del graph[name]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_are_small_and_described(path: Path) -> None:
    """A module fits one sitting and says what it is for.

    A package's __init__ has only a docstring and its public names.
    """
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    assert len(path.read_text().splitlines()) <= 350
    if path.name == "__init__.py" and path.parent != PACKAGE:
        assert all(isinstance(node, ast.ImportFrom | ast.Assign) for node in tree.body[1:])
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{node.name} does not fit a screen"


def test_the_map_of_the_code_names_every_module() -> None:
    """A module that is called like its command, or like a compression, is found without it."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    found = {path.stem for path in PACKAGE.rglob("*.py")} - {"__init__", "__main__"}
    known = {name.replace(" ", "_") for name in Parsers()} | {each.name.lower() for each in Compression}
    known |= {name for name in found if name.endswith("_arguments")}
    assert {name for name in found - known if not re.search(rf"\b{name}\b", text)} == set()
