"""Writes docs/operations.md: every operation of a runtime beside its name in Python and Node, taken from the typed faces."""

import ast
import re
import sys
from pathlib import Path

import iris

ROOT = Path(__file__).resolve().parent.parent
AIM = ROOT / "docs" / "operations.md"

HEAD = """# Operations

<!-- written by `make generate` from python/iris and types/runtime.d.ts: do not edit -->

What a runtime offers, by its name in Python and in Node. A dash: the language has no use for it, or another way
(tests/node/faces.test.js says why). The Rust front is documented by `cargo doc -p iris-core`.

| Python: `iris.Runtime` | Node: `NodeRuntime` | |
| --- | --- | --- |
"""

# Where the Node name is not the Python name in camelCase.
NODE_NAMES = {"spawn_py_handler_bounded": "spawnBounded", "ref": "actorRef"}


def camel_case(word: str) -> str:
    """`send_after` as `sendAfter`."""
    return re.sub(r"_(\w)", lambda match: match[1].upper(), word)


def python_operations() -> dict[str, str]:
    """Name -> argument names of the public methods of `Runtime`, from the stub and the class over it."""
    found: dict[str, str] = {}
    for name in ("python/iris/_iris.pyi", "python/iris/__init__.py"):
        for node in ast.parse((ROOT / name).read_text()).body:
            if isinstance(node, ast.ClassDef) and node.name == "Runtime":
                for method in node.body:
                    if isinstance(
                        method, ast.FunctionDef | ast.AsyncFunctionDef
                    ) and not method.name.startswith("_"):
                        found[method.name] = arguments(method.args)
    return found


def arguments(args: ast.arguments) -> str:
    """The argument names of a method, with `=` and the default where there is one."""
    positional = [one.arg for one in args.posonlyargs + args.args][1:]
    defaults = [None] * (len(positional) - len(args.defaults)) + [ast.unparse(one) for one in args.defaults]
    words = [
        name if default is None else f"{name}={default}"
        for name, default in zip(positional, defaults, strict=True)
    ]
    keywords = [
        one.arg if default is None else f"{one.arg}={ast.unparse(default)}"
        for one, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)
    ]
    return ", ".join(words + (["*", *keywords] if keywords else []))


def node_operations() -> dict[str, str]:
    """Name -> argument names of the methods of `NodeRuntime`, from its types; the first of several overloads."""
    types = (ROOT / "types" / "runtime.d.ts").read_text()
    body = types[types.index("class NodeRuntime") :].split("\n}\n")[0]
    found: dict[str, str] = {}
    for match in re.finditer(r"^  (?!constructor)([a-z]\w*)(?:<[^>]*>)?\((.*?)\): ", body, re.M | re.S):
        names = re.findall(r"(?:^|,)\s*(\w+\??):", re.sub(r"\([^()]*\) =>", "", match[2]))
        found.setdefault(match[1], ", ".join(names))
    return found


def purpose(name: str) -> str:
    """The first sentence of a method's docstring."""
    said = (getattr(iris.Runtime, name).__doc__ or "").strip().split("\n\n")[0]
    sentence = " ".join(said.split()).split(". ")[0].rstrip(".")
    return sentence.replace("|", "\\|")


def table() -> str:
    """The whole page."""
    node = node_operations()
    rows = []
    for name, args in python_operations().items():
        there = NODE_NAMES.get(name, camel_case(name))
        other = f"`{there}({node.pop(there)})`" if there in node else "-"
        rows.append(f"| `{name}({args})` | {other} | {purpose(name)} |")
    rows += [f"| - | `{name}({args})` | |" for name, args in node.items()]
    return HEAD + "\n".join(rows).replace("|  |", "| |") + "\n"


def main() -> None:
    """Writes the page, where it differs from what is there."""
    page = table()
    if not AIM.exists() or AIM.read_text() != page:
        AIM.parent.mkdir(exist_ok=True)
        AIM.write_text(page)
        print(f"wrote {AIM.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
