"""What `make site` does beyond mkdocs' own: folders in the nav, links out of docs/, diagrams.

Pages of docs/ link to files of the repository, so that they can be read where they lie. In the
site such a file becomes a page of its own, under `repository/`.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
ICON = "web/icon.svg"
HOME = "repository"
LINK = re.compile(r"(?<=\]\()((?:\.\./|[\w-]+/)[^)#\s]*)(?=[#)])")
FENCE = re.compile(r"^(```\w+) [\w-]+$", re.MULTILINE)
"""The second word says which schema an example keeps to; the site's Markdown knows one word."""
DIAGRAM = re.compile(r'<img alt="[^"]*" src="([^"]*/diagrams/[^"]+\.svg)"\s*/?>')
LANGUAGES = {".py": "python", ".ts": "typescript", ".tsx": "tsx", ".proto": "protobuf"}
NOT_OURS = {"node_modules", "dist", "__pycache__", "package-lock.json"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """A folder in the nav stands for all of its pages."""
    config.nav = [_unfolded(entry, Path(config.docs_dir)) for entry in config.nav or []]
    return config


def _unfolded(entry: Any, docs: Path) -> Any:
    """An entry of the nav, with the pages of its folders in their place."""
    if not isinstance(entry, dict):
        return entry
    ((title, value),) = entry.items()
    if isinstance(value, list):
        return {title: [_unfolded(each, docs) for each in value]}
    if not value.endswith("/"):
        return entry
    pages = {path.relative_to(docs).as_posix() for path in (docs / value).glob("*.md")}
    index = f"{value}index.md"
    return {title: [index, *sorted(pages - {index})]}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the repository's files that pages link to, the icon, and the list of decisions."""
    docs = Path(config.docs_dir)
    files.append(File.generated(config, "images/icon.svg", abs_src_path=str(ROOT / ICON)))
    if "decisions/index.md" not in files.src_uris:
        files.append(File.generated(config, "decisions/index.md", content=_decisions(docs)))
    linked = {
        found
        for file in files.documentation_pages()
        for link in LINK.findall(file.content_string)
        if (found := _outside(file.src_uri, link))
    }
    for path in sorted({each for found in linked for each in (found, *_below(found))}):
        page = File.generated(
            config,
            _place(path),
            content=_shown(path),
            inclusion=InclusionLevel.NOT_IN_NAV,
        )
        files.append(page)
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links to folders lead to their lists, links out of docs/ to pages under `repository/`."""

    def inside(link: "re.Match[str]") -> str:
        source = page.file.src_uri
        if found := _outside(source, link[0]):
            return posixpath.relpath(_place(found), posixpath.dirname(source) or ".")
        return f"{link[0]}index.md" if link[0].endswith("/") else link[0]

    return LINK.sub(inside, FENCE.sub(r"\1", markdown))


def on_page_content(html: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Diagrams become part of their page, so that they follow its colours."""
    folder = Path(config.docs_dir, page.file.src_uri).parent
    return DIAGRAM.sub(lambda found: (folder / found[1]).read_text(encoding="utf-8"), html)


def _outside(source: str, link: str) -> str | None:
    """The path in the repository of what a page links to; None if it is in docs/."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(source), link))
    return None if f"{path}/".startswith("docs/") else path


def _below(path: str) -> Iterator[str]:
    """The files of a folder."""
    for file in sorted((ROOT / path).rglob("*")) if (ROOT / path).is_dir() else ():
        if file.is_file() and not NOT_OURS & set(file.parts):
            yield file.relative_to(ROOT).as_posix()


def _place(path: str) -> str:
    """The page of a file or folder of the repository."""
    return f"{HOME}/{path}/index.md" if (ROOT / path).is_dir() else f"{HOME}/{path}.md"


def _shown(path: str) -> str:
    """The page's text: a list of a folder, the contents of a file."""
    head = f"---\nsearch: {{exclude: true}}\n---\n# `{path}`\n\n"
    if (ROOT / path).is_dir():
        names = [posixpath.relpath(each, path) for each in _below(path)]
        return head + "".join(f"- [`{name}`]({name}.md)\n" for name in names)
    suffix = Path(path).suffix
    text = (ROOT / path).read_text(encoding="utf-8")
    return f"{head}~~~~~~ {LANGUAGES.get(suffix, suffix[1:])}\n{text.rstrip()}\n~~~~~~\n"


def _decisions(docs: Path) -> str:
    """The list of all decisions."""
    found = sorted((docs / "decisions").glob("[0-9]*.md"))
    titles = [path.read_text(encoding="utf-8").partition("\n")[0][2:] for path in found]
    rows = [f"- [{t}]({p.name})\n" for p, t in zip(found, titles, strict=True)]
    return f"# Decisions\n\n{''.join(rows)}"
