"""
The payment of a document as a code that banking apps read (EPC069-12, also known as GiroCode).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import segno
from segno import helpers

# EPC069-12: a credit transfer in EUR between one cent and this.
_MOST = Decimal("999999999.99")


def payment_code(
    *, seller: Mapping[str, str], currency: str, amount: Decimal, reference: str
) -> segno.QRCode | None:
    """
    Return the code of a credit transfer to the seller; None where it has no IBAN, or the amount
    is not one to pay in EUR.
    """
    iban = seller.get("iban", "")
    if not iban or currency != "EUR" or not 0 < amount <= _MOST:
        return None
    return helpers.make_epc_qr(
        name=seller["name"][:70], iban=iban, amount=amount, text=reference,
        bic=seller.get("bic") or None,
    )  # fmt: skip
