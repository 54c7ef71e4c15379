"""
What must never stand in a log.
"""

import re
from collections.abc import MutableMapping
from typing import Any

# Whoever has the address of such a page can use it.
_SECRET = re.compile(r"(/(?:invitations|password-reset/[^/\s]+)/)[A-Za-z0-9_-]{20,}")


def hide_tokens(logger: Any, name: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """
    Blacken the tokens in addresses of e-mailed links, in every text of a log line.
    """
    return {
        key: _SECRET.sub(r"\1[hidden]", value) if isinstance(value, str) else value
        for key, value in event.items()
    }
