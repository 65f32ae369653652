"""What the process for images does: it reads one request from stdin and writes its result to stdout.

The request is a line of JSON,
`{"side": 448, "allowed": [], "limit_s": 30, "images": [{"base64": 1234}, {"address": "https://..."}]}`, and after it
the base64 text of each image that has one, of so many bytes. The result is a line of JSON,
`{"images": [{"digest": "...", "size": 602166}]}` or `{"error": "...", "index": 0}`, and after it the files.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

from bpu.images.decode import BadImage, to_square
from bpu.images.fetch import fetch

#: Limits of the process: memory in bytes, enough for 25 megapixels in two forms, and seconds of processor time.
MEMORY_BYTES = 1024 * 1024 * 1024
CPU_S = 20
_NICE = 5


def run(source: BinaryIO, target: BinaryIO) -> None:
    """Read a request and write its result."""
    request = json.loads(source.readline())
    signal.setitimer(signal.ITIMER_REAL, request["limit_s"])  # whose signal ends the process
    images = request["images"]
    texts = [source.read(image.get("base64", 0)) for image in images]
    index = 0
    try:
        files, digests = [], []
        for index, (image, text) in enumerate(zip(images, texts, strict=True)):
            data = fetch(image["address"], request["allowed"]) if "address" in image else _decoded(text)
            texts[index] = b""
            digests.append(hashlib.sha256(data).hexdigest())
            files.append(to_square(data, request["side"]))
    except BadImage as refusal:
        _write(target, {"error": str(refusal), "index": index}, [])
        return
    found = [{"digest": digest, "size": len(file)} for digest, file in zip(digests, files, strict=True)]
    _write(target, {"images": found}, files)


def _decoded(text: bytes) -> bytes:
    """Decode base64, also of the URL alphabet, without its padding or with line breaks. Raises `BadImage`."""
    plain = text.translate(bytes.maketrans(b"-_", b"+/"), b" \r\n\t").rstrip(b"=")
    try:
        data = base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise BadImage("The image's data is not base64.") from None
    if not data:
        raise BadImage("The image is empty.")
    return data


def _write(target: BinaryIO, result: dict[str, Any], files: list[bytes]) -> None:
    for piece in _pieces(result, files):
        target.write(piece)
    target.flush()


def _pieces(result: dict[str, Any], files: list[bytes]) -> Iterator[bytes]:
    yield json.dumps(result).encode() + b"\n"
    yield from files


def main() -> None:
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    run(sys.stdin.buffer, sys.stdout.buffer)
