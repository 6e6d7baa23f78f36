"""`python -m tests.ops.drill.quick …`: vane whose monitor surveys and audits in drill time."""

import sys

from vane.cli import main


def hurry() -> None:
    """What a survey and an audit wait for, with what the rules wait for."""
    import vane.cli.monitor  # noqa: PLC0415 - slow to import, needed by this command alone

    setattr(vane.cli.monitor, "SURVEY_S", 1.0)  # noqa: B010 - constants of the product
    setattr(vane.cli.monitor, "AUDIT_S", 1.0)  # noqa: B010


if __name__ == "__main__":
    if "monitor" in sys.argv:
        hurry()
    main()
