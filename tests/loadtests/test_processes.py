"""Real processes: they start, die, freeze, go on, and none survives whoever started it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from loadtests.processes import Fleet, ProcessError, Program, free_port, free_ports
from loadtests.proxy import proxy_in_thread

SERVICES = Path(__file__).with_name("fake_services.py")


def model(*options: str, port: int | None = None) -> Program:
    port = port or free_port()
    return Program("model", (str(SERVICES), "model", str(port), "0", *options), port)


def is_alive(pid: int) -> bool:
    """Whether it runs; where there is a /proc, a zombie that nobody has buried yet counts as dead."""
    try:
        os.kill(pid, 0)
        return not Path("/proc/self/stat").exists() or _state(pid) != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def gone_within(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not is_alive(pid)


async def answers(program: Program, *, seconds: float = 0.3) -> bool:
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(program.url + "/ready") as response:
            return response.status == 200
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


async def test_a_process_is_ready_frozen_thawed_killed_and_started_again(tmp_path: Path) -> None:
    program = model()
    with Fleet(tmp_path) as fleet:
        fleet.start(program)
        await fleet.ready(program)
        fleet.freeze("model")
        assert not await answers(program)
        fleet.thaw("model")
        assert await answers(program, seconds=5)
        killed = fleet.pid("model")
        fleet.kill("model")
        assert not is_alive(killed)
        assert not await answers(program)
        fleet.start(program)
        await fleet.ready(program)


async def test_every_process_is_dead_after_the_block_frozen_or_deaf_or_not(tmp_path: Path) -> None:
    programs = [Program(f"model-{number}", m.arguments, m.port) for number, m in enumerate([model(), model("--deaf")])]
    with Fleet(tmp_path, grace_seconds=1) as fleet:
        for program in programs:
            fleet.start(program)
        for program in programs:
            await fleet.ready(program)
        fleet.freeze("model-0")
        pids = [fleet.pid(program.name) for program in programs]
    assert not any(is_alive(pid) for pid in pids)


async def test_every_process_is_dead_after_an_exception(tmp_path: Path) -> None:
    pids = []

    async def fail() -> None:
        with Fleet(tmp_path) as fleet:
            fleet.start(model())
            pids.append(fleet.pid("model"))
            raise RuntimeError("a bug in the tour")

    with pytest.raises(RuntimeError, match="a bug"):
        await fail()
    assert not is_alive(pids[0])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_a_starter_that_is_interrupted_or_killed(tmp_path: Path, how: signal.Signals) -> None:
    if sys.platform != "linux" and how == signal.SIGKILL:
        pytest.skip("only Linux tells children that their parent was killed")
    program = model()
    script = (
        "import time; from pathlib import Path; from loadtests.processes import Fleet, Program\n"
        f"with Fleet(Path({str(tmp_path)!r})) as fleet:\n"
        f"    fleet.start(Program('model', {program.arguments!r}, {program.port}))\n"
        "    print(fleet.pid('model'), flush=True)\n"
        "    time.sleep(60)\n"
    )
    root = Path(__file__).parents[2]
    starter = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=root
    )
    with starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert is_alive(pid)
        starter.send_signal(how)
        starter.wait(timeout=20)
    assert gone_within(pid, 5)


async def test_a_process_that_ends_at_once_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    program = model("--breaks")
    with Fleet(tmp_path) as fleet:
        fleet.start(program)
        with pytest.raises(ProcessError, match=r"ended with code 3.*\n.*no model is there"):
            await fleet.ready(program)
        [sentence] = fleet.bury()
        assert sentence.startswith("model ended on its own with code 3, see ")
        assert fleet.bury() == []


def test_a_signal_to_a_process_that_is_gone_is_an_error_in_plain_words(tmp_path: Path) -> None:
    with Fleet(tmp_path) as fleet, pytest.raises(ProcessError, match="model is not running"):
        fleet.freeze("model")


async def test_a_process_that_never_gets_ready_is_an_error_that_says_what_is_missing(tmp_path: Path) -> None:
    program = model()
    with Fleet(tmp_path) as fleet:
        fleet.start(program)
        await fleet.ready(program)
        with pytest.raises(ProcessError, match=r"is not ready after 0 s \(.*(status 404|not answer as agreed)"):
            await fleet.ready(program, path="/nowhere", within_seconds=0.1)


@pytest.mark.parametrize(
    ("told", "waits_for"),
    [
        ({"ready": True, "parts": {"encoder": {"ok": True, "reason": None}}}, None),
        ({"ready": True, "parts": {"encoder": {"ok": False, "reason": "loading"}}}, "encoder: loading"),
    ],
)
async def test_ready_means_that_every_part_is_well(tmp_path: Path, told: object, waits_for: str | None) -> None:
    with Fleet(tmp_path) as fleet, proxy_in_thread(canned=told) as service:
        program = Program("idle", ("-c", "import time; time.sleep(60)"), service.port)
        fleet.start(Program("idle", program.arguments, free_port()))
        if waits_for is None:
            await fleet.ready(program)
        else:
            with pytest.raises(ProcessError, match=waits_for):
                await fleet.ready(program, within_seconds=0.1)


async def test_a_port_that_is_taken_is_an_error_and_not_somebody_elses_answer(tmp_path: Path) -> None:
    program = model()
    with Fleet(tmp_path) as fleet:
        fleet.start(program)
        await fleet.ready(program)
        with pytest.raises(ProcessError, match=f"port {program.port}: something listens"):
            fleet.start(model(port=program.port))


async def test_a_restarted_process_writes_on_in_the_same_log(tmp_path: Path) -> None:
    program = model("--breaks")
    (tmp_path / "model.log").write_text("of an earlier run\n")
    with Fleet(tmp_path) as fleet:
        for _ in range(2):
            fleet.start(program)
            with pytest.raises(ProcessError):
                await fleet.ready(program)
        assert fleet.log_of("model").read_text() == "no model is there\n" * 2


def test_children_of_a_process_die_with_it(tmp_path: Path) -> None:
    sleeper = "import time; time.sleep(60)"
    child = f"child = subprocess.Popen([sys.executable, '-c', {sleeper!r}])"
    code = f"import subprocess, sys; {child}; print(child.pid, flush=True); {sleeper}"
    with Fleet(tmp_path) as fleet:
        fleet.start(Program("parent", ("-c", code), free_port()))
        while not (pid := fleet.log_of("parent").read_text().strip()):
            time.sleep(0.02)
    assert gone_within(int(pid), 5)


def test_free_ports_differ_and_none_is_one_that_an_outgoing_connection_could_take() -> None:
    ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])

    ports = free_ports(500)

    assert len(set(ports)) == 500
    assert max(ports) < ephemeral


def test_a_port_that_is_taken_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr("loadtests.processes._PORTS", range(taken.getsockname()[1], taken.getsockname()[1] + 1))

        with pytest.raises(ProcessError, match="no 1 free ports"):
            free_port()
