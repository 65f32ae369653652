"""The documentation agrees with the code: settings, errors, dependencies, routes, commands, targets and links."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement

from app import create_app
from bpu import errors
from bpu.cli import main
from bpu.models.pull import PullFailed
from bpu.settings import Settings, load_settings, variables
from bpu.web.routes.admin import JobNotFound
from tests.unit.web.fakes import FakeEngine

PROJECT = Path(__file__).parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])
#: Not about the present state of the code.
TEACHING = [page for page in PAGES if page.name != "CHANGELOG.md"]
TRANSLATED = [page for page in PAGES if page.name.endswith(".zh-CN.md")]

each_page = pytest.mark.parametrize("page", TEACHING, ids=lambda page: str(page.relative_to(PROJECT)))


def rows(page: str, heading: str = "") -> Iterator[list[str]]:
    """The cells of all table rows in `page`, below `heading` where one is given; heads of tables are left out."""
    text = (PROJECT / page).read_text(encoding="utf-8")
    if heading:
        text = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    body = re.sub(r"^\|.*\|\n\|[-| :]+\|\n", "", text, flags=re.MULTILINE)
    for line in body.splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def bare(cell: str) -> str:
    return cell.strip("`")


# Links


def anchors(page: Path) -> set[str]:
    """The names under which the headings of `page` can be reached, as the usual viewers make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)[^)]*\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}, which is not there"
        if anchor:
            assert anchor in anchors(target), f"{page.name} links to {link}, but there is no such heading"


# Settings


def shown(value: object) -> str:
    """A default as the documentation writes it."""
    if isinstance(value, bool):
        return "1" if value else "0"
    return "" if value in (None, ()) else f"{value}"


@pytest.mark.parametrize("page", ["docs/settings.md", "docs/settings.zh-CN.md"])
def test_every_setting_stands_there_once_with_its_default(page: str) -> None:
    defaults = {name: shown(Settings.model_fields[field].default) for field, name in variables().items()}
    listed = [(bare(row[0]), bare(row[1])) for row in rows(page) if row[0].startswith("`BPU_")]
    assert sorted(name for name, _ in listed) == sorted(defaults)
    for name, default in listed:
        assert (default if default not in {"auto", "none", "无"} else "") == defaults[name].replace("auto", ""), name


@pytest.mark.parametrize("page", ["docs/settings.md", "docs/settings.zh-CN.md"])
def test_every_choice_of_a_setting_is_named(page: str) -> None:
    texts = {bare(row[0]): " ".join(row) for row in rows(page)}
    schema = Settings.model_json_schema(by_alias=False)["properties"]
    for field, name in variables().items():
        for choice in schema[field].get("enum", []):
            assert f"`{choice}`" in texts[name], f"{name} may be {choice}"


@each_page
def test_no_page_names_a_setting_that_is_not_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"(?<!\[\[)\bBPU_[A-Z_]+\b", text))  # a console's log line has [[BPU_MONITOR]]
    assert named - {*variables().values(), "BPU_SETTINGS_FILE"} == set()


# Errors


def kinds(base: type[errors.BpuError]) -> Iterator[type[errors.BpuError]]:
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


def codes_in_code() -> dict[str, set[int]]:
    """Every code and its statuses: of the classes, and those that are given by name where an error is made."""
    assert JobNotFound in kinds(errors.BpuError)
    assert PullFailed in kinds(errors.BpuError)
    found: dict[str, set[int]] = {}
    for kind in kinds(errors.BpuError):
        if kind.__module__.startswith("bpu."):
            found.setdefault(kind.code, set()).add(kind.status)
    return found


def codes_by_name() -> set[str]:
    sources = "".join(path.read_text(encoding="utf-8") for path in (PROJECT / "bpu").rglob("*.py"))
    table = re.findall(r"^    4\d\d: \"(\w+)\",$", sources, re.MULTILINE)
    return set(re.findall(r"\bcode=\"(\w+)\"", sources)) | set(table) | {"uri_too_long", "headers_too_large"}


def test_every_error_stands_there_with_its_status_cause_and_remedy() -> None:
    listed = list(rows("docs/errors.md", "Codes"))
    assert all(len(row) == 4 and all(row) for row in listed)
    statuses: dict[str, set[int]] = {}
    for code, status, _, _ in listed:
        statuses.setdefault(bare(code), set()).update(int(part) for part in status.split(","))
    for code, expected in codes_in_code().items():
        assert statuses.get(code, set()) >= expected, code
    assert set(statuses) == set(codes_in_code()) | codes_by_name()


def test_every_exit_code_is_explained() -> None:
    listed = {int(row[0]) for row in rows("docs/errors.md", "Exit codes of the command line")}
    assert listed == {0, *(kind.exit_code for kind in kinds(errors.BpuError))}


# Dependencies


@pytest.mark.parametrize(
    ("file", "heading"),
    [
        ("requirements.txt", "What runs it (`requirements.txt`)"),
        ("requirements-dev.txt", "What tests it (`requirements-dev.txt`)"),
    ],
)
def test_every_dependency_stands_there_with_its_reason(file: str, heading: str) -> None:
    lines = (PROJECT / file).read_text(encoding="utf-8").splitlines()
    required = {Requirement(line).name for line in lines if line and not line.startswith(("#", "-r"))}
    listed = {bare(row[0]): row[1] for row in rows("docs/dependencies.md", heading)}
    assert set(listed) == required
    assert all(listed.values())


