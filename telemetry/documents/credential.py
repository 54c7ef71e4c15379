"""
Verifiable Credentials 2.0: signed twice over the same content, once as a Data Integrity proof
(cryptosuite eddsa-rdfc-2022) inside the document and once as vc+jwt around it.
"""

from __future__ import annotations

import copy
import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pyld import jsonld
from pyld.documentloader.frozen import FrozenDocumentLoader

from telemetry.domain.base58 import decoded, encoded

# Our own terms need no file of ours to be understood: they are spelled out in the document.
CONTEXT = [
    "https://www.w3.org/ns/credentials/v2",
    {"@vocab": "urn:warmgrid:energy-heat-statement:1#"},
]
SUITE = "eddsa-rdfc-2022"
# Multicodec prefix of an Ed25519 public key.
_ED25519 = b"\xed\x01"


class NotVerified(Exception):
    """
    A credential does not verify; the text says what is wrong.
    """


def multikey(public: bytes) -> str:
    """
    Return a raw Ed25519 public key as Multikey text, "z6Mk…".
    """
    return "z" + encoded(_ED25519 + public)


def instant(at: dt.datetime) -> str:
    """
    Return an instant as XML Schema has it, to the second.
    """
    return f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def with_proof(
    document: Mapping[str, Any], *, key: Ed25519PrivateKey, method: str, at: dt.datetime
) -> dict[str, Any]:
    """
    Return the document with a Data Integrity proof by the key that `method` (a DID URL) names.
    """
    proof = {
        "type": "DataIntegrityProof",
        "cryptosuite": SUITE,
        "created": instant(at),
        "verificationMethod": method,
        "proofPurpose": "assertionMethod",
    }
    value = "z" + encoded(key.sign(_hashed(document, proof)))
    return {**document, "proof": {**proof, "proofValue": value}}


def as_jwt(document: Mapping[str, Any], *, key: Ed25519PrivateKey, method: str) -> str:
    """
    Return the document as vc+jwt (Securing Verifiable Credentials using JOSE and COSE).
    """
    headers = {"typ": "vc+jwt", "cty": "vc", "kid": method, "iss": _issuer(document)}
    payload = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    return jwt.PyJWS().encode(payload, key, algorithm="EdDSA", headers=headers)


def verified_document(document: Mapping[str, Any], *, keys: Mapping[str, bytes]) -> dict[str, Any]:
    """
    Return the content of a document whose proof verifies by one of the keys, which are raw
    Ed25519 public keys by DID URL.

    :raises NotVerified: naming what is wrong
    """
    proof = document.get("proof")
    if not isinstance(proof, dict) or proof.get("cryptosuite") != SUITE:
        raise NotVerified(f"There is no {SUITE} proof in it.")
    if document.get("@context") != CONTEXT:
        # Other terms could give the same words another meaning.
        raise NotVerified("Its terms are not those of an energy and heat statement.")
    if proof.get("proofPurpose") != "assertionMethod":
        raise NotVerified("The proof was made for another purpose.")
    public = _key(keys, proof.get("verificationMethod"), document)
    bare = {name: part for name, part in document.items() if name != "proof"}
    options = {name: part for name, part in proof.items() if name != "proofValue"}
    value = proof.get("proofValue")
    if not isinstance(value, str) or not value.startswith("z"):
        raise NotVerified("The proof has no value.")
    try:
        public.verify(decoded(value[1:]), _hashed(bare, options))
    except (InvalidSignature, ValueError, jsonld.JsonLdError):
        raise NotVerified("The signature does not fit: the document was changed.") from None
    return bare


def verified_jwt(token: str, *, keys: Mapping[str, bytes]) -> dict[str, Any]:
    """
    Return the content of a vc+jwt that verifies by one of the keys.

    :raises NotVerified: naming what is wrong
    """
    try:
        header = jwt.get_unverified_header(token)
        unchecked = json.loads(
            jwt.PyJWS().decode_complete(token, options={"verify_signature": False})["payload"]
        )
    except (jwt.PyJWTError, ValueError):
        raise NotVerified("It is not a signed statement.") from None
    if header.get("typ") != "vc+jwt" or header.get("alg") != "EdDSA":
        raise NotVerified("It is not a statement signed as vc+jwt with EdDSA.")
    if not isinstance(unchecked, dict):
        raise NotVerified("It is not a signed statement.")
    public = _key(keys, header.get("kid"), unchecked)
    try:
        jwt.PyJWS().decode_complete(token, public, algorithms=["EdDSA"])
    except jwt.PyJWTError:
        raise NotVerified("The signature does not fit: the statement was changed.") from None
    return unchecked


def _issuer(document: Mapping[str, Any]) -> str:
    issuer = document.get("issuer")
    found = issuer.get("id") if isinstance(issuer, dict) else issuer
    return found if isinstance(found, str) else ""


def _key(
    keys: Mapping[str, bytes], method: object, document: Mapping[str, Any]
) -> Ed25519PublicKey:
    if not isinstance(method, str) or method not in keys:
        raise NotVerified("The key that signed it is not one of the issuer’s.")
    # A key speaks for its own issuer and for nobody else.
    if method.split("#")[0] != _issuer(document):
        raise NotVerified("It was signed by somebody other than its issuer.")
    return Ed25519PublicKey.from_public_bytes(keys[method])


def _hashed(document: Mapping[str, Any], proof: Mapping[str, Any]) -> bytes:
    options = {"@context": document["@context"], **proof}
    return hashlib.sha256(_quads(options)).digest() + hashlib.sha256(_quads(document)).digest()


def _quads(document: Mapping[str, Any]) -> bytes:
    # The loader knows the published contexts by heart and fetches nothing.
    text = jsonld.normalize(
        copy.deepcopy(dict(document)),
        {
            "algorithm": "URDNA2015",
            "format": "application/n-quads",
            "documentLoader": FrozenDocumentLoader(),
        },
    )
    return str(text).encode()
