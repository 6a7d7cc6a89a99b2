"""The command `iris`, also `python -m iris`: makes certificates for development."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import iris

ABOUT_INIT = """\
Make certificates for development: an authority (ca.pem, ca.key), where DIR has none, and for each node of a
name given NAME.pem and NAME.key, which every node of the authority trusts. Keys that are there are never
overwritten; keys are for their owner alone to read. Whoever can read ca.key can be any node."""


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    whole = argparse.ArgumentParser(prog="iris", description="Actors for Python, Node and Rust.")
    whole.add_argument("--version", action="version", version=f"iris {iris.version()}")
    nouns = whole.add_subparsers(required=True, metavar="COMMAND")
    certs = nouns.add_parser("certs", help="certificates for development")
    verbs = certs.add_subparsers(required=True, metavar="COMMAND")
    init = verbs.add_parser(
        "init", help="make an authority and certificates of nodes", description=ABOUT_INIT
    )
    init.add_argument("dir", nargs="?", default="certs", metavar="DIR", help="where they are kept (certs)")
    init.add_argument("names", nargs="*", metavar="NAME", help="a node's name: a DNS name, such as web-1")
    return whole


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the result is the status of the process."""
    given = parser().parse_args(arguments)
    try:
        iris.dev_certs(given.dir, given.names)
    except iris.IrisError as error:
        print(f"iris: {error}", file=sys.stderr)
        return 1
    for file in ["ca.pem", "ca.key", *(f"{name}.{part}" for name in given.names for part in ("pem", "key"))]:
        print(Path(given.dir, file))
    return 0


if __name__ == "__main__":
    sys.exit(main())
