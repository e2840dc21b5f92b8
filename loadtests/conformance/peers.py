"""Other people's clients, each with its own defaults and nothing but the timeout set, as its documentation shows it.

Each is imported where it is opened: none is needed by anything else.
"""

from __future__ import annotations

import asyncio
from typing import Any

from loadtests.conformance.contract import DEFAULT, PATH, Answer, Predict
from loadtests.mutations import Json


def _posting(client: Any) -> Predict:
    """What a caller writes with any library that has the API of httpx."""

    async def predict(question: Json) -> Answer:
        response = await client.post(PATH, json=question)
        response.raise_for_status()
        return Answer(response.json())

    return predict


async def httpx(url: str, timeout_ms: int) -> Predict:
    import httpx

    return _posting(httpx.AsyncClient(base_url=url, timeout=timeout_ms / 1000))


async def httpx_in_timeout(url: str, timeout_ms: int) -> Predict:
    post = await httpx(url, timeout_ms)

    async def predict(question: Json) -> Answer:
        async with asyncio.timeout(timeout_ms / 1000):
            return await post(question)

    return predict


async def httpx2(url: str, timeout_ms: int) -> Predict:
    import httpx2

    return _posting(httpx2.AsyncClient(base_url=url, timeout=timeout_ms / 1000))


async def httpx_retries(url: str, timeout_ms: int) -> Predict:
    import httpx
    from httpx_retries import Retry, RetryTransport

    transport = RetryTransport(retry=Retry(allowed_methods=["POST"]))  # by default it leaves POST alone
    return _posting(httpx.AsyncClient(base_url=url, timeout=timeout_ms / 1000, transport=transport))


async def aiohttp(url: str, timeout_ms: int) -> Predict:
    import aiohttp

    session = aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=timeout_ms / 1000))

    async def predict(question: Json) -> Answer:
        async with session.post(PATH, json=question) as response:
            response.raise_for_status()
            return Answer(await response.json())

    return predict


async def aio_request(url: str, timeout_ms: int) -> Predict:
    import aio_request
    import aiohttp

    breaker = aio_request.DefaultCircuitBreaker(
        break_duration=1.0, sampling_duration=1.0, minimum_throughput=5, failure_threshold=0.5
    )
    transport = aio_request.AioHttpTransport(aiohttp.ClientSession())
    client = aio_request.setup(transport=transport, endpoint=url, circuit_breaker=breaker)

    async def predict(question: Json) -> Answer:
        request = aio_request.post_json(PATH.lstrip("/"), question)
        deadline = aio_request.Deadline.from_timeout(timeout_ms / 1000)
        async with client.request(request, deadline=deadline) as response:
            if response.status != 200:
                return Answer(None, failure=f"status {response.status}")
            return Answer(await response.json())

    return predict


async def stamina(url: str, timeout_ms: int) -> Predict:
    import httpx as carrier
    import stamina

    retried: Predict = stamina.retry(on=carrier.HTTPError, timeout=timeout_ms / 1000)(await httpx(url, timeout_ms))
    return retried


async def tenacity(url: str, timeout_ms: int) -> Predict:
    import tenacity

    stop = tenacity.stop_after_delay(timeout_ms / 1000)  # without it, it would go on for ever
    retried: Predict = tenacity.retry(stop=stop)(await httpx(url, timeout_ms))
    return retried


async def hyx(url: str, timeout_ms: int) -> Predict:
    from hyx.circuitbreaker import consecutive_breaker
    from hyx.fallback import fallback
    from hyx.timeout import timeout

    async def default(_error: Exception, _question: Json) -> Answer:
        return Answer(DEFAULT, is_default=True)

    timed = timeout(timeout_ms / 1000)(await httpx(url, timeout_ms))
    safe: Predict = fallback(default)(consecutive_breaker()(timed))
    return safe


async def aiobreaker(url: str, timeout_ms: int) -> Predict:
    import aiobreaker

    post, breaker = await httpx(url, timeout_ms), aiobreaker.CircuitBreaker()

    async def predict(question: Json) -> Answer:
        answer: Answer = await breaker.call_async(post, question)
        return answer

    return predict


async def pybreaker(url: str, timeout_ms: int) -> Predict:
    import pybreaker

    post, breaker = await httpx(url, timeout_ms), pybreaker.CircuitBreaker()

    async def predict(question: Json) -> Answer:
        with breaker.calling():  # its own async call needs tornado
            return await post(question)

    return predict


async def purgatory(url: str, timeout_ms: int) -> Predict:
    import purgatory

    post, breakers = await httpx(url, timeout_ms), purgatory.AsyncCircuitBreakerFactory()

    async def predict(question: Json) -> Answer:
        async with await breakers.get_breaker("predictor"):
            return await post(question)

    return predict
