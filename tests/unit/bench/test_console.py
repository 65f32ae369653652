"""The console in C that the benchmark takes for full speed: the gateway's parser must read it as any other."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.programs import compile_console
from bpu.console.events import Done, Echo, Ready, Stats, Text
from bpu.console.parser import Parser
from bpu.console.profiles import PROFILES


def test_it_prints_what_the_parser_expects(tmp_path: Path) -> None:
    program = compile_console(tmp_path)
    if program is None:
        pytest.skip("no C compiler is installed (apt install gcc libc6-dev)")
    lines = b"say it tokens=1000\nreset\nexit\n"
    output = subprocess.run([program], input=lines, capture_output=True, timeout=30, check=True).stdout
    parser = Parser(PROFILES["xlm_demo"])
    banner, _, turn = output.partition(b"[User] <<< ")
    answer, _, rest = turn.partition(b"[User] <<< ")
    assert rest == b"[User] <<< ", "`reset` is answered by the prompt alone"
    assert [type(event) for event in parser.feed(banner + b"[User] <<< ") if isinstance(event, Ready)] == [Ready]
    parser.begin(b"say it tokens=1000")
    events = [*parser.feed(answer + b"[User] <<< "), *parser.quiet()]
    assert [type(event) for event in events] == [Echo, Text, Stats, Done]
    text = events[1]
    assert isinstance(text, Text)
    assert len(text.text.split()) > 500
    assert text.text.endswith(" end")
