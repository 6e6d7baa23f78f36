"""How the process of a flow gets its memory; to be settled before numpy is imported."""

import ctypes
import gc
import os

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's `mallopt`."""

KEPT_BYTES = 128 * 2**20
"""Freed memory at the end of a heap that is kept: more than a group of events needs."""

HEAP_BYTES_MAX = 32 * 2**20
"""Larger blocks are mapped one by one: the caches, which are made once."""

NEW_OBJECTS = 100_000
"""Containers between two searches for cycles: Python's 700 would mean several in each chunk."""


def settle_memory() -> None:
    """Arrays of one group of events reuse the memory of the group before.

    Else each comes in new pages, and the kernel's work for them is a fifth of the flow's CPU time.
    Without huge pages: the kernel would stop to compact memory when a cache is first filled.
    Messages and rows are freed by their reference counts, so cycles are searched for rarely.
    """
    gc.set_threshold(NEW_OBJECTS, 10, 10)
    os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not in every libc
    if mallopt:
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(M_MMAP_THRESHOLD, HEAP_BYTES_MAX)
