"""A custom network: the first layer of SRCNN, then a stack of small layers with a larger receptive field."""

from torch import Tensor, nn


class SmallStack(nn.Module):
    """Predicts the correction to its input with 3x3 layers."""

    def __init__(self, width: int, depth: int, channels: int = 1) -> None:
        super().__init__()
        self.channels = channels
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 5, padding=2)]
        for _ in range(depth):
            layers += [nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)]
        self.layers = nn.Sequential(*layers, nn.ReLU(), nn.Conv2d(width, channels, 3, padding=1))
        self.receptive_field = 5 + 2 * depth + 2

    def forward(self, blurred: Tensor) -> Tensor:
        return blurred + self.layers(blurred)
