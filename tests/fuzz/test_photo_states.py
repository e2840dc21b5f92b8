"""Photos added, replaced, deleted and searched for in any order: what is gone is never found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.fuzz.conftest import OPERATOR, STATES, House

PHOTO_IDS = ("fuzz-1", "fuzz-2", "fuzz_3", "-", "_fuzz")
IDS = st.sampled_from(PHOTO_IDS)
WORDS = ("zebra", "quartz", "yacht")
STRANGE = st.sampled_from(["", "\u202e", "\u200b", "e\u0301", "\U0001f4a3", "<script>", "\n\x1b[31m"])


class PhotoStates(RuleBasedStateMachine):
    """The truth in a dict, id to word, beside the service."""

    client: httpx.Client

    @initialize()
    def begin(self) -> None:
        self.there: dict[str, str] = {}
        for photo_id in PHOTO_IDS:
            assert self.client.delete(f"/v1/photos/{photo_id}").status_code in (204, 404)

    @rule(photo_id=IDS, word=st.sampled_from(WORDS), strange=STRANGE)
    def add_or_replace(self, photo_id: str, word: str, strange: str) -> None:
        photo = {"id": photo_id, "title": f"A {word}", "description": strange}
        answer = self.client.post("/v1/photos", json={"photos": [photo]})
        assert answer.status_code == 201, answer.text
        self.there[photo_id] = word

    @rule(photo_id=IDS)
    def delete(self, photo_id: str) -> None:
        known = self.there.pop(photo_id, None) is not None
        assert self.client.delete(f"/v1/photos/{photo_id}").status_code == (204 if known else 404)

    @rule(photo_id=IDS, kind=st.sampled_from(["impression", "click", "download"]))
    def tell_what_was_done(self, photo_id: str, kind: str) -> None:
        event = {"query": "zebra\r\n", "photo_id": photo_id, "kind": kind, "user_id": "u", "at": "2026-06-01T00:00:00Z"}
        assert self.client.post("/v1/feedback", json={"events": [event]}).status_code == 201

    @rule(word=st.sampled_from(WORDS))
    def a_hint_leads_there(self, word: str) -> None:
        wish = {
            "when": "nonesuch",
            "then": word,
            "owner": "fuzz",
            "reason": "a try",
            "ends_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        }
        added = self.client.post("/v1/admin/hints", json=wish, headers=OPERATOR)
        assert added.status_code == 201, added.text
        found = self._search("nonesuch")
        assert {one for one in self.there if self.there[one] == word} <= found
        assert self.client.delete(f"/v1/admin/hints/{added.json()['id']}", headers=OPERATOR).status_code == 204

    @rule(word=st.sampled_from(WORDS), strange=STRANGE)
    def searches_are_deterministic(self, word: str, strange: str) -> None:
        asked = {"query": f"{word} {strange}", "per_page": 80}
        first, second = (self._body(asked) for _ in range(2))
        assert first == second

    @invariant()
    def what_is_there_is_found_and_what_is_gone_is_not(self) -> None:
        for word in WORDS:
            found = self._search(word)
            assert {one for one in self.there if self.there[one] == word} <= found
            assert found & set(PHOTO_IDS) <= self.there.keys()
        for photo_id in PHOTO_IDS:
            wanted = 200 if photo_id in self.there else 404
            assert self.client.get(f"/v1/photos/{photo_id}").status_code == wanted
            assert self.client.head(f"/v1/photos/{photo_id}").status_code == wanted

    def _search(self, query: str) -> set[str]:
        return {result["id"] for result in self._body({"query": query, "per_page": 80})["results"]}

    def _body(self, asked: dict[str, Any]) -> dict[str, Any]:
        answer = self.client.get("/v1/search", params=asked)
        assert answer.status_code == 200, answer.text
        return {name: value for name, value in answer.json().items() if name != "request_id"}


def test_what_is_gone_is_never_found_and_what_is_there_always_is(house: House) -> None:
    with httpx.Client(base_url=house.url("photostock-api"), timeout=30) as client:

        class States(PhotoStates):
            pass

        States.client = client
        run_state_machine_as_test(States, settings=STATES)
    assert house.troubles("photostock-api") == []


@pytest.mark.parametrize(
    "query",
    [
        "page=1000000000000000000000&query=dog",
        "per_page=-0&query=dog",
        "page=1e3&query=dog",
        "query=dog&query=cat",
        "query=%00",
        "query=%ff",
        "query=" + "a" * 301,
        "min_score=nan&query=dog",
        "min_score=1e308&query=dog",
        "as_of=9999-99-99&query=dog",
        "seed=9223372036854775808&query=dog",
        "exclude=%E2%80%AE&query=dog&nonesuch=1",
    ],
)
def test_a_strange_query_is_answered_or_refused_with_a_place_and_pages_do_the_same(house: House, query: str) -> None:
    url = house.url("photostock-api")
    answer = httpx.get(f"{url}/v1/search?{query}", timeout=30)
    assert answer.status_code in (200, 422)
    assert answer.status_code == 200 or ": " in answer.json()["detail"]
    for page in ("/", "/photos/cat"):
        shown = httpx.get(f"{url}{page}?{query}", timeout=30)
        assert shown.status_code in (200, 422)
        assert shown.headers["content-type"].startswith("text/html")
    assert house.troubles("photostock-api") == []
