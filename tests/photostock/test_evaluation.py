"""The evaluation: through the services' own code, every stage on and off, told in figures, in words and in pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from common.versions.registry import Registry
from photostock.contract import SearchFields
from photostock.evaluation.bench import NotReady
from photostock.evaluation.measures import DEEPEST, Interval, Quality, mean, ratio
from photostock.evaluation.page import page, save_page
from photostock.evaluation.peers import FUSED, ask_peers
from photostock.evaluation.questions import Question, filtered, sample, slices, with_typos
from photostock.evaluation.report import CLEAN, TYPO, Case, Line, Report, Shown, Situation
from photostock.evaluation.run import evaluate
from photostock.evaluation.sentences import sentences, stages
from photostock.evaluation.terminal import render
from photostock.evaluation.variants import DENSE, FILTER, WHOLE, variants
from photostock.gains import gain_10
from photostock.photo import Photo
from photostock.reranker.training_ids import TRAINING_IDS, written
from photostock.settings import PhotoSettings

PHOTOS = [
    Photo("dog", "A brown dog", "On the beach", queries=("dog near the sea", "brown dog"), licence="CC0"),
    Photo("cat", "A black cat", "On a sofa", queries=("sleeping cat",), width=800, height=1200),
    Photo("zebu", "A zebu", "In a field", queries=("zebu grazing",)),
    Photo("secret", "A hidden dog", queries=("hidden dog",), safe=False),
]


def quality(value: float) -> Quality:
    return Quality(value, value, value, value, Interval(value, value - 0.1, value + 0.1))


def line(name: str, kind: str, value: float, *, lost: float = 0.0) -> Line:
    to_whole = Interval(1 - lost, 1 - lost - 0.01, 1 - lost + 0.01)
    return Line(name, kind, quality(value), Interval(1.1, 1.05, 1.15), to_whole, 12.5, {"semantic": 1.0}, 0)


def a_report(**changes: object) -> Report:
    lines = (
        line("lexical alone", "stage", 0.4),
        line(DENSE, "stage", 0.5),
        line("+ reranker", "stage", 0.55),
        line(WHOLE, "whole", 0.55),
        line("without reranker", "removed", 0.5, lost=0.1),
        line("without diversity", "removed", 0.55),
        line("BM25", "peer", 0.39),
    )
    few = (line(DENSE, "stage", 0.3), line(WHOLE, "whole", 0.4), line("without hints and spelling", "removed", 0.35))
    shown = Shown("p<1>", "A <b>dog</b>", b"\xff\xd8picture")
    case = Case("not found at all", 'a "dog" & a cat', shown, (shown, shown), None, 3)
    parts = {"short: up to 3 words": {one.name: one.quality.ndcg_10.value for one in lines}}
    whole = Report(
        photos=10,
        left_out=4,
        seed=1,
        versions={"encoder": "1.0.0"},
        situations=(Situation(CLEAN, 30, lines, parts, {"short: up to 3 words": 21}), Situation(TYPO, 10, few)),
        typo_kept={WHOLE: Interval(0.98, 0.9, 1.0), "without hints and spelling": Interval(0.8, 0.7, 0.9)},
        cases=(case,),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ranks", "recall_1", "recall_10", "recall_50", "mrr_10", "ndcg_10"),
    [
        ([0, 0], 1.0, 1.0, 1.0, 1.0, 1.0),
        ([0, 50], 0.5, 0.5, 0.5, 0.5, 0.5),
        ([1, 9, 10, 49], 0.0, 0.5, 1.0, (1 / 2 + 1 / 10) / 4, (1 / np.log2(3) + 1 / np.log2(11)) / 4),
    ],
    ids=str,
)
def test_quality_follows_from_ranks(
    ranks: Sequence[int], recall_1: float, recall_10: float, recall_50: float, mrr_10: float, ndcg_10: float
) -> None:
    got = Quality.of(np.array(ranks), seed=1)
    expected = (recall_1, recall_10, recall_50, mrr_10, ndcg_10)
    assert (got.recall_1, got.recall_10, got.recall_50, got.mrr_10, got.ndcg_10.value) == pytest.approx(expected)


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    dice, held = np.random.default_rng(3), 0
    for _ in range(100):
        found = mean(dice.uniform(size=200), seed=1)
        held += found.low <= 0.5 <= found.high
    assert 85 <= held <= 100


def test_a_ratio_of_the_same_questions_is_sharper_than_its_parts() -> None:
    values = np.random.default_rng(1).uniform(size=300)
    one = ratio(1.1 * values, values, seed=1)
    assert (one.low, one.value, one.high) == pytest.approx((1.1, 1.1, 1.1))
    assert np.isnan(ratio(values, 0 * values, seed=1).value)


def test_only_photos_that_may_be_shown_and_trained_nothing_are_asked_for() -> None:
    asked = sample(PHOTOS, frozenset({"cat"}), most=100, seed=1)
    assert [question.query for question in asked] == ["dog near the sea", "brown dog", "zebu grazing"]
    assert len(sample(PHOTOS, frozenset(), most=2, seed=1)) == 2


def test_each_query_gets_one_small_typo_and_the_same_seed_the_same_one() -> None:
    asked = [Question("the brown fox jumps over a lazy dog", PHOTOS[0]) for _ in range(50)]
    mistyped = with_typos(asked, seed=1)
    assert mistyped == with_typos(asked, seed=1)
    for before, after in zip(asked, mistyped.values(), strict=True):
        changed = sum(a != b for a, b in zip(before.query.split(), after.query.split(), strict=True))
        assert changed == 1
    assert len({question.query for question in mistyped.values()}) > 20


def test_what_can_have_no_typo_is_left_out_and_what_can_always_has_one() -> None:
    queries = ["ox", "aaa", "a zebu", "42 4x4x"] * 100
    mistyped = with_typos([Question(query, PHOTOS[0]) for query in queries], seed=1)
    assert {queries[place] for place in mistyped} == {"aaa", "a zebu"}
    assert len(mistyped) == 200
    assert all(question.query != queries[place] for place, question in mistyped.items())


def test_conditions_are_those_of_the_photo_that_was_meant() -> None:
    asked = filtered([Question("a", PHOTOS[0]), Question("b", PHOTOS[1])], ["orientation", "licence"])
    assert [question.conditions for question in asked] == [(("orientation", "landscape"), ("licence", "CC0"))]
    assert SearchFields(query="a", **dict(asked[0].conditions)).licence == "CC0"


def test_slices_tell_short_queries_and_rare_words_apart() -> None:
    photos = [Photo(f"p{n}", "dog beach sea wave") for n in range(10)] + [Photo("z", "zebu")]
    queries = ["dog"] * 25 + ["dog beach sea wave"] * 25 + ["zebu"] * 25 + ["dog quokka"] * 25
    found = slices([Question(query, photos[0]) for query in queries], photos)
    counts = {name: int(flags.sum()) for name, flags in found.items()}
    assert counts["only common words"] == 50
    assert counts["a word of 5 photos or fewer"] == 25
    assert counts["a word that no photo has"] == 25


def test_the_chain_is_built_up_in_the_order_of_serving_and_every_part_is_taken_away_once() -> None:
    made = variants(frozenset({"reranker", FILTER}))
    names = [variant.name for variant in made if variant.kind == "stage"]
    assert names == [
        "lexical alone",
        "dense alone",
        "+ learned filter",
        "+ reranker",
        "+ hints and spelling",
        "+ diversity",
    ]
    assert next(variant for variant in made if variant.name == WHOLE).without == frozenset()
    assert "without learned filter" not in [variant.name for variant in variants(frozenset({"reranker"}))]


def test_peers_answer_the_same_questions() -> None:
    pytest.importorskip("bm25s")
    asked = sample(PHOTOS, frozenset(), most=100, seed=1)
    made, notes = ask_peers(PHOTOS, asked, dense=False)
    assert FUSED not in made
    assert [answer.ranks.tolist() for answer in made.values()] == [[0, 0, 0, 0]]
    assert len(notes) == 1


def test_the_page_is_whole_shows_every_part_and_trusts_no_text() -> None:
    html = page(a_report())
    assert "<b>dog</b>" not in html
    assert "a &quot;dog&quot; &amp; a cat" in html
    assert html.count("data:image/jpeg;base64,") == 3
    for text in ("What each stage adds", "missed for", "other people", "Kinds of queries", TYPO, "Look for yourself"):
        assert text in html
    assert "<script" not in html
    assert "http" not in html.replace("http://www.w3.org", "")


def test_a_page_without_reranker_peers_slices_or_pictures_is_a_page_too(tmp_path: Path) -> None:
    report = a_report(cases=(), typo_kept={})
    lines = tuple(one for one in report.clean.lines if one.kind in ("stage", "whole"))
    report = replace(report, situations=(Situation(CLEAN, 3, lines),))
    save_page(report, tmp_path / "deep" / "page.html")
    assert "</html>" in (tmp_path / "deep" / "page.html").read_text()
    assert [below.name if below else None for _, below in stages(report)] == [None, None, DENSE]


def test_the_findings_are_told_in_words() -> None:
    told = " ".join(sentences(a_report()))
    assert "clearly worse: reranker -10.0 %" in told
    assert "no clear loss: diversity +0.0 %" in told
    assert "keeps 98.0 %" in told
    assert "every search was answered" in told


def test_figures_that_are_no_number_are_null_in_json(tmp_path: Path) -> None:
    strange = replace(line("x", "stage", 0.5), to_dense=Interval(np.nan, np.nan, np.nan))
    a_report(situations=(Situation(CLEAN, 1, (strange,)),)).save_json(tmp_path / "figures.json")
    told = json.loads((tmp_path / "figures.json").read_text())
    assert told["situations"][0]["lines"][0]["to_dense"]["value"] is None


def test_the_report_is_shown_as_tables() -> None:
    console = Console(record=True, width=132)
    render(a_report(), console)
    assert "nDCG@10" in console.export_text()


async def test_without_photos_queries_or_an_encoder_it_says_what_is_missing(var_dir: Path) -> None:
    settings = PhotoSettings(var_dir=var_dir)
    with pytest.raises(NotReady, match="no query left"):
        await evaluate(settings, [replace(photo, queries=()) for photo in PHOTOS])
    with pytest.raises(NotReady, match="no encoder"):
        await evaluate(settings, PHOTOS)
    assert Registry(settings.registry_dir).components() == []


async def test_queries_that_trained_the_filter_are_not_asked_though_no_reranker_knows_them(var_dir: Path) -> None:
    settings = PhotoSettings(var_dir=var_dir)
    Registry(settings.registry_dir).publish("filter", {TRAINING_IDS: written(PHOTOS)}, alias="champion")
    with pytest.raises(NotReady, match="no query left"):
        await evaluate(settings, PHOTOS)


def test_a_rank_beyond_the_deepest_counts_nothing() -> None:
    assert gain_10(np.array([DEEPEST])).tolist() == [0.0]
