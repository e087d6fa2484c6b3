"""Where we may connect to. Users name the addresses that we call, so each one is checked when it is connected to."""

import ipaddress
import socket
from collections.abc import Sequence

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from probes.clients.errors import OutboundDenied

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class OutboundPolicy:
    """Public addresses, the allowed networks, and loopback while only this machine can reach us. Never link-local."""

    def __init__(self, *, allow: Sequence[str] = (), loopback: bool) -> None:
        self._allow: tuple[Network, ...] = tuple(ipaddress.ip_network(n, strict=False) for n in allow)
        self._loopback = loopback

    def permits(self, text: str) -> bool:
        address = _plain(ipaddress.ip_address(text.split("%", 1)[0]))
        if _never(address):
            return False
        if any(address in network for network in self._allow if network.version == address.version):
            return True
        if address.is_loopback:
            return self._loopback
        return address.is_global

    def check(self, address: str, host: str) -> None:
        """Raises OutboundDenied, naming the address and the setting that would allow it, if one can."""
        if self.permits(address):
            return
        if _never(_plain(ipaddress.ip_address(address.split("%", 1)[0]))):
            raise OutboundDenied(
                f"{host} is at {address}, which the outbound policy never allows: cloud machines keep their metadata "
                "there, or no server can be there; no setting allows that"
            )
        raise OutboundDenied(
            f"{host} is at {address}, which the outbound policy does not allow; if that is intended, start with "
            f"SELFWATCH_OUTBOUND_ALLOW={address} (or its network)"
        )


def _never(address: Address) -> bool:
    """Cloud metadata lives on link-local addresses; no allow list opens them."""
    return address.is_link_local or address.is_multicast or address.is_unspecified


def _plain(address: Address) -> Address:
    """The IPv4 address inside a mapped, 6to4 or NAT64 one, so that no spelling gets around the policy."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address.sixtofour:
            return address.sixtofour
        if address in ipaddress.ip_network("64:ff9b::/96"):
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


class GuardedResolver(AbstractResolver):
    """Resolves with the system and checks every address; the connection uses exactly the addresses checked."""

    def __init__(self, policy: OutboundPolicy) -> None:
        self._policy = policy
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        for result in found:
            self._policy.check(result["host"], host)
        return found

    async def close(self) -> None:
        await self._inner.close()


class GuardedConnector(aiohttp.TCPConnector):
    """A connector that asks the policy before each connection, for names and for literal addresses alike."""

    def __init__(self, policy: OutboundPolicy, *, limit: int = 0) -> None:
        super().__init__(resolver=GuardedResolver(policy), limit=limit, use_dns_cache=False)
        self._policy = policy

    async def _resolve_host(
        self, host: str, port: int, traces: Sequence["aiohttp.tracing.Trace"] | None = None
    ) -> list[ResolveResult]:
        # a literal address skips the resolver, so it is checked here
        try:
            ipaddress.ip_address(host.split("%", 1)[0])
        except ValueError:
            pass
        else:
            self._policy.check(host, host)
        return await super()._resolve_host(host, port, traces)
