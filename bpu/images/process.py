"""What the process for images does.

It reads one request from its stdin and writes its result to its stdout. Both are files. The request is JSON at a place
(offset and size) that the arguments name, `{"side": 448, "allowed": [], "limit_s": 30, "parent": 4711, "images":
[...]}`. An image is `{"address": "..."}` or `{"base64": [[0, 1234]]}`, the places of its base64 text, which is as it
stands in a JSON string. The result is a line of JSON, `{"images": [{"digest": "...", "size": 602166}]}` or `{"error":
"...", "index": 0}`, and after it the files.
"""

from __future__ import annotations

import base64
import binascii
import ctypes
import hashlib
import json
import os
import resource
import signal
import sys
from collections.abc import Iterable
from typing import Any, BinaryIO

from bpu.images.decode import BadImage, to_square
from bpu.images.fetch import fetch

#: Limits of the process: memory in bytes, enough for 25 megapixels in two forms, bytes of its result, and seconds of
#: processor time, together and for one image.
MEMORY_BYTES = 1024 * 1024 * 1024
RESULT_BYTES = 256 * 1024 * 1024
CPU_S, IMAGE_CPU_S = 20, 8
_NICE = 5
_PR_SET_PDEATHSIG = 1
#: The result when this process is killed.
_ENDED = "The image takes too long to decode, or needs too much memory."


def run(source: int, at: int, size: int, target: BinaryIO) -> None:
    """Read the request at a place of the file `source`, and write its result."""
    request = json.loads(os.pread(source, size, at))
    _end_with(request["parent"])
    index = 0
    _write(target, {"error": _ENDED, "index": index}, [])
    signal.setitimer(signal.ITIMER_REAL, request["limit_s"])  # whose signal ends the process
    files, digests = [], []
    try:
        for index, image in enumerate(request["images"]):
            _write(target, {"error": _ENDED, "index": index}, [])
            signal.setitimer(signal.ITIMER_PROF, IMAGE_CPU_S)  # the same
            if "address" in image:
                data = fetch(image["address"], request["allowed"])
            else:
                data = _decoded(b"".join(os.pread(source, size, at) for at, size in image["base64"]))
            digests.append(hashlib.sha256(data).hexdigest())
            files.append(to_square(data, request["side"]))
    except BadImage as refusal:
        _write(target, {"error": str(refusal), "index": index}, [])
        return
    found = [{"digest": digest, "size": len(file)} for digest, file in zip(digests, files, strict=True)]
    _write(target, {"images": found}, files)


def _end_with(parent: int) -> None:
    """Make the kernel kill this process when its parent ends.

    This process ends now if the parent has ended already.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def _decoded(text: bytes) -> bytes:
    """Decode base64 that stands in a JSON string.

    The URL alphabet, missing padding and line breaks are accepted. Raises `BadImage`.
    """
    try:
        if b"\\" in text:
            text = str(json.loads(b'"' + text + b'"')).encode("ascii")
        plain = text.translate(bytes.maketrans(b"-_", b"+/"), b" \r\n\t").rstrip(b"=")
        data = base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise BadImage("The image's data is not base64.") from None
    if not data:
        raise BadImage("The image is empty.")
    return data


def _write(target: BinaryIO, result: dict[str, Any], files: Iterable[bytes]) -> None:
    target.seek(0)
    target.truncate()
    target.write(json.dumps(result).encode() + b"\n")
    for file in files:
        target.write(file)
    target.flush()


def main() -> None:
    """Limit this process, then run the one request."""
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (RESULT_BYTES, RESULT_BYTES))
    run(sys.stdin.fileno(), int(sys.argv[2]), int(sys.argv[3]), sys.stdout.buffer)
