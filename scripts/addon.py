"""Builds the Node addon in release mode and puts it where js/binding.js looks: native/iris.<platform>.node."""

import argparse
import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def platforms() -> dict[str, str]:
    """Platform name -> Rust target, as package.json lists them."""
    return json.loads((ROOT / "package.json").read_text())["iris"]["platforms"]


def host_platform() -> str:
    """The name of this machine in npm's words: `linux-x64-gnu`, `darwin-arm64`, `win32-x64-msvc`."""
    machine = {"x86_64": "x64", "AMD64": "x64", "aarch64": "arm64"}.get(
        platform.machine(), platform.machine()
    )
    if sys.platform == "linux":
        return f"linux-{machine}-{'gnu' if platform.libc_ver()[0] == 'glibc' else 'musl'}"
    return f"win32-{machine}-msvc" if sys.platform == "win32" else f"{sys.platform}-{machine}"


def build(target: str | None) -> Path:
    """Runs cargo and returns the library it wrote."""
    command = [
        "cargo",
        "rustc",
        "--release",
        "--lib",
        "--locked",
        "-p",
        "iris-node",
        "--message-format=json-render-diagnostics",
    ]
    if target:
        command += ["--target", target]
    command += ["--", "-C", "strip=symbols"]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in output.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message["target"]["name"] == "iris_node":
            return Path(message["filenames"][0])
    sys.exit("cargo built no iris_node library")


def main() -> None:
    """Builds for this machine, or for the platform named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--platform", choices=sorted(platforms()), help="build for another platform than this one"
    )
    chosen = parser.parse_args().platform
    library = build(platforms()[chosen] if chosen else None)
    native = ROOT / "native"
    native.mkdir(exist_ok=True)
    addon = native / f"iris.{chosen or host_platform()}.node"
    # Written beside and renamed: a process that has the old addon mapped keeps it.
    fresh = addon.with_suffix(".fresh")
    shutil.copyfile(library, fresh)
    fresh.replace(addon)
    print(f"{addon.relative_to(ROOT)}: {addon.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
