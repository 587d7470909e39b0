"""Simulation files as modules: executed under their names, here and in workers that do not have the file."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from collections.abc import Mapping
from functools import lru_cache
from types import ModuleType
from typing import Any

Sources = Mapping[str, tuple[str, str]]
"""Text and path of the files of modules, by the names of these."""

_executed: dict[str, tuple[str, str]] = {}


def execute(name: str, source: str, file: str) -> ModuleType:
    """Run the text of a file as the module of this name, which other modules and pickles find by it from then on."""
    module = ModuleType(name)
    module.__file__ = file
    sys.modules[name] = module
    _executed[name] = source, file
    exec(compile(source, file, "exec"), module.__dict__)
    return module


def mentioned(pickled: bytes) -> Sources:
    """Sources of the modules executed here that a pickle names."""
    return {name: source for name, source in _executed.items() if name.encode() in pickled}


def prepare(sources: Sources) -> None:
    """Execute the modules that are not there yet, or were other ones."""
    for name, source in sources.items():
        if _executed.get(name) != source:
            execute(name, *source)


def code_of(own: Any) -> str:
    """Hash of the code of a class or function and of all that it uses of its module; comments and layout have no part in it.

    Empty where the code is not to be had, as in an interactive session.
    """
    source = _executed.get(own.__module__, ("", ""))[0]
    try:
        return _code(source or inspect.getsource(sys.modules[own.__module__]), own.__qualname__.partition(".")[0])
    except (OSError, TypeError, KeyError):
        return ""


@lru_cache
def _code(source: str, name: str) -> str:
    defined: dict[str, list[ast.stmt]] = {}
    for statement in ast.parse(source).body:
        for one in _names_defined(statement):
            defined.setdefault(one, []).append(statement)
    if name not in defined:
        return ""
    used, waiting = {}, [name]
    while waiting:
        one = waiting.pop()
        if one in used or one not in defined:
            continue
        used[one] = [_structure(statement) for statement in defined[one]]
        nodes = (node for statement in defined[one] for node in ast.walk(statement))
        waiting += [node.id for node in nodes if isinstance(node, ast.Name)]
    return hashlib.sha256(repr(sorted(used.items())).encode()).hexdigest()[:16]


def _structure(node: ast.AST) -> str:
    """A statement as text, the same in every version of Python: they differ in which empty fields there are."""
    given = [(name, value) for name, value in ast.iter_fields(node) if value not in (None, [])]
    return f"{type(node).__name__}({', '.join(f'{name}={_written(value)}' for name, value in given)})"


def _written(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return _structure(value) if isinstance(value, ast.AST) else repr(value)


def _names_defined(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    nodes = list(ast.walk(statement))
    inside = [node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return inside + [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
