"""Progress bars on stderr: done, rate, time left; nothing where that is no terminal."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text


def progress(console: Console | None = None) -> Progress:
    """Bars of any number of tasks, in a `with` statement; a task may have a field `note`."""
    console = console or Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        _CountColumn(),
        TimeRemainingColumn(),
        _NoteColumn(),
        console=console,
        disable=not console.is_terminal,
    )


class _CountColumn(ProgressColumn):
    """How many are done, of how many, and how many a second."""

    def render(self, task: Task) -> Text:
        total = "" if task.total is None else f"/{task.total:,.0f}"
        speed = task.finished_speed or task.speed
        rate = f" {speed:,.0f}/s" if speed else ""
        return Text(f"{task.completed:,.0f}{total}{rate}", style="progress.download")


class _NoteColumn(ProgressColumn):
    """What a task has to say beside its count, as much as fits."""

    def get_table_column(self) -> Column:
        return Column(no_wrap=True, overflow="ellipsis")

    def render(self, task: Task) -> Text:
        return Text(task.fields.get("note", ""))
