from __future__ import annotations

from pathlib import Path

import pytest

from tinygrad_cnn.bench import machine, roofline


@pytest.mark.parametrize(("text", "limit"), [("150000 100000\n", 1.5), ("max 100000\n", None)])
def test_the_limit_of_a_control_group_is_read(
    tmp_path: Path, text: str, limit: float | None
) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert machine.container_limit(tmp_path) == limit


@pytest.mark.parametrize(("quota", "limit"), [("200000", 2.0), ("-1", None)])
def test_the_limit_of_an_old_control_group_is_read(
    tmp_path: Path, quota: str, limit: float | None
) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert machine.container_limit(tmp_path) == limit


def test_no_control_group_is_no_limit(tmp_path: Path) -> None:
    assert machine.container_limit(tmp_path) is None


def test_the_machine_is_described_for_json() -> None:
    here = machine.describe().as_dict()
    assert here["cores"] >= 1
    assert here["threads"] >= 1
    assert here["numpy"]


def test_ceilings_are_positive_and_products_are_many_for_a_byte() -> None:
    ceilings = roofline.measure(1, repeats=1)
    assert ceilings.gflops > ceilings.gbytes > 0
