"""
Statements and the list of those that ended, as signed credentials.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from telemetry.documents import credential
from telemetry.documents.methods import digest_of
from telemetry.domain.status_list import encoded
from telemetry.models import IssuerKey, Statement
from telemetry.queries.statements import Issuer


def address_of(statement: Statement) -> str:
    """
    Return the address where anybody can check a statement; it is the credential's id.
    """
    return f"{settings.BASE_URL.rstrip('/')}/verify/{statement.public_id}/"


def method_address(version: str) -> str:
    """
    Return the address of the document that says how figures are made.
    """
    return f"{settings.BASE_URL.rstrip('/')}/methods/{version}/"


def status_address(issuer: Issuer) -> str:
    """
    Return the address of an issuer's status list.
    """
    return f"{settings.BASE_URL.rstrip('/')}/p/{issuer.operator.slug}/status-list"


def signed_statement(
    *,
    statement: Statement,
    issuer: Issuer,
    key: IssuerKey,
    private: Ed25519PrivateKey,
    at: dt.datetime,
) -> tuple[dict[str, Any], str]:
    """
    Return the credential of a statement, as a document with its proof and as vc+jwt.
    """
    if statement.valid_until is None or statement.status_index is None:
        raise ValueError("The statement has no end and no place in the status list yet.")
    document = {
        "@context": credential.CONTEXT,
        "id": address_of(statement),
        "type": ["VerifiableCredential", "EnergyAndHeatStatement"],
        "issuer": {"id": issuer.did, "name": issuer.operator.name},
        "name": f"Energy and heat statement {statement.number}",
        "validFrom": credential.instant(at),
        "validUntil": credential.instant(statement.valid_until),
        "credentialSubject": {
            **statement.content,
            "number": statement.number,
            "methodDocument": method_address(statement.content["method"]),
            "methodSha256": digest_of(statement.content["method"]),
        },
        "credentialStatus": {
            "id": f"{status_address(issuer)}#{statement.status_index}",
            "type": "BitstringStatusListEntry",
            "statusPurpose": "revocation",
            "statusListIndex": str(statement.status_index),
            "statusListCredential": status_address(issuer),
        },
    }
    return _twice(document, issuer=issuer, key=key, private=private, at=at)


def signed_status_list(
    *,
    issuer: Issuer,
    places: Sequence[int],
    key: IssuerKey,
    private: Ed25519PrivateKey,
    at: dt.datetime,
) -> tuple[dict[str, Any], str]:
    """
    Return the status list in which the places of ended statements are set, in both forms.
    """
    document = {
        "@context": credential.CONTEXT,
        "id": status_address(issuer),
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": {"id": issuer.did, "name": issuer.operator.name},
        "validFrom": credential.instant(at),
        "credentialSubject": {
            "id": f"{status_address(issuer)}#list",
            "type": "BitstringStatusList",
            "statusPurpose": "revocation",
            "encodedList": encoded(places),
        },
    }
    return _twice(document, issuer=issuer, key=key, private=private, at=at)


def _twice(
    document: dict[str, Any],
    *,
    issuer: Issuer,
    key: IssuerKey,
    private: Ed25519PrivateKey,
    at: dt.datetime,
) -> tuple[dict[str, Any], str]:
    return (
        credential.with_proof(document, key=private, method=issuer.method(key), at=at),
        credential.as_jwt(document, key=private, method=issuer.jwk_method(key)),
    )


def did_document(*, issuer: Issuer, keys: Sequence[IssuerKey]) -> dict[str, Any]:
    """
    Return the DID document of an issuer: every key whose signatures count, each as Multikey and
    as JSON Web Key.
    """
    methods = [form(issuer, key) for key in keys for form in (_multikey, _json_web_key)]
    return {
        "@context": [
            "https://www.w3.org/ns/did/v1",
            "https://w3id.org/security/multikey/v1",
            "https://w3id.org/security/jwk/v1",
        ],
        "id": issuer.did,
        "verificationMethod": methods,
        "assertionMethod": [method["id"] for method in methods],
    }


def _multikey(issuer: Issuer, key: IssuerKey) -> dict[str, Any]:
    return {
        "id": issuer.method(key),
        "type": "Multikey",
        "controller": issuer.did,
        "publicKeyMultibase": credential.multikey(bytes(key.public)),
    }


def _json_web_key(issuer: Issuer, key: IssuerKey) -> dict[str, Any]:
    point = base64.urlsafe_b64encode(bytes(key.public)).decode().rstrip("=")
    return {
        "id": issuer.jwk_method(key),
        "type": "JsonWebKey",
        "controller": issuer.did,
        "publicKeyJwk": {"kty": "OKP", "crv": "Ed25519", "x": point, "alg": "EdDSA"},
    }
