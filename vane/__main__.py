"""`python -m vane` is the command `vane`."""

from vane.cli import main

main()
