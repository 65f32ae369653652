"""A console that is a script of one's own, so that it has a program file: what locks it, what replaces it."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.live.gateway import ROOT


def scripted(folder: Path) -> dict[str, str]:
    """Settings for a console that is a script of one's own: it exits at once as long as a file `broken` exists."""
    model = ROOT / "bpu" / "simulator" / "model"
    script, hbm = folder / "xlm_demo", folder / "model_4096.hbm"
    lines = (
        "#!/bin/sh",
        f"[ -e {folder}/broken ] && exit 3",
        f"cd {ROOT}",
        f'exec {sys.executable} -m bpu.simulator "$@"',
    )
    script.write_text("\n".join(lines) + "\n")
    script.chmod(0o755)
    hbm.touch()
    return {
        "BPU_ENGINE": "console",
        "BPU_RUNTIME_DIR": str(folder),
        "BPU_CONSOLE": str(script),
        "BPU_HBM_PATH": str(hbm),
        "BPU_TOKENIZER_DIR": str(model),
        "BPU_TEMPLATE_PATH": str(next(model.glob("*.jinja"))),
    }
