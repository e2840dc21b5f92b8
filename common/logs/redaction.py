"""What must not be read in a log: values whose field's name says so, and credentials inside any text.

It goes by names and two shapes of text. It can't know that a value is personal when neither tells.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

MASK = "***"

# A name is taken apart first: `X-Api-Key`, `apiKey` and `api_key` are all "api", "key"; `keyboard` is none of them.
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SENSITIVE = (
    "authorization password passwd passphrase pwd secret token apikey key jwt cookie credential "
    "email phone address addresses iban userid customerid username surname birthday"
)
_SENSITIVE_PAIRS = "user_id user_name customer_id customer_name first_name last_name"
# Says something about the thing and is not the thing: `token_count`, `max_tokens`, `primary_key`, `key_type`.
_HARMLESS = (
    "count length len size bytes ms seconds limit max min num total type kind "
    "primary foreign sort partition missing present expired"
)


def _singular(part: str) -> str:
    return part.lower().removesuffix("s")


_SENSITIVE_WORDS = frozenset(map(_singular, _SENSITIVE.split()))
_HARMLESS_WORDS = frozenset(map(_singular, _HARMLESS.split()))
_PAIRS = frozenset(tuple(map(_singular, pair.split("_"))) for pair in _SENSITIVE_PAIRS.split())

_BEARER = re.compile(r"\bbearer +[^\s\"',;]+", re.IGNORECASE)
_USERINFO = re.compile(r"://[^\s/\"'<>]*@")  # up to the last @ before the path: a password may hold one, too


@lru_cache(maxsize=1024)
def is_sensitive(name: str) -> bool:
    """Whether a field of this name holds a secret or something personal."""
    parts = [_singular(part) for part in _PARTS.findall(name[:200])]
    if not _HARMLESS_WORDS.isdisjoint(parts):
        return False
    return not _SENSITIVE_WORDS.isdisjoint(parts) or not _PAIRS.isdisjoint(pairwise(parts))


def masked(text: str) -> str:
    """`text` without the credentials of `Bearer …` and of `scheme://user:password@host`."""
    if "@" in text:
        text = _USERINFO.sub(f"://{MASK}@", text)
    if " " in text:
        text = _BEARER.sub(f"Bearer {MASK}", text)
    return text
