"""One measurement in a process of its own: its peak memory, its start, ...

> python -m tests.benchmarks.child memory "hf sdpa" 12 8
"""

import json
import os
import resource
import statistics
import sys
import time


def resident(key):
    """Bytes of this process's memory: VmRSS now, VmHWM the highest."""
    try:
        with open("/proc/self/status", encoding="utf-8") as file:
            (line,) = (n for n in file if n.startswith(key))
        return 1024 * int(line.split()[1])
    except FileNotFoundError:  # macOS knows the highest only, in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def forget_peak():
    """From here on VmHWM counts, not what building the model needed."""
    from .measure import release

    release()
    if os.path.exists("/proc/self/clear_refs"):
        with open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
            file.write("5")


def trainer_of(name, blocks, batch, device="cpu"):
    """A Trainer of the base width, in bf16 on a GPU."""
    from .subjects import MAKERS, Trainer, encoder_of

    encoder = encoder_of((768, int(blocks), 12))
    precision = "bf16" if device == "cuda" else "fp32"
    return Trainer(MAKERS[name](encoder), int(batch), device, precision)


def set_allocator(large_blocks):
    """Keep or return large blocks, or leave glibc "as it comes"."""
    from speechbrain_petl.training import allocator

    if large_blocks != "as it comes":
        getattr(allocator, f"{large_blocks}_large_blocks")()


def memory(name, blocks, batch, large_blocks="keep"):
    """Peak of two steps: in all, beyond the model, and of live tensors."""
    import torch

    cuda = torch.cuda.is_available()
    set_allocator(large_blocks)
    trainer = trainer_of(name, blocks, batch, "cuda" if cuda else "cpu")
    forget_peak()
    start = torch.cuda.memory_allocated() if cuda else resident("VmRSS")
    trainer.step()
    trainer.step()
    most = torch.cuda.max_memory_allocated() if cuda else resident("VmHWM")
    tensors = most - start if cuda else live_tensors(trainer.step)
    return {"peak": most, "steps": most - start, "tensors": tensors}


def live_tensors(function):
    """The most bytes that tensors made by a function had at one time."""
    import torch

    now = most = 0
    with torch.profiler.profile(profile_memory=True) as profiler:
        function()
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most


def steps(name, blocks, batch, large_blocks):
    """Median seconds of a step, with the allocator set or as it comes."""
    set_allocator(large_blocks)
    trainer = trainer_of(name, blocks, batch)
    times = []
    for _ in range(4):
        start = time.perf_counter()
        trainer.step()
        times.append(time.perf_counter() - start)
    return {"seconds": statistics.median(times[1:])}


def start(name):
    """Imports and a model that is ready to train, from no file."""
    from functools import partial

    if name == "ours":
        from speechbrain_petl import AST, AdaptedEncoder, LoRA

        lora = {"blocks.*.attn.qkv": partial(LoRA, rank=6, parts="qv")}
        AdaptedEncoder(AST(frames=500), lora, ["norm.*"])
    else:
        from peft import LoraConfig, get_peft_model
        from transformers import ASTConfig, ASTForAudioClassification

        model = ASTForAudioClassification(ASTConfig(max_length=500))
        targets = ["q_proj", "v_proj"]
        get_peft_model(model, LoraConfig(r=6, target_modules=targets))
    return {}


def processes(blocks, batch):
    """Clips a second of all processes, each with one thread, under torchrun."""
    import torch
    from torch.nn.parallel import DistributedDataParallel

    set_allocator("keep")
    torch.set_num_threads(1)
    world = int(os.environ.get("WORLD_SIZE", 1))
    trainer = trainer_of("ours", blocks, batch)
    if world > 1:
        torch.distributed.init_process_group("gloo")
        trainer.model = DistributedDataParallel(trainer.model)
    trainer.step()
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        trainer.step()
        times.append(time.perf_counter() - begin)
    if world > 1:
        torch.distributed.destroy_process_group()
    return {"clips": world * int(batch) / statistics.median(times)}


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    functions = {f.__name__: f for f in (memory, steps, start, processes)}
    result = functions[what](*rest)
    if os.environ.get("RANK", "0") == "0":
        print(json.dumps(result))
