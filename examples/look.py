"""Asks a model that sees what a camera sees, once or again and again.

    python examples/look.py                                  # a frame of the first camera (needs opencv-python)
    python examples/look.py --camera 8 --every 5             # /dev/video8, every five seconds
    python examples/look.py --file photo.jpg "Is the door open?"
    python examples/look.py --url http://192.168.137.100:8000/v1 --model qwen3-vl-4b

The gateway shows the model a square of 448 pixels, so a frame is made small before it is sent. `/v1/models` says which
models see: `architecture.input_modalities` holds `image`.
"""

from __future__ import annotations

import argparse
import base64
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai

QUESTION = "What do you see?"
LONGEST_SIDE = 1024
WARM_UP_FRAMES = 5  # a camera's first frames are often dark


class NoPicture(Exception):
    """There is no picture to send."""


def frames(camera: int) -> Iterator[bytes]:
    """Yield frames of a camera as JPEG files, each taken when it is asked for."""
    try:
        import cv2
    except ImportError:
        raise NoPicture("OpenCV is not installed (pip install opencv-python); or send a --file.") from None
    capture = cv2.VideoCapture(camera)
    try:
        for _ in range(WARM_UP_FRAMES):
            capture.grab()
        while True:
            capture.grab()  # the frame that has waited since the last question is old
            found, frame = capture.read()
            if not found:
                raise NoPicture(f"Camera {camera} gives no frame; is it /dev/video{camera}?")
            scale = min(1.0, LONGEST_SIDE / max(frame.shape[:2]))
            done, data = cv2.imencode(".jpg", cv2.resize(frame, None, fx=scale, fy=scale))
            if not done:
                raise NoPicture("The frame could not be encoded.")
            yield bytes(data)
    finally:
        capture.release()


def seeing_model(client: openai.OpenAI) -> str:
    """Return the first model of the gateway that sees."""
    models = list(client.models.list())
    for model in models:
        architecture: Any = getattr(model, "architecture", None) or {}
        if "image" in architecture.get("input_modalities", []):
            return model.id
    raise NoPicture(f"No model here sees; there are {', '.join(model.id for model in models)}.")


def ask(client: openai.OpenAI, model: str, picture: bytes, question: str) -> Iterator[str]:
    """Yield the answer to a question about a picture, piece by piece."""
    url = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
    stream = client.chat.completions.create(
        model=model,
        stream=True,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": url}},
                    {"type": "text", "text": question},
                ],
            }
        ],
    )
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", nargs="?", default=QUESTION)
    parser.add_argument("--url", default="http://127.0.0.1:8000/v1")
    parser.add_argument("--key", default="local")
    parser.add_argument("--model", default="", help="the first model that sees by default")
    parser.add_argument("--camera", type=int, default=0)
    parser.add_argument("--file", type=Path, help="a picture instead of the camera's")
    parser.add_argument("--every", type=float, default=0.0, metavar="SECONDS", help="ask again and again")
    options = parser.parse_args()
    client = openai.OpenAI(base_url=options.url, api_key=options.key)
    try:
        model = options.model or seeing_model(client)
        pictures = iter([options.file.read_bytes()]) if options.file else frames(options.camera)
        for picture in pictures:
            for piece in ask(client, model, picture, options.question):
                print(piece, end="", flush=True)
            print()
            if not options.every:
                return 0
            time.sleep(options.every)
    except (NoPicture, OSError, openai.OpenAIError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
