"""Spelling by the words of the catalogue."""

from __future__ import annotations

import random

import pytest

from photostock.hints import Hint, Hints
from photostock.hints.dictionary import english_words
from photostock.hints.edits import likelihood, one_edit_from
from photostock.hints.rewriting import rewrite
from photostock.hints.spelling import Speller
from photostock.vocabulary import Vocabulary
from photostock.words import words_of

TEXTS = ["a dog runs on the beach", "two dogs on a sofa", "a red bus in the street", "the cat sleeps on the sofa"] * 30


@pytest.fixture(scope="module")
def speller() -> Speller:
    vocabulary = Vocabulary()
    for text in TEXTS:
        vocabulary.add(words_of(text))
    dictionary = english_words()
    return Speller(vocabulary, lambda: dictionary)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("a dgo on the beach", "a dog on the beach"),
        ("a og on the baech", "a dog on the beach"),
        ("two dogs on a soffa", "two dogs on a sofa"),
        ("Cat sleepz, on the Sofa!", "Cat sleeps, on the Sofa!"),
        ("teh red bus", "the red bus"),
        ("a bis in the strete", "a bis in the street"),  # "bis" is a word, and nothing else speaks against it
    ],
)
def test_one_slip_per_word_is_corrected_and_the_rest_stays(speller: Speller, typed: str, meant: str) -> None:
    corrected = speller.correct(typed)
    assert corrected.text == meant
    assert speller.correct(meant).corrections == ()


def test_words_that_are_right_are_left_alone(speller: Speller) -> None:
    for query in ("an oxen and a bandana", "dogs' sofas", "r2d2 on mars", "xqzvkw", "", "???", "собака на пляже"):
        assert speller.correct(query).text == query


def test_a_word_that_is_never_corrected_stays(speller: Speller) -> None:
    assert speller.correct("dgo", leave={"dgo"}).text == "dgo"
    hints = Hints((Hint("1", "Dgo", "", "Ann", "a brand", "", "never_correct"),))
    assert rewrite("a dgo", hints, speller).corrected is None
    assert rewrite("a dgo", Hints(), speller).corrected == "a dog"


def test_noise_is_not_corrected_word_by_word(speller: Speller) -> None:
    noise = " ".join(["dgo"] * 50)
    assert speller.correct(noise).text == noise


def test_the_vocabulary_follows_adds_and_deletes_at_once() -> None:
    vocabulary = Vocabulary()
    speller = Speller(vocabulary, frozenset)
    assert speller.correct("zebar").text == "zebar"
    vocabulary.add(["zebra"])
    assert speller.correct("zebar").text == "zebra"
    vocabulary.remove(["zebra"])
    assert speller.correct("zebar").text == "zebar"


def test_other_alphabets_are_corrected_by_their_own_letters() -> None:
    vocabulary = Vocabulary()
    vocabulary.add(words_of("собака на пляже"))
    assert Speller(vocabulary, frozenset).correct("сбака").text == "собака"
    vocabulary.remove(words_of("собака на пляже"))
    assert vocabulary.letters == ""
    assert len(vocabulary) == 0


def test_pairs_are_counted_and_taken_back() -> None:
    vocabulary = Vocabulary()
    vocabulary.add(["hot", "dog", "hot", "dog"])
    vocabulary.add(["hot", "dog"])
    assert vocabulary.pair_count("hot", "dog") == 2
    vocabulary.remove(["hot", "dog"])
    assert (vocabulary.pair_count("hot", "dog"), vocabulary.pair_count("hot", "cat")) == (1, 0)


def test_every_slip_is_found_from_what_it_made() -> None:
    draw = random.Random(1)
    for _ in range(200):
        word = "".join(draw.choices("abcdefg", k=draw.randint(2, 9)))
        for written in draw.sample(sorted(one_edit_from(word)), 5):
            assert word in one_edit_from(written)
            assert -10 < likelihood(written, word) < 10


def test_frequent_slips_are_more_likely() -> None:
    assert likelihood("dgo", "dog") > likelihood("dig", "dog") > likelihood("dxg", "dog") > likelihood("xog", "dog")
    assert likelihood("dogg", "dog") > likelihood("doxg", "dog") > likelihood("dogs", "dog")
