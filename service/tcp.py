"""One TCP connection, opened and closed: can we reach that address?"""

import asyncio
import contextlib
import socket

from probes.clients.errors import OutboundDenied
from service.log import logger
from service.outbound import OutboundPolicy

DEADLINE_S = 3.0
log = logger()


async def connects(host: str, port: int, policy: OutboundPolicy, *, deadline_s: float = DEADLINE_S) -> bool | None:
    """Whether a connection can be opened within the deadline, name look-up included. None: the policy forbids it."""
    try:
        async with asyncio.timeout(deadline_s):
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
            for address in addresses:
                policy.check(address, host)
            return await _any(addresses, port)
    except OutboundDenied as error:
        log.warning("cannot check connectivity", action="connectivity_denied", error=str(error))
        return None
    except (OSError, TimeoutError):
        return False


async def _any(addresses: list[str], port: int) -> bool:
    """Whether one of the addresses takes a connection."""
    for address in addresses:
        with contextlib.suppress(OSError):
            _reader, writer = await asyncio.open_connection(address, port)
            writer.close()
            return True
    return False
