"""As much of Slurm as a sweep meets: sbatch, srun, sacct, scancel, scontrol.

``install(folder)`` writes the five commands; jobs run on this machine, and
the folder keeps their states and the scripts that were submitted.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = ("sbatch", "srun", "sacct", "scancel", "scontrol")
OVER = ("COMPLETED", "FAILED", "CANCELLED")


def install(folder):
    """The commands, as files for PATH."""
    bin_folder = Path(folder) / "bin"
    (Path(folder) / "state").mkdir(parents=True)
    bin_folder.mkdir()
    for name in COMMANDS:
        path = bin_folder / name
        code = Path(__file__).read_text()
        path.write_text(f"#!{sys.executable}\n{code}")
        path.chmod(0o755)
    return bin_folder


def state_file(job):
    """Holds the state of a job, and the pid of its process group."""
    return Path(sys.argv[0]).parents[1] / "state" / job


def set_state(job, state, pid=0):
    part = state_file(f"{job}.part")
    part.write_text(f"{state} {pid}")
    part.replace(state_file(job))


def get_state(job):
    state, pid = state_file(job).read_text().split()
    return state, int(pid)


def sbatch(script):
    """Start what waits for the nodes, and say the number of the job."""
    text = Path(script).read_text()
    folder = state_file("x").parent
    number = str(1000 + len(list(folder.glob("*.sh"))))
    copy = folder / f"{number}.sh"
    shutil.copy(script, copy)
    array = re.search(r"--array='?0-(\d+)%(\d+)", text)
    jobs, slots = [number], 1
    if array:
        jobs = [f"{number}_{n}" for n in range(int(array[1]) + 1)]
        slots = int(array[2])
    for job in jobs:
        set_state(job, "PENDING")
    subprocess.Popen(
        [sys.executable, sys.argv[0], "run", str(copy), str(slots), *jobs],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    print(f"Submitted batch job {number}")


def run(script, slots, *jobs):
    """The nodes: so many jobs at a time, requeued ones again."""
    running = {}
    while not all(get_state(job)[0] in OVER for job in jobs):
        for job in jobs:
            state, _ = get_state(job)
            if state in ("PENDING", "REQUEUED") and len(running) < int(slots):
                if job not in running:
                    running[job] = start(script, job)
                    set_state(job, "RUNNING", running[job].pid)
        for job, process in list(running.items()):
            if process.poll() is not None:
                del running[job]
                if get_state(job)[0] == "RUNNING":
                    code = process.returncode
                    set_state(job, "FAILED" if code else "COMPLETED")
        time.sleep(0.05)


def start(script, job):
    number, _, index = job.partition("_")
    nodes = re.search(r"--nodes='?(\d+)", Path(script).read_text())
    nodes = nodes[1] if nodes else "1"
    env = {**os.environ, "SLURM_JOB_ID": number, "SLURM_NTASKS": nodes}
    env |= {"SLURM_JOB_NUM_NODES": nodes, "SLURM_JOB_NODELIST": "localhost"}
    if index:
        env |= {"SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": index}
    return subprocess.Popen(["bash", script], env=env, start_new_session=True)


def srun(*words):
    """The command after the options, with its output where they say.

    Once on each node, all of which are this machine.
    """
    node = 0
    for other in range(1, int(os.environ["SLURM_NTASKS"])):
        if not os.fork():
            node = other
            break
    words, options = list(words), {}
    while words[0].startswith("--"):
        option = words.pop(0)
        if option != "--unbuffered":
            options[option] = words.pop(0)
    number = os.environ["SLURM_JOB_ID"]
    index = os.environ.get("SLURM_ARRAY_TASK_ID", "")
    path = options["--output"].replace("%A", number).replace("%a", index)
    path = path.replace("%j", number).replace("%t", str(node))
    with open(path, "a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.environ |= {"SLURM_PROCID": str(node), "SLURM_LOCALID": "0"}
    os.environ["SLURM_NODEID"] = str(node)
    os.execvp(words[0], words)


def sacct(*words):
    """The states of the jobs of that number."""
    print("JobID|State|NodeList")
    wanted = [words[i + 1] for i, word in enumerate(words) if word == "-j"]
    for path in state_file("x").parent.iterdir():
        if path.name.split("_")[0] in wanted and "." not in path.name:
            print(f"{path.name}|{get_state(path.name)[0]}|here")


def scancel(job):
    state, pid = get_state(job)
    set_state(job, "CANCELLED")
    if state == "RUNNING":
        os.killpg(pid, signal.SIGKILL)


def scontrol(command, job):
    assert command == "requeue"
    set_state(job, "REQUEUED")


if __name__ == "__main__":
    name = Path(sys.argv[0]).name
    words = sys.argv[1:]
    if words[0] == "run":
        name, words = "run", words[1:]
    globals()[name](*words)
