"""The images of a request, whose data may have been taken out of its body. It runs in the greenlet of the request."""

from __future__ import annotations

from collections.abc import Callable

from flask import g

from bpu.chat.requests import ChatRequest
from bpu.errors import BadRequest
from bpu.images.job_images import ImageInput, JobImages
from bpu.web.lifted_data import LiftedData


def read_images(reader: ImageInput, request: ChatRequest, side: int) -> JobImages:
    """Read the images of the current request. Raises `BadRequest`."""
    check_lifted(request)
    lifted: LiftedData | None = g.get("lifted")
    if lifted is None:
        return reader.read(request.images, side)
    return reader.read(request.images, side, pieces_of=lifted.pieces_of, on_sent=forget_lifted)


def check_lifted(request: ChatRequest) -> None:
    """Raise `BadRequest` if data of the current body that was taken for an image stands outside of one."""
    lifted: LiftedData | None = g.get("lifted")
    if lifted is not None and not lifted.is_used_up_by(image.base64 for image in request.images):
        raise BadRequest("The request holds base64 data outside of an image; send images as parts of a message.")


def keep_lifted(lifted: LiftedData, release: Callable[[], None]) -> None:
    """Keep the data of the current body until its images are read; `release` frees its share of the budget."""
    g.lifted, g.release_lifted = lifted, release


def forget_lifted() -> None:
    """Drop the data of the current request's body; may be called twice."""
    g.pop("lifted", None)
    release = g.pop("release_lifted", None)
    if release is not None:
        release()
