"""What is made of samples: rows, promises, metrics that moved; without any network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from common.chain.demotion import DemotionPolicy, Record
from common.outcome import Reason
from loadtests.checks import Answer, Reading
from loadtests.figures import SILENCE, Sample
from loadtests.murphy.alerts import events_since, failures, log_size, moved
from loadtests.murphy.asks import REFUSED
from loadtests.murphy.house import House
from loadtests.murphy.ledger import Ledger
from loadtests.murphy.meaning import OldAsked, Refused, SearchesAsked, Written, read_refusal
from loadtests.murphy.recovery import LASTS_SECONDS, STREAK, back_after, is_untouched, out_of_time
from loadtests.murphy.results import broken_promises, detected_after, not_played, rows_of
from loadtests.murphy.scoreboard import broken_overall, verdict
from loadtests.murphy.trial import PHOTOS, RETAIL, Trial
from photostock import search
from supermegaretail import forecast

FULL = Reading(("correction",))
DEGRADED = Reading(("moving_average",), True, ("core:timeout",))


@asynccontextmanager
async def nothing(_: House) -> AsyncIterator[None]:
    yield


TRIAL = Trial(name="t", sentence="Nothing.", level="link", applied=nothing, services=(RETAIL,), expects="degraded")
WELL = {"back_after": {RETAIL: 1.0}, "alerts": {RETAIL: ["client_calls_total"]}, "lost": ()}


def sample(reading: Reading, *, kind: str = "forecast", sent_at: float = 0.0, took_ms: float = 20.0) -> Sample:
    service = PHOTOS if kind in ("search", "photos add") else RETAIL
    return Sample(service, "p", sent_at, took_ms, 0.0, reading, kind)


def never_away(service: str, since: float, until: float) -> bool:
    return False


def broken(trial: Trial, samples: list[Sample], **told: object) -> tuple[str, ...]:
    rows = rows_of(samples, trial, never_away)
    return broken_promises(trial, rows, samples, **{**WELL, **told})  # type: ignore[arg-type]


def test_a_fault_that_showed_and_was_answered_breaks_no_promise() -> None:
    assert broken(TRIAL, [sample(FULL), sample(DEGRADED)]) == ()


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"back_after": {RETAIL: None}}, "full quality was not back"),
        ({"back_after": {RETAIL: 5.1}}, "took 5.1 s to come back"),
        ({"alerts": {}}, "no metric of failure moved"),
        ({"lost": ["a photo"]}, "lost: a photo"),
    ],
)
def test_each_promise_beside_the_answers_is_told_when_it_broke(told: dict[str, object], sentence: str) -> None:
    [found] = broken(TRIAL, [sample(DEGRADED)], **told)
    assert sentence in found


def test_answers_that_are_late_or_malformed_or_hide_what_happened_are_told() -> None:
    assert "1 of 1 missing or malformed" in broken(TRIAL, [sample(Reading(problem="status 500"))])[0]
    late = [sample(DEGRADED, took_ms=400.0)] * 2
    assert broken(TRIAL, late) == ("supermegaretail: 2 of 2 after their budget",)
    assert broken(TRIAL, late[:1]) == ()  # half a percent, rounded up to a whole one
    assert broken(TRIAL, [sample(FULL)]) == ("supermegaretail: no answer said that it was degraded",)
    assert (
        "claim to be from a dead model" in broken(replace(TRIAL, expects="dead"), [sample(FULL), sample(DEGRADED)])[0]
    )


def test_a_fault_that_shows_in_none_of_its_metrics_or_not_in_the_log_hides() -> None:
    trial = replace(TRIAL, expects="any", shows=("http_requests_total 503", "part_unwell"), logs=("write.failed",))
    other = broken(trial, [], alerts={RETAIL: ["http_requests_total GET 429 +3"]}, logged={RETAIL: {"http.request"}})
    assert other == (
        f"{RETAIL}: none of the metrics that tell of it moved: http_requests_total 503, part_unwell",
        f"{RETAIL}: its log does not say write.failed",
    )
    told = {RETAIL: ["http_requests_total POST /v1/sales 503 +1"]}
    assert broken(trial, [], alerts=told, logged={RETAIL: {"write.failed"}}) == ()
    assert broken(trial, [], alerts=told) == ()  # nobody knows the log


def test_a_log_is_read_from_where_the_fault_began(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    path.write_text('{"event": "before"}\n')
    start = log_size(path)
    with path.open("a") as log:
        log.write('no log line\n{"event": "loop.blocked"}\n[1]\n')
    assert list(events_since(path, start)) == ["loop.blocked"]


def test_answers_that_wait_for_a_blocked_loop_may_be_late_and_no_others() -> None:
    late = [sample(DEGRADED, took_ms=400.0)] * 2
    assert broken(replace(TRIAL, may_be_late=True), late) == ()
    assert len(broken(TRIAL, late)) == 1


def test_the_other_service_is_not_to_notice() -> None:
    searches = [sample(Reading(("semantic",), True, ("reranker:timeout",)), kind="search")] * 3
    assert "this fault is not its business" in broken(TRIAL, [sample(DEGRADED), *searches])[0]


def test_a_refusal_is_right_only_where_the_fault_allows_it() -> None:
    refused, write = Reading(problem=f"{REFUSED}503"), sample(Reading(problem=f"{REFUSED}503"), kind="sales")
    allowing = replace(TRIAL, expects="any", refuses_writes=frozenset({503}))
    assert broken(allowing, [write]) == ()
    assert len(broken(allowing, [sample(refused)])) == 1  # a read is still answered
    assert broken(replace(TRIAL, expects="any", refuses=frozenset({503})), [sample(refused)]) == ()
    assert len(broken(replace(TRIAL, expects="any"), [write])) == 1
    [row] = rows_of([write], allowing, never_away)
    assert (row.refused, row.figures.well_formed) == (1, 1)


def test_where_apis_were_told_to_stop_only_a_refused_connection_is_excused() -> None:
    reset, refused = (
        sample(Reading(problem=f"{SILENCE}: {error}")) for error in ("ServerDisconnectedError", "ClientConnectorError")
    )
    [row] = rows_of([reset, refused], replace(TRIAL, drains=True), lambda *_: True)
    assert (row.away, row.figures.requests, row.figures.well_formed) == (1, 1, 0)


def test_only_silence_is_excused_while_an_api_is_away_on_purpose() -> None:
    silent, wrong = sample(Reading(problem=SILENCE)), sample(Reading(problem="status 500"))
    [row] = rows_of([silent, wrong], TRIAL, lambda *_: True)
    assert (row.away, row.figures.requests, row.figures.well_formed) == (1, 1, 0)


def test_a_fault_is_detected_by_the_first_degraded_answer() -> None:
    cut = Reading(("moving_average",), True, ("core:breaker_open",))
    samples = [sample(FULL, sent_at=1.0), sample(cut, sent_at=2.0), sample(cut, sent_at=3.0)]
    assert detected_after(samples, RETAIL, since=1.5) == pytest.approx(0.52)
    assert detected_after(samples, PHOTOS, since=1.5) is None


def test_an_answer_that_is_degraded_for_lack_of_time_alone_detects_nothing() -> None:
    assert detected_after([sample(DEGRADED)], RETAIL, since=0.0) is None


def test_an_answer_without_time_is_no_proof_of_anything_and_a_shut_gate_is() -> None:
    assert out_of_time(sample(DEGRADED))
    assert not out_of_time(sample(Reading(("semantic",), True, ("reranker:breaker_open",))))
    assert not out_of_time(sample(FULL))
    assert not out_of_time(sample(Reading(("core",), True)))


def answers(pattern: str, *, seconds: float = 8.0, stalled_ms: float = 0.0) -> list[Sample]:
    """Eleven a second, over and over: `F` of full quality, `t` out of time, `o` behind an open breaker."""
    readings = {"F": FULL, "t": DEGRADED, "o": Reading(("moving_average",), True, ("core:breaker_open",))}
    return [
        replace(
            sample(readings[pattern[place % len(pattern)]], sent_at=place / 11),
            stalled_ms=stalled_ms if pattern[place % len(pattern)] == "t" else 0.0,
        )
        for place in range(int(seconds * 11))
    ]


def back(samples: list[Sample], *, usual: float = 0.0, until: float = 8.0) -> float | None:
    return back_after(samples, since=0.0, until=until, usual=usual)


@pytest.mark.parametrize("pattern", ["tttFttFtF", "tttttttttF", "Ft", "FFFt", "FFFttttttt", "oF"])
def test_a_model_that_often_runs_out_of_time_is_not_back(pattern: str) -> None:
    assert back(answers(pattern)) is None


@pytest.mark.parametrize("pattern", ["F", "FFFFFFFFFFt", "FFtFFFFFFFFFFFFF"])
def test_a_model_that_seldom_runs_out_of_time_is_back_at_its_first_good_answer(pattern: str) -> None:
    assert back(answers(pattern)) == 0.0


def test_full_quality_counts_from_when_it_stays() -> None:
    wedged = answers("tttFttFtF", seconds=3.0)
    well = [replace(one, sent_at=one.sent_at + 3.0) for one in answers("F", seconds=5.0)]
    assert back([*wedged, *well]) == pytest.approx(3.0, abs=0.8)
    assert back(well[: 2 * STREAK], until=3.0 + LASTS_SECONDS) is None  # nobody knows yet whether it stays


def test_what_ran_out_of_time_while_the_machine_stood_still_is_in_no_count() -> None:
    assert back(answers("Fttt", stalled_ms=40.0)) == 0.0
    assert back(answers("Fooo")) is None


def test_while_the_machine_stood_still_nobody_could_come_back() -> None:
    late = [replace(one, sent_at=one.sent_at + 6.0) for one in answers("F")]
    assert back_after(late, since=0.0, until=20.0) == 6.0
    assert back_after(late, since=0.0, until=20.0, stalled=lambda start, end: (end - start) / 2) == 3.0


def test_a_machine_that_needs_its_fallbacks_without_any_fault_is_judged_next_to_that() -> None:
    assert back(answers("FFFt")) is None
    assert back(answers("FFFt"), usual=0.2) == 0.0
    assert not is_untouched(answers("FFFt"), usual=0.0)
    assert is_untouched(answers("FFFt"), usual=0.2)
    assert is_untouched(answers("FFFFFt"), usual=0.0)


def test_metrics_of_failure_that_grew_are_told_and_others_are_not() -> None:
    before = failures('client_calls_total{reason="ok"} 5\nclient_calls_total{reason="timeout"} 2\n')
    after = failures('client_calls_total{reason="ok"} 9\nclient_calls_total{reason="timeout"} 6\nup 1\n')
    assert moved(before, after) == ("client_calls_total timeout +4",)
    assert moved(after, before) == ("client_calls_total timeout +2",)  # the process was started anew
    assert moved(before, None) == ()


def test_a_refusal_has_the_form_of_the_contract() -> None:
    body = b'{"type": "t", "title": "t", "status": 429, "detail": "d", "request_id": "r"}'
    headers = {"content-type": "application/problem+json", "retry-after": "1"}
    assert read_refusal(Answer(429, headers, body)) == Refused(429)
    assert (
        read_refusal(Answer(429, {"content-type": headers["content-type"]}, body)) == "status 429 without Retry-After"
    )
    assert read_refusal(Answer(500, headers, b"oops")) == "status 500 with a body that is not JSON"
    assert read_refusal(Answer(503, headers, body)) == "status 503, and another one in the body"
    assert read_refusal(Answer(500, {}, body)) == "status 500 without problem+json"


def test_writes_and_old_answers_and_bulk_searches_are_read_for_what_they_mean() -> None:
    written = Written(201, 2)
    assert written.check(Answer(201, {}, b'{"accepted": 2}')).problem is None
    assert written.check(Answer(201, {}, b'{"accepted": 1}')).problem == "accepted 1 of 2 rows"
    assert written.check(Answer(200, {}, b"{}")).problem == "status 200"
    old = OldAsked("A", "CA_1", 1)
    served = {"x-served-by": "core", "x-degraded": "false"}
    body = b'{"predictions": [{"sku": "A", "entity": "CA_1", "demand": 1.5, "period": "2026-01-01"}]}'
    assert old.check(Answer(200, served, body)) == Reading(("core",), False)
    assert "plausible" in str(old.check(Answer(200, served, body.replace(b"1.5", b"1e308"))).problem)
    assert "is not JSON" in str(old.check(Answer(200, served, body.replace(b"1.5", b"NaN"))).problem)
    assert "1 answers to 2" in str(SearchesAsked((5, 5)).check(Answer(200, {}, b'{"searches": [{}]}')).problem)


def test_what_is_written_last_is_what_counts() -> None:
    ledger = Ledger()
    ledger.doubtful.add("p")
    ledger.photo("p", "one")
    ledger.photo("p", None)
    assert (ledger.photos, ledger.doubtful, ledger.acknowledged) == ({"p": None}, set(), 2)


def test_a_fault_that_could_not_be_played_proves_nothing() -> None:
    result = not_played(TRIAL, "could not be brought on")
    assert result.broken == ("could not be brought on",)
    assert verdict([result]).startswith("0 of 1 faults without a broken promise")
    assert broken_overall([result])


@pytest.mark.parametrize("policy", [forecast.DEMOTION, search.DEMOTION])
@pytest.mark.parametrize("per_second", [2.5, 11, 100])
@pytest.mark.parametrize("fault_seconds", [4, 10, 17, 60])
def test_a_demoted_tier_is_back_within_the_promise_at_every_rate(
    policy: DemotionPolicy, per_second: float, fault_seconds: float
) -> None:
    now, served_in_a_row = 0.0, 0
    record = Record("tier", policy, clock=lambda: now)
    while served_in_a_row < STREAK:
        now += 1 / per_second
        ill = now < fault_seconds
        asked = record.admits()
        if asked:
            record.learn(accepted=not ill, refused={Reason.MEANING: 1} if ill else {})
        served_in_a_row = served_in_a_row + 1 if asked and not ill else 0
    assert now - (STREAK - 1) / per_second - fault_seconds < TRIAL.back_within_seconds
