"""The corpus: every transcript gives the same events whole, byte by byte and at every single cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.console.replay import Transcript, cut_at, single_bytes, transcripts, whole

ALL = [pytest.param(path, id=path.stem) for path in (*transcripts("valid"), *transcripts("invalid"))]


@pytest.mark.parametrize("path", ALL)
def test_whole(path: Path) -> None:
    transcript = Transcript(path)
    assert transcript.replay(whole) == (transcript.expected, transcript.error)


@pytest.mark.parametrize("path", ALL)
def test_byte_by_byte(path: Path) -> None:
    transcript = Transcript(path)
    assert transcript.replay(single_bytes) == (transcript.expected, transcript.error)


@pytest.mark.parametrize("path", ALL)
def test_every_single_cut(path: Path) -> None:
    transcript = Transcript(path)
    for position in range(1, len(transcript.output)):
        assert transcript.replay(cut_at(position)) == (transcript.expected, transcript.error), position


def test_every_profile_has_a_transcript() -> None:
    profiles = {Transcript(path).profile.name for path in transcripts("valid")}
    assert profiles == {"xlm_demo", "oellm_run", "oellm_multichat", "hobot_xlm", "vlm", "llm"}


def test_only_invalid_transcripts_name_an_error() -> None:
    assert all(Transcript(path).error is None for path in transcripts("valid"))
    assert all(Transcript(path).error for path in transcripts("invalid"))
