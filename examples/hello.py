"""Spawn an actor, send to it, ask it."""

import iris


def greet(message: bytes) -> bytes:
    """Answer a name with a greeting."""
    return b"hello, " + message


def main() -> None:
    """Ask once and print the answer."""
    with iris.Runtime() as rt:
        greeter = rt.spawn(greet)
        print(rt.ask_blocking(greeter, b"world").decode())


if __name__ == "__main__":
    main()
