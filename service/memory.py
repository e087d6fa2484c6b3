"""How glibc hands out memory: by default every thread gets a pool of its own, and what is free in one is not used by
another. We have few threads that work at a time, and every megabyte of a process that runs for months counts."""

import ctypes
import sys

M_ARENA_MAX = -8
"""mallopt(3): the greatest number of such pools."""
POOLS = 1


def share_pools() -> bool:
    """One pool for all threads; call it before there are any. False where the C library is another: nothing changes."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(M_ARENA_MAX, POOLS))
    except (OSError, AttributeError):
        return False
