"""Real sizes, torch.compile, and a finished run in use, on a GPU."""

import pytest
import torch
from adapter_methods import METHODS, spectrograms, tiny_ast
from encoder_methods import ENCODERS, begun_frames, method_of, whole_frames
from on_gpu import DEVICE, ON_GPU, autocast, off
from speechbrain_petl import AST, AudioClassifier, BEATs, ViT, Wav2Vec2, Whisper
from speechbrain_petl.inference.deploy import deploy
from torch._dynamo.utils import counters

pytestmark = pytest.mark.gpu
COMPILED = ("lora", "conformer", "soft_moa", "prefix", "prompt_deep")
SAMPLES = 16000 * (5 if ON_GPU else 1)
TINY = (32, 2, 2)
SIZES = {  # name -> encoder of a real size, name of a tiny one, features
    "ast": (AST, "base384", None),
    "wav2vec2": (Wav2Vec2, "wav2vec2_base", lambda n: (n,)),
    "wav2vec2_large": (Wav2Vec2, "wav2vec2_large_lv60k", lambda n: (n,)),
    "wavlm": (Wav2Vec2, "wavlm_base", lambda n: (n,)),
    "beats": (BEATs, "base", lambda n: (whole_frames(n), 128)),
    "whisper": (Whisper, "small", lambda n: (begun_frames(n), 80)),
    "ced": (ViT, "ced_base", lambda n: (n // 160 + 1, 64)),
}


def sized(name):
    """An encoder of a real size, a method for it, features and lengths."""
    make, size, shape = SIZES[name]
    lengths = torch.tensor([SAMPLES, SAMPLES // 2]).float()
    if name == "ast":
        frames = whole_frames(SAMPLES)
        encoder = make(size if ON_GPU else TINY, frames=frames)
        return METHODS["lora"].adapt(encoder), (2, frames, 128), lengths
    options = {} if ON_GPU or make is not Wav2Vec2 else {"family": size}
    encoder = make(size if ON_GPU else TINY, **options)
    # its globs end at the last layer of a tiny one
    method = method_of(name, "lora")
    method.train = ["*norm.*"]
    return method.adapt(encoder), (2, *shape(SAMPLES)), lengths


@pytest.mark.parametrize("name", SIZES)
def test_a_step_at_real_size(name):
    """One encoder after the other; each gives its memory back."""
    assert name == "ast" or name in ENCODERS
    adapted, shape, lengths = sized(name)
    adapted = adapted.to(DEVICE).train()
    features = torch.randn(shape, device=DEVICE)
    with autocast("bf16"):
        tokens = adapted(features, lengths.to(DEVICE))
    tokens.float().square().mean().backward()
    grads = [p.grad for p in adapted.parameters() if p.requires_grad]
    assert grads and all(grad.isfinite().all() for grad in grads)


@pytest.fixture
def fresh():
    """Nothing compiled, nothing counted."""
    torch.compiler.reset()
    counters.clear()


@pytest.mark.skipif(not ON_GPU, reason="takes a CPU minutes")
@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
@pytest.mark.parametrize("name", COMPILED)
def test_compiled(name, mode, fresh):
    """The same numbers; CUDA graphs are captured, and nothing is left out."""
    adapted = METHODS[name].adapt(tiny_ast()).to(DEVICE).train()
    compiled = torch.compile(adapted, mode=mode, fullgraph=True)
    x = spectrograms().to(DEVICE)
    for _ in range(4):
        torch.compiler.cudagraph_mark_step_begin()
        loss = compiled(x).square().mean()
        loss.backward()
    assert off(loss, adapted(x).square().mean()) < 1e-3
    assert counters["inductor"]["cudagraph_skips"] == 0
    assert counters["stats"]["unique_graphs"] == 1


@pytest.fixture(scope="module")
def classifiers(finished):
    """A finished run on the CPU and on the device."""
    run = finished("ESC50")
    return [
        AudioClassifier.from_run(run, run_opts={"device": device})
        for device in ("cpu", DEVICE)
    ]


def test_inference(classifiers):
    """In fp32: the probabilities of a CPU."""
    wavs = torch.randn(4, 16000) / 10
    wav_lens = torch.tensor([1.0, 0.8, 0.5, 0.2])
    expected, found = (c.classify_batch(wavs, wav_lens) for c in classifiers)
    assert off(found[0], expected[0]) < 1e-3
    assert found[3] == expected[3]


@pytest.mark.parametrize("ending", [".pt2", ".onnx"])
def test_graphs(classifiers, ending, tmp_path):
    """Made of a classifier on the device; deploy() compares the two itself."""
    if ending == ".onnx":
        pytest.importorskip("onnxscript")
    assert deploy(classifiers[1], tmp_path / f"sounds{ending}") <= 1e-3
