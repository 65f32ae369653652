"""Makes SDK folders as the vendor lays them out.

Their console programs are the simulator under their own names.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "bpu" / "simulator" / "model"
R1 = "DeepSeek_R1_Distill_Qwen_1.5B"
#: ChatML as Qwen3's tokenizer holds it, short: the switch closes the thinking inside the prompt.
QWEN3 = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
#: ChatML without any thinking.
QWEN25 = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
#: MiniCPM5's own: ChatML that closes the thinking itself.
MINICPM5 = QWEN25.replace("assistant\n{% endif %}", "assistant\n<think>\n\n</think>\n\n{% endif %}")
#: A program that needs its library's folder, as the loader would, and is then the simulator.
PROGRAM = """\
#!/bin/sh
for folder in $(echo "$LD_LIBRARY_PATH" | tr : ' '); do
    [ -e "$folder/libxlm.so" ] && found=1
done
if [ -z "$found" ]; then
    echo "error while loading shared libraries: libxlm.so: cannot open shared object file" >&2
    exit 127
fi
PYTHONPATH={root} exec {python} -S -m bpu.simulator --profile {profile} --speed max --load-seconds 0 "$@"
"""


def s600(folder: Path) -> Path:
    """The runtime folder of an SDK for the S600, with `llm` and `vlm`."""
    runtime = folder / "D-Robotics_LLM_S600_1.0.5" / "oellm_runtime"
    _library(runtime)
    for name in ("llm", "vlm"):
        program(runtime / "examples" / f"{name}_demo" / name, name)
    for name in ("Qwen3_config", "Qwen3_VL_config"):
        tokenizer(runtime / "configs" / name, chat_template=QWEN3)
    return runtime


def s100(folder: Path) -> Path:
    """The runtime folder of the SDK 1.0.0 for the S100, with `oellm_multichat` and `oellm_run`."""
    runtime = folder / "D-Robotics_LLM_S100_1.0.0" / "oellm_runtime"
    _library(runtime)
    for name in ("oellm_multichat", "oellm_run"):
        program(runtime / "example" / name / name, name)
    r1 = tokenizer(runtime / "config" / f"{R1}_config")
    shutil.copy(MODEL / f"{R1}.jinja", r1)
    qwen = tokenizer(runtime / "config" / "Qwen2.5_1.5B_Instruct_config")
    (qwen / "Qwen2.5_1.5B_Instruct.jinja").write_text(QWEN25)
    tokenizer(runtime / "config" / "InternLM2_1.8B_config", chat_template=QWEN25)
    return runtime


def minicpm5(folder: Path) -> Path:
    """The folder of MiniCPM5-2B as its archive unpacks; the model file in it."""
    place = folder / "minicpm5-2b_s100"
    own = tokenizer(place / "tokenizer")
    (own / "simple-chat.jinja").write_text(MINICPM5)
    return model(place / "minicpm5-2b_ctx4096_s100.hbm")


def model(path: Path, size: int = 1 << 20) -> Path:
    """A model file of `size` bytes that takes no room on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)
    return path


def program(path: Path, profile: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PROGRAM.format(root=ROOT, python=sys.executable, profile=profile))
    path.chmod(0o755)
    return path


def tokenizer(folder: Path, *, chat_template: str = "") -> Path:
    """A tokenizer's folder, with the simulator's vocabulary."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "config.json", "generation_config.json"):
        shutil.copy(MODEL / name, folder)
    config = json.loads((MODEL / "tokenizer_config.json").read_text())
    if chat_template:
        config["chat_template"] = chat_template
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def _library(runtime: Path) -> None:
    (runtime / "lib").mkdir(parents=True)
    (runtime / "lib" / "libxlm.so").touch()
