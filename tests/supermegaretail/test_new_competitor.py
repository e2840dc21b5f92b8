"""The experiment in which an override is learnt from, in small: the parts fit together and the same seed repeats."""

from __future__ import annotations

from pathlib import Path

import pytest

from supermegaretail.new_competitor import RELEASES_DAYS, Story, run, save_page, sentences


@pytest.fixture(scope="module")
def story() -> Story:
    return run(seed=3, stores=5, products=20, days=400, rows=20_000, threads=1)


def test_the_override_helps_the_old_model_at_once(story: Story) -> None:
    first = story.shown[0]
    assert first.who == "old model"
    assert abs(first.overridden.bias) < abs(first.alone.bias)


def test_each_training_is_shown_with_labels_and_without_and_with_the_override_and_without(story: Story) -> None:
    assert [one.who for one in story.shown[1:]] == [one.who for one in story.shown[1:4]] * len(RELEASES_DAYS)
    assert len({one.as_of for one in story.shown}) == 1 + len(RELEASES_DAYS)
    assert all(one.overridden.bias < one.alone.bias for one in story.shown)
    assert story.judged[0].labels > 0


def test_right_after_the_opening_labels_teach_what_the_sales_do_not_tell_yet(story: Story) -> None:
    alone, with_labels = story.shown[2:4]
    assert (alone.who, with_labels.who) == ("new model, sales alone", "new model, sales and labels")
    assert abs(with_labels.alone.bias) < abs(alone.alone.bias)
    assert with_labels.alone.wape < alone.alone.wape


def test_the_override_goes_when_the_rule_holds_and_not_before(story: Story) -> None:
    proposed = [one.as_of for one in story.judged if one.agreement is not None and one.agreement.agrees]
    assert proposed == [story.retired]  # once, and then it is gone
    for one in story.judged:
        if one.agreement is not None and one.agreement.agrees:
            assert one.agreement.mean_error is not None
            assert one.agreement.mean_error_overridden is not None
            assert one.agreement.mean_error <= one.agreement.mean_error_overridden


def test_the_page_says_what_the_terminal_says(story: Story, tmp_path: Path) -> None:
    save_page(story, tmp_path / "story.html")
    page = (tmp_path / "story.html").read_text()
    assert all(said in page for said in sentences(story))
    assert page.count("new model, sales and labels") == len(RELEASES_DAYS)
