"""
Keeping a secret in the database under the portal's own.
"""

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# What a radio meter's key is hidden for.
RADIO_KEY = "radio key"


class WrongSecret(Exception):
    """
    It was hidden under another secret of the portal.
    """


def hidden(secret: bytes, *, under: str, purpose: str) -> bytes:
    """
    Return the secret encrypted under a key derived for one purpose.
    """
    return _box(under, purpose).encrypt(secret)


def shown(token: bytes, *, under: str, purpose: str) -> bytes:
    """
    Return what `hidden` hid.

    :raises WrongSecret: if the portal's secret is another one
    """
    try:
        return _box(under, purpose).decrypt(token)
    except InvalidToken:
        raise WrongSecret(purpose) from None


def _box(under: str, purpose: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode())
    return Fernet(base64.urlsafe_b64encode(derived.derive(under.encode())))
