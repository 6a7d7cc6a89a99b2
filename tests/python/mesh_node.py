"""A node of its own: a process that the mesh's tests start, speak to and kill."""

import sys

import iris


def main() -> None:
    """Serve an echo, an actor that crashes when told so, and one that counts, until standard input ends."""
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:0"
    certificates = (sys.argv[2] or None) if len(sys.argv) > 2 else None
    rt = iris.Runtime()
    got: list[bytes] = []

    def fragile(message: bytes) -> None:
        if message == b"crash":
            raise ValueError("told to crash")

    def count(message: bytes) -> bytes:
        if message != b"how many?":
            got.append(message)
        in_order = got == [str(number).encode() for number in range(len(got))]
        return f"{len(got)} {in_order}".encode()

    rt.register("echo", rt.spawn(lambda message: message))
    rt.register("fragile", rt.spawn(fragile))
    rt.register("count", rt.spawn(count))
    name = "node" if certificates else None
    print(rt.listen(address, name=name, heartbeat_ms=500, certificates=certificates), flush=True)
    if members := sys.argv[3:]:
        rt.join_mesh(members)
        rt.register("python", rt.spawn(lambda message: message), global_=True)
    sys.stdin.read()
    rt.close()


if __name__ == "__main__":
    main()
