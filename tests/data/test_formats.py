import gzip
import io
import os
import pickle
import re
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_cnn.data import read_csv, read_idx, read_npz, write_csv, write_idx
from tinygrad_cnn.errors import DataError

ANY_FILE = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=150,
)


def idx_header(*sizes, kind=8):
    return bytes([0, 0, kind, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


def refused(reader, path, *parts):
    """The reader's message: it names the file, then each of the parts, in this order."""
    with pytest.raises(DataError) as caught:
        reader(path)
    message = str(caught.value)
    assert re.search(".*".join(map(re.escape, (str(path), *parts))), message), message
    return message


def outcome(reader, path):
    """What the reader returns, or None; and its DataError's message, or nothing."""
    try:
        return reader(path), ""
    except DataError as error:
        return None, str(error)


def saved(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# ---- IDX


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("shape", [(3,), (2, 5), (4, 28, 28), (2, 3, 8, 8)])
def test_an_array_comes_back_from_idx_as_it_was_written(tmp_path, suffix, shape):
    array = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    write_idx(tmp_path / f"a{suffix}", array)
    np.testing.assert_array_equal(read_idx(tmp_path / f"a{suffix}"), array)


def test_idx_bytes_follow_the_published_layout(tmp_path):
    write_idx(tmp_path / "a", np.array([[1, 2, 3], [4, 5, 6]], np.uint8))
    assert (tmp_path / "a").read_bytes() == bytes.fromhex("00000802 00000002 00000003 010203040506")


def test_gzip_is_recognised_by_content_not_by_name(tmp_path):
    plain = idx_header(2) + b"\x07\x03"
    for name, content in (("labels.gz", plain), ("labels", gzip.compress(plain))):
        assert read_idx(saved(tmp_path / name, content)).tolist() == [7, 3]


def test_a_written_gzip_holds_no_clock_time(tmp_path):
    write_idx(tmp_path / "a.gz", np.zeros(3, np.uint8))
    assert (tmp_path / "a.gz").read_bytes()[4:8] == bytes(4)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["byte 0", "starts with 00 00 08", "nothing", "ubyte"]),
        (b"\0\0\x08", ["byte 0", "00 00 08"]),
        (b"\x89PNG....", ["byte 0", "89 50 4e 47", "ubyte"]),
        (b"\0\0\x07\x01" + bytes(8), ["byte 0", "00 00 07 01"]),
        (idx_header(1, kind=0x0D) + bytes(4), ["byte 2", "float32", "convert"]),
        (b"\0\0\x08\0", ["byte 3", "0 dimensions"]),
        (b"\0\0\x08\xff" + bytes(99), ["byte 3", "255 dimensions"]),
        (b"\0\0\x08\x03\0\0\0\x02\0", ["byte 9", "ends inside the 3 sizes"]),
        (idx_header(0, 28, 28), ["byte 4", "empty (0 x 28 x 28)"]),
        (idx_header(2, 2, 2) + bytes(7), ["byte 23", "2 x 2 x 2 = 8 bytes", "truncated"]),
        (idx_header(2, 2, 2) + bytes(9), ["byte 24", "more bytes follow", "= 8"]),
        (idx_header(*[2**32 - 1] * 4) + bytes(9), ["byte 29", "truncated"]),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_damaged_idx_file_is_refused_with_its_byte(tmp_path, content, parts, packed):
    refused(read_idx, saved(tmp_path / "x", gzip.compress(content) if packed else content), *parts)


def test_a_truncated_gzip_is_refused_with_the_place_that_was_reached(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (60, 28, 28)).astype(np.uint8)
    write_idx(tmp_path / "whole.gz", noise)
    content = (tmp_path / "whole.gz").read_bytes()
    path = saved(tmp_path / "cut.gz", content[: len(content) // 2])
    refused(read_idx, path, "gzip data after", "unpacked bytes", "fetch the file again")


@pytest.mark.parametrize("at", [12, -6, -2])
def test_a_gzip_with_a_flipped_byte_is_refused(tmp_path, at):
    content = bytearray(gzip.compress(idx_header(200) + bytes(range(200)), mtime=0))
    content[at] ^= 0x55
    refused(read_idx, saved(tmp_path / "x.gz", bytes(content)), "gzip", "damaged")


def test_bytes_after_a_gzip_file_are_refused(tmp_path):
    path = saved(tmp_path / "x.gz", gzip.compress(idx_header(1) + b"1") + b"appended")
    refused(read_idx, path, "gzip", "damaged")


@pytest.mark.parametrize("reader", [read_idx, read_npz, read_csv])
def test_a_missing_file_and_a_folder_are_data_errors(tmp_path, reader):
    refused(reader, tmp_path / "absent", "cannot be read", "No such file", "check the path")
    refused(reader, tmp_path, "cannot be read", "directory")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
@pytest.mark.parametrize("reader", [read_idx, read_npz, read_csv])
def test_a_file_without_permission_is_a_data_error(tmp_path, reader):
    path = saved(tmp_path / "secret", b"")
    path.chmod(0)
    refused(reader, path, "cannot be read", "Permission denied")


@pytest.mark.parametrize(
    "array", [np.zeros(3), np.zeros((1,) * 5, np.uint8), np.zeros(0, np.uint8), np.uint8(1)]
)
def test_write_idx_refuses_what_read_idx_could_not_read(tmp_path, array):
    with pytest.raises(DataError, match="write_idx: takes uint8 of 1 to 4 dimensions"):
        write_idx(tmp_path / "x", array)
    assert not list(tmp_path.iterdir())


@ANY_FILE
@given(
    st.one_of(
        st.binary(max_size=64),
        st.builds(
            lambda kind, sizes, rest: idx_header(*sizes, kind=kind) + rest,
            st.sampled_from([8, 8, 9, 13, 0]),
            st.lists(st.integers(0, 3) | st.integers(0, 2**32 - 1), max_size=6),
            st.binary(max_size=40),
        ),
    ),
    st.booleans(),
    st.integers(0, 80),
)
def test_whatever_the_bytes_read_idx_returns_an_array_or_a_data_error(
    tmp_path, content, packed, cut
):
    content = gzip.compress(content)[: cut + 20] if packed else content
    array, message = outcome(read_idx, saved(tmp_path / "x", content))
    assert str(tmp_path / "x") in message if array is None else array.size > 0


# ---- npz

DIGITS = {
    "x_train": np.arange(3 * 4, dtype=np.uint8).reshape(3, 2, 2),
    "y_train": np.array([7, 0, 9], np.uint8),
    "x_test": np.zeros((1, 2, 2), np.uint8),
    "y_test": np.array([4], np.int32),
}


def npz(path, **changes):
    arrays = {k: v for k, v in (DIGITS | changes).items() if v is not None}
    np.savez(path, **arrays)
    return path


def test_the_four_arrays_come_back_from_npz(tmp_path):
    arrays = read_npz(npz(tmp_path / "m.npz"))
    for name, array in DIGITS.items():
        np.testing.assert_array_equal(getattr(arrays, name), array)
    assert {array.dtype for array in arrays} == {np.dtype(np.uint8), np.dtype(np.int64)}


def test_compressed_fortran_and_big_endian_arrays_read_the_same(tmp_path):
    np.savez_compressed(
        tmp_path / "m.npz",
        **DIGITS | {"x_train": np.asfortranarray(DIGITS["x_train"].astype(">i4"))},
    )
    np.testing.assert_array_equal(read_npz(tmp_path / "m.npz").x_train, DIGITS["x_train"])


@pytest.mark.parametrize(
    ("saved_as", "shape"),
    [
        ((3, 2, 2), (3, 2, 2)),
        ((3, 4), (3, 2, 2)),
        ((3, 2, 2, 1), (3, 1, 2, 2)),
        ((3, 1, 2, 2), (3, 1, 2, 2)),
    ],
)
def test_images_in_an_npz_may_lie_in_any_usual_layout(tmp_path, saved_as, shape):
    path = npz(tmp_path / "m.npz", x_train=DIGITS["x_train"].reshape(saved_as))
    images = read_npz(path).x_train
    assert images.shape == shape
    np.testing.assert_array_equal(images.ravel(), DIGITS["x_train"].ravel())


def test_channels_last_become_channels_first(tmp_path):
    image = np.arange(3 * 4 * 5 * 3, dtype=np.uint8).reshape(3, 4, 5, 3)
    images = read_npz(npz(tmp_path / "m.npz", x_train=image)).x_train
    assert images.shape == (3, 3, 4, 5)
    assert images[2, 1, 3, 4] == image[2, 3, 4, 1]


def test_labels_in_a_column_are_flattened(tmp_path):
    path = npz(tmp_path / "m.npz", y_train=DIGITS["y_train"][:, None])
    assert read_npz(path).y_train.tolist() == [7, 0, 9]


class Bomb:
    """Unpickling it would fail the test."""

    def __reduce__(self):
        return pytest.fail, ("an object array was unpickled",)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"y_test": None}, ["archive: y_test missing", "x_train", "np.savez"]),
        ({"x_train": None, "y_train": None}, ["x_train, y_train missing"]),
        ({"x_train": np.array([Bomb()] * 3)}, ["x_train", "Python objects", "pickle"]),
        ({"x_train": np.zeros((3, 2, 2))}, ["x_train", "float64", "255 * x"]),
        ({"x_train": np.full((3, 2, 2), 256)}, ["x_train", "256..256", "rescale"]),
        ({"x_train": np.full((3, 2, 2), -1)}, ["x_train", "-1..-1"]),
        ({"x_train": np.full((3, 2, 2), "a")}, ["x_train", "<U1", "numbers"]),
        ({"x_train": np.zeros((3, 5), np.uint8)}, ["x_train", "5 pixels", "no square"]),
        ({"x_train": np.zeros(3, np.uint8)}, ["x_train", "(N, H, W)", "(3,)"]),
        ({"x_train": np.zeros((0, 2, 2), np.uint8)}, ["x_train", "empty", "(0, 2, 2)"]),
        ({"x_train": np.uint8(3)}, ["x_train", "empty or without a first axis"]),
        ({"y_train": np.array([1, 2])}, ["x_train and y_train", "3 images but 2 labels"]),
        ({"y_train": np.eye(10, dtype=int)[:3]}, ["y_train", "(3, 10)", "argmax"]),
        ({"y_train": np.array([1.0, 2.0, 3.0])}, ["y_train", "float64"]),
        ({"y_train": np.array([1, -2, 3])}, ["y_train", "label -2 at index 1"]),
    ],
)
def test_an_npz_of_the_wrong_content_is_refused_with_its_key(tmp_path, changes, parts):
    refused(read_npz, npz(tmp_path / "m.npz", **changes), *parts)


