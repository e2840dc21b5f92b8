"""The page `/faults` beside Locust's own: choose a fault, and it is played to the house under the load of the run."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby
from typing import Any

from flask import Blueprint, Response, redirect, request

from common.report.html import document, table
from loadtests.locust_house import LONGEST_SECONDS, HouseDesk, HouseError

SECONDS = 10
STYLE = """
form { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 12px 16px; margin: 16px 0;
  display: flex; flex-wrap: wrap; gap: 12px; align-items: end; }
label { display: grid; gap: 4px; font-size: .88rem; color: var(--soft); }
select, input, button { font: inherit; padding: 6px 10px; max-width: 100%; }
.now { font-size: 1.1rem; } th, td { text-align: left; } td { white-space: normal; }
"""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


def add_faults_page(web_ui: Any, desk: HouseDesk) -> None:
    """Adds the page to Locust's web application, behind its login where there is one."""
    pages = Blueprint("faults", __name__)

    @pages.get("/faults")
    @web_ui.auth_required_if_enabled  # type: ignore[untyped-decorator]  # locust is not typed
    def show() -> Response:
        return _answer(desk)

    @pages.post("/faults")
    @web_ui.auth_required_if_enabled  # type: ignore[untyped-decorator]  # locust is not typed
    def play() -> Any:
        if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            return _answer(desk, "only this page itself may ask for a fault", 403)
        try:
            desk.play(request.form.get("fault", ""), int(request.form.get("seconds", "")))
        except (HouseError, ValueError) as error:
            return _answer(desk, str(error), 422)
        return redirect(request.path, 303)

    web_ui.app.register_blueprint(pages)


def _answer(desk: HouseDesk, problem: str = "", status: int = 200) -> Response:
    refresh = {"Refresh": "2"} if desk.playing else {}
    page = document("Faults", _parts(desk, problem), style=STYLE)
    return Response(page, status, {**HEADERS, **refresh}, content_type="text/html; charset=utf-8")


def _parts(desk: HouseDesk, problem: str) -> Iterator[str]:
    yield '<p><a href="./">Back to the load</a></p><h1>Faults</h1>'
    yield f'<p class="now" role="status">{escape(_now(desk))}</p>'
    for words in filter(None, (problem, desk.last_words)):
        yield f'<ul class="summary"><li>{escape(words)}</li></ul>'
    yield '<form method="post" action="faults"><label>Fault<select name="fault">'
    for level, faults in groupby(desk.faults, key=lambda fault: fault[1]):
        options = "".join(f'<option value="{escape(name)}">{escape(name)}</option>' for name, _, _ in faults)
        yield f'<optgroup label="{escape(level)}">{options}</optgroup>'
    yield (
        f'</select></label><label>Seconds<input type="number" name="seconds" value="{SECONDS}" min="1" '
        f'max="{LONGEST_SECONDS}" required></label><button>Bring it on</button></form>'
    )
    yield (
        "<p>The load goes on meanwhile. Degraded answers during a fault, and 5 s after, have rows of their own in "
        "Locust's table and do not count against the thresholds; malformed and late ones do. Faults that start an API "
        "anew leave requests without an answer.</p>"
    )
    rows = [(name, level, escape(sentence)) for name, level, sentence in desk.faults]
    yield table("The menu", ("fault", "level", "what it is"), rows)


def _now(desk: HouseDesk) -> str:
    if desk.playing is None:
        return "No fault is on."
    left = desk.seconds_left
    return f"{desk.playing} is on, {left} s to go." if left else f"{desk.playing} is being brought on or healed."
