"""The images of a request, whose data may have been taken out of its body.

It runs in the greenlet of the request.
"""

from __future__ import annotations

from flask import g

from bpu.chat.requests import ChatRequest
from bpu.errors import BadRequest
from bpu.images.data import ImageData
from bpu.images.job_images import ImageInput, JobImages
from bpu.web.lifted_data import forget_lifted
from bpu.web.request_body import client_socket


def read_images(reader: ImageInput, request: ChatRequest, side: int) -> JobImages:
    """Read the images of the current request.

    Raises `BadRequest`, and `ClientLeft` when its client has left.
    """
    check_lifted(request)
    try:
        return reader.read(request.images, side, client=client_socket(), data=g.get("image_data"))
    finally:
        forget_lifted()


def check_lifted(request: ChatRequest) -> None:
    """Raise `BadRequest` if image data of the body stands outside of an image.

    The data was taken out of the current body.
    """
    data: ImageData | None = g.get("image_data")
    if data is not None and not data.is_used_up_by(image.base64 for image in request.images):
        raise BadRequest("The request holds base64 data outside of an image; send images as parts of a message.")
