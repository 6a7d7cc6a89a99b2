"""Let it crash: a supervisor restarts a worker in place, and no message is lost."""

import logging
import threading
from collections.abc import Callable

import iris


def main() -> None:
    """Crash a worker between two messages."""
    logging.getLogger("iris").setLevel(logging.CRITICAL)  # the crash below is on purpose
    done = threading.Event()

    def make_worker() -> Callable[[bytes], None]:
        print("a fresh worker")

        def work(message: bytes) -> None:
            if message == b"poison":
                raise ValueError("cannot digest this")
            print("worked on", message.decode())
            if message == b"last":
                done.set()

        return work

    with iris.Runtime() as rt:
        supervisor = rt.spawn_supervisor("one_for_one", intensity=3, period=5.0)
        worker = rt.start_child(supervisor, make_worker, name="worker")
        for message in (b"first", b"poison", b"last"):
            rt.send_named("worker", message)
        done.wait(10)
        print("the same pid:", rt.whereis("worker") == worker)


if __name__ == "__main__":
    main()
