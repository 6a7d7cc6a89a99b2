"""One node of the netem run: `serve ADDRESS DIRECTORY HEARTBEAT_MS` keeps what it gets, `call` with MESSAGES besides sends."""

import asyncio
import sys
import time

import iris

ASKS = 50
PATIENCE = 300.0


def options(directory: str, heartbeat_ms: str) -> dict[str, object]:
    """How long TCP may take to bring a packet through, which the network decides, and what else both nodes have in common."""
    return {"certificates": directory, "heartbeat_ms": int(heartbeat_ms), "timeout": 60.0}


def serve(address: str, directory: str, heartbeat_ms: str) -> None:
    """Count what comes in order and what does not, until standard input ends."""
    rt = iris.Runtime()
    expected = wrong = 0

    def count(message: bytes) -> bytes:
        nonlocal expected, wrong
        if message == b"how many?":
            return b"%d %d" % (expected, wrong)
        if int(message[:8]) == expected:
            expected += 1
        else:
            wrong += 1
        return b""

    rt.register("count", rt.spawn(count))
    rt.listen(address, name="server", **options(directory, heartbeat_ms))
    sys.stdin.read()
    rt.close()


async def call(address: str, directory: str, heartbeat_ms: str, messages: int) -> None:
    """Send numbered messages, ask meanwhile, and compare what the other side counted."""
    began = time.monotonic()
    with iris.Runtime() as rt:
        rt.start_mesh(name="client", **options(directory, heartbeat_ms))
        proxy = None
        while proxy is None:
            proxy = await rt.resolve_remote_py(address, "count")
            if proxy is None and time.monotonic() - began > PATIENCE:
                sys.exit("the server was not found")
        rt.set_overflow_policy(proxy, "block")
        for number in range(messages):
            rt.send(proxy, b"%08d" % number + bytes(56))
        answers = await asyncio.gather(*(rt.ask(proxy, b"how many?", PATIENCE) for _ in range(ASKS)))
        dropped = sum(rt.dead_letters().values())
    expected = b"%d 0" % messages
    print(f"{messages} messages of 64 bytes and {ASKS} asks in {time.monotonic() - began:.1f} s", end="; ")
    print(f"handled in order and out of it: {answers[-1].decode()}; dead letters: {dropped}", flush=True)
    if set(answers) != {expected} or dropped:
        sys.exit(f"messages were lost, doubled or out of order: expected {expected.decode()}")


if __name__ == "__main__":
    _, role, at, certificates, heartbeat, *count = sys.argv
    if role == "serve":
        serve(at, certificates, heartbeat)
    else:
        asyncio.run(call(at, certificates, heartbeat, int(*count)))
