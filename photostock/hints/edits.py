"""Slips of the finger: every word that is one of them away from another, and how likely each is."""

from __future__ import annotations

from itertools import zip_longest
from string import ascii_lowercase

# In the logarithm of a likelihood, where a random letter in the middle of a word has 0.
SWAPPED = 2.0  # two letters in the wrong order
NEIGHBOUR_KEY = 1.5
DOUBLED = 1.0  # a letter too many that stands beside the same one
FIRST_LETTER = -1.0  # people look at the beginning of a word
ENDING = -3.0  # s, d, e at the end: another form of a known word rather than a slip
ENDINGS = frozenset("sde")

KEYS_AROUND = {
    "q": "wa",
    "w": "qes",
    "e": "wrd",
    "r": "etf",
    "t": "ryg",
    "y": "tuh",
    "u": "yij",
    "i": "uok",
    "o": "ipl",
    "p": "ol",
    "a": "qsz",
    "s": "adwx",
    "d": "sfec",
    "f": "dgrv",
    "g": "fhtb",
    "h": "gjyn",
    "j": "hkum",
    "k": "jlim",
    "l": "kop",
    "z": "asx",
    "x": "zsc",
    "c": "xdv",
    "v": "cfb",
    "b": "vgn",
    "n": "bhm",
    "m": "njk",
}


def one_edit_from(word: str, letters: str = "") -> set[str]:
    """Every text that a swap, a lacking, a surplus or a wrong letter turns into `word`, except itself.

    Args:
        letters: those that may be lacking or meant, beside a to z.
    """
    alphabet = ascii_lowercase + letters
    halves = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    found = {head + letter + tail[1:] for head, tail in halves if tail for letter in alphabet}
    found |= {head + letter + tail for head, tail in halves for letter in alphabet}
    found |= {head + tail[1:] for head, tail in halves if tail}
    found |= {head + tail[1] + tail[0] + tail[2:] for head, tail in halves if len(tail) > 1}
    found.discard(word)
    return found


def likelihood(written: str, meant: str) -> float:
    """Of the slip that makes `written` of `meant`, which is one edit away: a logarithm, for comparing only."""
    place = next(place for place, (a, b) in enumerate(zip_longest(written, meant)) if a != b)
    first = FIRST_LETTER if place == 0 else 0.0
    if len(written) > len(meant):
        surplus = written[place]
        ending = ENDING if place == len(meant) and surplus in ENDINGS else 0.0
        beside = written[max(0, place - 1) : place] + written[place + 1 : place + 2]
        return first + ending + (DOUBLED if surplus in beside else 0.0)
    if len(written) < len(meant):
        return first + (ENDING if place == len(written) and meant[place] in ENDINGS else 0.0)
    if written[place + 1 :] != meant[place + 1 :]:
        return first + SWAPPED
    return first + (NEIGHBOUR_KEY if meant[place] in KEYS_AROUND.get(written[place], "") else 0.0)
