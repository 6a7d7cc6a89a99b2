"""Install: builds and installs the peers into target/peers, each language apart; one that fails is left out, with a word why."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from plan import BUILT, HERE, PYTHON_OF_PEERS, ROOT


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> None:
    """Run a command; its output is shown where it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-2_000:]}")


def once(stamp: str, lock: Path, install: Callable[[], None]) -> None:
    """Install what a lock file names, unless that was done."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    mark = BUILT / f"{stamp}.stamp"
    if not mark.is_file() or mark.read_text() != digest:
        install()
        mark.write_text(digest)


def install_rust() -> None:
    """The product's program, and the peers in a workspace of their own."""
    run("cargo", "build", "--release", "--locked", "--quiet", "-p", "iris-benches", "--bin", "iris-work")
    command = ("cargo", "build", "--release", "--locked", "--quiet")
    run(*command, cwd=HERE / "rust", CARGO_TARGET_DIR=str(BUILT / "rust"))


def install_python() -> None:
    """The Python peers, and what draws the charts, in an environment of their own."""

    def install() -> None:
        run(sys.executable, "-m", "venv", "--clear", BUILT / "venv")
        pip = (PYTHON_OF_PEERS, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, "-r", HERE / "requirements.txt")

    once("python", HERE / "requirements.txt", install)


def install_node() -> None:
    """The Node peers, beside their programs, where Node looks for them."""

    def install() -> None:
        command = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        run(*command, cwd=HERE / "node")

    once("node", HERE / "node" / "package-lock.json", install)
    if not (HERE / "node" / "node_modules").is_dir():
        install()


def install_erlang() -> None:
    """Erlang of Debian where there is none, and the program that runs on it."""
    if shutil.which("erlc") is None:
        if shutil.which("apt-get") is None or os.geteuid() != 0:
            raise RuntimeError("erlc was not found: install Erlang (Debian: erlang-base)")
        run("apt-get", "update", "-qq")
        run(
            "apt-get",
            "install",
            "-y",
            "-qq",
            "--no-install-recommends",
            "erlang-base",
            DEBIAN_FRONTEND="noninteractive",
        )
    (BUILT / "erlang").mkdir(exist_ok=True)
    run("erlc", "-o", BUILT / "erlang", HERE / "erlang" / "beam.erl")


INSTALL = {"rust": install_rust, "erlang": install_erlang, "python": install_python, "node": install_node}


def install_all(languages: set[str]) -> dict[str, str]:
    """Install the peers of these languages; which could not be, and why."""
    BUILT.mkdir(parents=True, exist_ok=True)
    failed = {}
    for language in INSTALL:
        if language in languages:
            print(f"installing the peers of {language} ...", flush=True)
            try:
                INSTALL[language]()
            except (RuntimeError, OSError) as error:
                failed[language] = str(error).strip()
                print(f"  left out: {failed[language]}", flush=True)
    return failed
