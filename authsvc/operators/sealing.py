"""Secrets of operators at rest: the key of an authenticator sealed by the vault, a recovery code as a keyed hash.

An operator lies above every tenant, so no tenant's data key serves: its key is wrapped by the key-encryption key,
bound to the operator, as the vault wraps data keys.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from hashlib import sha256

from django.conf import settings

from authsvc.audit.models import PLATFORM
from authsvc.vault.envelope import Place
from authsvc.vault.keyring import keyring


def seal_factor_key(operator_id: str, key: bytes) -> str:
    """Return the key sealed for this operator; the text names the key-encryption key it needs."""
    return keyring().wrap(b64encode(key), _place(operator_id))


def open_factor_key(operator_id: str, sealed: str) -> bytes:
    """Return the key; raises ``SealBroken`` for another operator's, ``KeyEncryptionKeyMissing`` without its key."""
    return b64decode(keyring().unwrap(sealed, _place(operator_id)))


def hash_recovery_code(operator_id: str, code: str) -> str:
    """Return the keyed hash of an operator's recovery code, 64 hexadecimal digits."""
    return _keyed(f"recovery code|{operator_id}|{code}")


def hash_invitation(text: str) -> str:
    """Return the keyed hash of an invitation's secret, 64 hexadecimal digits."""
    return _keyed(f"invitation|{text}")


def _keyed(text: str) -> str:
    return hmac.new(settings.SECRET_KEY.encode(), text.encode(), sha256).hexdigest()


def _place(operator_id: str) -> Place:
    return Place(PLATFORM, "", "authenticator", operator_id, "sealed_key")
