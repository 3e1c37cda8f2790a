"""The student: a small residual network whose maps at strides 8, 16 and 32 are the backbone."""

import torch
from torch import nn


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016); starts as its shortcut alone (Goyal et al. 2017).

    A shortcut that changes the size averages before it mixes channels (ResNet-D, He et al. 2019).
    """

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.na = nn.BatchNorm2d(outside)
        self.b = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.nb = nn.BatchNorm2d(outside)
        nn.init.zeros_(self.nb.weight)
        self.short: nn.Sequential | None = None
        if stride != 1 or inside != outside:
            smaller = nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()
            mixed = nn.Conv2d(inside, outside, 1, bias=False)
            self.short = nn.Sequential(smaller, mixed, nn.BatchNorm2d(outside))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (B, inside, h, w) to (B, outside, h/stride, w/stride)."""
        y = torch.relu(self.na(self.a(x)))
        y = self.nb(self.b(y))
        return torch.relu(y + (x if self.short is None else self.short(x)))


class Student(nn.Module):
    """Maps pictures (B, 3, H, W) in 0…255 RGB to {stride: (B, C, H/stride, W/stride)}; H and W are multiples of 32."""

    CHANNELS = {8: 80, 16: 160, 32: 384}  # noqa: RUF012 - a constant; torch asks for no annotation
    MEAN, SCALE = 118.0, 1 / 64.0

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU())
        self.s4 = Block(24, 40, 2)
        self.s8 = nn.Sequential(Block(40, 80, 2), Block(80, 80, 1))
        self.s16 = nn.Sequential(Block(80, 160, 2), Block(160, 160, 1))
        self.s32 = Block(160, 384, 2)

    def forward(self, x: torch.Tensor) -> dict[int, torch.Tensor]:
        """See the class."""
        x8 = self.s8(self.s4(self.stem((x - self.MEAN) * self.SCALE)))
        x16 = self.s16(x8)
        return {8: x8, 16: x16, 32: self.s32(x16)}
