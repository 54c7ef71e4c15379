"""
Limits on what strangers may try, counted in Redis by all web processes together.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Limit:
    """
    So many attempts for one address and from one computer within a time.
    """

    name: str
    per_address: int
    per_ip: int
    seconds: int

    @property
    def minutes(self) -> int:
        return self.seconds // 60

    def allows(self, request: HttpRequest, address: str) -> bool:
        """
        Count an attempt and say whether it is still within the limit. Counting comes before
        the attempt, so that many at once do not slip through.
        """
        counts = [
            (self._count(self._of_address(address)), self.per_address),
            (self._count(self._of_ip(request)), self.per_ip),
        ]
        return all(count <= limit for count, limit in counts)

    def forget(self, request: HttpRequest, address: str) -> None:
        """
        Take a successful attempt off the counts. The address starts afresh.
        """
        cache.delete(self._of_address(address))
        ip = self._of_ip(request)
        if cache.get(ip):
            cache.decr(ip)

    def _count(self, key: str) -> int:
        # Only the first attempt sets the end of the window, so waiting always helps.
        cache.add(key, 0, timeout=self.seconds)
        try:
            return int(cache.incr(key))
        except ValueError:
            # It ran out between the two calls.
            return 1

    def _of_address(self, address: str) -> str:
        # Hashed, so that nobody can read from the cache who has an account.
        digest = hashlib.sha256(address.strip().lower().encode()).hexdigest()
        return f"limit:{self.name}:address:{digest}"

    def _of_ip(self, request: HttpRequest) -> str:
        return f"limit:{self.name}:ip:{client_ip(request)}"


def client_ip(request: HttpRequest) -> str:
    """
    Return the address of the client, as the outermost of our own proxies saw it.
    """
    proxies = settings.TRUSTED_PROXIES
    # What stands further left in the header may have been written by the client itself.
    seen = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    if proxies and len(seen) >= proxies and seen[-proxies]:
        return seen[-proxies]
    return str(request.META.get("REMOTE_ADDR", ""))


SIGN_IN = Limit("sign-in", per_address=10, per_ip=60, seconds=15 * 60)
PASSWORD_RESET = Limit("password-reset", per_address=5, per_ip=30, seconds=60 * 60)
