import functools
import hashlib
import http.server
import os
import pickle
import struct
import tarfile
import threading

import numpy as np
import pytest

from tinygrad_cnn.data import CIFAR10, read_cifar_binary, read_cifar_python
from tinygrad_cnn.data.formats.literal_pickle import literal
from tinygrad_cnn.errors import DataError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (24, 3, 32, 32), dtype=np.uint8)
LABELS = np.arange(24) % 10


class Small(CIFAR10):
    """CIFAR-10 with four images in each of its batches."""

    batch = 4


def binary(images, labels):
    return b"".join(bytes([n]) + x.tobytes() for x, n in zip(images, labels, strict=True))


def python2(value):
    """A pickle of protocol 2 as Python 2 wrote it, without its STOP."""
    if isinstance(value, np.ndarray):
        shape, content = python2(value.shape), value.tobytes()
        text = b"T" + struct.pack("<i", len(content)) + content
        return (
            b"cnumpy.core.multiarray\n_reconstruct\nq\x06cnumpy\nndarray\nq\x07K\x00\x85U\x01b\x87R"
            b"q\x08(K\x01" + shape + b"cnumpy\ndtype\nq\x09U\x02u1K\x00K\x01\x87Rq\x0a"
            b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89" + text + b"tb"
        )
    if isinstance(value, dict):
        items = b"".join(python2(k) + python2(v) for k, v in value.items())
        return b"}q\x01(" + items + b"u"
    if isinstance(value, list):
        return b"]q\x05(" + b"".join(map(python2, value)) + b"e"
    if isinstance(value, tuple):
        return b"".join(map(python2, value)) + {1: b"\x85", 2: b"\x86", 3: b"\x87"}[len(value)]
    if isinstance(value, bytes):
        return b"U" + bytes([len(value)]) + value + b"q\x02"
    return b"J" + struct.pack("<i", value)


def batch(images=IMAGES[:4], labels=LABELS[:4], **more):
    rows = np.ascontiguousarray(images.reshape(len(images), np.prod(images.shape[1:])))
    entries = {
        b"batch_label": b"training batch 1 of 5",
        b"labels": [int(n) for n in labels],
        b"data": rows,
        b"filenames": [b"a.png"] * len(images),
    }
    entries |= {name.encode(): value for name, value in more.items()}
    return b"\x80\x02" + python2({k: v for k, v in entries.items() if v is not None}) + b"."


def write(folder, layout):
    """All six batches in one of the layouts."""
    folder = folder / f"cifar-10-batches-{layout}"
    folder.mkdir(parents=True)
    for i, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        part = slice(4 * i, 4 * i + 4)
        make, suffix = (binary, ".bin") if layout == "bin" else (batch, "")
        (folder / f"{name}{suffix}").write_bytes(make(IMAGES[part], LABELS[part]))
    return folder


# ---- the data set


@pytest.mark.parametrize("layout", ["bin", "py"])
@pytest.mark.parametrize("place", [".", "cifar10"])
def test_both_layouts_give_the_images_in_the_order_of_the_batches(tmp_path, layout, place):
    write(tmp_path / place, layout)
    train, test = (Small(tmp_path, part, download=False) for part in (True, False))
    np.testing.assert_array_equal(train.images, IMAGES[:20])
    np.testing.assert_array_equal(train.labels, LABELS[:20])
    np.testing.assert_array_equal(test.images, IMAGES[20:])
    assert repr(test) == "<CIFAR-10 test: 4 images 3x32x32, 10 classes>"
    assert train.classes[3] == "cat"


def test_the_folder_of_the_batches_itself_may_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_CNN_DATA", str(write(tmp_path, "py")))
    assert len(Small(train=False, download=False)) == 4


@pytest.mark.parametrize("layout", ["bin", "py"])
def test_missing_batches_are_named(tmp_path, layout):
    folder = write(tmp_path, layout)
    suffix = ".bin" if layout == "bin" else ""
    for name in ("data_batch_2", "data_batch_5"):
        (folder / f"{name}{suffix}").unlink()
    expected = rf"CIFAR-10: data_batch_2{suffix}, data_batch_5{suffix} are not in .*not downloaded"
    with pytest.raises(DataError, match=expected):
        Small(tmp_path, download=False)
    assert len(Small(tmp_path, train=False, download=False)) == 4


