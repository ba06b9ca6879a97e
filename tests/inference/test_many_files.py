"""Hundreds of files, some of them broken: all rows, killed or not, in little memory."""

import signal
import subprocess
import sys
import time

import numpy as np
import pandas
import pytest
import soundfile

BROKEN = 7
FILES = 300
SECONDS = 5.0  # of a file, in memory four bytes a sample
MOST_GROWTH = 40 * 2**20  # bytes; the sound of all files is 92 MiB
# the command, and then the most memory that it and its workers had at a time
MEASURED = """
import resource, sys
from speechbrain_petl.__main__ import main
main()
who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
print(sum(resource.getrusage(w).ru_maxrss for w in who), file=sys.stderr)
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A folder of sounds, seven of them cut."""
    folder = tmp_path_factory.mktemp("many")
    random = np.random.default_rng(0)
    broken = random.choice(FILES, BROKEN, replace=False)
    for number in range(FILES):
        path = folder / f"{number:03d}.wav"
        samples = int(random.uniform(0.2, 1) * SECONDS * 16000)
        soundfile.write(path, random.normal(0, 0.1, samples), 16000)
        if number in broken:
            path.write_bytes(path.read_bytes()[: samples // 2])
    return folder, sorted(f"{number:03d}.wav" for number in broken)


def command(run, folder, *options):
    """Of a process of its own."""
    words = "-m", "speechbrain_petl", "classify", str(run), str(folder)
    return [sys.executable, *words, "--device=cpu", *options]


def test_killed_and_gone_on_with(finished, many, tmp_path):
    """One csv without the broken ones, which are named; the second time too."""
    folder, broken = many
    out, errors = tmp_path / "out.csv", tmp_path / "errors.csv"
    options = f"--csv={out}", f"--errors={errors}"
    line = command(finished("ESC50"), folder, *options)
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL)
    while not out.exists() or len(out.read_bytes().splitlines()) < 40:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    rows = len(out.read_bytes().splitlines()) - 1
    assert rows < FILES - BROKEN - 50
    done = subprocess.run([*line, "--resume"], capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"{BROKEN} of " in done.stderr and broken[-1] in done.stderr
    assert rows <= FILES - BROKEN - len(done.stdout.splitlines()) + 1
    table = pandas.read_csv(out)
    names = [path.rpartition("/")[2] for path in table["id"]]
    whole = {f"{number:03d}.wav" for number in range(FILES)} - set(broken)
    assert names == sorted(whole)
    named = pandas.read_csv(errors)["id"].str.rpartition("/")[2].tolist()
    assert set(named) <= set(broken) and len(named) == len(set(named))
    alone = tmp_path / "alone.csv"
    line = command(finished("ESC50"), folder, f"--csv={alone}")
    subprocess.run([*line, "--batch_size=1"], stdout=subprocess.DEVNULL)
    wanted = pandas.read_csv(alone)
    pandas.testing.assert_frame_equal(table, wanted, rtol=0, atol=5e-6)


def test_memory_does_not_grow(finished, many, tmp_path):
    """With the number of files: of the process, and of those that read."""
    folder, broken = many
    peaks = []
    files = sorted(f for f in folder.iterdir() if f.name not in broken)
    for names in (files[:40], files):
        out = tmp_path / f"{len(names)}.csv"
        line = command(finished("ESC50"), "-", f"--csv={out}")
        done = subprocess.run(
            [line[0], "-c", MEASURED, *line[3:]],
            input="\n".join(map(str, names)),
            capture_output=True,
            text=True,
            check=True,
        )
        assert len(pandas.read_csv(out)) == len(names)
        peaks.append(int(done.stderr.split()[-1]) * 1024)
    assert peaks[1] - peaks[0] < MOST_GROWTH
