#!/usr/bin/env python3
"""Speed and memory against what people would use instead, as one table.

> python -m tests.benchmarks [--only ROW ...] [--quick] [--json FILE]
> python -m tests.benchmarks --predict  # what an H100 would need, see predict.py

Each pair is measured in turn in one process, with the same weights, batch,
frames and optimizer, on the GPU if there is one; medians. The allocator is set
alike for all (see speechbrain_petl/allocator.py), but in the row that says
otherwise. Not in the table: methods.py, all methods of ESC-50 against a frozen
forward pass, and audioset_loading.py, which take minutes each.
"""

import argparse
import datetime
import json
import os
import platform
import time

import torch
from speechbrain_petl.training.allocator import keep_large_blocks
from tqdm import tqdm

from . import rows_data, rows_files, rows_process, rows_step
from .predict import predict

ROWS = {
    "step": rows_step.lora_step,
    "whisper": rows_step.whisper_step,
    "bf16": rows_step.bf16_step,
    "compiled": rows_step.compiled,
    "methods": rows_step.methods,
    "mixtures": rows_step.mixtures,
    "inference": rows_step.inference,
    "memory": rows_process.memory,
    "allocator": rows_process.allocator,
    "start": rows_process.start,
    "bytes": rows_process.bytes_kept,
    "processes": rows_process.processes,
    "features": rows_data.features,
    "resampling": rows_data.resampling,
    "probe": rows_data.probe,
    "epoch": rows_data.epoch,
    "classify": rows_files.classify,
}
SAME = ("cpu", "threads", "gpu", "versions")  # else no row is kept
LIBRARIES = ("torch", "torchaudio", "timm", "transformers", "peft")


def surroundings(device):
    """Hardware, versions and date."""
    from importlib.metadata import version

    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            models = [line for line in file if line.startswith("model name")]
        name = models[0].split(":")[1].strip() if models else name
    cuda = device == "cuda"
    return {
        "date": datetime.datetime.now().isoformat(timespec="seconds"),
        "cpu": f"{name}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if cuda else None,
        "load": os.getloadavg()[0],
        "versions": {name: version(name) for name in LIBRARIES},
    }


def parse():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=ROWS, metavar="ROW")
    parser.add_argument("--quick", action="store_true", help="2 blocks")
    parser.add_argument("--predict", action="store_true", help="run nothing")
    parser.add_argument("--json", help="benchmarks.json, or none if --quick")
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", help="cuda if there is one")
    parser.add_argument("--clips", help="ESC-50-master, for probe and epoch")
    options = parser.parse_args()
    options.json = options.json or (not options.quick and "benchmarks.json")
    if options.quick:
        options.blocks, options.batch, options.rounds = 2, 2, 1
    cuda = "cuda" if torch.cuda.is_available() else "cpu"
    options.device = options.device or cuda
    return options


def rows_of_others(options, report):
    """What the json file holds of the same machine, but for what is measured.

    Each row has the date of its own.
    """
    if not options.json or not os.path.exists(options.json):
        return []
    with open(options.json, encoding="utf-8") as file:
        old = json.load(file)
    if any(old.get(key) != report[key] for key in SAME):
        return []
    measured = options.only or ROWS
    return [row for row in old["rows"] if row["group"] not in measured]


def main():
    """Measure, print, and write the json."""
    options = parse()
    if options.predict:
        return predict(options)
    keep_large_blocks()
    report = {**surroundings(options.device), "rows": []}
    report["rows"] = rows_of_others(options, report)
    print(json.dumps({k: v for k, v in report.items() if k != "rows"}))
    for name in tqdm(options.only or ROWS, desc="rows", disable=None):
        begin = time.perf_counter()
        for line in ROWS[name](options):
            dated = {"group": name, "date": report["date"]}
            report["rows"].append({**line, **dated})
            print(
                f"{line['row']:<50}{line['ratio']:>8.2f}"
                f"  {line['wanted']!s:<8}{line['note']}",
                flush=True,
            )
        print(f"# {name}: {time.perf_counter() - begin:.0f} s", flush=True)
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                json.dump(report, file, indent=1)
                file.write("\n")


if __name__ == "__main__":
    main()
