"""The directions of imports, and the one home of each library, read from the real tree.

A rule names what a part may import; a part that is not there yet breaks nothing.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
STANDARD = sys.stdlib_module_names | {"__future__"}

#: What each part of the project may import of the project itself. `*` stands for everything.
OURS: dict[str, set[str]] = {
    "bpu/errors.py": set(),
    "bpu/log_writer.py": set(),
    "bpu/project.py": set(),
    "bpu/trusted_files.py": {"bpu.errors", "bpu.messages"},
    "bpu/settings_file.py": {"bpu.errors", "bpu.messages", "bpu.project", "bpu.trusted_files"},
    "bpu/turn.py": set(),
    "bpu/gevent_io.py": set(),
    "bpu/log_format.py": {"bpu.log_writer"},
    "bpu/access_policy.py": {"bpu.errors", "bpu.messages", "bpu.settings"},
    "bpu/settings.py": {"bpu.errors", "bpu.messages"},
    "bpu/messages/*": {"bpu.messages", "bpu.project"},
    "bpu/console/*": {"bpu.console", "bpu.errors"},
    "bpu/chat/*": {"bpu.chat", "bpu.console", "bpu.turn", "bpu.errors"},
    "bpu/simulator/*": {"bpu.simulator"},
    "bpu/cpu_console/*": {"bpu.cpu_console"},
    "bpu/model_parts.py": {"bpu.chat", "bpu.console", "bpu.engine", "bpu.models", "bpu.settings"},
    "bpu/images/*": {"bpu.images", "bpu.chat", "bpu.gevent_io", "bpu.errors", "bpu.project"},
    "bpu/discovery/*": {
        "bpu",
        "bpu.discovery",
        "bpu.board",
        "bpu.settings",
        "bpu.errors",
        "bpu.log_writer",
        "bpu.messages",
        "bpu.project",
    },
    # The rules of access are pure and the same for both servers.
    "bpu/mcp/*": {"bpu", "bpu.mcp", "bpu.errors", "bpu.settings", "bpu.messages", "bpu.access_policy"},
    "bpu/bench/*": {"bpu", "bpu.bench", "bpu.errors", "bpu.messages"},
    "benchmarks/*": {"bpu.bench", "bpu.errors", "bpu.messages", "bpu.project"},
    "bpu/models/*": {
        "bpu",
        "bpu.models",
        "bpu.trusted_files",
        "bpu.console",
        "bpu.settings",
        "bpu.errors",
        "bpu.messages",
    },
    "bpu/board/*": {
        "bpu",
        "bpu.board",
        "bpu.models",
        "bpu.console",
        "bpu.settings",
        "bpu.settings_file",
        "bpu.trusted_files",
        "bpu.errors",
        "bpu.messages",
        "bpu.project",
    },
    "bpu/engine/*": {
        "bpu.engine",
        "bpu.gevent_io",
        "bpu.log_writer",
        "bpu.board",
        "bpu.models",
        "bpu.console",
        "bpu.turn",
        "bpu.settings",
        "bpu.errors",
        "bpu.messages",
        "bpu.project",
        "bpu.trusted_files",
    },
}
#: Parts that must not import one another: two processes, and what is above and below.
APART: dict[str, set[str]] = {
    "bpu/engine/client/*": {"bpu.engine.keeper"},
    "bpu/engine/keeper/*": {"bpu.engine.client", "bpu.gevent_io"},
    "bpu/engine/[!ck]*.py": {"bpu.engine.keeper", "bpu.engine.client", "bpu.gevent_io"},
    "bpu/engine/console_*.py": {"bpu.engine.keeper", "bpu.engine.client", "bpu.gevent_io"},
    "bpu/web/*": {"bpu.server"},
    # Both build a model's parts by `bpu.model_parts`, so that the arguments of a prompter stand in one place.
    "bpu/web/factory.py": {"bpu.chat.prompt", "bpu.chat.answer_decoder"},
    "bpu/cli/*": {"bpu.chat.prompt", "bpu.chat.answer_decoder"},
}
#: Modules (or single names, as `subprocess.Popen`) that only these files may import or use.
HOMES: dict[str, set[str]] = {
    "flask": {"app.py", "bpu/web/*"},
    "flask_cors": {"app.py", "bpu/web/*"},
    "werkzeug": {"app.py", "bpu/web/*"},
    "click": {"bpu/cli/*", "benchmarks/__main__.py"},
    "gevent": {"wsgi.py", "gunicorn.conf.py", "bpu/gevent_io.py"},
    "gunicorn": {"bpu/server/*", "gunicorn.conf.py"},
    "fcntl": {"bpu/engine/*", "bpu/models/pull.py"},
    "subprocess": {"bpu/engine/*", "bpu/board/tools.py", "bpu/gevent_io.py", "bpu/simulator/*", "benchmarks/*"},
    "PIL": {"bpu/images/*"},
    "benchmarks": {"benchmarks/*"},
    "pydantic_settings": {"bpu/settings.py"},
    "jinja2": {"bpu/chat/*", "bpu/cpu_console/template.py"},
    "tokenizers": {"bpu/chat/*"},
    "tomlkit": {"bpu/models/*"},
    "urllib3": {"bpu/models/download.py"},
    "xllamacpp": {"bpu/cpu_console/llama.py", "benchmarks/llama_server.py"},
    "mcp": {"bpu/mcp/*"},
    "zeroconf": {"bpu/discovery/*"},
    "httpx2": {"bpu/mcp/*"},
    "uvicorn": {"bpu/mcp/http.py", "benchmarks/*"},
}
#: Parts that run or may run without site-packages, or that must not depend on anybody's library.
STANDARD_LIBRARY_ONLY = {
    "bpu/console/*",
    "bpu/turn.py",
    "bpu/errors.py",
    "bpu/log_writer.py",
    "bpu/messages/*",
    "bpu/simulator/*",
}
#: What pure parts must not touch: processes, clocks, sockets, threads.
IMPURE = {"subprocess", "socket", "select", "selectors", "threading", "asyncio", "time", "fcntl", "gevent"}
PURE = {"bpu/console/*", "bpu/chat/*", "bpu/turn.py"}


@dataclass(frozen=True)
class Import:
    file: str
    line: int
    module: str

    @property
    def top(self) -> str:
        return self.module.split(".")[0]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.module}"


def imports(path: Path) -> Iterator[Import]:
    """Every import of a file, lazy ones too; those for type checkers alone are left out."""
    file = path.relative_to(PROJECT).as_posix()
    tree = ast.parse(path.read_text(), file)
    ignored = {id(inner) for node in ast.walk(tree) if _for_types(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in ignored:
            continue
        if isinstance(node, ast.Import):
            yield from (Import(file, node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} is a relative import"
            yield from (Import(file, node.lineno, _deepest(node.module or "", name.name)) for name in node.names)


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _deepest(module: str, name: str) -> str:
    """`from bpu import errors` imports a module, `from bpu.errors import BpuError` a name out of one."""
    path = PROJECT.joinpath(*module.split("."), name)
    return f"{module}.{name}" if path.is_dir() or path.with_suffix(".py").exists() else module


def files() -> list[Path]:
    found = [*PROJECT.glob("*.py"), *(PROJECT / "bpu").rglob("*.py"), *(PROJECT / "benchmarks").rglob("*.py")]
    return sorted(path for path in found if "node_modules" not in path.parts)


@cache
def all_imports() -> list[Import]:
    """Every import of the project; read once, by the worker that runs these tests and not by all that collect them."""
    return [found for path in files() for found in imports(path)]


def matches(file: str, patterns: set[str]) -> bool:
    return any(fnmatch(file, pattern) for pattern in patterns)


def within(module: str, allowed: set[str]) -> bool:
    """`bpu` allows the package's own names (its version), not all that lies below it."""
    return any(module == name or (name != "bpu" and module.startswith(f"{name}.")) for name in allowed)


