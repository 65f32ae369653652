"""The wire checklist has 52 items, and each has a test of its number against the real gateway."""

from __future__ import annotations

import re
from pathlib import Path


def test_no_item_is_without_a_test() -> None:
    files = Path(__file__).parent.glob("test_wire_*.py")
    numbers = {int(one) for file in files for one in re.findall(r"^def test_(\d\d)_", file.read_text(), re.MULTILINE)}
    assert numbers == set(range(1, 53))
