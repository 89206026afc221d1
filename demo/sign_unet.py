"""The denoiser of signs: a small UNet over 4x4 patches that sees each letter near the place where it should stand.

64x96 pixels become 16x24 patches, then 8x12. `operations` is torch.nn for training, or the host's comfy.ops.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .lettering import ALPHABET, HEIGHT, LENGTH, WIDTH, Glyph
from .unet import NORM_GROUPS, PATCH, TIME_FREQUENCIES, ResBlock, time_features

LETTER = 32
"""Numbers that stand for a letter."""
PLACE = 5
"""Numbers that stand for its place: 1, and its middle and size in pixels; all 0 where there is no letter."""
TOKEN = LETTER + PLACE
EARLIEST = 0.04
"""Flow time below which velocities are those of this time: there is nothing to divide by at 0."""
NOTHING = [0.0] * (PLACE + 1)


def numbers(glyphs: list[Glyph]) -> list[list[float]]:
    """LENGTH rows: the letter's number in the alphabet, and its place; padded with no letters."""
    rows = [[float(ALPHABET.index(one.letter)), 1.0, one.x, one.y, one.width, one.height] for one in glyphs]
    return (rows + [NOTHING] * LENGTH)[:LENGTH]


class LetterEncoder(nn.Module):
    """What stands for a text: rows of `numbers` [B, LENGTH, 1 + PLACE] -> tokens [B, LENGTH, TOKEN]."""

    def __init__(self, operations=nn, dtype=None, device=None) -> None:
        super().__init__()
        self.embedding = operations.Embedding(len(ALPHABET), LETTER, dtype=dtype, device=device)

    def forward(self, rows: Tensor) -> Tensor:
        letters = self.embedding(rows[..., 0].long())
        return torch.cat([letters * rows[..., 1:2], rows[..., 1:]], dim=-1)


def spread(tokens: Tensor, height: int, width: int) -> Tensor:
    """Tokens [B, LENGTH, TOKEN] on the patches of a picture -> [B, LETTER + 4, height, width].

    A letter fills its box and 2 pixels around it, and fades at the edge; with it go where in the box a patch is, from
    about -1 to 1 either way, and the box's size.
    """
    there, x, y, wide, high = tokens[..., LETTER:].float().unbind(-1)
    columns = (torch.arange(width, device=tokens.device) + 0.5) * (WIDTH / width)
    rows = (torch.arange(height, device=tokens.device) + 0.5) * (HEIGHT / height)
    dx, dy = columns - x[..., None], rows - y[..., None]
    in_x = ((wide[..., None] / 2 + 2.0 - dx.abs()) / 4.0).clamp(0.0, 1.0)
    in_y = ((high[..., None] / 2 + 3.0 - dy.abs()) / 4.0).clamp(0.0, 1.0)
    box = (there[..., None] * in_y)[..., :, None] * in_x[..., None, :]
    u, v = 2 * dx / wide.clamp(min=1.0)[..., None], 2 * dy / high.clamp(min=1.0)[..., None]
    size = torch.stack([wide, high], dim=-1) / 16.0
    letters = torch.einsum("blhw,blc->bchw", box, torch.cat([tokens[..., :LETTER].float(), size], dim=-1))
    across = (box * u[..., None, :]).sum(1, keepdim=True)
    down = (box * v[..., :, None]).sum(1, keepdim=True)
    return torch.cat([letters, across, down], dim=1)


class SignUNet(nn.Module):
    """Velocity of signs in -1..1 at flow time t (0 clean, 1 noise)."""

    def __init__(self, width: int = 48, condition: int = 128, operations=nn, dtype=None, device=None) -> None:
        super().__init__()
        factory = {"dtype": dtype, "device": device}
        self.dtype = dtype
        deep = 2 * width

        def block(width_in: int, width_out: int) -> ResBlock:
            return ResBlock(width_in, width_out, condition, operations, **factory)

        self.time_embedding = nn.Sequential(
            operations.Linear(2 * TIME_FREQUENCIES, condition, **factory),
            nn.SiLU(),
            operations.Linear(condition, condition, **factory),
        )
        self.patch_in = operations.Conv2d(3 * PATCH**2 + LETTER + 4, width, 3, padding=1, **factory)
        self.encoder = block(width, width)
        self.down = operations.Conv2d(width, deep, 3, stride=2, padding=1, **factory)
        self.middle = nn.ModuleList([block(deep, deep) for _ in range(3)])
        self.whole = nn.ModuleList([operations.Linear(deep, deep, **factory) for _ in range(3)])
        self.up = operations.Conv2d(deep, width, 3, padding=1, **factory)
        self.decoder = nn.ModuleList([block(deep, width), block(width, width)])
        self.norm_out = operations.GroupNorm(NORM_GROUPS, width, **factory)
        self.patch_out = operations.Conv2d(width, 3 * PATCH**2, 3, padding=1, **factory)

    def forward(self, x: Tensor, t: Tensor, tokens: Tensor) -> Tensor:
        """x: [B, 3, H, W]; t: [B]; tokens: [B, LENGTH, TOKEN] -> [B, 3, H, W]."""
        return (x - self.clean(x, t, tokens)) / t.to(x.dtype).clamp(min=EARLIEST)[:, None, None, None]

    def clean(self, x: Tensor, t: Tensor, tokens: Tensor) -> Tensor:
        """The sign that is expected behind the noise: of few dimensions, where the noise has all."""
        height, width = x.shape[2:]
        x = F.pad(x, (0, -width % (2 * PATCH), 0, -height % (2 * PATCH)), mode="replicate")
        condition = F.silu(self.time_embedding(time_features(t).to(x.dtype)))
        patches = F.pixel_unshuffle(x, PATCH)
        h = self.patch_in(torch.cat([patches, spread(tokens, *patches.shape[2:]).to(x.dtype)], dim=1))
        h = self.encoder(h, condition)
        skip, h = h, self.down(h)
        for block, whole in zip(self.middle, self.whole):
            h = block(h, condition)
            h = h + whole(h.mean(dim=(2, 3)))[:, :, None, None]
        h = self.up(F.interpolate(h, scale_factor=2.0, mode="nearest"))
        h = self.decoder[0](torch.cat([h, skip], dim=1), condition)
        h = self.decoder[1](h, condition)
        sign = F.pixel_shuffle(self.patch_out(F.silu(self.norm_out(h))), PATCH)
        return sign[:, :, :height, :width]