def test_the_tree_was_read() -> None:
    assert any(found.file == "bpu/settings.py" and found.module == "bpu.errors" for found in all_imports())


@pytest.mark.parametrize("part", sorted(OURS))
def test_imports_point_downward(part: str) -> None:
    wrong = [f for f in all_imports() if fnmatch(f.file, part) and f.top == "bpu" and not within(f.module, OURS[part])]
    assert [str(found) for found in wrong] == []


def test_only_the_factory_of_the_web_layer_knows_its_routes() -> None:
    above = {"bpu.web.routes", "bpu.web.middleware"}
    inside = {"bpu/web/factory.py", "bpu/web/routes/*", "bpu/web/middleware/*"}
    found = [f for f in all_imports() if fnmatch(f.file, "bpu/web/*") and not matches(f.file, inside)]
    assert [str(one) for one in found if within(one.module, above)] == []


@pytest.mark.parametrize("part", sorted(APART))
def test_parts_that_are_apart_do_not_import_one_another(part: str) -> None:
    wrong = [f for f in all_imports() if fnmatch(f.file, part) and within(f.module, APART[part])]
    assert [str(found) for found in wrong] == []


def test_nothing_imports_the_web_or_the_command_line() -> None:
    above = {"bpu/web/*": "bpu.web", "bpu/server/*": "bpu.server", "bpu/cli/*": "bpu.cli"}
    doors = {"app.py", "wsgi.py", "gunicorn.conf.py", "bpu/__main__.py", "bpu/server/*"}
    wrong = [
        str(found)
        for found in all_imports()
        for home, module in above.items()
        if within(found.module, {module}) and not matches(found.file, {home} | doors)
    ]
    assert wrong == []


