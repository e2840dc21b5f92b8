"""Both services and their models in one small file that keeps the contract: what the tour is tested against.

python fake_services.py api|model PORT MODEL_PORT [--lies] [--silent] [--breaks] [--deaf]
"""

from __future__ import annotations

import asyncio
import json
import math
import signal
import sys
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from loadtests.proxy import Upstream
from loadtests.wire import Message, answer, read_request

AS_OF = date(2026, 1, 31)
PHOTOS = [{"id": f"p{number}", "width": 100 + 50 * (number % 2), "height": 125} for number in range(60)]
MODEL_SECONDS = 0.1


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


async def answer_to(request: Message) -> Message:
    target = urlsplit(request.start.split(" ")[1])
    fields: dict[str, Any] = json.loads(request.body) if request.body else dict(parse_qsl(target.query))
    if target.path == "/ready":
        return answer("200 OK", b'{"ready": true}')
    if target.path == "/numbers":
        return answer("200 OK", json.dumps({"numbers": [1.5] * fields["count"]}).encode())
    if target.path not in ("/v1/forecasts", "/v1/search"):
        return answer("404 Not Found")
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
