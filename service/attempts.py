"""How often somebody may try to sign in with a token that is none. Pure, apart from its clock."""

import ipaddress
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable

WINDOW_S = 60.0
PER_ADDRESS = 10
"""Failures of one address in a window; of a whole /64 of IPv6, which is what one customer has."""
IN_ALL = 600
"""Failures of all addresses together in a window: more is no person who mistyped."""
MOST_ADDRESSES = 4096
"""So many are remembered, the latest ones: what is kept stays bounded whoever calls."""


class Attempts:
    """Counts failures in a sliding window. An attempt counts from its start, so that many at once are no way around."""

    def __init__(
        self,
        *,
        per_address: int = PER_ADDRESS,
        in_all: int = IN_ALL,
        most_addresses: int = MOST_ADDRESSES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_address = per_address
        self._in_all = in_all
        self._most_addresses = most_addresses
        self._monotonic = monotonic
        self._by_address: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque()

    def begin(self, address: str) -> int:
        """0 when an attempt may be made: it counts as failed until `succeeded`. Else the whole seconds to wait."""
        now, who = self._monotonic(), network_of(address)
        mine = self._by_address.setdefault(who, deque())
        for times in (mine, self._all):
            while times and times[0] <= now - WINDOW_S:
                times.popleft()
        waits = [
            times[0] + WINDOW_S - now
            for times, most in ((mine, self._per_address), (self._all, self._in_all))
            if len(times) >= most
        ]
        if not waits:
            mine.append(now)
            self._all.append(now)
        self._by_address.move_to_end(who)
        while len(self._by_address) > self._most_addresses:
            self._by_address.popitem(last=False)
        return max(1, math.ceil(max(waits))) if waits else 0

    def succeeded(self, address: str) -> None:
        """The last attempt of `address` was no failure."""
        for times in (self._by_address.get(network_of(address)), self._all):
            if times:
                times.pop()

    def __len__(self) -> int:
        """Addresses that are remembered."""
        return len(self._by_address)


def network_of(address: str) -> str:
    """The address itself, or of an IPv6 one its /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if parsed.version == 6:
        mapped = parsed.ipv4_mapped
        return str(mapped or ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)