def members(path, **contents):
    with zipfile.ZipFile(path, "w") as archive:
        for name in DIGITS:
            buffer = io.BytesIO()
            np.save(buffer, DIGITS[name])
            archive.writestr(f"{name}.npy", contents.get(name, buffer.getvalue()))
    return path


def test_damaged_archives_and_members_are_refused(tmp_path):
    whole = npz(tmp_path / "m.npz").read_bytes()
    buffer = io.BytesIO()
    np.save(buffer, DIGITS["x_train"])
    member = buffer.getvalue()
    for content in (b"", b"PK", b"not a zip", whole[:-1], whole[: len(whole) // 2]):
        refused(read_npz, saved(tmp_path / "x.npz", content), "not a sound .npz archive", "again")
    for x_train in (b"", b"text", member[:-1], member + b"1", pickle.dumps(Bomb())):
        path = members(tmp_path / "y.npz", x_train=x_train)
        refused(read_npz, path, "not a sound .npz archive")


def test_a_member_that_claims_terabytes_is_refused_without_reserving_them(tmp_path):
    header = io.BytesIO()
    declared = {"descr": "|u1", "fortran_order": False, "shape": (2**40, 28, 28)}
    np.lib.format.write_array_header_1_0(header, declared)
    path = members(tmp_path / "m.npz", x_train=header.getvalue() + b"1")
    refused(read_npz, path, "not a sound .npz archive")


def changed(data, content):
    """The bytes with one to four of them drawn anew."""
    content = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    return bytes(content)


@ANY_FILE
@given(st.data(), st.booleans())
def test_an_npz_with_changed_bytes_gives_arrays_or_a_data_error(tmp_path, data, inside):
    path = tmp_path / "x.npz"
    if inside:  # in a member, under a checksum that fits: NumPy's header parser must cope
        buffer = io.BytesIO()
        np.save(buffer, DIGITS["x_train"])
        members(path, x_train=changed(data, buffer.getvalue()))
    else:
        saved(path, changed(data, members(path).read_bytes()))
    arrays, message = outcome(read_npz, path)
    assert str(path) in message or arrays is not None


# ---- CSV

GOOD = "5,0,1,2,255\n0,9,8,7,6\n"


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize("header", [True, False])
def test_images_and_labels_come_back_from_csv(tmp_path, name, header):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1234, 5, 5)).astype(np.uint8)
    labels = rng.integers(0, 10, 1234)
    write_csv(tmp_path / name, images, labels, header=header)
    found_images, found_labels = read_csv(tmp_path / name)
    np.testing.assert_array_equal(found_images, images)
    np.testing.assert_array_equal(found_labels, labels)
    assert (found_images.dtype, found_labels.dtype) == (np.uint8, np.int64)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.rstrip("\n"),
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        "\n" + GOOD + "\n\n",
        GOOD.replace(",", " , "),
        GOOD.replace("5,0", '"5","0"'),
        "label,1x1,1x2,2x1,2x2\n" + GOOD,
        "label,0,1,2,3\n" + GOOD,
        '"label","p1","p2","p3","p4"\n' + GOOD,
    ],
)
def test_the_usual_spellings_of_a_csv_read_the_same(tmp_path, text):
    images, labels = read_csv(saved(tmp_path / "a.csv", text))
    assert images.tolist() == [[[0, 1], [2, 255]], [[9, 8], [7, 6]]]
    assert labels.tolist() == [5, 0]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["line 1", "no rows", "label,pixel"]),
        ("\n \n", ["no rows"]),
        ("label,a,b,c,d\n", ["no rows"]),
        (GOOD + "1,2,3,4\n", ["line 3", "4 fields where the first row has 5"]),
        (GOOD + "1,2,3,4,5,6\n", ["line 3", "6 fields where the first row has 5"]),
        (GOOD + "\n1,2,3,4,5,\n", ["line 4", "6 fields"]),
        (GOOD + "1,2,x,4,5\n", ["line 3, column 3", "pixel 'x' is not a whole number", "0..255"]),
        (GOOD + "1,2,,4,5\n", ["line 3, column 3", "pixel ''"]),
        (GOOD + "1,2,3.5,4,5\n", ["line 3, column 3", "'3.5'"]),
        (GOOD + "1,nan,3,4,5\n", ["line 3, column 2", "'nan'"]),
        (GOOD + "1,2,3,4,256\n", ["line 3, column 5", "pixel is 256", "0..255"]),
        (GOOD + "1,2,3,4,-1\n", ["line 3, column 5", "pixel is -1", "0..255"]),
        (GOOD + "10,2,3,4,5\n", ["line 3, column 1", "label is 10", "0..9"]),
        (GOOD + "-1,2,3,4,5\n", ["line 3, column 1", "label is -1", "0..9"]),
        (GOOD + "seven,2,3,4,5\n", ["line 3, column 1", "label 'seven'", "0..9"]),
        (GOOD + f"1,2,3,4,{'9' * 5000}\n", ["line 3, column 5", "pixel is 9999"]),
        (GOOD + f"1,2,3,4,{'x' * 5000}\n", ["line 3, column 5", "'xxxxxxxxxxxxxxxxxxxx...'"]),
        ("x,0,0,0,0\n" + GOOD, ["line 1, column 1", "label 'x'"]),
        ("5,1,x,3,4\n" + GOOD, ["line 1, column 3", "pixel 'x'"]),
        ("label,a,b,c,d\n" + "5,1,x,3,4\n", ["line 2, column 3"]),
        ("1\n2\n", ["line 1", "no comma", "label,pixel"]),
        ("1,2,3\n", ["line 1", "2 pixels a row make no square"]),
        ("1,2,3,4\n", ["line 1", "3 pixels", "is the label missing?"]),
        ("\n1;2;3;4;5\n", ["line 2", "no comma", "label,pixel"]),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_csv_with_a_fault_is_refused_with_line_and_column(tmp_path, text, parts, packed):
    content = gzip.compress(text.encode()) if packed else text.encode()
    refused(read_csv, saved(tmp_path / "a.csv", content), *parts)


