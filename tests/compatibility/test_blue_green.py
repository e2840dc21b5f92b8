"""Two sets of model processes: a switch loses no request, ends none elsewhere than it began, and shuns a dead set."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from common.__main__ import parser
from common.command_line import main
from common.lifecycle.blue_green import BlueGreen, SetUnwell
from common.settings import ServiceSettings
from common.state.database import open_state
from loadtests.processes import Fleet, Program, free_port
from supermegaretail.app import create_app
from supermegaretail.settings import RetailSettings
from supermegaretail.table import save_table
from tests.json_server import json_server
from tests.supermegaretail.conftest import sevens, small_table
from tests.waiting import eventually

ADMIN = {"Authorization": "Bearer operator-token"}
SWITCH = {"who": "ada", "why": "a new build"}
MODEL = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def told(self, document):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.told({"ready": True, "parts": {}})
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        days = [float(sys.argv[2])] * asked["horizon_days"]
        told = [{"id": one["id"], "core": days, "correction": days} for one in asked["items"]]
        names = {"version": "1.0.0", "correction_version": "1.0.0", "correction_reason": None}
        self.told({**names, "predictions": told})
    def log_message(self, *_):
        pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def model(folder: Path, name: str, demand: float) -> Program:
    """A model process that always says the same number."""
    script, port = folder / "model.py", free_port()
    script.write_text(MODEL)
    return Program(name, (str(script), str(port), str(demand)), port)


@asynccontextmanager
async def shop(folder: Path, blue: str, green: str | None) -> AsyncIterator[httpx.AsyncClient]:
    save_table(small_table(), folder / "supermegaretail" / "sales.parquet")
    fields: dict[str, Any] = {"model_url": blue, "model_url_green": green, "low_timeout_ms": 2_000}
    app = create_app(
        RetailSettings.model_validate({"var_dir": folder, "admin_token": "operator-token", **fields}), raise_bugs=True
    )
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client,
    ):
        yield client


class Callers:
    """Some who ask for forecasts all the time; counts what they were told, and by which tier."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.told: Counter[tuple[str, float]] = Counter()
        self._client = client
        self._over = False

    @asynccontextmanager
    async def calling(self, callers: int) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._call()) for _ in range(callers)]
        try:
            yield
        finally:
            self._over = True
            await asyncio.gather(*tasks)

    async def hear_more(self, demand: float) -> None:
        """Until some more of them were told this."""
        enough = self.told["correction", demand] + 5

        async def heard() -> bool:
            return self.told["correction", demand] >= enough

        await eventually(heard)

    async def _call(self) -> None:
        while not self._over:
            answer = await self._client.get("/v1/forecasts?store=north&sku=milk&horizon_days=2")
            (one,) = answer.json()["forecasts"]
            assert len(set(one["demand"])) == 1
            self.told[one["served_by"], one["demand"][0]] += 1


async def test_switching_under_load_fails_no_request_and_a_dead_set_gets_none(tmp_path: Path) -> None:
    blue, green = model(tmp_path, "blue", 7), model(tmp_path, "green", 9)
    with Fleet(tmp_path / "logs") as fleet:
        for program in (blue, green):
            fleet.start(program)
            await fleet.ready(program)
        async with shop(tmp_path, blue.url, green.url) as client:
            callers = Callers(client)
            async with callers.calling(4):
                for place in range(10):
                    colour, demand = (("green", 9.0), ("blue", 7.0))[place % 2]
                    answer = await client.post("/v1/admin/blue-green", json={"colour": colour, **SWITCH}, headers=ADMIN)
                    assert answer.json() == {"live": colour}
                    await callers.hear_more(demand)
            assert set(callers.told) == {("correction", 7.0), ("correction", 9.0)}

            fleet.kill(green.name)
            wish = {"colour": "green", **SWITCH}
            refused = await client.post("/v1/admin/blue-green", json=wish, headers=ADMIN)
            assert refused.status_code == 409
            assert "the green set is unwell" in refused.json()["detail"]
            told = (await client.get("/v1/admin/blue-green", headers=ADMIN)).json()
            assert told["live"] == "blue"
            assert told["sets"]["blue"]["trouble"] is None
            assert len(told["switches"]) == 10
            insisted = await client.post("/v1/admin/blue-green", json={**wish, "insist": True}, headers=ADMIN)
            assert insisted.json() == {"live": "green"}


async def test_without_a_second_set_there_is_nothing_to_switch_to(tmp_path: Path) -> None:
    with json_server(sevens) as url:
        async with shop(tmp_path, url, None) as client:
            wish = {"colour": "green", **SWITCH}
            assert (await client.post("/v1/admin/blue-green", json=wish, headers=ADMIN)).status_code == 409
            assert (await client.get("/v1/forecasts?store=north&sku=milk")).json()["degraded"] is False


@pytest.fixture
def sets(tmp_path: Path) -> BlueGreen:
    state = open_state(ServiceSettings(var_dir=tmp_path))
    return BlueGreen(state, "shop", blue="http://b", green="http://g", probe=lambda _: None)


def test_a_request_ends_where_it_began_in_all_its_pieces(sets: BlueGreen) -> None:
    assert sets.address_of("one") == "http://b"
    sets.switch("green", who="ada", why="a new build")
    assert sets.address_of("one") == "http://b"
    assert sets.address_of("two") == "http://g"


def test_a_switch_is_durable_and_reaches_the_other_replicas(sets: BlueGreen, tmp_path: Path) -> None:
    state = open_state(ServiceSettings(var_dir=tmp_path))
    replica = BlueGreen(state, "shop", blue="http://b", green="http://g", probe=lambda _: None)
    other = BlueGreen(state, "another", blue="http://b", green="http://g", probe=lambda _: None)
    sets.switch("green", who="ada", why="a new build")
    for one in (replica, other):
        one.refresh()
    assert (replica.live, other.live) == ("green", "blue")


def test_a_set_that_is_unwell_takes_over_only_where_somebody_insists(tmp_path: Path) -> None:
    state = open_state(ServiceSettings(var_dir=tmp_path))
    sets = BlueGreen(state, "shop", blue="http://b", green="http://127.0.0.1:1")
    with pytest.raises(SetUnwell, match="green set is unwell"):
        sets.require_well("green")
    sets.require_well("green", insist=True)


def test_the_command_line_switches_where_no_api_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    command = ["blue-green", "supermegaretail", "green", "--why", "blue burns"]
    assert main(parser(), [*command, "--url", "http://127.0.0.1:1"]) == 1
    assert "the green set is unwell" in capsys.readouterr().err
    assert main(parser(), [*command, "--insist"]) == 0
    state = open_state(ServiceSettings(var_dir=tmp_path))
    sets = BlueGreen(state, "supermegaretail", blue="http://b", green="http://g")
    sets.refresh()
    assert sets.live == "green"
