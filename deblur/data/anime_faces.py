"""The anime faces of the original study, from Kaggle."""

from pathlib import Path

from deblur.errors import UserError

DATASET = "scribbless/another-anime-face-dataset"


def download_anime_faces() -> Path:
    """Download the 92,219 faces, unless kagglehub has done so before.

    Returns:
        The folder of the images.

    Raises:
        UserError: kagglehub is not installed, or the download fails.
    """
    by_hand = f"or download https://www.kaggle.com/datasets/{DATASET} by hand and use data=folder data.root=DIR."
    try:
        import kagglehub
    except ImportError as error:
        raise UserError(
            f"data=anime_faces is downloaded by kagglehub, which is not installed: run pip install kagglehub, {by_hand}"
        ) from error
    try:
        return Path(kagglehub.dataset_download(DATASET))
    except Exception as error:  # of the network, the credentials, the disk: it has no class of error in common
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise UserError(
            f"data=anime_faces: {DATASET} cannot be downloaded ({reason}). Fix the connection or Kaggle's credentials "
            f"(https://github.com/Kaggle/kagglehub tells how), {by_hand}"
        ) from error