@pytest.mark.parametrize("layout", ["bin", "py"])
def test_a_batch_with_fewer_images_is_refused(tmp_path, layout):
    write(tmp_path, layout)
    with pytest.raises(DataError, match=r"data_batch_1.*4 images, and a batch has 10,000"):
        CIFAR10(tmp_path, download=False)


# ---- the binary layout


def test_a_binary_batch_that_ends_within_a_record_is_refused(tmp_path):
    path = tmp_path / "data_batch_1.bin"
    path.write_bytes(binary(IMAGES[:2], LABELS[:2])[:-1])
    with pytest.raises(DataError, match=r"byte 3,073: 1 records of 3,073 bytes and 3,072 bytes mo"):
        read_cifar_binary(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"byte 0: 0 records.*fetch it again"):
        read_cifar_binary(path)


@pytest.mark.parametrize(
    ("read", "content"),
    [(read_cifar_binary, binary), (read_cifar_python, batch)],
)
def test_a_label_outside_the_ten_classes_is_refused_with_its_place(tmp_path, read, content):
    (tmp_path / "b").write_bytes(content(IMAGES[:3], [0, 9, 10]))
    with pytest.raises(DataError, match=r"record 2: the label 10 is outside 0\.\.9"):
        read(tmp_path / "b")


@pytest.mark.parametrize("read", [read_cifar_binary, read_cifar_python])
def test_a_file_that_is_not_there_is_told_by_name(tmp_path, read):
    with pytest.raises(DataError, match=r"absent: cannot be read: No such file"):
        read(tmp_path / "absent")


# ---- the Python layout


def refused(tmp_path, content, message):
    (tmp_path / "data_batch_1").write_bytes(content)
    with pytest.raises(DataError, match=rf"data_batch_1: .*{message}"):
        read_cifar_python(tmp_path / "data_batch_1")


@pytest.mark.parametrize("length", [0, 1, 2, 60, 200, 5000, -1])
def test_a_truncated_python_batch_is_refused(tmp_path, length):
    refused(tmp_path, batch()[:length], "truncated, damaged or no pickle")


def test_a_pickle_that_would_run_a_command_is_refused_and_does_not(tmp_path):
    content = b"cos\nsystem\n(U\x0ctouch hackedtR."
    refused(tmp_path, content, r"the instruction GLOBAL names os\.system, which could run code")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_hostile_objects_of_every_protocol_are_refused(tmp_path, protocol):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    content = pickle.dumps({b"data": Hostile(), b"labels": []}, protocol)
    refused(tmp_path, content, "the instruction [A-Z_0-9]+ (names|is none)")
    assert not (tmp_path / "made").exists()


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
DTYPE = b"cnumpy\ndtype\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (RECONSTRUCT + DTYPE + b"K\x00\x85U\x01b\x87R.", r"REDUCE calls numpy\.core"),
        (DTYPE + b"U\x02O8K\x00K\x01\x87R.", r"REDUCE calls numpy\.dtype with other arguments"),
        (b"K\x07U\x01a\x85R.", "REDUCE calls int"),
        (b"]K\x01b.", "BUILD sets the state of an object"),
        (b"}K\x01a.", "APPEND appends to what is no list"),
        (b"]K\x01K\x02s.", "SETITEM sets items of what is no dictionary"),
        (b"}]K\x02s.", "SETITEM sets items .* under what is no text"),
        (b"(i os\nsystem\n.", "INST is none that builds"),
        (b"Pid\n.", "PERSID is none that builds"),
        (b"\x82\x01.", "EXT1 is none that builds"),
        (b"e.", "no pickle .*there is no mark"),
        (b"K\x01\x86.", "no pickle .*the stack is empty"),
        (b"h\x05.", "no pickle"),
        (b".", "no pickle"),
        (b"}(K\x01u.", "no pickle"),
    ],
)
def test_instructions_that_build_no_plain_data_are_refused_by_name(tmp_path, content, message):
    refused(tmp_path, content, message)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"(K\x01J\x04", b"(K\x02J\x04", "anything but bytes in C order"),
        (b"\x89T", b"\x88T", "anything but bytes in C order"),
        (b"J\x04\x00\x00\x00J\x00\x0c", b"J\x05\x00\x00\x00J\x00\x0c", r"\(5, 3072\) of 12,288"),
        (b"J\x04\x00\x00\x00J\x00\x0c", b"J\xff\xff\xff\xffJ\x00\x0c", "a shape that is none"),
        (b"U\x01|", b"U\x01>", "sets the state of an object"),
    ],
)
def test_an_array_of_anything_but_bytes_is_refused(tmp_path, old, new, message):
    content = batch()
    assert content.count(old) == 1
    refused(tmp_path, content.replace(old, new), message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"].", r"missing \(found: no keys\)"),
        (b"}.", r"missing \(found: nothing\)"),
        (batch(data=None), r"missing \(found: batch_label, filenames, labels\)"),
        (batch(data=np.zeros((4, 5), np.uint8)), r"data: an array \(N, 3072\).* \(4, 5\)"),
        (batch(data=[1]), r"data: an array \(N, 3072\) is needed, this is list"),
        (batch(IMAGES[:3], LABELS[:4]), "labels: 3 images but 4 labels"),
        (batch(IMAGES[:0], LABELS[:0]), "labels: 0 images but 0 labels"),
    ],
)
def test_a_batch_that_is_not_laid_out_as_cifar_10_is_refused(tmp_path, content, message):
    refused(tmp_path, content, message)


