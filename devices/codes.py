"""Codes that people read aloud and type: made, shown, and read back forgivingly. PURE; randomness is passed in.

User codes follow RFC 8628 §6.1: twenty consonants, so no vowels to spell words with and no digits to confuse, 20^8
possibilities. Pairing codes for chat channels use 32 letters and digits without 0, O, 1 and I, as openclaw does.
Refuses every character outside the alphabet rather than guess what was meant.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from urllib.parse import urlencode

from authsvc.web.problems import ValidationFailed

USER_CODE_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
PAIRING_CODE_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
CODE_LENGTH = 8
GROUP_LENGTH = 4
# Longer input is not a code somebody typed; it is refused before it is looked at.
LONGEST_INPUT = 64

# "random number below n", such as secrets.randbelow; each call independent and uniform.
DrawBelow = Callable[[int], int]


class CodeMalformed(ValidationFailed):
    """The text cannot be a code; says nothing about which codes exist."""

    slug, title = "code_malformed", "Not a code"
    default_detail = "A code has eight letters, for example BCDF-GHJK."


def new_user_code(draw_below: DrawBelow) -> str:
    """Return a fresh user code in its bare form; show it with ``format_user_code``."""
    return _drawn(USER_CODE_ALPHABET, draw_below)


def new_pairing_code(draw_below: DrawBelow) -> str:
    """Return a fresh pairing code for a chat channel; it is shown as it is."""
    return _drawn(PAIRING_CODE_ALPHABET, draw_below)


def format_user_code(code: str) -> str:
    """Return the form people see, ``BCDF-GHJK``."""
    return f"{code[:GROUP_LENGTH]}-{code[GROUP_LENGTH:]}"


def approval_address(base_url: str, user_code: str = "") -> str:
    """Return where people approve; with a code, the address that fills it in (``verification_uri_complete``)."""
    address = f"{base_url}/device"
    return f"{address}?{urlencode({'user_code': user_code})}" if user_code else address


def normalise_user_code(text: str) -> str:
    """Return the bare user code somebody typed in any case, with spaces or dashes; raise ``CodeMalformed``."""
    return _normalised(text, USER_CODE_ALPHABET)


def normalise_pairing_code(text: str) -> str:
    """Return the bare pairing code somebody typed in any case, with spaces or dashes; raise ``CodeMalformed``."""
    return _normalised(text, PAIRING_CODE_ALPHABET)


def _drawn(alphabet: str, draw_below: DrawBelow) -> str:
    return "".join(alphabet[draw_below(len(alphabet))] for _ in range(CODE_LENGTH))


def _normalised(text: str, alphabet: str) -> str:
    if len(text) > LONGEST_INPUT:
        raise CodeMalformed
    code = text.translate(FORGIVEN)
    if len(code) != CODE_LENGTH or not set(code) <= set(alphabet):
        raise CodeMalformed
    return code


# Only A to Z are raised: full Unicode upper-casing would turn foreign letters into ours. Ignored are also the
# dashes and blanks that phones and word processors put in their place.
_IGNORED = " -\t\r\n_" + "\u00a0\u2009\u202f\u2010\u2011\u2012\u2013\u2014\u2212"
FORGIVEN = str.maketrans(string.ascii_lowercase, string.ascii_uppercase, _IGNORED)
