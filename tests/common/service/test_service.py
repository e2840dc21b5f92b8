"""What every endpoint of every service does, through a small application."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Response
from pydantic import ConfigDict, Field
from starlette.types import Receive, Scope, Send

from common.contract import AnswerModel, RequestModel
from common.deadline import Deadline
from common.errors import NobodyAnswered, PoolFull
from common.service.app import Part, Service, body_of, json_response
from common.service.gateway import CALL, Call
from common.service.routes import Routes
from common.settings import ServiceSettings


class Sum(RequestModel):
    numbers: list[float]


class Pair(RequestModel):
    pair: Annotated[list[float], Field(max_length=2)]


class Share(RequestModel):
    model_config = ConfigDict(strict=False)  # numbers come as text

    of: float
    parts: float = 2.0


class Total(AnswerModel):
    total: float
    remaining_ms: float
    caller: str


def make_app(**options: object) -> FastAPI:
    settings = ServiceSettings.model_validate(options)
    service = Service("adder", version="1.2.3", settings=settings)
    service.parts += [Part("model", lambda: "breaker is open"), Part("database", lambda: None, required=True)]
    service.components = lambda: {"core": "1.0.0"}
    routes = Routes()

    @routes.json_post("/v1/sums", Sum, answer=Total)
    async def add(call: Call, request: Sum) -> Response:
        answer = Total(total=sum(request.numbers), remaining_ms=call.deadline.remaining_ms, caller=call.caller)
        return json_response(answer)

    @routes.json_get("/v1/shares", Share, answer=Total)
    async def share(call: Call, asked: Share) -> Response:
        """One of the parts."""
        return json_response(Total(total=asked.of / asked.parts, remaining_ms=1.0, caller=call.caller))

    @routes.json_post("/v1/nobody", Sum, answer=Total)
    async def nobody(call: Call, request: Sum) -> Response:
        raise NobodyAnswered("all are ill")

    @routes.post("/v1/pairs")
    async def pairs(request: Annotated[Pair, body_of(Pair)]) -> Response:
        return Response()

    @routes.get("/v1/bug")
    async def bug() -> Response:
        raise ZeroDivisionError("secret")

    @routes.get("/v1/busy/{what}")
    async def busy(what: str) -> Response:
        raise {"time": TimeoutError, "queue": PoolFull}[what]

    @routes.get("/v1/wait")
    async def wait() -> Response:
        await asyncio.sleep(0.2)  # waits: long enough for the others to arrive
        return Response()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    return service.app(routers=[routes], lifespan=lifespan, default_budget_ms=3_000)


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://adder") as client:
        yield client


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(make_app()) as client:
        yield client


async def test_a_request_id_is_echoed(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/sums", json={"numbers": [1, 2]}, headers={"X-Request-ID": "order-7"})
    assert (response.json()["total"], response.headers["X-Request-ID"]) == (3.0, "order-7")


@pytest.mark.parametrize("bad", ["", "a b", "ä", "x" * 129, "a\tb"])
async def test_an_unacceptable_request_id_is_replaced(client: httpx.AsyncClient, bad: str) -> None:
    headers = {"X-Request-ID": bad.encode("latin-1")}
    response = await client.get("/live", headers=headers)  # type: ignore[arg-type]  # bytes are fine
    assert len(response.headers["X-Request-ID"]) == 32


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b'{"numbers": ["1"]}', "numbers.0"),
        (b'{"numbers": [NaN]}', "numbers.0"),
        (b'{"numbers": [1e999]}', "numbers.0"),
        (b'{"numbers": [true]}', "numbers.0"),
        (b'{"numbers": [], "nubmers": []}', "nubmers"),
        (b"{}", "numbers"),
        (b"[]", "body"),
        (b"", "body"),
        (b"\xff", "body"),
    ],
)
async def test_a_bad_body_is_told_what_is_wrong_and_where(client: httpx.AsyncClient, body: bytes, where: str) -> None:
    response = await client.post("/v1/sums", content=body)
    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["errors"][0]["where"] == where
    assert response.json()["request_id"] == response.headers["X-Request-ID"]


async def test_a_body_over_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/sums", content=b"x" * (4 * 1024 * 1024 + 1))).status_code == 413


async def test_a_bug_is_a_problem_without_its_secrets(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/bug")
    assert (response.status_code, "secret" in response.text) == (500, False)


@pytest.mark.parametrize(("what", "status"), [("time", 503), ("queue", 429)])
async def test_time_that_is_up_and_a_full_queue_are_no_bugs(client: httpx.AsyncClient, what: str, status: int) -> None:
    response = await client.get(f"/v1/busy/{what}")
    assert (response.status_code, response.headers["Retry-After"]) == (status, "1")


async def test_an_unknown_path_is_a_problem(client: httpx.AsyncClient) -> None:
    response = await client.get("/nowhere")
    assert (response.status_code, response.json()["title"]) == (404, "Not Found")


@pytest.mark.parametrize(("asked", "granted"), [("1", 20), ("500", 500), ("999999", 30_000)])
async def test_the_budget_is_clipped(client: httpx.AsyncClient, asked: str, granted: int) -> None:
    response = await client.post("/v1/sums", json={"numbers": []}, headers={"X-Timeout-Ms": asked})
    assert 0 < response.json()["remaining_ms"] <= granted


async def test_a_budget_that_is_no_number_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/bug", headers={"X-Timeout-Ms": "soon"})).status_code == 422


async def test_what_is_unwell_is_named_but_only_a_required_part_makes_it_unready(client: httpx.AsyncClient) -> None:
    response = await client.get("/ready")
    assert response.status_code == 200
    assert response.json()["parts"]["model"] == {"ok": False, "reason": "breaker is open"}


async def test_metrics_and_versions_are_shown(client: httpx.AsyncClient) -> None:
    await client.post("/v1/sums", json={"numbers": []})
    metrics = (await client.get("/metrics")).text
    assert 'http_requests_total{method="POST",route="/v1/sums",status="200"} 1.0' in metrics
    assert (await client.get("/version")).json()["components"] == {"core": "1.0.0"}


async def test_a_request_is_answered_without_a_hop_to_a_thread(client: httpx.AsyncClient) -> None:
    await client.post("/v1/sums", json={"numbers": [1]})
    assert [thread.name for thread in threading.enumerate() if "AnyIO" in thread.name] == []


async def test_a_body_with_more_values_than_any_valid_one_is_told_so() -> None:
    app = make_app()
    async with client_of(app) as client:
        response = await client.post("/v1/pairs", content=b'{"pair": [' + b"0," * 10_000 + b"0]}")
    assert (response.status_code, response.json()["errors"][0]["where"]) == (422, "body")
    assert "more than 10000 values" in response.json()["detail"]


async def test_too_many_at_once_are_told_to_come_back() -> None:
    async with client_of(make_app(max_in_flight=2)) as client:
        responses = await asyncio.gather(*(client.get("/v1/wait") for _ in range(5)))
    refused = [response for response in responses if response.status_code == 429]
    assert len(refused) == 3
    assert refused[0].headers["Retry-After"] == "1"


async def test_with_keys_only_known_callers_are_let_in() -> None:
    async with client_of(make_app(host="0.0.0.0", api_keys="shop:s3cret")) as client:
        nobody = await client.post("/v1/sums", json={"numbers": []})
        wrong = await client.post("/v1/sums", json={"numbers": []}, headers={"Authorization": "Bearer guess"})
        shop = await client.post("/v1/sums", json={"numbers": []}, headers={"Authorization": "Bearer s3cret"})
        health = await client.get("/live")
    assert (nobody.status_code, wrong.status_code, shop.json()["caller"], health.status_code) == (401, 401, "shop", 200)


async def test_a_caller_without_a_key_is_let_in_only_where_that_is_written_down() -> None:
    async with client_of(make_app(host="0.0.0.0", api_keys="anonymous:")) as client:
        assert (await client.post("/v1/sums", json={"numbers": []})).json()["caller"] == "anonymous"


def test_a_service_that_strangers_can_reach_does_not_start_without_keys() -> None:
    with pytest.raises(ValueError, match="API_KEYS is required"):
        make_app(host="0.0.0.0")


async def test_a_route_past_the_framework_refuses_every_query_parameter(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/sums?numbers=1&other=2", json={"numbers": [1]})
    assert (response.status_code, response.json()["errors"][0]["where"]) == (422, "query.numbers")


async def test_a_route_past_the_framework_answers_503_when_nobody_answered(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/nobody", json={"numbers": []})
    assert (response.status_code, response.json()["detail"]) == (503, "nobody could answer: all are ill")


async def test_another_method_on_a_route_past_the_framework_is_not_allowed(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/sums")
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


async def test_a_query_past_the_framework_is_read_by_its_model(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/shares?of=6&parts=4")).json()["total"] == 1.5
    assert (await client.get("/v1/shares?of=6")).json()["total"] == 3.0


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("", "query.of"),
        ("of=six", "query.of"),
        ("of=6&parst=4", "query.parst"),
        ("of=6&of=7", "query.of"),
        ("of=nan", "query.of"),
        ("&".join(f"p{n}=1" for n in range(200)), None),
    ],
)
async def test_a_query_past_the_framework_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, query: str, where: str | None
) -> None:
    response = await client.get(f"/v1/shares?{query}")
    assert response.status_code == 422
    assert where is None or response.json()["errors"][0]["where"] == where


async def test_the_parameters_of_a_query_past_the_framework_are_documented(client: httpx.AsyncClient) -> None:
    parameters = (await client.get("/openapi.json")).json()["paths"]["/v1/shares"]["get"]["parameters"]
    assert [(one["name"], one["required"]) for one in parameters] == [("of", True), ("parts", False)]


async def test_metrics_name_a_route_past_the_framework_by_its_path(client: httpx.AsyncClient) -> None:
    await client.post("/v1/sums", json={"numbers": [1]})
    assert 'http_requests_total{method="POST",route="/v1/sums",status="200"} 1.0' in (await client.get("/metrics")).text


async def test_such_a_route_answers_the_same_behind_the_framework_alone() -> None:
    routes = Routes()

    @routes.json_post("/v1/sums", Sum, answer=Total)
    async def add(call: Call, request: Sum) -> Response:
        return Response(f"{call.caller}: {sum(request.numbers)}")

    app = FastAPI()
    app.include_router(routes)

    async def called(scope: Scope, receive: Receive, send: Send) -> None:
        scope[CALL] = Call("r-1", Deadline.after_ms(1_000), "planner")
        await app(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(called), base_url="http://adder") as client:
        assert (await client.post("/v1/sums", json={"numbers": [1, 2]})).text == "planner: 3.0"


async def test_the_body_of_a_request_is_documented(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    schema = document["paths"]["/v1/sums"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["numbers"]


async def test_work_for_a_caller_who_hangs_up_is_stopped() -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()
    settings = ServiceSettings()
    routes = APIRouter()

    @routes.get("/v1/forever")
    async def forever() -> Response:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return Response()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    service = Service("patient", version="1", settings=settings)
    app = service.app(routers=[routes], lifespan=lifespan, default_budget_ms=3_000)

    async def receive() -> dict[str, object]:
        await begun.wait()
        return {"type": "http.disconnect"}

    async def send(_message: object) -> None:
        raise AssertionError("there is nobody to answer")

    scope = {"type": "http", "method": "GET", "path": "/v1/forever", "headers": [], "query_string": b""}
    await app(scope, receive, send)
    assert stopped.is_set()