def test_labels_that_are_no_numbers_are_refused(tmp_path):
    text = batch().replace(python2([0, 1, 2, 3]), python2([b"cat"] * 4))
    refused(tmp_path, text, "labels: a list of whole numbers is needed")


def test_what_was_read_before_is_found_again_by_its_number():
    assert literal(b"\x80\x02}q\x01(U\x01aq\x02K\x07U\x01bh\x02u.", "p") == {b"a": 7, b"b": b"a"}


# ---- the archive


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A web server of this test's own with the official archive in small; its address and hash."""
    pytest.importorskip("pooch", reason="downloads need pooch (the train extra)")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "TINYGRAD_CNN_DATA"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "served"
    (tmp_path / "evil.bin").write_bytes(b"x")
    batches = write(folder, "bin")
    with tarfile.open(folder / "cifar.tar.gz", "w:gz") as tar:
        tar.add(batches, "cifar-10-batches-bin")
        tar.add(tmp_path / "evil.bin", "../../evil.bin")
    handler = functools.partial(QuietHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        md5 = hashlib.md5((folder / "cifar.tar.gz").read_bytes()).hexdigest()
        yield f"http://127.0.0.1:{running.server_port}/cifar.tar.gz", md5
        running.shutdown()
        thread.join()


def test_the_archive_is_downloaded_once_and_only_its_batches_are_unpacked(tmp_path, server):
    class Served(Small):
        urls, md5 = (server[0],), server[1]

    home = tmp_path / "home"
    home.mkdir()
    np.testing.assert_array_equal(Served(home).images, IMAGES[:20])
    assert len(Served(home, train=False, download=False)) == 4
    assert [p.name for p in home.iterdir()] == ["cifar-10-batches-bin"]
    assert len(list((home / "cifar-10-batches-bin").iterdir())) == 6


def test_an_archive_with_another_checksum_is_refused_and_not_kept(tmp_path, server):
    class Served(Small):
        urls, md5 = (server[0],), "0" * 32

    home = tmp_path / "home"
    home.mkdir()
    with pytest.raises(DataError, match=r"data_batch_1\.bin, .* are not in .* checksum differs"):
        Served(home)
    assert not home.exists() or not list(home.iterdir())


# ---- the real thing


def full_cifar():
    try:
        return CIFAR10(train=True, download=False), CIFAR10(train=False, download=False)
    except DataError as error:
        pytest.skip(f"needs the complete CIFAR-10 in TINYGRAD_CNN_DATA: {error}")


@pytest.mark.skipif(
    not os.environ.get("TINYGRAD_CNN_DATA"),
    reason="needs the complete CIFAR-10: set TINYGRAD_CNN_DATA to the folder that holds it",
)
def test_the_official_cifar_10_has_its_known_counts_labels_and_means():
    train, test = full_cifar()
    assert (train.images.shape, test.images.shape) == ((50_000, 3, 32, 32), (10_000, 3, 32, 32))
    assert np.bincount(train.labels).tolist() == [5000] * 10
    assert np.bincount(test.labels).tolist() == [1000] * 10
    assert [train.classes[n] for n in train.labels[:5]] == [
        "frog", "truck", "truck", "deer", "automobile",
    ]  # fmt: skip
    means, stds = (f(train.images / np.float32(255), axis=(0, 2, 3)) for f in (np.mean, np.std))
    np.testing.assert_allclose(means, CIFAR10.mean, atol=2e-3)
    np.testing.assert_allclose(stds, CIFAR10.std, atol=5e-3)
