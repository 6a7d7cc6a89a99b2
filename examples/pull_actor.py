"""A pull actor takes messages when it likes, in the order it likes."""

import iris


def urgent(message: bytes | iris.SystemMessage) -> bool:
    """Whether a message goes first."""
    return isinstance(message, bytes) and message.startswith(b"!")


def worker(mailbox: iris.Mailbox) -> None:
    """Do what is urgent first, then the rest, until told to stop."""
    mailbox.selective_recv(lambda message: message == b"start")
    while (message := mailbox.selective_recv(urgent, timeout=0)) is not None:
        print("urgent:", message)
    while (message := mailbox.recv(timeout=0.1)) is not None:
        print("then:", message)


def main() -> None:
    """Send in one order, see another."""
    with iris.Runtime() as rt:
        pid = rt.spawn_with_mailbox(worker)
        rt.send_many(pid, [b"sweep", b"!fire", b"dust", b"!flood", b"start"])
        rt.join(pid, timeout=10)


if __name__ == "__main__":
    main()
