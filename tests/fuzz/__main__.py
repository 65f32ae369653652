"""`python -m tests.fuzz` looks for a script that breaks a property of the console parser, and ends at the first one.

A finding is written to `tests/fuzz/corpus`, where `test_corpus.py` replays it without atheris: give it a name.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bpu.console.markers import FAILURE_HEADS, IDLE_HEADS, TOKENS
from tests.fuzz.properties import describe
from tests.fuzz.script import BETWEEN, STEP, Do
from tests.unit.console.consoles import COLOURED, CONSOLES, HOSTILE, Console
from tests.unit.console.replay import Transcript, transcripts

CORPUS = Path(__file__).parent / "corpus"
#: The longest script, in bytes.
LONGEST = 768
#: A script that takes longer than this, in seconds, is a finding, too.
PATIENCE_S = 10


def words() -> Iterator[bytes]:
    """What libFuzzer puts into scripts: steps, marks, and what is nearly one."""
    for do in Do:
        yield STEP + do.value
    yield from (word.encode() for word in (*HOSTILE, COLOURED, "\033[0m"))
    yield from (*FAILURE_HEADS, *IDLE_HEADS)
    yield from (shape.parts[0] for shape in TOKENS if isinstance(shape.parts[0], bytes))


def dictionary() -> str:
    """`words` in the format that libFuzzer reads."""
    lines = ("".join(f"\\x{byte:02x}" for byte in word) for word in dict.fromkeys(words()) if len(word) <= 64)
    return "".join(f'"{line}"\n' for line in lines)


def seeds() -> Iterator[bytes]:
    """The transcripts, and for each console two whole turns, one whose end is quick, and `reset` in its two forms."""
    for path in transcripts("valid") + transcripts("invalid"):
        yield from of_transcript(Transcript(path))
    for console in CONSOLES:
        yield from of_console(console)


def of_transcript(transcript: Transcript) -> Iterator[bytes]:
    letters = {"quiet": Do.QUIET, "reset_sent": Do.RESET, "end_of_file": Do.END, "begin": Do.BEGIN}
    script, done = transcript.profile.name.encode(), 0
    for step in transcript.steps:
        script += _read(transcript.output[done : step["at"]]) + STEP
        script += letters[step["do"]].value + step.get("line", "").encode()
        done = step["at"]
    yield script + _read(transcript.output[done:])


def of_console(console: Console) -> Iterator[bytes]:
    output = console.output(b"hi", b"Hello, you.\n")
    middle = len(output) - len(console.end) - 5
    for traits in (b"", b"!"):
        name = console.name.encode() + traits
        yield name + STEP + b"thi" + BETWEEN + b"Hello.\nBye" + STEP + b"tyes?" + BETWEEN + b"no"
        yield name + STEP + b"bhi" + _read(output[:middle]) + _read(output[middle:], b"1") + STEP + Do.QUIET.value
        for reset in (Do.RESET, Do.RESET_AT_ONCE):
            yield name + STEP + reset.value + _read(b"[DNN] x\n") + _read(b"[User] <<< ") + STEP + Do.QUIET.value


def _read(data: bytes, letter: bytes = Do.READ.value) -> bytes:
    return STEP + letter + data.replace(STEP, BETWEEN)


def fuzz(seconds: int) -> int:
    """The harness's exit code; 0 when nothing was found."""
    before = set(CORPUS.iterdir())
    with tempfile.TemporaryDirectory() as folder:
        tried, known = Path(folder, "tried"), Path(folder, "words")
        tried.mkdir()
        known.write_text(dictionary())
        for number, seed in enumerate(seeds()):
            (tried / str(number)).write_bytes(seed)
        options = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-timeout={PATIENCE_S}", f"-dict={known}"]
        command = [sys.executable, "-m", "tests.fuzz.harness", *options, f"-artifact_prefix={CORPUS}/"]
        code = subprocess.run([*command, str(tried), str(CORPUS)]).returncode
    for path in sorted(set(CORPUS.iterdir()) - before):
        print(f"\nFound: {path}", *describe(path.read_bytes()), sep="\n")
    return code


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("--seconds", type=int, default=300, help="how long to look (default: 300)")
    seconds = options.parse_args().seconds
    if importlib.util.find_spec("atheris") is None:
        print("The fuzzer needs atheris: pip install -r tests/fuzz/requirements.txt (`make fuzz` does it).")
        return 2
    return fuzz(seconds)


if __name__ == "__main__":
    sys.exit(main())
