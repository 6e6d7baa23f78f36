"""Flows reuse the memory of freed arrays."""

import subprocess
import sys

import pytest

ROUNDS = """
import resource, sys
from vane.cli.memory import settle_memory
if sys.argv[1] == "settled":
    settle_memory()
import numpy as np

def round_of_arrays():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(1_000_000) for _ in range(5)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

round_of_arrays()
print(round_of_arrays())
"""


def page_faults(how: str) -> int:
    """Of a second round of arrays like the first one."""
    command = [sys.executable, "-c", ROUNDS, how]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_arrays_like_those_before_need_no_new_pages() -> None:
    assert page_faults("settled") < 100
    assert page_faults("as it is") > page_faults("settled")