@pytest.mark.parametrize("row", [0, 998, 999, 1000, 2500])
def test_line_numbers_hold_across_the_blocks_that_are_read(tmp_path, row):
    rows = ["1,2,3,4,5"] * 2501
    rows[row] = "1,2,3,400,5"
    path = saved(tmp_path / "a.csv", "label,a,b,c,d\n" + "\n".join(rows))
    refused(read_csv, path, f"line {row + 2:,}, column 4", "400")


def test_a_truncated_csv_gz_is_refused(tmp_path):
    content = gzip.compress((GOOD * 5000).encode())
    refused(read_csv, saved(tmp_path / "a.csv.gz", content[:-20]), "gzip", "fetch the file again")


def test_an_idx_file_named_csv_is_refused(tmp_path):
    write_idx(tmp_path / "a.csv", np.zeros((2, 28, 28), np.uint8))
    refused(read_csv, tmp_path / "a.csv", "line 1")


fields = st.one_of(
    st.integers(-300, 300).map(str),
    st.sampled_from(["", " ", "+1", "1.0", "1e1", "0x1", "1_0", "²", '"3"', "\x1c", "\0", "#"]),
    st.text(max_size=3),
)


@ANY_FILE
@given(
    st.one_of(
        st.binary(max_size=80),
        st.lists(st.lists(fields, min_size=1, max_size=6).map(",".join), max_size=5).map(
            lambda lines: "\n".join(lines).encode()
        ),
    )
)
@example("²,1".encode())
@example(b"\x1f\x8b")
def test_whatever_the_bytes_read_csv_returns_digits_or_a_data_error(tmp_path, content):
    digits, message = outcome(read_csv, saved(tmp_path / "a.csv", content))
    if digits is None:
        assert str(tmp_path / "a.csv") in message
    else:
        images, labels = digits
        assert len(images) == len(labels) > 0
        assert labels.max() <= 9


@ANY_FILE
@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 5), st.just(2), st.just(2))),
    st.data(),
)
def test_the_fast_and_the_careful_parser_agree(tmp_path, images, data):
    labels = data.draw(hnp.arrays(np.int64, len(images), elements=st.integers(0, 9)))
    write_csv(tmp_path / "fast.csv", images, labels, header=False)
    # A quoted number is beyond NumPy's parser: the whole block goes to the careful one.
    text = (tmp_path / "fast.csv").read_text()
    saved(tmp_path / "careful.csv", re.sub(r"^\d", r'"\g<0>"', text, count=1))
    for name in ("fast.csv", "careful.csv"):
        found_images, found_labels = read_csv(tmp_path / name)
        np.testing.assert_array_equal(found_images, images)
        np.testing.assert_array_equal(found_labels, labels)
