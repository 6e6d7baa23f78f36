"""JSON Schema in words, for the pages of the reference that are made from code."""

from typing import Any

Schema = dict[str, Any]
UNITS = {"string": "characters", "array": "entries"}
BOUNDS = [("minLength", "maxLength"), ("minItems", "maxItems"), ("minimum", "maximum")]


def words(schema: Schema, page: str = "") -> str:
    """A schema's type with its bounds; named types link to their heading on `page`."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}]({page}#{name.lower()})"
    if "anyOf" in schema:
        kinds = [words(each, page) for each in schema["anyOf"] if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    return _plain(schema, page)


def _plain(schema: Schema, page: str) -> str:
    """A schema that is neither a choice nor a reference."""
    kind = schema.get("type", "any value")
    said = str(kind)
    if "prefixItems" in schema:
        return f"[{', '.join(words(each, page) for each in schema['prefixItems'])}]"
    if kind == "array":
        said = f"list of {words(schema.get('items', {}), page)}"
    elif kind == "object" and isinstance(inner := schema.get("additionalProperties"), dict):
        said = f"object of {words(inner, page)}" if inner else "object"
    elif schema.get("format") == "date-time":
        said = "time (RFC 3339)"
    elif "contentEncoding" in schema:
        said = f"{schema['contentEncoding']} text"
    return said + _bounds(schema, UNITS.get(kind, "") if isinstance(kind, str) else "")


def _bounds(schema: Schema, unit: str) -> str:
    """`, 1 to 128 characters`; empty for a schema without bounds."""
    for low_name, high_name in BOUNDS:
        low, high = schema.get(low_name), schema.get(high_name)
        low = schema.get("exclusiveMinimum", low) if low_name == "minimum" else low
        if low is None and high is None:
            continue
        if high is None:
            said = f"at least {low:,}"
        elif low is None:
            said = f"at most {high:,}"
        else:
            said = f"{low:,} to {high:,}"
        return f", {said} {unit}".rstrip()
    return ""


def default(schema: Schema) -> str:
    """A default as it is written in JSON; empty where there is none or it is null."""
    value = schema.get("default")
    if value is None or value in ([], {}, ""):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def cell(text: str) -> str:
    """Text as one cell of a table."""
    return " ".join(text.replace("|", "\\|").split())
