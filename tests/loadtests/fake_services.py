"""Both services and their models in one small file that keeps the contract: what the tour is tested against.

python fake_services.py api|model PORT MODEL_PORT [--lies] [--silent] [--breaks] [--deaf] [--forgets]
"""

from __future__ import annotations

import asyncio
import json
import math
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from loadtests.proxy import Upstream
from loadtests.wire import Message, answer, read_request

AS_OF = date(2026, 1, 31)
PHOTOS = [{"id": f"p{number}", "width": 100 + 50 * (number % 2), "height": 125} for number in range(60)]
MODEL_SECONDS = 0.1
TITLES: dict[str, str] = {}
REFUSED = {"n": 0}
WRITES = ("sales", "plans", "photos", "events")
Ask = Callable[[dict[str, Any]], Awaitable[tuple[dict[str, Any], dict[str, Any]]]]


async def model_numbers(count: int) -> list[float] | None:
    """Numbers from the model, if it answers in time and sanely."""
    model = Upstream(f"http://127.0.0.1:{sys.argv[3]}")
    try:
        async with asyncio.timeout(MODEL_SECONDS):
            told = await model.ask(Message("POST /numbers HTTP/1.1", (), json.dumps({"count": count}).encode()))
        numbers = json.loads(told.body)["numbers"]
        return list(numbers) if len(numbers) == count and all(math.isfinite(n) and n >= 0 for n in numbers) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    finally:
        model.close()


def provenance(well: bool, best: str, fallback: str) -> dict[str, Any]:
    if well or "--lies" in sys.argv:
        return {"served_by": best, "degraded": False, "reason": None}
    return {"served_by": fallback, "degraded": True, "reason": None if "--silent" in sys.argv else "unavailable"}


async def forecasts(fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    items = fields.get("items") or [{"store": fields["store"], "sku": fields["sku"]}]
    days = int(fields["horizon_days"])
    numbers = await model_numbers(len(items))
    source = provenance(numbers is not None, "correction", "moving_average")
    dates = [(AS_OF + timedelta(days=ahead)).isoformat() for ahead in range(1, days + 1)]
    demand = numbers or [1.0] * len(items)
    entries = [{**item, "dates": dates, "demand": [n] * days, **source} for item, n in zip(items, demand, strict=True)]
    return {"forecasts": entries, "as_of": AS_OF.isoformat(), "degraded": source["degraded"]}, source


async def search(fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    shapes = [("landscape" if photo["width"] > photo["height"] else "portrait", photo) for photo in PHOTOS]  # type: ignore[operator]
    found = [photo for shape, photo in shapes if shape == fields.get("orientation", shape)]
    numbers = await model_numbers(int(fields["per_page"]))
    source = provenance(numbers is not None, "reranker", "lexical")
    results = [{**photo, "score": 0.5} for photo in found[: int(fields["per_page"])]]
    return {"results": results, "total": len(found), **source}, source


async def rest(request: Message, path: str, fields: dict[str, Any], *, ask: Ask) -> Message:
    """The answer to whatever is neither a forecast nor one search."""
    if path == "/metrics":
        return answer("200 OK", f'fallback_refused_total{{tier="core"}} {REFUSED["n"]}\n'.encode())
    if path == "/predictions":
        return await _predictions(fields, ask)
    if path == "/v1/searches":
        return await _searches(fields, ask)
    if path.endswith("/similar"):
        return _similar(path.split("/")[3])
    if path.startswith("/v1/photos/"):
        return _photo(request.start.split(" ")[0], path.rpartition("/")[2])
    for name in WRITES:
        if name in fields:
            return _written(name, fields[name])
    return _problem(404)


async def _predictions(fields: dict[str, Any], ask: Ask) -> Message:
    asked = {"store": fields["entity_id"], "sku": fields["sku"], "horizon_days": fields["limit"]}
    document, source = await ask(asked)
    [entry] = document["forecasts"]
    days = zip(entry["dates"], entry["demand"], strict=True)
    old = [{"sku": entry["sku"], "entity": entry["store"], "demand": n, "period": day} for day, n in days]
    whole = answer("200 OK", json.dumps({"predictions": old}).encode())
    REFUSED["n"] += source["degraded"]
    return whole.with_header("X-Served-By", source["served_by"]).with_header(
        "X-Degraded", str(source["degraded"]).lower()
    )


async def _searches(fields: dict[str, Any], ask: Ask) -> Message:
    made = [{**(await ask(query))[0], "reason": "unavailable"} for query in fields["queries"]]
    degraded = any(one["degraded"] for one in made)
    REFUSED["n"] += degraded
    return answer("200 OK", json.dumps({"searches": made, "degraded": degraded}).encode())


def _similar(photo_id: str) -> Message:
    results = [{"id": f"p{n}", "score": 0.5} for n in range(20) if f"p{n}" != photo_id][:10]
    page = {"results": results, "total": 19, "served_by": "semantic", "degraded": False, "reason": None}
    return answer("200 OK", json.dumps(page).encode())


def _photo(method: str, photo_id: str) -> Message:
    if photo_id not in TITLES:
        return _problem(404)
    if method == "DELETE":
        del TITLES[photo_id]
        return answer("204 No Content")
    return answer("200 OK", json.dumps({"id": photo_id, "title": TITLES[photo_id]}).encode())


def _written(name: str, rows: list[dict[str, Any]]) -> Message:
    for row in rows:
        if name == "photos" and not ("--forgets" in sys.argv and row["id"].endswith("3")):
            TITLES[row["id"]] = row["title"]
    return answer("201 Created", json.dumps({"accepted": len(rows)}).encode())


def _problem(status: int) -> Message:
    document = {"type": "about:blank", "title": "no", "status": status, "detail": "no", "request_id": "r"}
    return answer(f"{status} No", json.dumps(document).encode(), content_type="application/problem+json")


async def answer_to(request: Message) -> Message:
    target = urlsplit(request.start.split(" ")[1])
    fields: dict[str, Any] = json.loads(request.body) if request.body else dict(parse_qsl(target.query))
    if target.path == "/ready":
        return answer("200 OK", b'{"ready": true}')
    if target.path == "/numbers":
        return answer("200 OK", json.dumps({"numbers": [1.5] * fields["count"]}).encode())
    if target.path not in ("/v1/forecasts", "/v1/search"):
        return await rest(request, target.path, fields, ask=search if target.path == "/v1/searches" else forecasts)
    document, source = await (forecasts(fields) if target.path == "/v1/forecasts" else search(fields))
    request_id = request.header("x-request-id")
    whole = answer("200 OK", json.dumps({**document, "versions": {"api": "1"}, "request_id": request_id}).encode())
    headers = {
        "X-Request-ID": request_id,
        "X-Served-By": source["served_by"],
        "X-Degraded": str(source["degraded"]).lower(),
    }
    for name, value in headers.items():
        whole = whole.with_header(name, value)
    return whole


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while (request := await read_request(reader)) is not None:
            writer.write((await answer_to(request)).encode())
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def main() -> None:
    if "--breaks" in sys.argv:
        print("no model is there", file=sys.stderr)
        sys.exit(3)
    if "--deaf" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[2]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
