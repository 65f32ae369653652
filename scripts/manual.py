"""Writes the man page, and the completions of bash, zsh and fish, for a package.

All of it is made from the commands themselves, so that none can be missing.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

#: Locale and titles of the sections by language.
TITLES = {
    "en": ("C.UTF-8", "NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "FILES", "EXIT STATUS"),
    "zh_CN": ("zh_CN.UTF-8", "名称", "概要", "描述", "选项", "命令", "文件", "退出状态"),
}
FILES = {
    "/etc/bpu/bpu.env": ("Settings of the gateway and of every command.", "网关和所有命令的设置。"),
    "/etc/bpu/keys": ("API keys, one a line.", "API 密钥，每行一个。"),
    "/var/lib/bpu": ("Findings about consoles, and models.", "关于控制台的结论，以及模型。"),
    "/run/bpu": ("Sockets and locks.", "套接字和锁。"),
}
CODES = {
    "0": ("Done.", "完成。"),
    "1": ("Failed.", "失败。"),
    "2": ("A wrong option or setting.", "选项或设置有误。"),
    "3": ("The engine or the gateway is not there, or a person must act.", "引擎或网关不存在，或需要人工处理。"),
}


def commands(group: click.Group, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its whole name, for example `service install`."""
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        yield name, found
        if isinstance(found, click.Group):
            for inner, command in commands(found, context):
                yield f"{name} {inner}", command


def escape_roff(text: str) -> str:
    """Escape `text` for roff."""
    plain = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"(?m)^([.'])", r"\\&\1", plain)


def paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(text.split("\n\n")):
        yield from ([".PP"] if number else [])
        yield escape_roff(" ".join(paragraph.split()))


def options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None and isinstance(parameter, click.Option):
            yield ".TP"
            yield f".B {escape_roff(record[0])}"
            yield escape_roff(" ".join(record[1].split()))


def manual(language: str, version: str, date: str) -> str:
    """Return the man page. The locale must be set before `bpu` is imported."""
    from bpu.cli import main

    assert isinstance(main, click.Group)
    index = list(TITLES).index(language)
    _, name, synopsis, description, choices, names, files, codes = TITLES[language]
    context = click.Context(main, info_name="bpu")
    about = " ".join((main.help or "").split())
    lines = [
        f'.TH BPU 1 "{date}" "rdk\\-bpu\\-gateway {version}"',
        f".SH {name}",
        f"bpu \\- {escape_roff(about).rstrip('.。')}",
    ]
    lines += [
        f".SH {synopsis}",
        ".B bpu",
        "[\\-\\-env\\-file FILE] COMMAND [ARGS]...",
        f".SH {description}",
        escape_roff(about),
    ]
    lines += [f".SH {choices}", *options(main, context), f".SH {names}"]
    for path, command in commands(main, context):
        inner = click.Context(command, info_name=path, parent=context)
        usage = " ".join(command.collect_usage_pieces(inner))
        lines += [
            f".SS {escape_roff(f'bpu {path} {usage}')}",
            *paragraphs(command.help or ""),
            *options(command, inner),
        ]
    lines.append(f".SH {files}")
    for path, texts in FILES.items():
        lines += [".TP", f".I {escape_roff(path)}", escape_roff(texts[index])]
    lines.append(f".SH {codes}")
    for code, texts in CODES.items():
        lines += [".TP", f".B {code}", escape_roff(texts[index])]
    return "\n".join(lines) + "\n"


def completions() -> dict[str, str]:
    """Return the completion of each shell by its name.

    The script calls `bpu`, so that it is always up to date.
    """
    from bpu.cli import main

    kinds = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
    return {shell: kind(main, {}, "bpu", "_BPU_COMPLETE").source() for shell, kind in kinds.items()}


def main() -> None:
    """Write the files of one language below FOLDER, as a package holds them.

    The completions are written with the English pages.
    """
    language, folder, date = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    os.environ["LC_ALL"] = TITLES[language][0]
    import bpu
    import bpu.messages

    # The package puts the command on every user's PATH.
    bpu.messages._command = lambda: Path("/usr/bin/bpu")
    place = Path("usr/share/man") / ("" if language == "en" else language) / "man1/bpu.1"
    texts = {place: manual(language, bpu.__version__, date)}
    if language == "en":
        found = completions()
        texts[Path("usr/share/bash-completion/completions/bpu")] = found["bash"]
        texts[Path("usr/share/zsh/vendor-completions/_bpu")] = found["zsh"]
        texts[Path("usr/share/fish/vendor_completions.d/bpu.fish")] = found["fish"]
    for path, text in texts.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
