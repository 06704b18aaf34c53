import functools
import hashlib
import http.server
import io
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from tinygrad_cnn.data import MNIST, write_idx
from tinygrad_cnn.errors import DataError, MissingDependencyError

pooch = pytest.importorskip("pooch", reason="downloads need pooch (the train extra)")

IMAGES = np.arange(3 * 16, dtype=np.uint8).reshape(3, 4, 4)
LABELS = np.array([5, 0, 4], np.uint8)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(tmp_path):
    """A web server of this test's own with a small MNIST, and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    write_idx(folder / "train-images-idx3-ubyte.gz", IMAGES)
    write_idx(folder / "train-labels-idx1-ubyte.gz", LABELS)
    handler = functools.partial(QuietHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", folder
        server.shutdown()
        thread.join()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The data folder, empty; no proxy stands between the tests and their server."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "TINYGRAD_CNN_DATA"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def small_mnist(url, folder, *others):
    """MNIST's class, its files those of the folder, its mirrors `others` and then the server."""
    md5 = {p.stem: hashlib.md5(p.read_bytes()).hexdigest() for p in folder.iterdir()}

    class SmallMNIST(MNIST):
        source = replace(MNIST.source, mirrors=(*others, url), md5=md5)

    return SmallMNIST


def test_missing_files_are_downloaded_once_and_found_from_then_on(mirror, home):
    url, folder = mirror
    dataset = small_mnist(url, folder)
    np.testing.assert_array_equal(dataset(home).images, IMAGES)
    assert sorted(p.name for p in (home / "mnist").iterdir()) == sorted(
        p.name for p in folder.iterdir()
    )
    np.testing.assert_array_equal(dataset(home, download=False).labels, LABELS)


def test_without_a_folder_the_files_go_to_the_cache_of_the_user(mirror, home, monkeypatch):
    monkeypatch.setattr(pooch, "os_cache", lambda name: home / name)
    assert len(small_mnist(*mirror)()) == 3
    assert (home / "tinygrad-cnn" / "mnist" / "train-images-idx3-ubyte.gz").exists()


def test_the_next_mirror_is_tried_when_one_fails(mirror, home):
    url, folder = mirror
    assert len(small_mnist(url, folder, "http://127.0.0.1:9/", f"{url}elsewhere/")(home)) == 3


def test_a_file_with_another_checksum_is_refused_and_not_kept(mirror, home):
    url, folder = mirror
    dataset = small_mnist(url, folder)
    write_idx(folder / "train-images-idx3-ubyte.gz", IMAGES[::-1])
    with pytest.raises(DataError, match=r"127\.0\.0\.1: damaged, its checksum differs"):
        dataset(home)
    assert not list(home.iterdir())


def test_a_file_that_breaks_off_is_refused_and_fetched_whole_the_next_time(mirror, home):
    url, folder = mirror
    dataset = small_mnist(url, folder)
    images = folder / "train-images-idx3-ubyte.gz"
    whole = images.read_bytes()
    images.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"127\.0\.0\.1: damaged, its checksum differs"):
        dataset(home)
    images.write_bytes(whole)
    np.testing.assert_array_equal(dataset(home).images, IMAGES)


def test_a_connection_that_breaks_off_is_told_and_leaves_nothing(mirror, home, monkeypatch):
    def broken(self, source, outputfile):
        super(QuietHandler, self).copyfile(io.BytesIO(source.read()[:20]), outputfile)

    monkeypatch.setattr(QuietHandler, "copyfile", broken)
    with pytest.raises(DataError, match=r"the download failed \(127\.0\.0\.1: [^:]*\)"):
        small_mnist(*mirror)(home)
    assert not list(home.iterdir())


def test_a_file_that_a_mirror_does_not_have_is_told_with_its_answer(mirror, home):
    url, folder = mirror
    dataset = small_mnist(url, folder)
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"127\.0\.0\.1: answers 404 File not found"):
        dataset(home)
    assert [p.name for p in (home / "mnist").iterdir()] == ["train-images-idx3-ubyte.gz"]


def test_offline_the_error_names_the_file_the_hosts_and_the_way_out(mirror, home):
    class Offline(MNIST):
        source = replace(MNIST.source, mirrors=("http://127.0.0.1:9/",))

    with pytest.raises(DataError) as caught:
        Offline(home)
    message = str(caught.value)
    for part in ("MNIST: train-images-idx3-ubyte.gz is not in", str(home / "mnist")):
        assert part in message
    assert "the download failed (127.0.0.1: " in message
    assert message.endswith("or name their folder by --data-dir or TINYGRAD_CNN_DATA")
    assert "\n" not in message
    assert not list(home.iterdir())


def test_without_pooch_the_error_names_the_extra(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingDependencyError, match=r"^pooch is needed .*tinygrad-cnn\[train\]"):
        MNIST(home)