@pytest.mark.parametrize("library", sorted(HOMES))
def test_a_library_is_used_in_its_home_alone(library: str) -> None:
    wrong = [f for f in all_imports() if within(f.module, {library}) and not matches(f.file, HOMES[library])]
    assert [str(found) for found in wrong] == []


def test_the_console_and_what_runs_without_site_packages_use_the_standard_library() -> None:
    wrong = [
        str(f)
        for f in all_imports()
        if matches(f.file, STANDARD_LIBRARY_ONLY) and f.top != "bpu" and f.top not in STANDARD
    ]
    assert wrong == []


def test_pure_parts_know_no_process_no_clock_and_no_socket() -> None:
    assert [str(found) for found in all_imports() if matches(found.file, PURE) and found.top in IMPURE] == []


def test_the_keeper_loads_nothing_from_site_packages() -> None:
    """Whatever the keeper's module imports, directly or not, must be there under `python -S`."""
    seen: set[Path] = set()
    todo = sorted((PROJECT / "bpu" / "engine" / "keeper").glob("*.py"))
    wrong = []
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        for found in imports(path):
            if found.top == "bpu":
                todo += _sources(found.module)
            elif found.top not in STANDARD:
                wrong.append(str(found))
    assert wrong == []


def _sources(module: str) -> list[Path]:
    """The file of a module and those of the packages around it, which are run first."""
    parts = module.split(".")
    folders = [PROJECT.joinpath(*parts[: depth + 1]) for depth in range(len(parts))]
    found = [folder / "__init__.py" for folder in folders] + [folders[-1].with_suffix(".py")]
    return [path for path in found if path.exists()]


OTHER_PROGRAMS = {"system", "popen", "fork", "forkpty", "posix_spawn", "posix_spawnp", "startfile"}


def test_other_programs_are_run_in_one_place() -> None:
    """`os.exec*` and their kin are doors of the same kind as `subprocess`."""
    wrong = [
        f"{path.relative_to(PROJECT)}:{node.lineno} os.{node.attr}"
        for path in files()
        if not matches(path.relative_to(PROJECT).as_posix(), HOMES["subprocess"])
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
        if node.attr in OTHER_PROGRAMS or node.attr.startswith(("exec", "spawn"))
    ]
    assert wrong == []
