"""Writes docs/openapi.md from the API's OpenAPI document: `python -m scripts.openapi_page`."""

from pathlib import Path

from api.app import create_app
from scripts.schema_words import Schema, cell, default, words
from vane.settings import Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "openapi.md"
HEAD = """# Every route

All routes of the HTTP API with their parameters and answers; [api.md](api.md) tells how to use
them. A running Vane shows the same at `/docs`, and as OpenAPI at `/openapi.json`. Problems are
[problem details](messages.md#problem) (RFC 9457); [security.md](security.md) says which calls
need a key. This page is made from the code by `make schemas`.
"""


def page() -> str:
    """The whole page: the routes in groups, in the order of the document."""
    paths = create_app(Settings()).openapi()["paths"]
    groups: dict[str, list[str]] = {}
    for path, methods in paths.items():
        for method, operation in methods.items():
            tag = operation.get("tags", ["other"])[0]
            groups.setdefault(tag, []).append(_section(f"{method.upper()} {path}", operation))
    parts = [f"\n## {tag.capitalize()}\n{''.join(groups[tag])}" for tag in groups]
    return HEAD + "".join(parts)


def _section(call: str, operation: Schema) -> str:
    """One route."""
    lines = ["", f"### `{call}`", "", operation["description"].strip(), ""]
    if parameters := operation.get("parameters"):
        lines += ["| parameter | in | type | default | |", "| --- | --- | --- | --- | --- |"]
        lines += [_parameter(each) for each in parameters]
        lines += [""]
    if body := operation.get("requestBody"):
        lines += [f"**Body**: {_content(body)}.", ""]
    lines += ["| status | answer |", "| --- | --- |"]
    for status, answer in operation["responses"].items():
        lines.append(f"| {status} | {cell(_content(answer) or answer['description'])} |")
    return "\n".join(lines) + "\n"


def _parameter(each: Schema) -> str:
    """A row of the table of parameters."""
    name = f"`{each['name']}`" + (", required" if each.get("required") else "")
    schema = each["schema"]
    row = [name, each["in"], words(schema, "messages.md"), default(schema)]
    return f"| {' | '.join(map(cell, [*row, each.get('description', '')]))} |"


def _content(holder: Schema) -> str:
    """Media types with what they hold."""
    said = []
    for media, content in holder.get("content", {}).items():
        schema = content.get("schema") or {}
        known = schema and words(schema, "messages.md")
        said.append(f"{known} (`{media}`)" if known and known != "any value" else f"`{media}`")
    return ", ".join(said)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
