"""The style as a test, and the pages that are made from code."""

import ast
import re
import runpy
import subprocess
from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from vane.cli import COMMANDS
from vane.settings import Settings, variable
from vane.store.sql import load_queries

ROOT = Path(__file__).resolve().parents[2]
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 350
MODULES = sorted(
    p for top in ("vane", "flows", "api", "schemas") for p in (ROOT / top).rglob("*.py")
)
LOCKS = sorted(ROOT.glob("requirements*.txt"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MADE_PAGES = [
    *("cli_page", "doctor_page", "messages_page", "metrics_table", "openapi_page"),
    "settings_table",
]
QUERY_FILES = sorted((ROOT / "vane" / "store" / "sql").glob("*.sql"))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_files_and_functions_are_short(module: Path) -> None:
    source = module.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= FILE_LINES_MAX
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < FUNCTION_LINES_MAX, node.name


def _tracked_files() -> Iterator[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return (ROOT / name for name in filter(None, listed.stdout.split("\0")))


def test_no_file_names_a_path_of_a_machine() -> None:
    machine = re.compile(rb"/(?:home|root|Users|work)/\w")
    found = [
        _name(path)
        for path in _tracked_files()
        if path.exists() and machine.search(path.read_bytes())
    ]
    assert found == []


@pytest.mark.parametrize("lock", LOCKS, ids=_name)
def test_locks_pin_every_package_with_hashes_and_name_no_registry(lock: Path) -> None:
    entries = lock.read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    assert entries
    pinned = re.compile(r"[a-z0-9._-]+==[\w.]+( ; [^:/]+)?(\s+--hash=sha256:[0-9a-f]{64})+")
    assert [entry for entry in entries if not pinned.fullmatch(entry)] == []


@pytest.mark.parametrize("queries", QUERY_FILES, ids=_name)
def test_every_query_is_used_by_the_store(queries: Path) -> None:
    loads, used = f'load_queries("{queries.stem}")', set[str]()
    for module in (ROOT / "vane" / "store").rglob("*.py"):
        source = module.read_text(encoding="utf-8")
        if loads in source:
            used.update(re.findall(r'"([a-z_0-9]+)"', source))
    assert sorted(set(load_queries(queries.stem)) - used) == []


@pytest.mark.parametrize("spec", fields(Settings), ids=lambda spec: spec.name)
def test_every_setting_has_a_meaning_and_a_use(spec: Field[Any]) -> None:
    assert spec.metadata["meaning"]
    users = [m for m in MODULES if m.name != "settings.py"]
    assert any(re.search(rf"\.{spec.name}\b", m.read_text(encoding="utf-8")) for m in users)


@pytest.mark.parametrize("name", MADE_PAGES)
def test_a_page_that_is_made_from_code_is_up_to_date(name: str) -> None:
    script = runpy.run_path(str(ROOT / "scripts" / f"{name}.py"))
    assert script["PAGE"].read_text(encoding="utf-8") == script["page"]()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https:)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_the_commands_of_a_page_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"(?<![\w-])(?<!db/)vane ([a-z][a-z-]+)", _code(text))) <= set(COMMANDS)
    made = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z][a-z-]*)", _code(text))) <= set(made)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_the_settings_of_a_page_exist(page: Path) -> None:
    named = set(re.findall(r"VANE_[A-Z_]+", page.read_text(encoding="utf-8")))
    assert named <= {variable(spec.name) for spec in fields(Settings)}


def test_the_commands_that_messages_name_exist() -> None:
    named = re.compile(r"(?:: |`|\[(?:cyan|bold|/)\] ?)vane ([a-z][a-z-]+)")
    found = {
        name for module in MODULES for name in named.findall(module.read_text(encoding="utf-8"))
    }
    assert "up" in found
    assert found <= set(COMMANDS)


def test_the_pages_name_exactly_the_routes_of_the_api() -> None:
    call = re.compile(r"\b(GET|POST|PUT|DELETE) (/[a-z0-9/_{}-]+)")
    written = [page for page in PAGES if page.name != "openapi.md"]
    named = {found for page in written for found in call.findall(page.read_text(encoding="utf-8"))}
    paths = create_app(Settings()).openapi()["paths"]
    served = {(verb.upper(), path) for path, verbs in paths.items() for verb in verbs}
    assert named == served


def _code(text: str) -> str:
    """What is set as code in a page: blocks and spans."""
    return "\n".join(re.findall(r"^```.*?^```|`[^`\n]+`", text, re.MULTILINE | re.DOTALL))