def test_every_client_stands_there_with_the_test_that_tries_it() -> None:
    pinned = (PROJECT / "tests/clients/requirements.txt").read_text(encoding="utf-8")
    required = {Requirement(line.partition("#")[0]).name for line in pinned.splitlines() if line[:1] not in ("", "#")}
    for folder in ("clients", "browser"):
        packages = json.loads((PROJECT / "tests" / folder / "package.json").read_text(encoding="utf-8"))
        required |= {*packages.get("dependencies", ()), *packages.get("devDependencies", ())}
    listed = {row[0].split("`")[1]: row for row in rows("docs/dependencies.md", "Clients that it is tried with")}
    assert set(listed) == required
    for name, (_, reason, test) in listed.items():
        assert reason
        assert name.replace("-", "_") in (PROJECT / bare(test)).read_text(encoding="utf-8").replace("-", "_"), name


# Routes, commands, targets, files


@pytest.fixture(scope="module")
def routes() -> set[tuple[str, str]]:
    """Method and address of everything that is served, names in addresses left out."""
    rules = create_app(load_settings(engine="simulator"), FakeEngine()).url_map.iter_rules()
    return {(method, re.sub(r"<[^>]+>", "{}", rule.rule)) for rule in rules for method in rule.methods or ()}


@each_page
def test_every_address_in_the_pages_is_served(page: Path, routes: set[tuple[str, str]]) -> None:
    for method, path in re.findall(r"`(GET|POST|PUT|DELETE) (/[^\s`?]*)`", page.read_text(encoding="utf-8")):
        assert (method, re.sub(r"\{[^}]+\}|<[^>]+>", "{}", path)) in routes, f"{method} {path} is not served"


@each_page
def test_every_command_and_option_in_the_pages_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    code = [*re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)), *"".join(blocks).splitlines()]
    assert not re.search(r"python3? -m bpu(?!\.)", text), "the command is called bpu"
    for line in [
        found for words in code for found in re.findall(r"^(?:sudo )?(?:[\w./]+/)?bpu ([^\n]+)", words.strip())
    ]:
        words = [word for word in re.split(r"\s+", line.strip()) if word]
        command: click.Command = main
        context = click.Context(main)
        for word in words:
            if word.startswith("#") or word == "--":
                break
            if word.startswith("-"):
                check_option(command, word, line)
            elif isinstance(command, click.Group) and re.fullmatch(r"[a-z][a-z-]*", word):
                found = command.get_command(context, word)
                assert found is not None, f"there is no command {word!r} in `bpu {line}`"
                command = found


def check_option(command: click.Command, word: str, line: str) -> None:
    name = word.partition("=")[0]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    free = command.ignore_unknown_options or name in {"-h", "--help"}
    assert free or name in known, f"{command.name} has no option {name} in `bpu {line}`"


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@each_page
def test_every_make_target_in_the_pages_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.MULTILINE)
    assert set(named) <= make_targets()


@each_page
def test_every_source_file_that_is_named_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    pattern = r"`((?:bpu|benchmarks|tests|scripts|examples|deploy|docs)/[\w./-]+\.\w+)`"
    missing = [name for name in re.findall(pattern, text) if not (PROJECT / name).exists()]
    assert not missing


def test_the_plain_commands_of_the_readme_are_those_of_the_makefile() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for plain, recipe in (
        (".venv/bin/gunicorn -c gunicorn.conf.py wsgi:app", "$(BIN)/gunicorn -c gunicorn.conf.py wsgi:app"),
        (".venv/bin/ruff check .", "$(BIN)/ruff check ."),
        (".venv/bin/ruff format --check .", "$(BIN)/ruff format --check ."),
        (".venv/bin/mypy\n", "$(BIN)/mypy\n"),
        ('-n 8 --dist worksteal -m "not (browser or clients or system or model or long)"', '-m "not ($(LATER))"'),
        ("-m pytest -n 8 --dist worksteal", "AT_ONCE := -n 8 --dist worksteal"),
    ):
        assert plain in readme
        assert recipe in makefile


# Translations


def structure(page: Path) -> list[str]:
    """What a translation must have in common with its original: headings' levels, code, tables, links."""
    text = page.read_text(encoding="utf-8")
    shape = []
    for block in re.split(r"(```.*?```)", text, flags=re.DOTALL):
        if block.startswith("```"):
            shape.append(block.partition("\n")[0])
            continue
        shape += [
            match.group(1) or ("|" * match.group(0).count("|") if match.group(2) else "-")
            for match in re.finditer(r"^(#+) .*|^(\|).*\||^- .*", block, re.MULTILINE)
        ]
    return shape


def commands(page: Path) -> list[str]:
    """The commands in the blocks of a shell, without remarks and without words meant for people."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [re.sub(r'"content": "[^"]*"', "", line) for line in lines if line]


@pytest.mark.parametrize("page", TRANSLATED, ids=lambda page: str(page.relative_to(PROJECT)))
def test_a_translation_has_the_structure_and_the_commands_of_its_original(page: Path) -> None:
    original = page.with_name(page.name.replace(".zh-CN", ""))
    assert structure(page) == structure(original)
    assert commands(page) == commands(original)


def test_both_languages_lead_to_each_other() -> None:
    for page in TRANSLATED:
        original = page.with_name(page.name.replace(".zh-CN", ""))
        assert f"]({page.name})" in original.read_text(encoding="utf-8")
        assert f"]({original.name})" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", TRANSLATED, ids=lambda page: str(page.relative_to(PROJECT)))
def test_a_link_to_an_english_page_says_so(page: Path) -> None:
    links = re.findall(r"\[([^]]*)\]\(([^)#]*\.md)[^)]*\)(.{0,4})", page.read_text(encoding="utf-8"))
    unmarked = [
        target
        for words, target, behind in links
        if not target.endswith(".zh-CN.md") and words != "English" and "英文" not in words + behind
    ]
    assert not unmarked
