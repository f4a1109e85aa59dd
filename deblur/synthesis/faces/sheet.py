"""Contact sheets: many faces on one image."""

import cv2
import numpy as np
from numpy.typing import NDArray

from deblur.synthesis.faces.render import draw
from deblur.synthesis.faces.view import IMAGE_SIZE

EMPTY = 255  # gray level where the last row has no face


def contact_sheet(seed: int, first: int, count: int, columns: int, face_size: int = IMAGE_SIZE) -> NDArray[np.uint8]:
    """Draw faces side by side.

    Args:
        seed: Number of the collection of faces.
        first: Index of the first face; the others follow it, row by row.
        count: Number of faces, at least 1.
        columns: Faces in one row, at least 1; a sheet with fewer faces is narrower.
        face_size: Edge of one face in pixels, in [1, IMAGE_SIZE]; smaller faces are averaged.

    Returns:
        Gray levels, (rows * face_size, columns * face_size).
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    sheet = np.full((rows * face_size, columns * face_size), EMPTY, np.uint8)
    for place in range(count):
        row, column = divmod(place, columns)
        top, left = row * face_size, column * face_size
        face = cv2.resize(draw(seed, first + place), (face_size, face_size), interpolation=cv2.INTER_AREA)
        sheet[top : top + face_size, left : left + face_size] = face
    return sheet
