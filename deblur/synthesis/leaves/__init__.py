"""Dead leaves: images of random shapes that occlude one another, with the statistics of photographs.

Shapes of all sizes fall on one another until they cover the image. If their number falls with the cube of their size,
the image has the same statistics at every scale, as natural images do: A. Lee, D. Mumford and J. Huang, "Occlusion
models for natural images", International Journal of Computer Vision 41, 2001. Networks trained on such images restore
photographs nearly as well as those trained on photographs: R. Achddou, Y. Gousseau and S. Ladjal, "Synthetic images as
a regularity prior for image restoration neural networks", SSVM 2021. Non-convex shapes, textures and depth of field
come closer: R. Achddou, Y. Gousseau, S. Ladjal and S. Süsstrunk, "VibrantLeaves: a principled parametric image
generator for training deep restoration models", arXiv 2504.10201, 2025. Unlike theirs, the gray levels and colors are
drawn, not taken from photographs.

`drawing.draw` composes an image: `shapes` fall (`outlines`), with `strokes` among them; each has a material
(`materials`) with a texture (`textures`) and a color (`chromaticities`); `planes` paints them, in and out of focus;
`camera` lights the scene and takes the image. `Ingredients` switches parts off.
"""

from deblur.synthesis.leaves.drawing import draw
from deblur.synthesis.leaves.ingredients import ALL, Ingredients

__all__ = ["ALL", "Ingredients", "draw"]
