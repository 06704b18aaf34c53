"""`tinygrad-cnn predict`: what it prints, what it draws, what it refuses."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cnn.cli import main
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.data import EmbeddedMNIST
from tinygrad_cnn.models import MnistLeaky
from tinygrad_cnn.models.images import Images
from tinygrad_cnn.train import checkpoint, metrics, predictions, recipe, recipes

Image = pytest.importorskip("PIL.Image")
Printed = pytest.CaptureFixture[str]


def picture_of(digit: int, path: Path, size: int = 112, light: bool = False) -> Path:
    """A real digit as somebody might draw it: large, off the centre, dark on light."""
    dataset = EmbeddedMNIST(train=False)
    pixels = dataset.images[int(np.flatnonzero(dataset.labels == digit)[0])]
    drawn = Image.fromarray(pixels if light else 255 - pixels).resize((size, size))
    sheet = Image.new("L", (3 * size, 2 * size), 0 if light else 255)
    sheet.paste(drawn, (size // 2, size // 3))
    sheet.save(path)
    return path


def answers(out: str) -> dict[str, str]:
    """The rows of the table by the name of the picture."""
    rows = (line.split(maxsplit=1) for line in out.splitlines() if ".png  " in line)
    return dict(rows)


class TestOneNetwork:
    @pytest.mark.parametrize("suffix", ["png", "jpg"])
    @pytest.mark.parametrize("light", [False, True])
    def test_prints_digit_probability_and_runner_up(
        self, runs: Path, capsys: Printed, suffix: str, light: bool
    ) -> None:
        path = picture_of(1, Path(f"mine.{suffix}"), light=light)
        assert main(["predict", str(path), f"--runs={runs}"]) == 0
        head, line = capsys.readouterr().out.splitlines()[2:4]
        assert head.split() == ["image", "digit", "probability", "runner-up"]
        assert re.fullmatch(r"mine\.\w+ +\d +\d+\.\d% +\d \(\d+\.\d%\)", line)

    def test_says_which_run_answers_unless_it_was_named(self, runs: Path, capsys: Printed) -> None:
        picture_of(1, Path("mine.png"))
        main(["predict", "mine.png", f"--runs={runs}"])
        run = runs / "mnist-leaky-1"
        assert capsys.readouterr().out.startswith(f"{run} answers, the newest run")
        main(["predict", "mine.png", f"--model={run}"])
        assert capsys.readouterr().out.startswith("image")

    def test_takes_several_images_and_a_file_of_weights(self, runs: Path, capsys: Printed) -> None:
        paths = [str(picture_of(d, Path(f"{d}.png"))) for d in (3, 4)]
        weights = runs / "mnist-leaky-1" / "best.safetensors"
        assert main(["predict", *paths, f"--model={weights}"]) == 0
        assert list(answers(capsys.readouterr().out)) == paths

    def test_takes_a_folder_in_the_order_of_the_names(self, runs: Path, capsys: Printed) -> None:
        Path("mine").mkdir()
        for name in ("b.PNG", "a.png"):
            picture_of(1, Path("mine", name))
        Path("mine", "notes.txt").write_text("no picture, and not told to be one")
        assert main(["predict", "mine", f"--runs={runs}"]) == 0
        printed = capsys.readouterr()
        rows = [line.split()[0] for line in printed.out.splitlines() if line.startswith("mine")]
        assert rows == ["mine/a.png", "mine/b.PNG"]
        assert not printed.err

    def test_counts_the_pictures_whose_names_tell_the_digit(
        self, runs: Path, capsys: Printed
    ) -> None:
        for name in ("1-a.png", "1_b.png", "other.png"):
            picture_of(1, Path(name))
        main(["predict", "1-a.png", "1_b.png", "other.png", f"--runs={runs}"])
        out = capsys.readouterr().out
        rows = answers(out)
        assert rows["1-a.png"].split()[0] == "1"
        assert rows["other.png"].split()[0] == "?"
        right = sum(rows[name].split()[1] == "1" for name in ("1-a.png", "1_b.png"))
        assert f"{right} of 2 labelled pictures recognised ({right / 2:.1%})" in out

    def test_draws_the_sheet_where_it_is_told_to(self, runs: Path, capsys: Printed) -> None:
        picture_of(1, Path("mine.png"))
        main(["predict", "mine.png", f"--runs={runs}"])
        main(["predict", "mine.png", f"--runs={runs}", "--sheet=other.png"])
        assert capsys.readouterr().out.splitlines()[-1] == "other.png"
        with Image.open("predictions.png") as first, Image.open("other.png") as second:
            assert first.size == second.size
            assert first.width > 200

    @pytest.mark.parametrize("sheet", ["predictions.png", "other.png"])
    def test_what_was_drawn_the_last_time_is_no_picture(
        self, runs: Path, capsys: Printed, sheet: str
    ) -> None:
        picture_of(1, Path("mine.png"))
        main(["predict", "mine.png", f"--runs={runs}", f"--sheet={sheet}", "--explain=why"])
        capsys.readouterr()
        for paths in (["."], ["mine.png", sheet], ["mine.png", "why"]):
            assert main(["predict", *paths, f"--runs={runs}"]) == 0
            assert list(answers(capsys.readouterr().out)) == ["mine.png"]
        assert main(["predict", sheet, f"--runs={runs}"]) == 2
        told = f"{sheet}: drawn by this command; give a picture of your own"
        assert told in capsys.readouterr().err

    @pytest.mark.parametrize("asked", ["mine.png", "folder", "folder/mine.png", "folder/link.png"])
    def test_the_sheet_is_not_drawn_over_a_picture_that_it_shows(
        self, runs: Path, capsys: Printed, asked: str
    ) -> None:
        Path("folder").mkdir()
        before = picture_of(1, Path("folder/mine.png")).read_bytes()
        Path("folder/link.png").symlink_to("mine.png")
        Path("mine.png").symlink_to("folder/mine.png")
        capsys.readouterr()
        assert main(["predict", asked, f"--runs={runs}", "--sheet=folder/mine.png"]) == 2
        assert "--sheet folder/mine.png: that is a picture of yours" in capsys.readouterr().err
        assert Path("folder/mine.png").read_bytes() == before

    @pytest.mark.parametrize("sheet", ["mine.jpg", "mine", ".", "", ".png", "sheet.png.html"])
    def test_a_sheet_that_is_not_called_png_is_refused_before_any_work(
        self, capsys: Printed, sheet: str
    ) -> None:
        picture_of(1, Path("mine.png"))
        assert main(["predict", "mine.png", "--runs=nowhere", f"--sheet={sheet}"]) == 2
        assert "the sheet is a PNG; call it " in capsys.readouterr().err

    def test_an_explanation_is_not_written_over_a_picture(
        self, runs: Path, capsys: Printed
    ) -> None:
        before = picture_of(1, Path("mine.png")).read_bytes()
        for _ in range(2):  # but over the explanation of the last time
            assert main(["predict", "mine.png", f"--runs={runs}", "--explain=."]) == 0
            assert capsys.readouterr().out.splitlines()[-1] == "mine-2.png"
        assert Path("mine.png").read_bytes() == before

    def test_no_line_is_wider_than_a_terminal(self, runs: Path, capsys: Printed) -> None:
        folder = Path("a-folder-whose-name-is-long", "and-another-one-inside-of-it")
        folder.mkdir(parents=True)
        picture_of(1, folder / "1-with-a-name-that-goes-on-for-a-while.png")
        main(["predict", str(folder), f"--model={runs / 'mnist-leaky-1'}"])
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= 80
        assert "goes-on-for-a-while.png" in lines[1]

    def test_explains_what_it_saw(self, runs: Path, capsys: Printed) -> None:
        Path("more").mkdir()
        paths = [str(picture_of(1, Path(name))) for name in ("mine.png", "more/mine.png")]
        main(["predict", *paths, f"--runs={runs}", "--explain=why/so"])
        assert capsys.readouterr().out.splitlines()[-2:] == ["why/so/mine.png", "why/so/mine-2.png"]
        with Image.open("why/so/mine.png") as drawn:
            pixels = np.asarray(drawn.convert("RGB"))
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100
        maps = (pixels[len(pixels) * 2 // 3 :] < 255).any(axis=(0, 2))  # and their colour bar
        gaps = np.diff(np.flatnonzero(maps))
        assert gaps.max() < 0.05 * pixels.shape[1]


def test_the_answer_is_the_mean_over_nine_places_within_a_pixel_and_two_sizes(runs: Path) -> None:
    (judge,) = predictions.judges([runs / "mnist-leaky-1"])
    image = EmbeddedMNIST(train=False).images[:1, None]
    box = (14 - 14 / 0.9, 14 - 14 / 0.9, 14 + 14 / 0.9, 14 + 14 / 0.9)
    smaller = Image.fromarray(np.float32(image[0, 0])).transform(
        (28, 28), Image.Transform.EXTENT, box, Image.Resampling.BILINEAR
    )
    probabilities = []
    for size in (image[0, 0], np.asarray(smaller)):
        framed = np.pad(size, 1)[None, None]
        places = [framed[:, :, i : i + 28, j : j + 28] for i in range(3) for j in range(3)]
        x = np.concatenate(places).astype(np.float32) / np.float32(255)
        probabilities.append(metrics.probabilities(judge.model.eval()(Tensor(x)).data))
    expected = np.concatenate(probabilities).mean(axis=0)
    answer = predictions.probabilities(judge, image)[0]
    np.testing.assert_allclose(answer, expected, rtol=0.02, atol=1e-4)  # of two ways to scale
    single = judge.model.eval()(Tensor(image / np.float32(255))).data
    assert np.abs(answer - metrics.probabilities(single)[0]).max() > 0.01


class TestSeveralNetworks:
    def test_answer_side_by_side_under_their_letters(self, runs: Path, capsys: Printed) -> None:
        one = runs / "mnist-leaky-1"
        other = Path(shutil.copytree(one, "other"))
        saved = checkpoint.load(other / "best.safetensors")
        model = MnistLeaky()  # its weights are random: it answers something else
        checkpoint.save(other / "best.safetensors", model, saved.config, {})
        picture_of(1, Path("1-mine.png"))
        asked = [f"--model={one}", f"--model={other}"]
        assert main(["predict", "1-mine.png", *asked, "--explain=why"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[:2] == [f"A  {one}", "B  other"]
        assert lines[3].split() == ["image", "is", "A", "B"]
        assert re.fullmatch(r"1-mine\.png +1 +\d +\d+\.\d% +\d +\d+\.\d%", lines[4])
        for letter, line in zip("AB", lines[6:8], strict=True):
            assert re.match(rf"{letter}  [01] of 1 labelled pictures recognised", line)
        assert sorted(os.listdir("why")) == ["1-mine-A.png", "1-mine-B.png"]

    def test_of_different_data_sets_are_not_compared(self, runs: Path, capsys: Printed) -> None:
        one = runs / "mnist-leaky-1"
        photos = saved_for("cifar10", Images(3, 32), Path("photos.safetensors"))
        picture_of(1, Path("mine.png"))
        capsys.readouterr()
        assert main(["predict", "mine.png", f"--model={one}", f"--model={photos}"]) == 2
        err = capsys.readouterr().err
        assert "photos.safetensors is for cifar10 (3 x 32 x 32)" in err
        assert "for mnist (1 x 28 x 28); compare networks of one data set" in err


def saved_for(dataset: str, images: Images, path: Path) -> Path:
    """An untrained network for another data set, saved."""
    settings = recipe.settings(recipes.get("study-depth-2").on(dataset))
    settings["images"] = {
        k: list(v) if isinstance(v, tuple) else v for k, v in images._asdict().items()
    }
    built = recipes.from_settings(settings)
    checkpoint.save(path, built.model(), {"recipe": settings}, {})
    return path


@pytest.mark.parametrize(
    ("dataset", "images", "name"),
    [("cifar10", Images(3, 32), "frog-1"), ("fashion-mnist", Images(1, 28), "Bag-1")],
)
def test_networks_of_other_data_sets_get_the_middle_of_a_picture(
    dataset: str, images: Images, name: str, capsys: Printed
) -> None:
    weights = saved_for(dataset, images, Path("other.safetensors"))
    Image.effect_noise((200, 150), 80).save(f"{name}.png")
    assert main(["predict", f"{name}.png", f"--model={weights}", "--explain=why"]) == 0
    out = capsys.readouterr().out
    assert out.split()[:4] == ["image", "is", "class", "probability"]
    assert answers(out)[f"{name}.png"].split()[0] == name.partition("-")[0]


class TestBadPictures:
    def told(self, runs: Path, capsys: Printed, *paths: str) -> str:
        capsys.readouterr()
        assert main(["predict", *paths, f"--runs={runs}"]) == 2
        printed = capsys.readouterr()
        assert not printed.out
        assert printed.err.startswith("tinygrad-cnn: ")
        assert printed.err.count("\n") == 1
        assert paths[0] in printed.err
        assert not Path("predictions.png").exists()
        return printed.err

    def test_text_is_no_picture(self, runs: Path, capsys: Printed) -> None:
        Path("notes.png").write_text("not an image")
        line = self.told(runs, capsys, "notes.png")
        assert "not an image that can be read (its format is unknown); give a PNG" in line

    def test_a_file_cut_short(self, runs: Path, capsys: Printed) -> None:
        Image.effect_noise((90, 90), 50).save("whole.png")
        Path("cut.png").write_bytes(Path("whole.png").read_bytes()[:2000])
        assert "not an image that can be read" in self.told(runs, capsys, "cut.png")

    def test_a_missing_file(self, runs: Path, capsys: Printed) -> None:
        assert "No such file" in self.told(runs, capsys, "absent.png")

    def test_a_folder_without_pictures(self, runs: Path, capsys: Printed) -> None:
        Path("folder").mkdir()
        Path("folder", "notes.txt").write_text("no picture")
        assert "holds no pictures (.png, .jpg" in self.told(runs, capsys, "folder")

    def test_an_empty_name_is_not_the_current_folder(self, runs: Path, capsys: Printed) -> None:
        picture_of(1, Path("mine.png"))
        line = self.told(runs, capsys, "")
        assert "an empty name; give a picture or a folder" in line

    @pytest.mark.parametrize("shade", [0, 128, 255])
    def test_a_blank_sheet(self, runs: Path, capsys: Printed, shade: int) -> None:
        Image.new("L", (50, 50), shade).save("blank.png")
        assert "no digit found" in self.told(runs, capsys, "blank.png")

    def test_one_that_would_not_fit_into_memory(
        self, runs: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Image.new("1", (200, 200)).save("bomb.png")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30_000)
        assert "too large to be unpacked safely" in self.told(runs, capsys, "bomb.png")

    def test_several_of_them_are_counted(self, runs: Path, capsys: Printed) -> None:
        for name in ("a.png", "b.png", "c.png"):
            Path(name).write_text("text")
        line = self.told(runs, capsys, "a.png", "b.png", "c.png")
        assert "(and 2 more, none readable)" in line

    def test_the_others_are_answered_all_the_same(self, runs: Path, capsys: Printed) -> None:
        Path("notes.png").write_text("text")
        picture_of(1, Path("mine.png"))
        assert main(["predict", "notes.png", "mine.png", f"--runs={runs}"]) == 0
        printed = capsys.readouterr()
        assert list(answers(printed.out)) == ["mine.png"]
        assert re.fullmatch(r"tinygrad-cnn: left out: notes\.png: not an image.*\n", printed.err)

    def test_a_full_disk_leaves_the_old_sheet(
        self, runs: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(source: str, target: str) -> None:
            raise OSError(28, "No space left on device", str(target))

        picture_of(1, Path("mine.png"))
        Path("predictions.png").write_text("old")
        monkeypatch.setattr(os, "replace", full)
        assert main(["predict", "mine.png", f"--runs={runs}"]) == 2
        assert "predictions.png: No space left on device" in capsys.readouterr().err
        assert Path("predictions.png").read_text() == "old"
        assert sorted(os.listdir()) == ["mine.png", "predictions.png"]
