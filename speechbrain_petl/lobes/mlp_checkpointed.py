"""A block that keeps what enters its feed-forward, not what is inside."""

from timm.models.vision_transformer import Block
from torch.utils.checkpoint import checkpoint


class MlpCheckpointedBlock(Block):
    """timm's block, which computes its feed-forward again in the backward pass.

    Kept is what enters the feed-forward, not what is inside, four times as
    wide.

    Example
    -------
    >>> import torch
    >>> MlpCheckpointedBlock(32, num_heads=2)(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def forward(self, x):
        """Tokens (batch, token, dim) to the same shape."""
        x = x + self.drop_path1(self.ls1(self.attn(self.norm1(x))))
        if self.training:
            return x + checkpoint(self._feed_forward, x, use_reentrant=False)
        return x + self._feed_forward(x)

    def _feed_forward(self, x):
        return self.drop_path2(self.ls2(self.mlp(self.norm2(x))))
