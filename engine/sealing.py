"""Seals short secrets at rest, so that a copy of the database opens no store."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from engine.errors import SealError

_NONCE_BYTES = 12


class Sealer:
    """AES-256-GCM with a key derived (HKDF-SHA256) from `ENGINE_SECRET`.

    The context (here: the data set's name) is authenticated with the text: a sealed value fits no other record.
    """

    def __init__(self, secret: str) -> None:
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"darkroom engine: sas at rest, 1").derive(
            secret.encode()
        )
        self._cipher = AESGCM(key)

    def seal(self, text: str, context: str) -> bytes:
        """Returns nonce and ciphertext; two calls never give the same bytes."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), context.encode())

    def open(self, sealed: bytes, context: str) -> str:
        """Returns the text.

        Raises:
            SealError: Sealed with another secret or for another context.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode()).decode()
        except InvalidTag as exc:
            raise SealError(
                f"The SAS of '{context}' was stored with another ENGINE_SECRET. "
                "Send it again (PATCH the data set), or start the engine with the former secret."
            ) from exc
