"""Builds wheels, sdist and npm tarballs into dist/, installs each into an empty place, tries it there and prints sizes."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from addon import ROOT, host_platform

DIST = ROOT / "dist"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
NPM_QUIET = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]


def run(*command: object, cwd: Path = ROOT, **environment: str) -> str:
    """Runs a program to its end and returns what it printed; a failure shows all of it."""
    arguments = [str(part) for part in command]
    done = subprocess.run(
        arguments,
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def find_pythons() -> dict[str, Path]:
    """Version -> a CPython of it on PATH or under pyenv, one each, that has venv."""
    found: dict[str, Path] = {}
    for version in PYTHONS:
        on_path = shutil.which(f"python{version}")
        homes = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
        for candidate in ([Path(on_path)] if on_path else []) + homes:
            asked = "import sys, venv, ensurepip; print(sys.executable, '%d.%d' % sys.version_info[:2])"
            answer = subprocess.run([candidate, "-c", asked], capture_output=True, text=True, check=False)
            if answer.returncode == 0 and answer.stdout.split()[1] == version:
                found[version] = Path(answer.stdout.split()[0])
                break
    return found


def try_python(python: Path, package: Path, **environment: str) -> str:
    """Installs a wheel or sdist into an empty virtual environment, outside the tree, and runs the smoke test there."""
    with tempfile.TemporaryDirectory() as empty:
        venv = Path(empty, "venv")
        run(python, "-m", "venv", venv)
        inside = venv / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        run(inside, "-m", "pip", "install", "--quiet", "--no-deps", package, cwd=Path(empty), **environment)
        shutil.copy(ROOT / "scripts" / "smoke.py", empty)
        run(inside.with_name("iris"), "certs", "init", Path(empty, "certs"), "one", PYTHONPATH="")
        return run(inside, "-I", Path(empty, "smoke.py"), cwd=Path(empty), PYTHONPATH="").strip()


def make_wheels(pythons: dict[str, Path]) -> list[tuple[Path, str]]:
    """One wheel per interpreter, each tried."""
    maturin = Path(sys.executable).parent / "maturin"
    tried = []
    for version, python in pythons.items():
        run(maturin, "build", "--release", "--locked", "--quiet", "--out", DIST, "--interpreter", python)
        wheel = next(DIST.glob(f"*-cp{version.replace('.', '')}-*.whl"))
        tried.append((wheel, f"CPython {version}: {try_python(python, wheel)}"))
    return tried


def make_sdist(python: Path) -> tuple[Path, str]:
    """The source distribution, built again from itself by pip as a user without a wheel would."""
    run(Path(sys.executable).parent / "maturin", "sdist", "--out", DIST)
    sdist = next(DIST.glob("*.tar.gz"))
    target = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))
    return sdist, f"built by pip: {try_python(python, sdist, CARGO_TARGET_DIR=target)}"


def pack(folder: Path) -> Path:
    """`npm pack`: the tarball that would be published."""
    name = json.loads(run("npm", "pack", "--json", "--ignore-scripts", "--pack-destination", DIST, folder))
    return DIST / (name[0] if isinstance(name, list) else next(iter(name.values())))["filename"]


def platform_package(platform: str, addon: Path, into: Path) -> Path:
    """Lays out the npm package of one platform: the addon and nothing else."""
    main = json.loads((ROOT / "package.json").read_text())
    system, machine, *library = platform.split("-")
    described = {key: main[key] for key in ("version", "license", "repository", "engines")}
    described = {"name": f"{main['name']}-{platform}", **described, "os": [system], "cpu": [machine]}
    described["description"] = f"The native addon of iris-actors for {platform}"
    if system == "linux":
        described["libc"] = ["glibc" if library == ["gnu"] else "musl"]
    described |= {"main": addon.name, "files": [addon.name]}
    into.mkdir(parents=True)
    (into / "package.json").write_text(json.dumps(described, indent=2) + "\n")
    (into / "README.md").write_text(
        f"# iris-actors-{platform}\n\nThe native addon of `iris-actors` for {platform}.\n"
    )
    for file in (addon, ROOT / "LICENSE-MIT", ROOT / "LICENSE-APACHE"):
        shutil.copy(file, into)
    return into


def main_package(into: Path) -> Path:
    """Lays out the npm package that users name: the JavaScript face, and one optional package per platform.

    The optional packages are added here and not in the tree's package.json, whose lock can only name published ones.
    """
    described = json.loads((ROOT / "package.json").read_text())
    platforms = described["iris"]["platforms"]
    for key in ("scripts", "jest", "devDependencies", "overrides", "iris"):
        described.pop(key)
    described["optionalDependencies"] = {
        f"{described['name']}-{one}": described["version"] for one in platforms
    }
    into.mkdir(parents=True)
    for pattern in described["files"]:
        for source in ROOT.glob(pattern):
            aim = into / source.relative_to(ROOT)
            aim.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, aim)
    (into / "package.json").write_text(json.dumps(described, indent=2) + "\n")
    return into


def try_node(main: Path, platform: Path) -> str:
    """Installs both tarballs into an empty folder and runs the smoke test there, with require and with import."""
    with tempfile.TemporaryDirectory() as empty:
        Path(empty, "package.json").write_text('{ "private": true }\n')
        # Optional packages of other platforms are not asked for: unpublished ones would be looked up in the registry.
        run("npm", "install", "--omit=optional", *NPM_QUIET, main, platform, cwd=Path(empty))
        for name in ("smoke.cjs", "smoke.mjs"):
            shutil.copy(ROOT / "scripts" / name, empty)
        run("npx", "--no-install", "iris", "certs", "init", "certs", "one", cwd=Path(empty))
        said = run("node", "smoke.cjs", cwd=Path(empty)).strip()
        return f"{said}; {run('node', 'smoke.mjs', cwd=Path(empty)).strip()}"


def make_npm() -> list[tuple[Path, str]]:
    """The tarball of the main package and of this platform's, tried together."""
    platform = host_platform()
    with tempfile.TemporaryDirectory() as work:
        addon = ROOT / "native" / f"iris.{platform}.node"
        native = pack(platform_package(platform, addon, Path(work, "platform")))
        main = pack(main_package(Path(work, "main")))
    return [(main, try_node(main, native)), (native, f"the addon of {platform}")]


def laid_out(kind: str, into: Path, addons: list[Path]) -> None:
    """For the publishing workflow: lays out packages without trying them."""
    if kind == "main":
        main_package(into)
    for addon in addons:
        platform = re.fullmatch(r"iris\.(.+)\.node", addon.name)[1]
        platform_package(platform, addon, into / platform)


def main() -> None:
    """Everything for this machine, or with arguments `npm-main OUT` and `npm-platforms OUT ADDON...` only a layout."""
    if len(sys.argv) > 2:
        laid_out(sys.argv[1].removeprefix("npm-"), Path(sys.argv[2]), [Path(one) for one in sys.argv[3:]])
        return
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    pythons = find_pythons()
    if not pythons:
        sys.exit(f"none of CPython {', '.join(PYTHONS)} was found")
    made = make_wheels(pythons)
    made.append(make_sdist(next(iter(pythons.values()))))
    made += make_npm()
    for package, said in made:
        print(f"{package.stat().st_size / 1e6:6.2f} MB  {package.name}\n           {said}")


if __name__ == "__main__":
    main()
