"""What an archive, a table or an index names lies below their folder."""

import hashlib
import http.server
import io
import json
import tarfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from speechbrain_petl import InputError
from speechbrain_petl.data.archives import fetch_archive
from speechbrain_petl.data.releases import find_release
from speechbrain_petl.data.shards import read_index, write_shard
from speechbrain_petl.data.stream import TrainStream
from speechbrain_petl.data.tables import listed_file

OUTSIDE = ["../out.txt", "a/../../out.txt", "/{tmp}/out.txt"]


def member(name, kind=tarfile.REGTYPE, target=""):
    """An entry of a tar archive."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    info.size = 3 if kind == tarfile.REGTYPE else 0
    return info


def make_tar(path, members):
    """An archive of these entries after an honest one."""
    with tarfile.open(path, "w:gz") as tar:
        for info in [member("all/first.txt"), *members]:
            tar.addfile(info, io.BytesIO(b"abc"))
    return str(path)


@pytest.fixture(params=[True, False])
def filtered(request, monkeypatch):
    """With the filter of tarfile, and as before Python 3.10.12."""
    if not request.param:
        monkeypatch.delattr(tarfile, "data_filter")


def check_refused(archive, tmp_path):
    """One line; nothing is outside, nor left inside."""
    below = tmp_path / "data"
    below.mkdir(exist_ok=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="could not be unpacked") as error:
        fetch_archive(archive, str(below / "all"))
    assert "\n" not in str(error.value)
    made = set(tmp_path.rglob("*")) - set(before)
    name = archive.rpartition("/")[2]
    assert {path.name for path in made} - {f"{name}.lock"} == {name}


@pytest.mark.parametrize("name", OUTSIDE)
def test_tar_does_not_lead_out(name, tmp_path, filtered):
    info = member(name.format(tmp=str(tmp_path).strip("/")))
    archive = make_tar(tmp_path / "all.tar.gz", [info])
    below = tmp_path / "data"
    if name.startswith("/") and hasattr(tarfile, "data_filter"):
        below.mkdir()  # the filter takes the leading slash off
        fetch_archive(archive, str(below / "all"))
        assert not (tmp_path / "out.txt").exists()
    else:
        check_refused(archive, tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_do_not_lead_out(kind, tmp_path, filtered):
    link = member("all/link", kind, "../../../../etc")
    inside = member("all/link/out.txt")
    archive = make_tar(tmp_path / "all.tar.gz", [link, inside])
    check_refused(archive, tmp_path)


@pytest.mark.parametrize("name", [*OUTSIDE, "..\\out.txt"])
def test_zip_does_not_lead_out(name, tmp_path):
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("all/first.txt", "abc")
        file.writestr(name.format(tmp=str(tmp_path).strip("/")), "abc")
    check_refused(str(archive), tmp_path)


def test_an_honest_archive(tmp_path, filtered):
    """All of it, whatever Python is older."""
    archive = make_tar(tmp_path / "all.tar.gz", [member("all/b/second.txt")])
    sha256 = hashlib.sha256(open(archive, "rb").read()).hexdigest()
    (tmp_path / "data").mkdir()
    folder = fetch_archive(archive, str(tmp_path / "data" / "all"), sha256)
    names = sorted(p.name for p in (tmp_path / "data" / "all").rglob("*.txt"))
    assert folder.endswith("all") and names == ["first.txt", "second.txt"]


class Slow(http.server.BaseHTTPRequestHandler):
    """Sends half of the archive, and the rest a while after."""

    def do_GET(self):  # noqa: N802
        """Count it."""
        content, server = self.server.content, self.server
        server.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        server.half.set()
        server.enough.wait(1)
        self.wfile.write(content[len(content) // 2 :])

    def log_message(self, *args):
        """Nothing."""


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """A server of an archive, here."""
    monkeypatch.setenv("no_proxy", "*")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    (tmp_path / "server").mkdir()
    path = tmp_path / "server" / "it.tar.gz"
    archive = make_tar(path, [member("all/second.txt")])
    server.content, server.asked = Path(archive).read_bytes(), []
    server.half, server.enough = threading.Event(), threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}/it.tar.gz"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_runs_that_start_together_fetch_it_once(tmp_path, slow):
    """The second one begins when half of the archive is there."""
    folder = str(tmp_path / "data" / "all")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(fetch_archive, slow.url, folder)
        assert slow.half.wait(60)
        second = pool.submit(fetch_archive, slow.url, folder)
        assert first.result(60) == second.result(60) == folder
    assert len(slow.asked) == 1
    names = {path.name for path in (tmp_path / "data").rglob("*")}
    whole = {"all", "first.txt", "second.txt", "it.tar.gz"}
    assert names - {"it.tar.gz.lock"} == whole


def test_a_folder_of_another_content_stays(tmp_path, slow):
    """Nothing is fetched for it, and who reads it says what is wrong."""
    mine = tmp_path / "all" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    fetch = partial(fetch_archive, slow.url)
    with pytest.raises(InputError, match="all holds no first.txt: move it"):
        find_release(str(tmp_path), "all", ["first.txt"], "", fetch)
    assert mine.read_text() == "mine" and slow.asked == []
    mine.unlink()
    assert find_release(str(tmp_path), "all", ["first.txt"], "", fetch)


def test_what_a_killed_run_has_left_is_not_taken(tmp_path, slow):
    """Half an archive, and half a folder."""
    slow.enough.set()
    (tmp_path / "data" / "all.part").mkdir(parents=True)
    (tmp_path / "data" / "all.part" / "old.txt").write_text("old")
    (tmp_path / "data" / "it.tar.gz.part").write_bytes(slow.content[:50])
    fetch_archive(slow.url, str(tmp_path / "data" / "all"))
    names = {path.name for path in (tmp_path / "data" / "all").iterdir()}
    assert names == {"first.txt", "second.txt"}


@pytest.mark.parametrize("name", [*OUTSIDE, "..\\out.txt"])
def test_tables_do_not_lead_out(name, tmp_path):
    (tmp_path / "out.txt").write_text("a secret")
    (tmp_path / "data").mkdir()
    name = name.format(tmp=str(tmp_path).strip("/"))
    with pytest.raises(InputError, match="line 3: .* leads out of"):
        listed_file("a.csv, line 3", str(tmp_path / "data"), name)
    (tmp_path / "data" / "a.wav").write_text("here")
    (tmp_path / "data" / "b").mkdir()
    assert listed_file("", str(tmp_path / "data"), "b/../a.wav")
    assert listed_file("", str(tmp_path), str(tmp_path / "data" / "a.wav"))


@pytest.mark.parametrize(
    "index, words",
    [
        ({"shards": {"../a.tar": 3}, "labels": {}}, "'../a.tar' is no file of"),
        ({"shards": {"/a.tar": 3}, "labels": {}}, "'/a.tar' is no file of"),
        ({"shards": {"a.tar": "3"}, "labels": {}}, "no whole numbers"),
        ({"shards": {"a.tar": 3}, "labels": {"x": None}}, "no whole numbers"),
        ({"shards": ["a.tar"], "labels": {}}, "is no index of shards"),
        ([], "is no index of shards"),
    ],
)
def test_an_index_that_lies(index, words, tmp_path):
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=words):
        read_index(str(tmp_path))


@pytest.mark.parametrize("labels", [[], "a", None, [3], {"a": 1}])
def test_clips_without_labels(labels, tmp_path):
    """An epoch that draws none of them would not end."""
    path = str(tmp_path / "0.tar")
    write_shard(path, [(f"{i}", ".flac", b"", labels) for i in range(3)])
    stream = TrainStream(
        {path: 3}, ["a"], counts={"a": 3}, samples=16, batch_size=1
    )
    with pytest.raises(InputError, match='no clip of|no .json file with "lab'):
        next(iter(stream))
