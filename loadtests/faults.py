"""The menu of faults: everything that an ML service can do to its caller, each with a name and a plain sentence.

Tests, tours and lessons use these names, so that "drip_body" means the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["connection", "answer", "content", "time", "process"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to misbehave; `kind` says who can cause it (the proxy all but "process", which takes a signal)."""

    name: str
    kind: Kind
    sentence: str


class UnknownFaultError(ValueError):
    """Somebody asked for a fault that is not on the menu."""


MENU: tuple[Fault, ...] = (
    Fault("refused", "connection", "Nobody listens: every connection is refused at once."),
    Fault("hang", "connection", "Accepts the connection, reads the request and never answers."),
    Fault("close_early", "connection", "Reads the request and closes without a single byte."),
    Fault("drip_head", "connection", "Sends the status line and headers one byte at a time, 100 ms apart."),
    Fault("drip_body", "connection", "Sends proper headers, then the body one byte at a time, 100 ms apart."),
    Fault("stall_mid_body", "connection", "Sends half of the body, then nothing more, and stays connected."),
    Fault("reset_mid_head", "connection", "Resets the connection in the middle of the headers."),
    Fault("reset_mid_body", "connection", "Resets the connection in the middle of the body."),
    Fault("garbage_bytes", "connection", "Answers with bytes that are not HTTP at all."),
    Fault("informational_flood", "connection", "Says 100 Continue again and again, without end."),
    Fault("wrong_length", "connection", "Announces a Content-Length that is not a number."),
    Fault("http_500", "answer", "Answers 500: it crashed."),
    Fault("http_502", "answer", "Answers 502: a gateway lost the service behind it."),
    Fault("http_503", "answer", "Answers 503: not available now."),
    Fault("http_429", "answer", "Answers 429: too many requests, come back in a second."),
    Fault("redirect_loop", "answer", "Redirects every request to itself."),
    Fault("huge_body", "answer", "Streams a body of 1 GiB."),
    Fault("gzip_bomb", "answer", "Sends 1 MB of gzip that inflates to 1 GiB."),
    Fault("long_json", "answer", "Sends 36 MB of valid JSON: parsing it blocks whoever parses it."),
    Fault("deep_json", "answer", "Nests 200,000 arrays: a recursive parser overflows."),
    Fault("bad_utf8", "answer", "Says JSON, and sends bytes that are not UTF-8."),
    Fault("not_json", "answer", "Answers 200 with an HTML page."),
    Fault("previous_answer", "answer", "Gives every request the answer to the one before, as a stale cache does."),
    Fault("crossed", "answer", "Swaps the answers of two requests that are under way at the same time."),
    Fault("truncated_json", "content", "Answers with the first half of the JSON, under a correct length."),
    Fault("other_shape", "content", "Answers with the right values, wrapped in a shape that nobody agreed on."),
    Fault("too_few_items", "content", "Forgets the last item of every list."),
    Fault("too_many_items", "content", "Answers one item more than was asked for."),
    Fault("shuffled_ids", "content", "Gives every item its neighbour's id."),
    Fault("duplicated_ids", "content", "Gives all items the id of the first."),
    Fault("foreign_ids", "content", "Answers about ids that nobody asked for."),
    Fault("nan", "content", "Answers NaN for every number."),
    Fault("infinity", "content", "Answers Infinity for every number."),
    Fault("huge_numbers", "content", "Answers 1e308 for every number: finite, and absurd."),
    Fault("negative", "content", "Answers a negative number in place of every number."),
    Fault("nulls", "content", "Answers null for every number."),
    Fault("strings_for_numbers", "content", "Answers every number as a string."),
    Fault("other_version", "content", "Answers with the name of another model version."),
    Fault("other_correction", "content", "Answers with the name of another version of the last model that it names."),
    Fault("long_strings", "content", "Answers 10,000 characters for every text."),
    Fault("late", "time", "Answers rightly, but after everybody's budget."),
    Fault("flapping", "time", "Works for two seconds, resets every connection for two, and so on."),
    Fault("saturated", "time", "Serves one request in ten; the others are never answered."),
    Fault("frozen", "process", "The process is stopped (SIGSTOP): the kernel accepts, nobody answers."),
    Fault("killed", "process", "The process is dead (SIGKILL)."),
)


def find_fault(name: str) -> Fault:
    """The fault of this name; a name off the menu is an `UnknownFaultError` that lists the menu."""
    for fault in MENU:
        if fault.name == name:
            return fault
    raise UnknownFaultError(f"no fault is called {name!r}; the menu: {', '.join(fault.name for fault in MENU)}")
