"""Writes docs/doctor.md from the checks of `vane doctor`: `python scripts/doctor_page.py`."""

from pathlib import Path

from vane.doctor.diagnosis import GROUPS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "doctor.md"
HEAD = """# What `vane doctor` looks at

`vane doctor` asks PostgreSQL, Kafka, Redis, the API (where `VANE_API_URL` names it; a running
`vane up` is found by itself) and Vane's own tables, and says what is wrong, how bad it is, what to
do and where to read on. It changes nothing. Run it with the settings of a flow, after a deploy and
when something seems slow; `--json` is for machines.

| word | meaning | exit code |
| --- | --- | --- |
| `error` | data is wrong or lost, or will be, or Vane does not work | 1 |
| `warning` | it hurts, or it will | 1 |
| `hint` | it could be better, or is meant so | 0 |

It takes a few seconds: where messages wait, it looks at the positions twice, three seconds apart,
to tell a flow that is behind from one that stands still. Checks whose server does not answer are
named at the end as not checked. Users and items are sampled (about 500 of each), so that a large
installation takes no longer than a small one.

What changes by the minute is watched by [alerts](runbooks/index.md); this is about how an
installation is set up. This page is made from `vane/doctor/` by `make schemas`.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for title, checks in GROUPS:
        parts.append(f"\n## {title}\n\n| check | is well when | more |\n| --- | --- | --- |\n")
        for check in checks:
            name = check.page.rpartition("/")[2].removesuffix(".md")
            parts.append(f"| `{check.name}` | {check.looks_at} | [{name}]({check.page}) |\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
