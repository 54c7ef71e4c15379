"""
Connections to addresses that somebody typed in: all that a name resolves to is looked at first, and
the address that was looked at is the one that is connected to, whatever the name says a moment
later.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import urllib.parse
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Inside of a provider's network, though not all of it is called private everywhere: IETF
# assignments with the metadata of one cloud, and the host services of another.
_INNER = [ipaddress.ip_network(text) for text in ("192.0.0.0/24", "168.63.129.16/32")]
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Refused(Exception):
    """
    The address is not one that may be connected to; the message says why.
    """


@dataclass(frozen=True, slots=True)
class Allowed:
    """
    What may be connected to beside the internet: this machine and its link, and private networks.
    """

    local: bool = False
    private: bool = False

    def check(self, address: Address) -> None:
        """
        :raises Refused: if an address may not be connected to
        """
        meant = _meant(address)
        local = meant.is_loopback or meant.is_link_local or meant.is_unspecified
        if (local and not self.local) or meant.is_multicast:
            raise Refused("This address may not be asked.")
        inner = not meant.is_global or any(meant in network for network in _INNER)
        if inner and not local and not self.private:
            raise Refused("This address lies in a private network.")


def _meant(address: Address) -> Address:
    """
    Return the IPv4 address that an IPv6 one stands for, if it does.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        teredo = address.teredo
        return address.ipv4_mapped or address.sixtofour or (teredo and teredo[1]) or address
    return address


def checked(host: str, port: int, allowed: Allowed) -> str:
    """
    Return the address of a host, once all it resolves to may be connected to.

    :raises Refused: if one of them may not
    :raises OSError: if the name is not known
    """
    found = sorted(
        {str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    )
    for text in found:
        allowed.check(ipaddress.ip_address(text.split("%")[0]))
    return found[0]


def check_url(url: str, allowed: Allowed) -> None:
    """
    Look at the address of a URL without connecting. A name that is not known now may be later.

    :raises Refused: if it may not be connected to
    """
    parts = _split(url)
    try:
        checked(parts.host, parts.port, allowed)
    except (OSError, UnicodeError):
        return


@dataclass(frozen=True, slots=True)
class _Parts:
    scheme: str
    host: str
    port: int
    path: str


def _split(url: str) -> _Parts:
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise Refused("The address is not understood.") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Refused("The address is neither http nor https.")
    path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    return _Parts(parts.scheme, parts.hostname, port, path)


def send(
    method: str, url: str, *, allowed: Allowed, timeout_s: float, headers: dict[str, str],
    body: bytes | None = None,
) -> int:  # fmt: skip
    """
    Send one HTTP request and return the code of its answer; redirects are not followed, and what
    else is answered is not read.

    :raises Refused: if the address may not be connected to
    :raises OSError: if there is no connection, or http.client.HTTPException if no answer
    """
    parts = _split(url)
    address = checked(parts.host, parts.port, allowed)
    connection = http.client.HTTPConnection(parts.host, parts.port, timeout=timeout_s)
    connection.sock = socket.create_connection((address, parts.port), timeout=timeout_s)
    try:
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection.sock = context.wrap_socket(connection.sock, server_hostname=parts.host)
            # So that the Host header leaves the usual port out.
            connection.default_port = 443
        connection.request(method, parts.path, body=body, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()
