"""Self-attention by the kernels that are fastest on the device.

Measured on CPUs, a training step of PyTorch's fused attention loses time in
three places: rows that lie a whole fused projection apart are slow to read; the
gradients of queries, keys and values are copied twice to lie side by side as
the projection wants them; and in bf16 the backward kernel, which works in small
tiles, does not reach the rate of large products.
"""

import torch
from timm.layers import Attention
from torch.nn import functional as F

_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_flash_backward = (
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
)


class SelfAttention(Attention):
    """timm's attention; a training step on a CPU takes ``CpuAttention``.

    Its names and its state are timm's, and so are its arguments. On a GPU,
    with a mask or dropout, and under ``torch.compile`` it is
    ``scaled_dot_product_attention``.

    Example
    -------
    >>> attention = SelfAttention(32, num_heads=2)
    >>> attention(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def forward(self, x, attn_mask=None, is_causal=False):
        """Attend to all tokens.

        Arguments
        ---------
        x : torch.Tensor
            Tokens (batch, token, dim).
        attn_mask : torch.Tensor, optional
            As in timm.
        is_causal : bool
            As in timm.

        Returns
        -------
        torch.Tensor
            Of the same shape.
        """
        plain = attn_mask is None and not is_causal
        drops = self.training and self.attn_drop.p
        if plain and not drops and torch.is_grad_enabled() and runs_on_cpu(x):
            y = CpuAttention.apply(self.qkv(x), self.num_heads)
            return self.proj_drop(self.proj(y))
        return super().forward(x, attn_mask=attn_mask, is_causal=is_causal)


class CpuAttention(torch.autograd.Function):
    """Softmax(q k^T / sqrt(d)) v, from the output of a fused projection.

    Forward is PyTorch's fused kernel. Backward, in fp32, is its counterpart;
    in bf16 and fp16 the weights are computed again and all products are
    batched matrix products. Neither keeps the weights, and both write the
    gradient where the projection reads it.

    Example
    -------
    >>> qkv = torch.randn(3, 10, 3 * 32, requires_grad=True)
    >>> CpuAttention.apply(qkv, 2).shape
    torch.Size([3, 10, 32])
    """

    @staticmethod
    def forward(ctx, qkv, heads):
        """Attend.

        Arguments
        ---------
        ctx : object
            Of autograd.
        qkv : torch.Tensor
            Queries, keys and values (batch, token, 3 * dim).
        heads : int
            Number of heads.

        Returns
        -------
        torch.Tensor
            (batch, token, dim)
        """
        parts = qkv.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        parts = parts.contiguous()  # costs less than the kernels then save
        y, normaliser = _flash(*parts)
        fused = qkv.dtype == torch.float32
        ctx.save_for_backward(parts, *((y, normaliser) if fused else ()))
        return y.transpose(1, 2).flatten(2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        """Gradient of the projection's output.

        Arguments
        ---------
        ctx : object
            Of autograd.
        grad : torch.Tensor
            (batch, token, dim)

        Returns
        -------
        tuple
            (batch, token, 3 * dim), None
        """
        parts, *kept = ctx.saved_tensors
        grad = grad.unflatten(2, (parts.shape[2], -1)).transpose(1, 2)
        if kept:
            grads = _flash_backward(grad, *parts, *kept, 0.0, False)
        else:
            grads = _batched_backward(grad, *parts)
        grads = [part.transpose(1, 2) for part in grads]
        return torch.stack(grads, dim=2).flatten(2), None


def _batched_backward(grad, q, k, v):
    """Gradients of q, k and v, by products over whole matrices."""
    scale = q.shape[-1] ** -0.5
    q = q * scale
    weights = F.softmax(q @ k.transpose(2, 3), dim=-1)
    grad_v = weights.transpose(2, 3) @ grad
    grad_weights = grad @ v.transpose(2, 3)
    grad_logits = torch.ops.aten._softmax_backward_data(
        grad_weights, weights, -1, weights.dtype
    )
    grad_k = grad_logits.transpose(2, 3) @ q
    return (grad_logits @ k).mul_(scale), grad_k, grad_v


def runs_on_cpu(x):
    """Whether what is computed of a tensor is neither on a GPU nor a graph.

    Arguments
    ---------
    x : torch.Tensor
        Any tensor.

    Returns
    -------
    bool
        False also under ``torch.compile`` and in exports.

    Example
    -------
    >>> runs_on_cpu(torch.zeros(1))
    True
    """
    return (
        x.device.type == "cpu"
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
    )
