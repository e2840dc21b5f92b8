"""Words that a photo must not have."""

from __future__ import annotations

import pytest

from photostock.filter.excluded import entries_of, without_minus
from photostock.lexical import LexicalIndex


@pytest.mark.parametrize(
    ("given", "entries"),
    [
        (None, []),
        (" , ", []),
        ("beach", ["beach"]),
        ("beach, cat dog", ["beach", "cat", "dog"]),
        ('"ice cream", dog', ["ice cream", "dog"]),
        ('"ice cream', ["ice", "cream"]),
        ("ice-cream", ["ice-cream"]),
    ],
)
def test_entries_are_words_or_phrases(given: str | None, entries: list[str]) -> None:
    assert entries_of(given) == entries


@pytest.mark.parametrize(
    ("query", "text", "excluded"),
    [
        ("dog -beach", "dog", ["beach"]),
        ('dog -"ice cream" sea -cat', "dog sea", ["ice cream", "cat"]),
        ("-beach dog", "dog", ["beach"]),
        ("t-shirt", "t-shirt", []),
        ("dog - beach", "dog - beach", []),
        ("black-and-white dog -ice-cream", "black-and-white dog", ["ice-cream"]),
        ("-5", "-5", []),
        ("कुत्ता -समुद्र", "कुत्ता", ["समुद्र"]),
        ("-beach -cat", "-beach -cat", []),
    ],
)
def test_a_minus_in_front_of_a_word_excludes_it_unless_nothing_is_left(
    query: str, text: str, excluded: list[str]
) -> None:
    assert without_minus(query) == (text, excluded)


@pytest.mark.parametrize(
    ("entry", "hidden"),
    [
        ("dogs", [0]),
        ("ICE", [1, 2]),
        ("ice-cream", [1]),
        ("cream of ice", []),
        ("unheard", []),
        ("unheard dog", []),
    ],
)
def test_an_entry_hides_the_photos_with_all_of_its_words_in_any_form(entry: str, hidden: list[int]) -> None:
    index = LexicalIndex()
    for row, text in enumerate(("a dog runs", "cream with ice", "ice on a lake")):
        index.add(row, text)
    assert index.mask_containing([entry]).nonzero()[0].tolist() == hidden
