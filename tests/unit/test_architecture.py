"""The house's rules (ARCHITECTURE.md), as far as a program can check them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = {"functions", "shared", "engine", "devhost", "samples", "bench", "curate", "backbones", "pretrain"}
OURS |= {"function_app", "tests"}
BANNED_MODULES = {"utils", "helpers", "common", "misc"}
BANNED_CLASS_ENDINGS = ("Manager", "Handler", "Helper", "Processor")
PURE = ("coco", "policy", "gate", "snapshot")


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    for node in ast.iter_child_nodes(tree) if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


FORBIDDEN = {
    "shared": {"functions", "engine", "devhost", "curate", "azure.functions", "pretrain"},
    "engine": {"functions", "shared", "devhost", "samples", "bench", "curate", "backbones", "azure", "pretrain"},
    "functions": {"azure.storage", "engine", "devhost", "curate", "pretrain"},
    "samples": {"functions", "shared", "engine", "devhost", "curate", "pretrain"},
    "devhost": {"functions", "shared", "engine", "curate", "pretrain"},
    "curate": {"functions", "engine", "devhost", "samples", "bench", "azure", "pretrain"},
    "bench": {"curate", "pretrain"},
    "backbones": {"functions", "shared", "devhost", "samples", "bench", "curate", "azure", "pretrain"},
    "pretrain": {"functions", "shared", "engine", "devhost", "samples", "bench", "curate", "azure"},
}


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_a_package_imports_only_what_it_may(package: str) -> None:
    assert sources(package)
    found = [
        (path.name, name)
        for path in sources(package)
        for name in imports(path)
        for forbidden in FORBIDDEN[package]
        if within(name, forbidden)
    ]
    assert found == []


def test_httpx_reaches_functions_only_in_the_composition_root() -> None:
    users = {path.name for path in sources("functions") for name in imports(path) if within(name, "httpx")}
    assert users <= {"_services.py"}


@pytest.mark.parametrize("package", ["torch", "cv2"])
def test_what_only_pretraining_needs_is_imported_there_alone(package: str) -> None:
    product = sorted(OURS - {"function_app", "pretrain", "tests"})
    assert [p for one in product for p in sources(one) for n in imports(p) if within(n, package)] == []


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_knows_no_storage_clock_or_chance(module: str) -> None:
    impure = ("shared.storage", "shared.vision", "time", "random", "os", "pathlib", "httpx", "azure", "secrets", "uuid")
    tree = ast.parse((ROOT / "shared" / f"{module}.py").read_text())
    found = [name for name in imports(ROOT / "shared" / f"{module}.py") for bad in impure if within(name, bad)]
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert found == []
    assert attributes & {"now", "utcnow", "today"} == set()
    assert names & {"open", "print", "input"} == set()


@pytest.mark.parametrize("package", ["azure.identity", "azure.eventgrid", "opentelemetry.exporter"])
def test_what_is_heavy_and_rare_is_imported_where_it_is_used(package: str) -> None:
    eager = [
        p.name
        for p in sources("shared") + sources("functions")
        for n in imports(p, top_level_only=True)
        if within(n, package)
    ]
    assert eager == []


@pytest.mark.parametrize("package", sorted(OURS - {"function_app"}))
def test_names_say_what_a_thing_is(package: str) -> None:
    for path in sources(package):
        assert path.stem not in BANNED_MODULES, path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                assert not node.name.endswith(BANNED_CLASS_ENDINGS), f"{path}: {node.name}"


@pytest.mark.parametrize("package", sorted(OURS - {"function_app", "bench", "tests"}))
def test_assert_is_for_tests_and_modules_say_why_they_exist(package: str) -> None:
    for path in sources(package):
        tree = ast.parse(path.read_text())
        assert not any(isinstance(node, ast.Assert) for node in ast.walk(tree)), path
        assert not tree.body or ast.get_docstring(tree), f"{path} has no docstring"


def test_up_and_demo_know_the_shelf_of_backbones_and_not_the_engine() -> None:
    known = {name for path in sources("devhost") for name in imports(path) if within(name, "backbones")}
    assert known <= {"backbones.shelf.Shelf", "backbones.errors.ShelfError"}
    assert [name for name in imports(ROOT / "backbones" / "shelf.py") if within(name, "engine")] == []
