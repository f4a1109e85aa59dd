"""The same images on every processor: splits, fingerprints and figures do not depend on the machine."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

CODE = """
import hashlib
from deblur.synthesis import faces, leaves
images = (one.draw(5, index, "rgb").tobytes() for one in (faces, leaves) for index in range(12))
print(hashlib.sha256(b"".join(images)).hexdigest())
"""


@pytest.mark.slow
def test_images_do_not_depend_on_the_vector_instructions_of_the_processor() -> None:
    features = np._core._multiarray_umath
    wide = [name for name in features.__cpu_dispatch__ if name.startswith(("X86_V4", "AVX512"))]
    if not any(features.__cpu_features__.get(name) for name in wide):
        pytest.skip("this processor has no AVX-512, or NumPy does not use it")
    digests = {
        subprocess.run(
            [sys.executable, "-c", CODE],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | {"NPY_DISABLE_CPU_FEATURES": " ".join(disabled)},
        ).stdout
        for disabled in ([], wide)
    }
    assert len(digests) == 1
    assert digests.pop().strip() != hashlib.sha256(b"").hexdigest()
