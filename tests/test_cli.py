import csv
import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import adjusted_rand_score

from gantutor import cli, train
from gantutor.datasets import bundled
from gantutor.images import load_image, save_image
from gantutor.painters import paint
from gantutor.personal.file import PersonalStyle
from gantutor.style.adversarial import PERSONAL, PainterSettings
from gantutor.tensors import read_tensors


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """No test fills the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANTUTOR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def liked(tmp_path_factory):
    """Five oil paintings and three hatchings, 64 px."""
    folder = tmp_path_factory.mktemp("liked")
    photo = load_image(bundled("photos/coffee.jpg"), 64)
    for number, family in enumerate(["oil"] * 5 + ["hatching"] * 3):
        view = photo[..., : 60 - number, :].flip(3) if number % 2 else photo
        save_image(paint(view, family, number), folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def style_file(liked, tmp_path_factory):
    path = tmp_path_factory.mktemp("style") / "my.safetensors"
    assert cli.main(["learn", str(liked), "-o", str(path), "--styles", "2"]) == 0
    return path


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    save_image(load_image(bundled("photos/astronaut.jpg"), 40), path)
    return path


def refuses(capsys, folder, arguments, *words):
    """Exit status 2, one sentence on stderr with these words, and no new file in the folder."""
    before = sorted(folder.rglob("*"))
    assert cli.main([str(a) for a in arguments]) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert all(word in lines[0] for word in words), lines[0]
    assert sorted(folder.rglob("*")) == before


def test_learn_finds_the_styles_and_draws_them(style_file, liked):
    personal = PersonalStyle.load(style_file)
    assert personal.counts == [5, 3]
    sheet = load_image(style_file.with_suffix(".sheet.png"))
    assert min(sheet.shape[2:]) > 200 and sheet.std() > 0.05


def test_learn_prints_size_share_tightness_and_medoid(liked, tmp_path, capsys):
    assert cli.main(["learn", str(liked), "-o", str(tmp_path / "a.safetensors"), "--styles", "2"]) == 0
    printed = capsys.readouterr().out
    assert "2 styles in 8 pictures" in printed
    assert "style 1: 5 pictures, 62%, tightness 0." in printed
    assert f"style 2 is best seen in {liked}" in printed


def test_a_style_of_one_picture_is_no_secret(liked, tmp_path, capsys):
    assert cli.main(["learn", str(liked), "-o", str(tmp_path / "a.safetensors"), "--styles", "7"]) == 0
    printed = capsys.readouterr().out
    assert "style 1: 2 pictures, 25%" in printed and "style 7: 1 picture, 12%" in printed
    assert "style 7 has a single picture, which can partly be rebuilt from the file" in printed
    assert "style 1 has a single picture" not in printed


def test_bundled_collection_holds_its_three_families(tmp_path, capsys):
    """The number of styles is found, not given, and every picture falls to its painter."""
    from gantutor.datasets import load_folder
    from gantutor.personal.clusters import find_styles
    from gantutor.personal.space import space_of
    from gantutor.style.features import load_features

    pictures, paths, skipped = load_folder(bundled("liked"), 256)
    with open(bundled("provenance.csv"), encoding="utf-8") as file:
        made_by = {row["file"]: row["made from"].rsplit(".")[-1] for row in csv.DictReader(file)}
    truth = [made_by[f"liked/{path.name}"] for path in paths]
    assert not skipped and len(set(truth)) == 3
    network = load_features()
    found = find_styles(space_of(network).embed(network, pictures), seed=0)
    assert adjusted_rand_score(truth, found.labels) == 1


def test_damaged_pictures_are_left_out_with_a_sentence(liked, tmp_path, capsys):
    folder = tmp_path / "mixed"
    folder.mkdir()
    for path in sorted(liked.iterdir())[:3]:
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "broken.png").write_bytes(b"\x89PNG and then nothing")
    assert cli.main(["learn", str(folder), "-o", str(tmp_path / "a.safetensors"), "--styles", "1"]) == 0
    captured = capsys.readouterr()
    assert "1 style in 3 pictures" in captured.out
    assert "left out" in captured.err and "broken.png" in captured.err


def test_learn_says_how_sure_it_is_and_when_it_cannot_tell(liked, tmp_path, capsys):
    assert cli.main(["learn", str(bundled("liked")), "-o", str(tmp_path / "a.safetensors")]) == 0
    printed = capsys.readouterr().out
    assert "3 styles in 30 pictures" in printed and "cannot tell" not in printed
    assert re.search(r"how sure: of random parts of the pictures \d+% say 3 styles, ", printed)
    folder = tmp_path / "few"
    folder.mkdir()
    for number in (0, 1, 5, 6):
        (folder / f"{number}.png").write_bytes((liked / f"{number}.png").read_bytes())
    assert cli.main(["learn", str(folder), "-o", str(tmp_path / "b.safetensors")]) == 0
    printed = capsys.readouterr().out
    assert "1 style in 4 pictures" in printed and "one cannot tell from these pictures" in printed


def test_copies_count_once(liked, tmp_path, capsys):
    folder = tmp_path / "copies"
    folder.mkdir()
    for number in (0, 1, 2):
        (folder / f"{number}.png").write_bytes((liked / "0.png").read_bytes())
    assert cli.main(["learn", str(folder), "-o", str(tmp_path / "a.safetensors")]) == 2
    assert "one usable picture" in capsys.readouterr().err and not (tmp_path / "a.safetensors").exists()
    (folder / "other.png").write_bytes((liked / "6.png").read_bytes())
    assert cli.main(["learn", str(folder), "-o", str(tmp_path / "a.safetensors")]) == 0
    captured = capsys.readouterr()
    assert "in 2 pictures" in captured.out and captured.err.count("is the same picture as") == 2


def test_paint_by_what_was_liked(style_file, photo, tmp_path, capsys):
    personal = PersonalStyle.load(style_file)
    personal.weights = [0.0, 1.0]
    personal.save(tmp_path / "clicked.safetensors")
    paintings = []
    for choice in (["--mix", "liked"], ["--style", "2"], ["--mix", "1,0"]):
        command = ["paint", str(tmp_path / "clicked.safetensors"), str(photo), "--size", "32", *choice]
        assert cli.main([*command, "-o", str(tmp_path / "out.png")]) == 0
        paintings.append(load_image(tmp_path / "out.png"))
    assert torch.equal(paintings[0], paintings[1]) and not torch.equal(paintings[0], paintings[2])
    capsys.readouterr()
    assert cli.main(["inspect", str(tmp_path / "clicked.safetensors")]) == 0
    assert "style 2: 3 pictures, 38%, tightness" in (printed := capsys.readouterr().out)
    assert "weight 1.00 by your clicks" in printed


def test_paint_by_what_was_liked_says_if_nothing_was(style_file, photo, tmp_path, capsys):
    command = ["paint", str(style_file), str(photo), "--size", "32", "-o", str(tmp_path / "out.png"), "--mix"]
    assert cli.main([*command, "liked"]) == 0
    assert "knows of no clicks" in capsys.readouterr().out
    assert cli.main([*command, "1,0"]) == 0
    assert "clicks" not in capsys.readouterr().out


def test_train_space_measures_one_that_can_be_loaded(tmp_path, capsys):
    from gantutor.personal.space import StyleSpace, space_of
    from gantutor.style.features import load_features

    out = tmp_path / "space.safetensors"
    command = ["train", "space", "--photos", str(bundled("photos")), "-o", str(out), "--paintings", "18"]
    assert cli.main(command) == 0
    made, bundled_one = StyleSpace.load(out), space_of(load_features())
    assert made.features_hash == bundled_one.features_hash and made.hash != bundled_one.hash
    record = json.loads(read_tensors(out)[1]["about"])["record"]
    assert record["command"] == "gantutor train space --photos DIR --paintings 18 --seed 0"
    assert "cubism" not in record["painter families"] and len(record["painter families"]) == 6
    capsys.readouterr()
    refuses(capsys, tmp_path, ["train", "space", "--photos", tmp_path / "nowhere", "-o", out], "nowhere")


@pytest.mark.parametrize("choice", [[], ["--style", "2"], ["--mix", "0.5,0.5"], ["--strength", "0.3"]])
def test_paint_writes_a_picture_of_the_size_asked_for(style_file, photo, tmp_path, choice):
    out = tmp_path / "out.png"
    assert cli.main(["paint", str(style_file), str(photo), "-o", str(out), "--size", "32", *choice]) == 0
    painted = load_image(out)
    assert min(painted.shape[2:]) == 32
    assert (painted - load_image(photo, 32)).abs().mean() > 0.01


def test_styles_and_strengths_paint_differently(style_file, photo, tmp_path):
    painted = {}
    for name, choice in {"first": [], "second": ["--style", "2"], "weak": ["--strength", "0"]}.items():
        out = tmp_path / f"{name}.png"
        assert cli.main(["paint", str(style_file), str(photo), "-o", str(out), "--size", "32", *choice]) == 0
        painted[name] = load_image(out)
    distance = {name: (picture - load_image(photo, 32)).abs().mean() for name, picture in painted.items()}
    assert (painted["first"] - painted["second"]).abs().mean() > 0.02
    assert distance["weak"] < 0.5 * distance["first"]


def test_paint_takes_the_style_of_a_single_picture(liked, photo, tmp_path):
    out = tmp_path / "out.png"
    assert cli.main(["paint", str(liked / "0.png"), str(photo), "-o", str(out), "--size", "32"]) == 0
    assert load_image(out).shape == load_image(photo, 32).shape


def test_mask_leaves_the_photo_where_it_is_black(style_file, photo, tmp_path):
    mask, out = tmp_path / "mask.png", tmp_path / "out.png"
    white = torch.zeros(1, 3, *load_image(photo).shape[2:])
    white[..., :20] = 1
    save_image(white, mask)
    arguments = ["paint", style_file, photo, "-o", out, "--size", "40", "--mask", mask]
    assert cli.main([str(a) for a in arguments]) == 0
    moved = (load_image(out) - load_image(photo)).abs().mean((0, 1, 2))
    assert moved[:18].mean() > 0.02
    assert moved[22:].max() < 0.01


def test_keep_colours_takes_light_and_dark_alone(style_file, photo, tmp_path):
    out = {name: tmp_path / f"{name}.png" for name in ("kept", "new")}
    for name, choice in {"kept": ["--keep-colours"], "new": []}.items():
        assert cli.main(["paint", str(style_file), str(photo), "-o", str(out[name]), "--size", "40", *choice]) == 0
    original = load_image(photo)

    def hues(image):
        return image - image.mul(torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)

    away = {name: (hues(load_image(path)) - hues(original)).abs().mean() for name, path in out.items()}
    assert away["kept"] < 0.3 * away["new"]
    light = {name: load_image(path).mean(1) for name, path in out.items()} | {"photo": original.mean(1)}
    assert (light["kept"] - light["new"]).abs().mean() < 0.5 * (light["photo"] - light["new"]).abs().mean()


def test_masks_that_do_not_fit(tmp_path, capsys, style_file, photo):
    black, wide, out = tmp_path / "black.png", tmp_path / "wide.png", tmp_path / "out.png"
    save_image(torch.zeros(1, 3, 40, 40), black)
    save_image(torch.ones(1, 3, 20, 80), wide)
    command = ["paint", style_file, photo, "-o", out, "--size", "40", "--mask"]
    refuses(capsys, tmp_path, [*command, black], "black.png has no white region", "paint white where")
    refuses(capsys, tmp_path, [*command, wide], "the mask is 80 x 20 px", "give it the photo's proportions")
    refuses(capsys, tmp_path, [*command, tmp_path / "none.png"], "none.png does not exist")
    Image.new("RGBA", (40, 40), (255, 255, 255, 0)).save(tmp_path / "glass.png")
    refuses(capsys, tmp_path, [*command, tmp_path / "glass.png"], "glass.png has transparent parts: fill them")
    refuses(capsys, tmp_path, [*command[:4], black, "--mask", black], "its mask")


def test_inspect_prints_and_draws(style_file, tmp_path, capsys):
    drawing = tmp_path / "drawn.png"
    assert cli.main(["inspect", str(style_file), "-o", str(drawing)]) == 0
    printed = capsys.readouterr().out
    assert "2 styles in 8 pictures" in printed and "bundled" in printed
    assert load_image(drawing).std() > 0.05


def test_train_features_resumes_and_saves_what_can_be_loaded(tmp_path, capsys, monkeypatch):
    from safetensors.torch import save_file
    from torchvision.models import squeezenet1_1

    from gantutor.style import distil
    from gantutor.style.features import load_features

    teacher, photos, out = tmp_path / "teacher.safetensors", tmp_path / "photos", tmp_path / "features.safetensors"
    save_file({k: v for k, v in squeezenet1_1().state_dict().items() if k.startswith("features")}, teacher)
    photos.mkdir()
    for number in range(2):
        noise = torch.rand(1, 3, 100, 110, generator=torch.Generator().manual_seed(number))
        save_image(noise, photos / f"{number}.png")
    monkeypatch.setattr(train, "CHECKPOINT_EVERY", 2)
    arguments = ["train", "features", "--photos", photos, "--teacher", teacher, "-o", out, "--paintings", 0]
    arguments += ["--batch", 2, "--steps", 3]
    arguments = [str(a) for a in arguments]

    step, calls = distil.Distillation.step, []

    def stopped(self, x):
        calls.append(self.done)
        assert len(x) == 2
        if len(calls) == 3:
            raise KeyboardInterrupt
        return step(self, x)

    monkeypatch.setattr(distil.Distillation, "step", stopped)
    assert cli.main(arguments) == 130
    assert not out.exists() and out.with_suffix(".checkpoint.safetensors").exists()
    assert cli.main([*arguments, "--seed", "1"]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]  # after the bars
    assert "not of this run" in last and "--batch 2 --steps 3 --seed 0" in last
    assert cli.main(arguments) == 0
    assert calls == [0, 1, 2, 2]
    assert "going on from step 2" in capsys.readouterr().out
    assert not out.with_suffix(".checkpoint.safetensors").exists()
    refuses(capsys, tmp_path, [*arguments, "-o", tmp_path / "missing" / "f.safetensors"], "missing")
    features = load_features(str(out))(torch.rand(1, 3, 32, 32), ["relu5_2"])
    assert features["relu5_2"].isfinite().all()


@pytest.fixture
def gan(tmp_path, monkeypatch):
    """The command that trains a GAN of 32 px on ten pictures, and its folder."""
    monkeypatch.setenv("GANTUTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANTUTOR_DEVICE", "cpu")
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(10):
        save_image(torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(number)), photos / f"{number}.png")
    (photos / "broken.png").write_bytes(b"no picture")
    command = ["train", "gan", "--data", photos, "--network", "dcgan", "--size", 32, "--batch", 4, "--every", 2]
    return [str(a) for a in [*command, "--precision", "float32", "-o", tmp_path / "run"]], tmp_path / "run"


def test_train_gan_goes_on_and_leaves_samples_log_and_generator(gan, capsys):
    from gantutor.gan.zoo import load_generator

    command, folder = gan
    assert cli.main([*command, "--steps", "3"]) == 0
    captured = capsys.readouterr()
    assert "step 2" in captured.out and "step 3" in captured.out
    assert "broken.png" in captured.err
    assert cli.main([*command, "--steps", "5"]) == 0
    with open(folder / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["2", "3", "4", "5"]
    assert all(float(row["discriminator loss"]) > 0 for row in rows)
    assert load_image(folder / "samples-000005.jpg").shape[3] > 8 * 32
    assert load_generator(folder / "generator.safetensors")(torch.randn(2, 100)).shape == (2, 3, 32, 32)
    record = json.loads(read_tensors(folder / "generator.safetensors")[1]["record"])
    options = "--size 32 --batch 4 --precision float32 --steps 5 --seed 0"
    assert record["command"] == f"gantutor train gan --data photos --network dcgan {options}"
    assert record["pictures"] == 9


def test_train_gan_refuses(gan, capsys, tmp_path):
    command, _ = gan
    assert cli.main([*command, "--steps", "2"]) == 0
    capsys.readouterr()
    for extra, words in {
        ("--batch", "2"): "was made with batch 4, not 2",
        ("--size", "48"): "pictures of 16, 32, 64, 128",
        ("--loss", "l2"): "no loss is called 'l2'",
        ("--data", str(tmp_path / "nowhere")): "nowhere does not exist",
        ("--data", "torchvision:LSUN"): "no data set is called 'LSUN'",
        ("-o", str(tmp_path / "photos" / "0.png")): "is a file: name a folder",
    }.items():
        assert cli.main([*command, "--steps", "3", *extra]) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert words in lines[-1], lines


@pytest.fixture
def painting_run(tmp_path, monkeypatch):
    """The command that trains a painter on six photos and four paintings of 64 px, and its folder."""
    monkeypatch.setenv("GANTUTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANTUTOR_DEVICE", "cpu")
    monkeypatch.setattr("gantutor.style.generator.SIZE", 64)
    monkeypatch.setattr("gantutor.style.adversarial.SIZE", 64)
    monkeypatch.setattr("gantutor.style.adversarial.PainterSettings", partial(PainterSettings, crop=32))
    for folder, count in (("photos", 6), ("styles", 4)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            noise = torch.rand(1, 3, 70, 66, generator=torch.Generator().manual_seed(number))
            save_image(noise, tmp_path / folder / f"{number}.png")
    (tmp_path / "styles" / "broken.png").write_bytes(b"no picture")
    command = ["train", "painter", "--photos", tmp_path / "photos", "--styles", tmp_path / "styles", "--batch", 2]
    return [str(a) for a in [*command, "--every", 2, "-o", tmp_path / "run"]], tmp_path / "run"


def test_train_painter_goes_on_and_leaves_a_painter(painting_run, style_file, photo, tmp_path, capsys):
    from gantutor.tensors import read_tensors

    command, folder = painting_run
    assert cli.main([*command, "--steps", "2"]) == 0
    assert "broken.png" in capsys.readouterr().err
    assert cli.main([*command, "--accumulate", "2", "--steps", "3"]) == 0
    with open(folder / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["2", "3"]
    assert all(float(row["style"]) > 0 and float(row["content"]) > 0 for row in rows)
    assert load_image(folder / "samples-000003.jpg").shape[3] > 4 * 64
    about = json.loads(read_tensors(folder / "painter.safetensors")[1]["about"])
    options = "--styles styles --batch 2 --accumulate 2 --steps 3 --seed 0"
    assert about["record"]["command"] == f"gantutor train painter --photos DIR {options}"
    assert about["record"]["photos"] == 6 and about["record"]["paintings"] == 4
    out = tmp_path / "out.png"
    arguments = ["paint", style_file, photo, "-o", out, "--size", 48, "--by", "generator"]
    arguments += ["--painter", folder / "painter.safetensors"]
    assert cli.main([str(a) for a in arguments]) == 0
    assert min(load_image(out).shape[2:]) == 48
    for extra, words in {("--batch", "3"): "was made with batch 2, not 3", ("--styles", "nowhere"): "nowhere"}.items():
        assert cli.main([*command, "--steps", "4", *extra]) == 2
        assert words in capsys.readouterr().err.strip().splitlines()[-1]


def test_the_generator_paints_by_strength_and_mask(style_file, photo, tmp_path, capsys):
    painted = {}
    for name, options in {"full": [], "half": ["--strength", "0.5"], "none": ["--strength", "0"]}.items():
        arguments = ["paint", style_file, photo, "-o", tmp_path / "o.png", "--size", 96, "--by", "generator", *options]
        assert cli.main([str(a) for a in arguments]) == 0
        painted[name] = load_image(tmp_path / "o.png")
    before = load_image(photo, 96)
    before = torch.nn.functional.interpolate(before, painted["full"].shape[2:], mode="bicubic").clamp(0, 1)
    apart = [(painted[name] - before).abs().mean() for name in ("none", "half", "full")]
    assert apart[0] < apart[1] < apart[2]
    assert cli.main([str(a) for a in [*arguments[:-1], "2"]]) == 2
    assert "at most 1" in capsys.readouterr().err


def test_train_personal_writes_a_painter_that_paint_finds(liked, style_file, photo, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("gantutor.style.adversarial.PERSONAL", replace(PERSONAL, crop=64, batch=2))
    mine = tmp_path / "my.safetensors"
    mine.write_bytes(style_file.read_bytes())
    arguments = ["paint", str(mine), str(photo), "-o", str(tmp_path / "o.png"), "--size", "64", "--by", "generator"]
    assert cli.main(arguments) == 0
    before = load_image(tmp_path / "o.png")
    command = ["train", "personal", str(mine), "--likes", str(liked), "--photos", str(photo.parent), "--steps", "3"]
    assert cli.main(command) == 0
    assert (tmp_path / "my.painter.safetensors").exists()
    assert "right folder" not in capsys.readouterr().err
    assert cli.main(arguments) == 0
    assert "my.painter.safetensors" in capsys.readouterr().out
    assert not torch.equal(load_image(tmp_path / "o.png"), before)
    refuses(capsys, tmp_path, ["train", "personal", mine, "--likes", tmp_path / "nowhere"], "nowhere")
    refuses(capsys, tmp_path, ["train", "personal", photo, "--likes", liked], "safetensors")
    assert cli.main([*command[:4], str(photo.parent), *command[5:-1], "1"]) == 0
    assert f"none of the pictures in {photo.parent} is one that {mine} was learnt from" in capsys.readouterr().err
    refuses(capsys, tmp_path, ["train", "personal", mine, "--likes", liked, "-o", mine], "another name")
    refuses(capsys, tmp_path, [*arguments[:-2], "--painter", mine], "add --by generator")


def test_the_generator_refuses_styles_of_other_features(liked, photo, tmp_path, capsys):
    from gantutor.style.features import load_features, save_student

    network = load_features()
    with torch.no_grad():
        network.steps[0][-2].weight.mul_(1.1)
    other = tmp_path / "other.safetensors"
    save_student(network, other, {})
    style = tmp_path / "style.safetensors"
    assert cli.main(["learn", str(liked), "-o", str(style), "--features", str(other), "--styles", "1"]) == 0
    assert "no style space: content and hue count too" in capsys.readouterr().err
    for extra in ([], ["--strength", "0.5"]):
        arguments = ["paint", style, photo, "-o", tmp_path / "o.png", "--by", "generator", *extra]
        refuses(capsys, tmp_path, arguments, "bundled features")
    refuses(capsys, tmp_path, ["train", "personal", style, "--likes", liked], "other features")


def test_empty_folder(tmp_path, capsys):
    folder = tmp_path / "empty"
    folder.mkdir()
    refuses(capsys, tmp_path, ["learn", folder, "-o", tmp_path / "a.safetensors"], "empty", "no pictures")


def test_folder_without_pictures(tmp_path, capsys):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "notes.txt").write_text("no picture")
    refuses(capsys, tmp_path, ["learn", folder, "-o", tmp_path / "a.safetensors"], "texts", "no pictures")


def test_folder_with_one_picture(tmp_path, capsys, photo):
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "a.png").write_bytes(photo.read_bytes())
    refuses(capsys, tmp_path, ["learn", folder, "-o", tmp_path / "a.safetensors"], "one usable picture", "two")


def test_only_damaged_pictures(tmp_path, capsys):
    folder = tmp_path / "damaged"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(b"\xff\xd8\xff and no more")
    refuses(capsys, tmp_path, ["learn", folder, "-o", tmp_path / "a.safetensors"], "none of the 3 pictures", "0.jpg")


def test_missing_folder_and_more_styles_than_pictures(tmp_path, capsys, liked):
    refuses(capsys, tmp_path, ["learn", tmp_path / "nowhere", "-o", tmp_path / "a.safetensors"], "nowhere", "exist")
    refuses(capsys, tmp_path, ["learn", liked, "-o", tmp_path / "a.safetensors", "--styles", "9"], "9 styles", "8")


def test_tiny_photo(tmp_path, capsys, style_file):
    tiny = tmp_path / "tiny.png"
    Image.fromarray(np.zeros((3, 3, 3), np.uint8)).save(tiny)
    refuses(capsys, tmp_path, ["paint", style_file, tiny, "-o", tmp_path / "out.png"], "3 x 3 px", "at least")


def test_photo_that_is_a_folder(tmp_path, capsys, style_file):
    refuses(capsys, tmp_path, ["paint", style_file, tmp_path, "-o", tmp_path / "out.png"], str(tmp_path), "folder")


@pytest.mark.parametrize(("target", "word"), [("nowhere/out.png", "nowhere"), ("out.xyz", ".png"), ("", "suffix")])
def test_unwritable_target(tmp_path, capsys, style_file, photo, target, word):
    refuses(capsys, tmp_path, ["paint", style_file, photo, "-o", tmp_path / target], word)


def test_what_is_painted_is_not_overwritten(tmp_path, capsys, style_file, liked, photo):
    before = photo.read_bytes()
    refuses(capsys, tmp_path, ["paint", style_file, photo, "-o", photo], photo.name, "another name")
    refuses(capsys, tmp_path, ["paint", photo, liked / "0.png", "-o", photo], photo.name, "another name")
    assert photo.read_bytes() == before


def test_where_a_style_file_cannot_go(tmp_path, capsys, liked):
    refuses(capsys, tmp_path, ["learn", liked, "-o", tmp_path / "style.png"], "style.png", ".safetensors")
    refuses(capsys, liked, ["learn", liked, "-o", liked / "a.safetensors"], "among the liked pictures")


def test_a_folder_is_no_style(tmp_path, capsys, liked, photo):
    refuses(capsys, tmp_path, ["paint", liked, photo, "-o", tmp_path / "out.png"], "is a folder", "gantutor learn")


def test_lack_of_memory_is_one_sentence_and_other_faults_are_raised(tmp_path, capsys, style_file, photo, monkeypatch):
    from gantutor.style import optimise

    def fails(message):
        def fail(*_, **__):
            raise RuntimeError(message)

        return fail

    monkeypatch.setattr(optimise, "total_variation", fails("DefaultCPUAllocator: can't allocate memory"))
    refuses(capsys, tmp_path, ["paint", style_file, photo, "-o", tmp_path / "out.png"], "--size")
    monkeypatch.setattr(optimise, "total_variation", fails("a fault of ours"))
    with pytest.raises(RuntimeError, match="a fault of ours"):
        cli.main(["paint", str(style_file), str(photo), "-o", str(tmp_path / "out.png")])


def test_style_file_cut_short_or_of_another_kind(tmp_path, capsys, style_file, photo):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(style_file.read_bytes()[:5000])
    refuses(capsys, tmp_path, ["paint", cut, photo, "-o", tmp_path / "out.png"], "cut.safetensors", "damaged")
    refuses(capsys, tmp_path, ["inspect", cut], "cut.safetensors", "damaged")
    weights = bundled("liked").parent.parent / "gantutor/weights/features.safetensors"
    refuses(capsys, tmp_path, ["paint", weights, photo, "-o", tmp_path / "out.png"], "no personal style")


@pytest.mark.parametrize("number", ["0", "3", "-1"])
def test_unknown_style_number(tmp_path, capsys, style_file, photo, number):
    arguments = ["paint", style_file, photo, "-o", tmp_path / "out.png", "--style", number]
    refuses(capsys, tmp_path, arguments, f"no style {number}", "1 to 2")


def test_bad_mix_strength_size_and_features(tmp_path, capsys, style_file, photo):
    start = ["paint", style_file, photo, "-o", tmp_path / "out.png"]
    refuses(capsys, tmp_path, [*start, "--mix", "1,2,3"], "2 styles", "each one weight")
    refuses(capsys, tmp_path, [*start, "--mix", "a,b"], "a,b", "0.7,0.3")
    refuses(capsys, tmp_path, [*start, "--strength", "-1"], "--strength", "between 0 and 10")
    refuses(capsys, tmp_path, [*start, "--size", "8"], "--size", "between 32 and 4096")
    refuses(capsys, tmp_path, [*start, "--features", "vgg19"], "bundled features")
    refuses(capsys, tmp_path, [*start, "--style", "1", "--mix", "1,1"], "--mix")
    refuses(
        capsys,
        tmp_path,
        ["learn", photo.parent / "nowhere", "-o", tmp_path / "a.safetensors", "--features", "vgg7"],
        "vgg7",
    )


def test_an_interrupted_paint_leaves_the_old_picture(style_file, photo, tmp_path, monkeypatch, capsys):
    from gantutor.style import optimise

    out = tmp_path / "out.png"
    out.write_bytes(b"the old picture")

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(optimise, "total_variation", stop)
    assert cli.main(["paint", str(style_file), str(photo), "-o", str(out), "--size", "32"]) == 130
    assert out.read_bytes() == b"the old picture" and "stopped" in capsys.readouterr().err


def test_doctor_is_content_here(capsys):
    assert cli.main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert "torch" in printed and "self-test: style distance from" in printed and "BAD" not in printed


def test_doctor_names_what_is_missing(capsys, monkeypatch):
    from gantutor.lab import doctor

    monkeypatch.setattr(doctor, "NEEDED", ("no-such-package",))
    monkeypatch.setattr(doctor, "load_features", lambda *_: json.loads("{"))
    assert cli.main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "BAD no-such-package is missing" in printed and "BAD self-test failed" in printed


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out.split()
    assert {"learn", "paint", "inspect", "train", "doctor"} <= set(printed)
