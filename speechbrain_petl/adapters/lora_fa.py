"""LoRA-FA: LoRA whose down-projection is frozen (https://arxiv.org/abs/2308.03303)."""

from .lora import LoRA


class LoRAFA(LoRA):
    """W x + (alpha / rank) B A x, of which B alone is trained.

    A, random, is a buffer, and what it is given is not kept for a gradient:
    half the parameters, and less memory. Proposed in
    https://arxiv.org/abs/2308.03303.

    Arguments
    ---------
    target_module : torch.nn.Linear
        The pretrained layer.
    **kwargs : dict
        As for LoRA.

    Example
    -------
    >>> import torch
    >>> layer = LoRAFA(torch.nn.Linear(32, 32).requires_grad_(False), rank=4)
    >>> layer(torch.randn(2, 10, 32)).shape
    torch.Size([2, 10, 32])
    >>> sum(p.numel() for p in layer.parameters() if p.requires_grad)
    128
    """

    def __init__(self, target_module, **kwargs):
        super().__init__(target_module, **kwargs)
        down = self.down.detach()
        del self.down
        self.register_buffer("down", down)
