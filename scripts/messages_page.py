"""Writes docs/messages.md from the types in `schemas/`: `python -m scripts.messages_page`."""

import ast
from collections.abc import Iterator
from pathlib import Path

from schemas import discovery, events, requests, responses
from schemas.generate import DOCUMENTS, json_schema
from scripts.schema_words import Schema, cell, default, words

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "messages.md"
HEAD = """# Messages

Every message, request and answer, field by field: a field that is not required may be left out or
`null`. Fields that are not named here are ignored. This page is made from the types in `schemas/`
by `make schemas`; the same as JSON Schema: [schemas/json](../schemas/json/), the topics:
[asyncapi.yaml](../schemas/asyncapi.yaml). [events.md](events.md) tells what the fields of events
and items mean.
"""
MODULES = {
    "Topics and hints": (events,),
    "Requests": (requests,),
    "Answers": (responses, discovery),
}


def page() -> str:
    """The whole page."""
    notes = dict(_notes())
    types = {kind for document in DOCUMENTS.values() for kind in document}
    definitions = json_schema(tuple(sorted(types, key=lambda kind: kind.__name__)))["$defs"]
    parts = [HEAD]
    for title, modules in MODULES.items():
        names = {module.__name__ for module in modules}
        found = [name for name in definitions if _module_of(name) in names]
        parts.append(f"\n## {title}\n")
        parts += [_section(name, definitions[name], notes) for name in sorted(found)]
    return "".join(parts)


def _module_of(name: str) -> str:
    """The module that a type is written in."""
    modules = (events, requests, responses, discovery)
    return next(str(vars(m)[name].__module__) for m in modules if name in vars(m))


def _section(name: str, schema: Schema, notes: dict[tuple[str, str], str]) -> str:
    """One type: what it is, in which files, and its fields."""
    files = [f for f, kinds in DOCUMENTS.items() if name in {k.__name__ for k in kinds}]
    said = schema.get("description", "").replace("\n\n", "\n").strip()
    lines = ["", f"### {name}", "", *([said, ""] if said else [])]
    if files:
        links = (f"[{file}.json](../schemas/json/{file}.json)" for file in files)
        lines += [f"JSON Schema: {', '.join(links)}.", ""]
    lines += ["| field | type | required | default | |", "| --- | --- | --- | --- | --- |"]
    required = set(schema.get("required", ()))
    for field, each in schema.get("properties", {}).items():
        needed = "yes" if field in required else ""
        note = cell(notes.get((name, field), ""))
        row = [f"`{field}`", cell(words(each)), needed, cell(default(each)), note]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def _notes() -> Iterator[tuple[tuple[str, str], str]]:
    """(type, field) → the text below a field in the source."""
    for module in (events, requests, responses, discovery):
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        for kind in filter(lambda node: isinstance(node, ast.ClassDef), tree.body):
            assert isinstance(kind, ast.ClassDef)
            for field, below in zip(kind.body, kind.body[1:], strict=False):
                if not isinstance(field, ast.AnnAssign) or not isinstance(below, ast.Expr):
                    continue
                assert isinstance(field.target, ast.Name)
                assert isinstance(below.value, ast.Constant)
                yield (kind.name, field.target.id), str(below.value.value)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
