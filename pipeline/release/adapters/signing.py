"""Sigstore bundles v0.3 with a key of our own, of the form that cosign verifies.

Format: https://github.com/sigstore/protobuf-specs/blob/v0.4.1/protos/sigstore_bundle.proto
DSSE: https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from release.adapters.keys import hint
from release.artifact import Document, decode, encode
from release.errors import Tampered, WrongSignature

IN_TOTO = "application/vnd.in-toto+json"


class PublicKey(Document):
    hint: str


class VerificationMaterial(Document):
    public_key: PublicKey


class MessageDigest(Document):
    algorithm: Literal["SHA2_256"] = "SHA2_256"
    digest: str


class MessageSignature(Document):
    message_digest: MessageDigest
    signature: str


class EnvelopeSignature(Document):
    sig: str
    keyid: str = ""


class Envelope(Document):
    payload: str
    payload_type: str = IN_TOTO
    signatures: tuple[EnvelopeSignature, ...]


class Bundle(Document):
    media_type: Literal["application/vnd.dev.sigstore.bundle.v0.3+json"] = "application/vnd.dev.sigstore.bundle.v0.3+json"
    verification_material: VerificationMaterial
    message_signature: MessageSignature | None = None
    dsse_envelope: Envelope | None = None


def sign_message(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """The bundle of a signature over `message` itself."""
    signature = MessageSignature(
        message_digest=MessageDigest(digest=_base64(hashlib.sha256(message).digest())), signature=_sign(key, message)
    )
    return encode(Bundle(verification_material=_material(key), message_signature=signature))


def sign_statement(key: ec.EllipticCurvePrivateKey, payload: bytes) -> bytes:
    """The bundle of a DSSE envelope around an in-toto statement."""
    signature = EnvelopeSignature(sig=_sign(key, pre_authentication(IN_TOTO, payload)))
    envelope = Envelope(payload=_base64(payload), signatures=(signature,))
    return encode(Bundle(verification_material=_material(key), dsse_envelope=envelope))


def verify_message(key: ec.EllipticCurvePublicKey, data: bytes, message: bytes, name: str) -> None:
    """Raises Tampered for what is not such a bundle, WrongSignature unless `key` signed exactly `message`."""
    bundle = _trusted(key, data, name)
    if bundle.message_signature is None or bundle.dsse_envelope is not None:
        raise Tampered(f"{name} is not a signature over a message.")
    if _bytes(bundle.message_signature.message_digest.digest, name) != hashlib.sha256(message).digest():
        raise WrongSignature(f"{name} is the signature of something else.")
    _verify(key, bundle.message_signature.signature, message, name)


def verify_statement(key: ec.EllipticCurvePublicKey, data: bytes, name: str) -> bytes:
    """The payload that `key` signed. Raises Tampered for what is not such a bundle, else WrongSignature."""
    bundle = _trusted(key, data, name)
    envelope = bundle.dsse_envelope
    if envelope is None or bundle.message_signature is not None or len(envelope.signatures) != 1:
        raise Tampered(f"{name} is not a DSSE envelope with one signature.")
    if envelope.payload_type != IN_TOTO:
        raise Tampered(f"{name} has the payload type {envelope.payload_type}, not {IN_TOTO}.")
    payload = _bytes(envelope.payload, name)
    _verify(key, envelope.signatures[0].sig, pre_authentication(envelope.payload_type, payload), name)
    return payload


def signer(data: bytes, name: str) -> str:
    """The hint of the key that it claims to be by; no proof of anything. Raises Tampered."""
    return decode(data, Bundle, name).verification_material.public_key.hint


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """What DSSE signs: the type is under the signature, too."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _trusted(key: ec.EllipticCurvePublicKey, data: bytes, name: str) -> Bundle:
    bundle = decode(data, Bundle, name)
    if bundle.verification_material.public_key.hint != hint(key):
        raise WrongSignature(f"{name} was made with another key than the one that is trusted here.")
    return bundle


def _material(key: ec.EllipticCurvePrivateKey) -> VerificationMaterial:
    return VerificationMaterial(public_key=PublicKey(hint=hint(key.public_key())))


def _sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> str:
    return _base64(key.sign(message, ec.ECDSA(hashes.SHA256())))


def _verify(key: ec.EllipticCurvePublicKey, signature: str, message: bytes, name: str) -> None:
    try:
        key.verify(_bytes(signature, name), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as problem:
        raise WrongSignature(f"{name} is not by the trusted key.") from problem


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as problem:
        raise Tampered(f"{name} holds text that is not base64.") from problem
