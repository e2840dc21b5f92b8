"""What code does, as a short number: the same for another comment, another docstring, another layout.

Modules are found from entry modules by following their imports, as text: nothing is imported.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

DIGITS = 16


def modules_of(root: Path, entries: Sequence[str], *, stop: Sequence[str] = (), follow: bool = True) -> dict[str, str]:
    """Module to fingerprint, for `entries` and whatever of the packages under `root` they import, directly or not.

    Args:
        entries: modules; `package.*` stands for the package and all that is in it.
        stop: modules and packages (with all that is in them) that are not gone into.
        follow: false to look at the entries alone.
    """
    entries = [module for entry in entries for module in _expanded(root, entry)]
    found: dict[str, str] = {}
    waiting = list(entries)
    while waiting:
        module = waiting.pop()
        path = _path(root, module)
        if module in found or path is None or (module not in entries and _within(module, stop)):
            continue
        tree = ast.parse(path.read_text(), filename=str(path))
        found[module] = fingerprint_of(tree)
        if follow:
            waiting += _imported(tree, module, is_package=path.name == "__init__.py")
    missing = [entry for entry in entries if entry not in found]
    if missing:
        raise FileNotFoundError(f"there is no module {', '.join(missing)} under {root}")
    return dict(sorted(found.items()))


def combined(modules: dict[str, str]) -> str:
    """One fingerprint for all."""
    text = "\n".join(f"{module} {number}" for module, number in sorted(modules.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def fingerprint_of(tree: ast.AST) -> str:
    """Of syntax, without positions and docstrings; empty parts are left out, so that Python 3.11 to 3.14 agree."""
    digest = hashlib.sha256()
    for word in _words(tree):
        digest.update(word.encode("utf-8", "surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()[:DIGITS]


def _words(node: ast.AST) -> Iterator[str]:
    yield type(node).__name__
    for name in node._fields:
        if name in {"ctx", "type_comment", "kind"}:
            continue
        value = getattr(node, name, None)
        if name == "body" and isinstance(value, list):
            value = value[1:] if _is_docstring(node, value) else value
        if value is None and not isinstance(node, ast.Constant):
            continue
        if isinstance(value, list):
            if value:
                yield f"{name}["
                for one in value:
                    yield from _words(one) if isinstance(one, ast.AST) else [repr(one)]
                yield "]"
        else:
            yield name
            yield from _words(value) if isinstance(value, ast.AST) else [repr(value)]


def _is_docstring(node: ast.AST, body: list[ast.stmt]) -> bool:
    documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    return (
        documented
        and bool(body)
        and isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    )


def _imported(tree: ast.AST, module: str, *, is_package: bool) -> list[str]:
    """Names that may be modules: of `from a import b`, both a and a.b."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".") if is_package else module.split(".")[:-1]
                kept = parents[: len(parents) - node.level + 1]
                base = ".".join([*kept, *([base] if base else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return names


def _expanded(root: Path, entry: str) -> list[str]:
    package = entry.removesuffix(".*")
    if package == entry:
        return [entry]
    folder = root.joinpath(*package.split("."))
    return [
        package,
        *(
            ".".join(path.relative_to(root).with_suffix("").parts)
            for path in sorted(folder.rglob("*.py"))
            if path.stem != "__init__"
        ),
    ]


def _path(root: Path, module: str) -> Path | None:
    base = root.joinpath(*module.split("."))
    candidates = (base.with_name(f"{base.name}.py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def _within(module: str, prefixes: Sequence[str]) -> bool:
    names = [prefix.removesuffix(".*") for prefix in prefixes]
    return any(module == name or module.startswith(f"{name}.") for name in names)
