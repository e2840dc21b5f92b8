"""Search by words."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest

from photostock.lexical import LexicalIndex
from photostock.words import tokens_of, words_of

TEXTS = (
    "A brown dog runs on the beach",
    "Two dogs sleep on a red sofa",
    "Café at night. Rainy street with umbrellas",
    "The who, live on stage",
    "A hot dog with mustard",
)


def filled(texts: tuple[str, ...] = TEXTS) -> LexicalIndex:
    index = LexicalIndex()
    for row, text in enumerate(texts):
        index.add(row, text)
    return index


def everything(count: int = len(TEXTS)) -> npt.NDArray[np.bool_]:
    return np.ones(count, dtype=np.bool_)


def found(index: LexicalIndex, query: str, allowed: npt.NDArray[np.bool_] | None = None) -> list[int]:
    rows, _ = index.search(query, allowed=everything() if allowed is None else allowed, limit=10)
    return [int(row) for row in rows]


def test_words_are_found_in_any_form_case_and_accent() -> None:
    index = filled()
    assert set(found(index, "DOG")) == {0, 1, 4}
    assert found(index, "umbrella") == [2]
    assert found(index, "cafe") == [2]


def test_more_and_rarer_words_count_more() -> None:
    assert found(filled(), "dog on a sofa")[0] == 1
    assert found(filled(), "beach dogs")[0] == 0


def test_stop_words_count_only_when_there_is_nothing_else() -> None:
    index = filled()
    assert found(index, "the umbrella") == [2]
    assert found(index, "the")[0] in (0, 3)
    assert found(index, "") == []
    assert found(index, "?!") == []


def test_only_allowed_rows_are_found() -> None:
    allowed = everything()
    allowed[0] = False
    assert 0 not in found(filled(), "dog", allowed)
    assert found(filled(), "dog", everything(1)) == [0]


def test_equal_scores_are_ordered_by_row() -> None:
    assert found(filled(("a cat",) * 5), "cat") == [0, 1, 2, 3, 4]


def test_a_removed_row_is_as_if_it_had_never_been_there() -> None:
    index, never = filled(), filled((*TEXTS[:1], "", *TEXTS[2:]))
    never.remove(1)
    index.remove(1)
    index.remove(1)
    index.remove(99)
    ours, theirs = (i.search("dogs on a sofa", allowed=everything(), limit=5) for i in (index, never))
    assert ours[0].tolist() == theirs[0].tolist()
    assert ours[1].tobytes() == theirs[1].tobytes()
    assert len(index) == 4
    assert index.vocabulary.count("sofa") == 0


def test_most_removals_leave_the_postings_of_a_stem_as_they_are() -> None:
    index = filled(("a dog",) * 100)
    postings = index._postings["dog"]
    for row in range(49):
        index.remove(row)
    assert index._postings["dog"].rows_buffer is postings.rows_buffer
    index.remove(49)
    assert index._postings["dog"].rows.tolist() == list(range(50, 100))
    for row in range(50, 100):
        index.remove(row)
    assert index._postings == {}


def test_a_row_is_never_used_twice() -> None:
    with pytest.raises(ValueError, match="taken"):
        filled().add(2, "again")


def test_excluded_words_are_found_as_words_and_as_phrases() -> None:
    index = filled()
    assert index.mask_containing(["dog"]).tolist() == [True, True, False, False, True]
    assert index.mask_containing(["hot dogs", "umbrellas"]).tolist() == [False, False, True, False, True]
    assert not index.mask_containing([]).any()
    assert not index.mask_containing(["", "unheard"]).any()


def test_the_vocabulary_counts_texts_and_not_occurrences() -> None:
    index = filled(("a cat and a cat", "one cat", "cats"))
    counts = {word: index.vocabulary.count(word) for word in ("a", "cat", "and", "one", "cats", "dog")}
    assert counts == {"a": 1, "cat": 2, "and": 1, "one": 1, "cats": 1, "dog": 0}


def test_searches_never_see_half_a_text() -> None:
    """All texts are the same, so as long as a row stays, it has the score of row 0."""
    query = "alpha beta gamma delta"
    index = filled((query,))
    stopped = threading.Event()

    def search() -> int:
        searches = 0
        while not stopped.is_set():
            rows, scores = index.search(query, allowed=everything(5000), limit=5000)
            assert rows[scores == scores.max()][0] == 0
            assert len(set(scores[rows % 3 != 2].tolist())) == 1
            assert index.mask_containing([query])[0]
            searches += 1
        return searches

    with ThreadPoolExecutor(3) as pool:
        searching = [pool.submit(search) for _ in range(3)]
        for row in range(1, 1500):
            index.add(row, query)
            if row % 3 == 0:
                index.remove(row - 1)
        stopped.set()
        assert all(future.result() > 0 for future in searching)
    assert len(index) == 1001


SPACELESS = ("犬が海岸を走る", "猫と犬", "海の写真", "ガードとカード", "หมาวิ่งบนชายหาด", "ปลาในทะเล")


def test_words_are_found_where_a_script_leaves_no_spaces_between_them() -> None:
    index, allowed = filled(SPACELESS), everything(len(SPACELESS))
    assert found(index, "犬", allowed) == [1, 0]  # the shorter text first
    assert found(index, "海岸", allowed)[0] == 0
    assert found(index, "犬と猫", allowed)[0] == 1
    assert found(index, "ガード", allowed)[0] == 3
    assert found(index, "หมา", allowed) == [4]
    assert np.flatnonzero(index.mask_containing(["海岸"])).tolist() == [0]
    assert np.flatnonzero(index.mask_containing(["海"])).tolist() == [0, 2]
    index.remove(0)
    assert found(index, "走る", allowed) == []


def test_vowel_signs_and_other_marks_stay_inside_their_word() -> None:
    index = filled(("समुद्र तट पर कुत्ता", "कार और सड़क", "کتاب می‌خواهم"))
    assert words_of("कुत्ता समुद्र") == ["कुत्ता", "समुद्र"]
    assert found(index, "कुत्ता", everything(3)) == [0]
    assert found(index, "क", everything(3)) == []
    assert [token.word for token in tokens_of("कुत्ता समुद्र")] == words_of("कुत्ता समुद्र")


def test_a_sentence_without_spaces_stays_one_word_for_hints_and_spelling() -> None:
    assert len(words_of("犬が海岸を走る")) == 1
    assert len(filled(SPACELESS[:1]).vocabulary) == 1
