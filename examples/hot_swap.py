"""Swap an actor's code while messages flow, and go back."""

import iris


def main() -> None:
    """Ask the same actor under three versions."""
    with iris.Runtime() as rt:
        pid = rt.spawn(lambda message: message.upper())
        print(rt.ask_blocking(pid, b"Hello").decode())
        rt.hot_swap(pid, lambda message: message[::-1])
        print("version", rt.behavior_version(pid), rt.ask_blocking(pid, b"Hello").decode())
        rt.rollback_behavior(pid)
        print("version", rt.behavior_version(pid), rt.ask_blocking(pid, b"Hello").decode())


if __name__ == "__main__":
    main()
