"""The studio, as a session and as a page that is driven the way a front end does: by set_state and clicks."""

import base64
import io
import json
import re
import shutil
import struct
import threading
import zlib
from types import SimpleNamespace

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from PIL import Image

from gantutor import images
from gantutor.datasets import bundled
from gantutor.errors import InputError
from gantutor.images import encode_png, load_image, resize
from gantutor.lab import VIEW
from gantutor.lab.panels import Live
from gantutor.lab.studio import intake, painting, session, steps
from gantutor.lab.studio.page import Studio
from gantutor.lab.studio.session import Session
from gantutor.personal.collection import LONGEST
from gantutor.personal.file import PersonalStyle
from gantutor.tensors import read_tensors, write_tensors
from tests.lab.uploading import upload

OIL, HATCHING = (1, 7, 14, 15, 17, 19), (2, 8, 9, 10, 16, 18)  # of the liked pictures


def liked(number):
    return bundled(f"liked/{number:02}.jpg").read_bytes()


def noise(height, width, seed=0):
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed))


def png(height, width, seed=0):
    return encode_png(noise(height, width, seed))


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve pictures by two painters."""
    path = tmp_path_factory.mktemp("liked")
    for number in (*OIL, *HATCHING):
        shutil.copy(bundled(f"liked/{number:02}.jpg"), path)
    return path


@pytest.fixture
def few():
    """Six of them, as uploads."""
    return [(f"{number:02}.jpg", liked(number)) for number in (*OIL[:3], *HATCHING[:3])]


@pytest.fixture(scope="module")
def learnt(folder):
    """A session that knows two styles and a photo; tests leave it as it is."""
    made = Session()
    assert made.add_folder(folder) == []
    made.find(2)
    made.take_bundled_photo("cat.jpg")
    return made


@pytest.fixture(scope="module")
def style_file(learnt):
    return learnt.style_bytes()


# what comes in


def test_pictures_of_every_kind_are_taken():
    deep = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    files = [
        ("animated.gif", saved(frames[0], "GIF", save_all=True, append_images=frames[1:])),
        ("print.jpg", saved(Image.new("CMYK", (41, 40), (0, 255, 255, 0)), "JPEG")),
        ("deep.png", saved(Image.fromarray(deep), "PNG")),
        ("clear.png", saved(Image.new("RGBA", (40, 40), (0, 0, 0, 0)), "PNG")),
        ("100 megapixels.jpg", saved(Image.new("L", (10000, 10000), 90), "JPEG")),
    ]
    likes = intake.Likes()
    assert likes.add(files) == []
    assert likes.names == [name for name, _ in files]
    first, ink, deep, clear, large = likes
    assert first[0, 0].min() > 0.9 and first[0, 2].max() < 0.1  # the first frame, red
    assert ink[0, 0].min() > 0.8 and ink[0, 1].max() < 0.3
    assert deep.min() < 0.05 and deep.max() > 0.95
    assert clear.min() == 1
    assert large.shape == (1, 3, 256, 256)


def test_each_bad_file_is_one_sentence_that_names_it():
    whole = png(40, 40)
    header = struct.pack(">4s2I5B", b"IHDR", 20000, 20000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + b"\0\0\0\1IDAT"
    )
    files = [
        ("whole.png", whole),
        ("empty.png", b""),
        ("cut.png", whole[: len(whole) // 2]),
        ("text.png", b"#!/bin/sh\necho hello\n"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("bomb.png", bomb),
        ("tiny.png", png(8, 8)),
        ("thread.png", png(16, 200)),
        ("../../etc/again.png", whole),
    ]
    likes = intake.Likes()
    left_out = likes.add(files)
    assert likes.names == ["whole.png"]
    for (name, _), sentence in zip(files[1:], left_out, strict=True):
        assert sentence.startswith(name) and "\n" not in sentence
    reasons = ("is empty", "cut short", "is no picture", "is no picture", "128,000,000 pixels", "8 x 8 px", "8 times")
    for words, sentence in zip((*reasons, "same picture as whole.png"), left_out, strict=True):
        assert words in sentence


def test_limits_on_files(monkeypatch):
    monkeypatch.setattr(intake, "MOST_BYTES", 4_000_000)
    likes = intake.Likes()
    (sentence,) = likes.add([("large.png", bytes(5_000_000))])
    assert sentence == "large.png has 5 MB, more than 4: make it smaller first"
    monkeypatch.setattr(intake, "MOST_TOTAL", 9_000_000)
    with pytest.raises(InputError, match="10 MB together, more than 9"):
        likes.add([("a.png", bytes(5_000_000))] * 2)
    monkeypatch.setattr(intake, "MOST_FILES", 2)
    with pytest.raises(InputError, match="3 files are more than the 2"):
        likes.add([("a.png", b"")] * 3)
    assert likes.add([(f"{seed}.png", png(20, 20, seed)) for seed in range(2)]) == []
    (sentence,) = likes.add([("one more.png", png(20, 20, 3))])
    assert sentence.startswith("one more.png is left out, as there are 2 pictures already")


def test_names_are_cleaned():
    assert intake.clean("a\nb\u202egpj.exe\x00") == "a?b?gpj.exe?"
    assert intake.clean(" ") == "a file"
    assert len(intake.clean("x" * 10_000)) == intake.NAME
    assert intake.clean("<b>ü 1.png") == "<b>ü 1.png"


def test_likes_are_read_again_as_they_came_and_are_counted():
    likes, seen = intake.Likes(), []
    likes.add([("a.png", png(20, 30))])
    likes.looked = lambda: seen.append(1)
    assert torch.equal(likes[0], load_image(png(20, 30)))
    assert len(seen) == 1 and len(likes) == 1


# style files


def changed(content, tmp_path, metadata=None, about=None, tensors=None):
    """A style file's bytes with something changed."""
    path = tmp_path / "style.safetensors"
    path.write_bytes(content)
    found, known = read_tensors(path)
    known |= metadata or {}
    known["about"] = json.dumps(json.loads(known["about"]) | (about or {}))
    write_tensors(found | (tensors or {}), path, known)
    return path.read_bytes()


def test_style_file_is_opened_as_it_was_made(learnt, style_file):
    other = Session()
    other.open_style("my_style.safetensors", style_file)
    assert other.personal.counts == [6, 6] and other.personal.found is None
    assert other.taste is None and other.pair is None and other.typical(0) is None
    other.take_bundled_photo("cat.jpg")
    painting = other.paint([0, 1])
    assert (painting - learnt.paint([0, 1])).abs().mean() < 2e-3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metadata": {"version": "99"}}, "is of version 99, this gantutor reads"),
        ({"metadata": {"format": "else"}}, "is no personal style"),
        ({"about": {"features": "vgg19"}}, "was not learnt with the bundled features"),
        ({"about": {"features": "/etc/passwd"}}, "was not learnt with the bundled features"),
        ({"about": {"weights": [float("nan"), 0.5]}}, "is incomplete"),
        ({"about": {"answers": [["<script>", 0.5]]}}, "is incomplete"),
        ({"about": {"tightness": ["<b>", 1]}}, "is incomplete"),
        ({"about": {"counts": [6]}}, "is incomplete"),
        ({"about": {"features_hash": "0"}}, "was learnt with other weights"),
        ({"tensors": {"style.0.64.relu2_2.mean": torch.zeros(5)}}, "is incomplete"),
    ],
)
def test_bad_style_files(style_file, tmp_path, change, words):
    content = changed(style_file, tmp_path, **change)
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        Session().open_style("<my> style", content)
    assert str(tmp_path) not in str(caught.value) and "/tmp" not in str(caught.value)


def test_style_file_with_layers_of_another_size(style_file, tmp_path):
    packed = {f"style.0.64.relu2_2.{kind}": torch.ones(count) for kind, count in (("mean", 5), ("covariance", 15))}
    with pytest.raises(InputError, match="layers have other sizes"):
        Session().open_style("a", changed(style_file, tmp_path, tensors=packed))


def test_more_styles_than_there_is_room_for(style_file, monkeypatch):
    monkeypatch.setattr(intake, "MOST_STYLES", 1)
    with pytest.raises(InputError, match=r"a\.safetensors holds 2 styles, more than 1"):
        Session().open_style("a.safetensors", style_file)


@pytest.mark.parametrize("content", [b"", b"no tensors at all", b"\xff" * 64])
def test_files_that_are_no_style_files(content):
    with pytest.raises(InputError, match=r"^mine\.safetensors is damaged or is no safetensors file"):
        Session().open_style("mine.safetensors", content)


def test_style_file_cut_in_half(style_file):
    with pytest.raises(InputError, match=r"^mine is damaged"):
        Session().open_style("mine", style_file[: len(style_file) // 2])


def test_style_files_leave_nothing_on_disk(style_file, learnt, tmp_path, monkeypatch):
    monkeypatch.setattr(session.tempfile, "tempdir", str(tmp_path))
    learnt.style_bytes()
    Session().open_style("a", style_file)
    assert list(tmp_path.iterdir()) == []


# the session


@pytest.mark.parametrize(("files", "count"), [([], "no pictures"), ([("a", png(40, 40))] * 2, "one picture")])
def test_too_few_pictures_are_one_sentence(files, count):
    few = Session()
    few.add(files)
    with pytest.raises(InputError, match=f"{count} cannot show your styles: give two"):
        few.find()


def test_two_pictures_are_enough_to_go_on():
    two = Session()
    two.add([("a", liked(OIL[0])), ("b", liked(HATCHING[0]))])
    two.find()
    assert "One cannot tell from fewer than 6 pictures" in two.answer()
    assert two.pair is None and two.starting_mix() == [1]


def test_bundled_pictures_make_way_for_those_uploaded():
    made = Session()
    made.use_bundled()
    assert len(made.likes) == 30 and made.bundled
    assert len(made.add([("bad", b"")])) == 1
    assert len(made.likes) == 30 and made.bundled
    made.add([("a", png(40, 40))])
    made.add([("b", png(40, 40, 1))])
    assert len(made.likes) == 2 and not made.bundled
    made.clear()
    assert len(made.likes) == 0


def test_styles_are_those_of_the_painters(learnt):
    names = np.array([int(name[:2]) for name in learnt.likes.names])
    groups = {frozenset(names[learnt.clusters.labels == style].tolist()) for style in range(2)}
    assert groups == {frozenset(OIL), frozenset(HATCHING)}
    assert learnt.typical(0).shape == (6, 3, session.THUMBNAIL, session.THUMBNAIL)
    assert torch.equal(learnt.typical(1)[:1], learnt.square(learnt.clusters.medoids[1]))


def test_answer_in_words(learnt, monkeypatch):
    for found, answers, words in (
        (3, {3: 0.55, 4: 0.25, 0: 0.2}, "Three styles: 55% of random parts of the pictures say so, 25% say four, 20%"),
        (1, {1: 1.0}, "One style: 100% of random parts of the pictures say so."),
        (0, {0: 1.0}, "One cannot tell from these pictures which styles there are, so they are taken as one"),
        (None, {}, "Two styles, as many as you asked for."),
        (2, {}, "Two styles: 0% of random parts"),
    ):
        monkeypatch.setattr(learnt.personal, "found", found)
        monkeypatch.setattr(learnt.personal, "answers", answers)
        assert learnt.answer().startswith(words)
    assert session.counted(1, "click") == "one click" and session.counted(15, "click") == "15 clicks"


def test_progress_comes_from_nought_to_one(few):
    made, heard = Session(), []
    made.add(few)
    made.find(2, heard.append)
    assert heard == sorted(heard) and 0 < heard[0] < 0.1 and heard[-1] == pytest.approx(1, abs=0.1)


def test_clicks_weigh_the_styles_and_outlive_more_pictures(few):
    made = Session()
    made.add(few)
    made.find(2)
    assert made.starting_mix() == [1, 0]
    hatched = made.clusters.labels[made.likes.names.index("02.jpg")]
    for _ in range(5):
        made.prefer(made.clusters.labels[made.pair[0]] == hatched)
    assert made.personal.weights[hatched] > 0.6
    assert made.starting_mix()[hatched] == 1 > made.starting_mix()[1 - hatched]
    latest = made.taste.pairs[-1]
    made.undo()
    assert made.pair == latest and len(made.taste.pairs) == 4
    made.add([("one more", liked(20))])
    made.find(2)
    assert len(made.taste.pairs) == 4 and len(made.taste.points) == 7
    for _ in range(4):
        made.undo()
    assert made.personal.weights == made.personal.shares and made.starting_mix() == [1, 0]
    made.clear()
    made.add(few)
    made.find(2)
    assert made.taste.pairs == []


def test_painting_is_the_generators(learnt):
    photo = resize(load_image(bundled("photos/cat.jpg")), 128)
    painted = learnt.paint([0.5, 1], size=128)
    expected = learnt.painter.paint(learnt.painter.encode(photo), learnt.personal.mix([1, 2]))
    torch.testing.assert_close(painted, expected, atol=2e-3, rtol=0)
    assert painted is learnt.painting
    assert learnt.paint([1, 1], size=96).shape[2] == 96
    weak, strong = (learnt.paint([1, 0], strength, 96) for strength in (0.0, 1.0))
    photo = resize(learnt.photo, 96)
    assert (weak - photo).abs().mean() < (strong - photo).abs().mean()


def test_painting_without_a_style_or_a_photo(learnt):
    with pytest.raises(InputError, match="all sliders are at 0"):
        learnt.paint([0, 0])
    with pytest.raises(InputError, match="all sliders are at 0"):
        next(learnt.refine([0, 0]))
    with pytest.raises(InputError, match="nothing to paint yet"):
        Session().paint([1])


def test_refining_is_the_optimisers_and_of_one_size(learnt):
    before = learnt.painting
    states = list(learnt.refine([1, 0], size=80))
    assert {image.shape for image, *_ in states} == {resize(learnt.photo, 80).shape}
    assert [done for _, done, _ in states] == list(range(1, len(states) + 1))
    assert states[-1][2] == len(states)
    assert learnt.painting is before


# the page


@pytest.fixture(scope="module")
def made(folder):
    """With a folder and a photo of one's own."""
    made = Studio(folder, bundled("photos/cat.jpg"))
    assert text(made.likes.note) == ["Twelve pictures."] and made.photo.choice.value == steps.OWN
    made.styles.count.value = 2
    made.styles.find.click()
    return made


@pytest.fixture
def studio(made):
    """The page with twelve pictures and two styles, without clicks."""
    made.styles.count.value, made.error = 2, None
    while made.session.taste is not None and made.session.taste.pairs:
        made.clicks.undo.click()
    made.paint()
    assert made.error is None
    yield made
    made.replace_run()


def text(note):
    """What an HTML widget says, its lines as a list."""
    return re.sub("^<div[^>]*>|</div>$", "", note.value).split("<br>")


def linked(widget):
    """The name and the bytes behind a link."""
    name, content = re.fullmatch(r"<a download='(.*?)' href='data:[a-z/-]+;base64,(.*?)' .*", widget.value).groups()
    return name, base64.b64decode(content)


def shown(widget):
    return load_image(bytes(widget.value))


def test_walk_from_pictures_to_files(tmp_path):
    studio = Studio()
    assert text(studio.likes.note) == ["30 bundled pictures."]
    assert text(studio.styles.note)[0].startswith("Three styles: ")
    assert len(studio.painting.sliders) == 3 and studio.error is None
    assert shown(studio.painting.painting).shape == (1, 3, 256, 256)

    studio.likes.none.click()
    assert text(studio.likes.note)[0].startswith("No pictures.") and studio.styles.find.disabled
    upload(studio.likes.upload, *((f"{n}.jpg", liked(n)) for n in (*OIL, *HATCHING)), ("<script>x</script>", b"?"))
    first, second = text(studio.likes.note)
    assert first == "Twelve pictures. Now find your styles."
    assert second.startswith("&lt;script&gt;x&lt;/script&gt; is no picture")
    assert not studio.likes.upload.value  # forgotten
    studio.styles.count.value = 2
    studio.styles.find.click()
    assert text(studio.styles.note) == ["Two styles, as many as you asked for."]
    assert len(studio.styles.cards.children) == len(studio.painting.sliders) == 2

    before = studio.painting.painting.value
    studio.clicks.better[0].click()
    assert text(studio.clicks.note)[0].startswith("One click: style 1 ")
    assert [each.value for each in studio.painting.sliders] == pytest.approx(studio.session.starting_mix(), abs=0.03)
    assert studio.painting.painting.value != before
    studio.clicks.undo.click()

    upload(studio.photo.upload, ("me.jpg", bundled("photos/coffee.jpg").read_bytes()))
    assert studio.photo.choice.value == steps.OWN and shown(studio.painting.painting).shape[3] > 256
    before = studio.painting.painting.value
    studio.painting.sliders[1].set_state({"value": 0.7})
    assert studio.painting.painting.value != before
    studio.painting.refine.click()
    studio.wait()
    assert re.fullmatch(r"Refined in \d+ steps\.", text(studio.painting.note)[0])

    name, content = linked(studio.keep.painting)
    assert name == "painting.png"
    torch.testing.assert_close(load_image(content), studio.session.painting, atol=0.5 / 255 + 1e-6, rtol=0)
    studio.keep.make.click()
    name, content = linked(studio.keep.style)
    assert name == "my_style.safetensors"
    (tmp_path / name).write_bytes(content)
    assert PersonalStyle.load(tmp_path / name).counts == [6, 6]
    assert studio.error is None


def test_sliders_paint_at_once_and_nothing_is_said_when_all_are_nought(studio):
    before = studio.painting.painting.value
    studio.painting.strength.value = 0.5
    assert studio.painting.painting.value != before
    torch.testing.assert_close(shown(studio.painting.painting), studio.session.painting, atol=0.5 / 255 + 1e-6, rtol=0)
    assert linked(studio.keep.painting)[1] == bytes(studio.painting.painting.value)
    studio.painting.strength.value = 1.0
    before = studio.painting.painting.value
    studio.painting.sliders[0].value = 0  # the other is
    assert text(studio.painting.note)[0].startswith("all sliders are at 0")
    assert studio.painting.painting.value == before
    studio.painting.sliders[0].value = 1
    assert studio.painting.note.value == ""
    studio.painting.size.value = 384
    assert shown(studio.painting.painting).shape[2] == 384 == shown(studio.painting.photo).shape[2]
    studio.painting.size.value = 256


def test_one_picture_and_none_are_sentences(studio):
    try:
        studio.likes.none.click()
        upload(studio.likes.upload)
        upload(studio.likes.upload, ("a.png", png(40, 40)), ("b.png", png(40, 40)))
        assert text(studio.likes.note)[0].startswith("One picture. Upload some that you like")
        assert text(studio.likes.note)[1].startswith("b.png is the same picture as a.png")
        assert studio.styles.find.disabled
        studio.styles.find.click()  # by a script
        assert text(studio.styles.note)[0].startswith("one picture cannot show your styles")
    finally:
        studio.session.likes = studio.session.asked
    assert studio.error is None


def test_many_bad_files_are_summed_up(studio):
    files = [(f"{number}.png", b"") for number in range(20)]
    upload(studio.likes.upload, *files)
    said = text(studio.likes.note)
    assert len(said) == 8 and said[-1] == "… and 14 more."


def test_bad_photo_is_a_sentence_and_the_painting_stays(studio):
    before = studio.painting.painting.value
    upload(studio.photo.upload, ("<img src=x>.png", b"?"))
    assert text(studio.photo.note)[0].startswith("&lt;img src=x&gt;.png is no picture")
    assert studio.painting.painting.value == before and studio.error is None


def test_photos_are_chosen_and_ones_own_comes_back(studio):
    own = studio.painting.photo.value
    studio.photo.choice.value = "rocket.jpg"
    assert studio.painting.photo.value != own
    studio.photo.choice.value = steps.OWN
    assert studio.painting.photo.value == own
    kept, studio.photo.own = studio.photo.own, None
    studio.photo.choice.value = "rocket.jpg"
    studio.photo.choice.value = steps.OWN
    assert text(studio.photo.note) == ["there is no photo of yours yet: upload one"]
    studio.photo.own = kept
    studio.photo.choose(steps.OWN)


def test_opened_style_file_has_sliders_and_nothing_to_click(folder, style_file):
    studio = Studio(folder, bundled("photos/cat.jpg"))
    studio.styles.count.value = 2
    upload(studio.likes.style_file, ("x.safetensors", style_file[:-9]))
    assert text(studio.likes.note)[0].startswith("x.safetensors is damaged")
    upload(studio.likes.style_file, ("x.safetensors", style_file))
    assert studio.error is None
    assert text(studio.styles.note) == ["The file holds two styles, but no pictures."]
    assert len(studio.painting.sliders) == 2
    assert all(each.disabled for each in (*studio.clicks.better, studio.clicks.undo))
    assert all(each.layout.display == "none" for each in studio.clicks.pictures)
    before = studio.painting.painting.value
    studio.painting.sliders[1].value = 0.8
    assert studio.painting.painting.value != before
    studio.keep.make.click()
    assert len(linked(studio.keep.style)[1]) == len(style_file)
    assert "image/jpeg" not in studio._repr_mimebundle_()[0]
    studio.styles.find.click()
    assert not studio.clicks.better[0].disabled and studio.clicks.pictures[0].layout.display is None


def test_one_style_leaves_nothing_to_weigh(studio):
    studio.styles.count.value = 1
    studio.styles.find.click()
    assert text(studio.clicks.note) == ["There is one style, so there is nothing to weigh."]
    assert studio.clicks.better[0].disabled and len(studio.painting.sliders) == 1
    studio.styles.count.value = 2
    studio.styles.find.click()
    assert not studio.clicks.better[0].disabled and len(studio.painting.sliders) == 2


def test_more_styles_than_pictures_is_a_sentence(studio, monkeypatch):
    monkeypatch.setattr(studio.session, "likes", intake.Likes())
    upload(studio.likes.upload, ("a.png", png(40, 40)), ("b.png", png(40, 40, 1)))
    studio.styles.count.value = 5
    studio.styles.find.click()
    assert text(studio.styles.note)[0].startswith("5 styles cannot be found (pictures that differ: 2)")
    assert studio.error is None and not studio.styles.find.disabled


def test_all_pairs_compared(studio):
    kept = studio.session.taste
    studio.session.taste, studio.session.pair = SimpleNamespace(pairs=[(0, 1)]), None
    assert "All pairs have been compared." in studio.clicks.told()
    studio.session.taste = kept
    studio.session.clicked()


def test_the_unforeseen_is_a_sentence_too(studio, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("no <such> number\nand more")

    monkeypatch.setattr(studio.session, "paint", fail)
    studio.painting.sliders[0].value = 0.35
    assert text(studio.painting.note) == [
        "This did not work, and should have (ZeroDivisionError: no &lt;such&gt; number)."
    ]
    assert isinstance(studio.error, ZeroDivisionError)
    monkeypatch.undo()
    studio.painting.sliders[0].value = 1.0
    assert studio.error is None and studio.painting.note.value == ""


def test_busy_page_lets_nothing_be_asked(studio, monkeypatch):
    seen = []

    def find(k, watch):
        watch(0.5)
        controls = [control for step in studio.steps for control in step.usable()]
        seen.extend([all(each.disabled for each in controls), studio.styles.progress.value, text(studio.styles.note)])
        raise InputError("no")

    monkeypatch.setattr(studio.session, "find", find)
    studio.styles.find.click()
    assert seen == [True, 0.5, ["Looking at twelve pictures …"]]
    assert text(studio.styles.note) == ["no"] and not studio.styles.find.disabled
    assert studio.styles.progress.layout.display == "none"


# refining, in its thread


class Gate:
    """States of an optimiser, each given out when the test says so."""

    def __init__(self, last=100, failure=None):
        self.open, self.last, self.failure = threading.Semaphore(0), last, failure
        self.begun, self.closed = threading.Event(), threading.Event()

    def states(self, *_):
        self.begun.set()
        try:
            for step in range(1, self.last + 1):
                assert self.open.acquire(timeout=30)
                if self.failure and step == self.last:
                    raise self.failure
                yield torch.full((1, 3, 32, 32), step / 128), step, self.last
        finally:
            self.closed.set()


@pytest.fixture
def gate(studio, monkeypatch):
    gate = Gate()
    monkeypatch.setattr(studio.session, "refine", gate.states)
    return gate


def stepped(studio, gate, steps):
    """Let the optimiser make so many steps, and wait until they are seen."""
    shown = threading.Event()
    note = studio.painting.note
    goal = f"step {steps} of"

    def look(change):
        if goal in change["new"]:
            shown.set()

    note.observe(look, "value")
    gate.open.release(steps)
    assert shown.wait(30)
    note.unobserve(look, "value")


def test_stop_ends_the_refining_and_keeps_the_picture(studio, gate):
    studio.painting.refine.click()
    assert studio.painting.refine.disabled and not studio.painting.stop.disabled
    stepped(studio, gate, 3)
    run = studio.painting.run
    studio.painting.stop.click()
    assert studio.painting.stop.disabled
    gate.open.release(50)
    run.thread.join(30)
    assert gate.closed.is_set() and not run.thread.is_alive()
    assert re.fullmatch(r"Stopped after (three|four) steps\.", text(studio.painting.note)[0])
    assert linked(studio.keep.painting)[1] == bytes(studio.painting.painting.value)
    torch.testing.assert_close(shown(studio.painting.painting), studio.session.painting, atol=0.003, rtol=0)
    assert not studio.painting.refine.disabled and studio.painting.stop.disabled
    assert studio.painting.progress.layout.display == "none"


def test_refining_ends_by_itself(studio, monkeypatch):
    gate = Gate(last=5)
    monkeypatch.setattr(studio.session, "refine", gate.states)
    studio.painting.refine.click()
    gate.open.release(5)
    studio.wait()
    assert text(studio.painting.note) == ["Refined in five steps."]
    assert shown(studio.painting.painting).mean() == pytest.approx(5 / 128, abs=0.002)
    assert studio.painting.run is None and not studio.painting.refine.disabled


def test_slider_takes_the_place_of_the_refining(studio, gate):
    studio.painting.refine.click()
    stepped(studio, gate, 2)
    run = studio.painting.run
    studio.painting.sliders[1].value = 0.4
    painting = studio.painting.painting.value
    gate.open.release(50)
    run.thread.join(30)
    assert gate.closed.is_set()
    assert studio.painting.painting.value == painting and shown(studio.painting.painting).shape[2] == 256
    assert studio.painting.note.value == "" and not studio.painting.refine.disabled
    studio.painting.sliders[1].value = 0.0


@pytest.mark.parametrize(
    ("failure", "words"),
    [(InputError("<too> odd"), "&lt;too&gt; odd"), (ZeroDivisionError("oh"), "This did not work, and should have")],
)
def test_failure_while_refining_is_a_sentence(studio, monkeypatch, failure, words):
    gate = Gate(last=2, failure=failure)
    monkeypatch.setattr(studio.session, "refine", gate.states)
    studio.painting.refine.click()
    gate.open.release(2)
    studio.wait()
    assert text(studio.painting.note)[0].startswith(words)
    assert (studio.error is failure) == isinstance(failure, ZeroDivisionError)
    assert not studio.painting.refine.disabled


def test_refining_and_live_panels_end_one_another(studio, gate):
    def draw():
        yield torch.zeros(1, 3, 4, 4)

    studio.painting.refine.click()
    stepped(studio, gate, 1)
    run = studio.painting.run
    panel = Live(draw)
    panel.start_button.click()
    gate.open.release(50)
    panel.wait()
    assert not run.thread.is_alive() and gate.closed.is_set()
    assert text(studio.painting.note)[0].startswith("Stopped after ")
    assert not studio.painting.refine.disabled


def test_second_refining_waits_for_the_first(studio, gate, monkeypatch):
    studio.painting.refine.click()
    stepped(studio, gate, 1)
    first, later = studio.painting.run, Gate(last=2)
    studio.painting.stop.click()
    monkeypatch.setattr(studio.session, "refine", later.states)
    studio.painting.start()
    later.open.release(2)
    assert not later.begun.wait(0.2)
    gate.open.release(1)
    studio.wait()
    assert later.begun.is_set() and not first.thread.is_alive()
    assert text(studio.painting.note) == ["Refined in two steps."]


def test_buttons_are_not_set_while_a_run_ends(studio):
    refreshed = threading.Event()
    with studio.painting.lock:
        threading.Thread(target=lambda: (studio.refresh(), refreshed.set()), daemon=True).start()
        assert not refreshed.wait(0.2)
    assert refreshed.wait(30)


def test_closed_page_computes_no_more(folder, monkeypatch):
    studio = Studio(folder, bundled("photos/cat.jpg"))
    gate = Gate()
    monkeypatch.setattr(studio.session, "refine", gate.states)
    studio.painting.refine.click()
    run = studio.painting.run
    assert gate.begun.wait(30)
    studio.close()
    gate.open.release(2)
    run.thread.join(30)
    assert gate.closed.is_set()


# for readers without a kernel


def test_notebook_gets_the_page_and_a_static_picture(studio):
    data, about = studio._repr_mimebundle_()
    assert about["image/jpeg"]["alt"].startswith("Studio. Two styles, as many as you asked for.")
    assert data["text/plain"] == "Studio" and data[VIEW]["model_id"] == studio.model_id
    picture = load_image(base64.b64decode(data["image/jpeg"]))
    row = 128 + 8
    assert picture.shape[2] == 2 * row + 256 + 8
    painted, photo = picture[..., 2 * row : 2 * row + 256, :], resize(studio.session.photo, 256)
    width = photo.shape[3]
    assert (painted[..., :width] - photo).abs().mean() < 0.03
    assert (painted[..., width + 8 : 2 * width + 8] - studio.session.painting).abs().mean() < 0.03


def test_page_is_made_of_widgets_that_all_front_ends_have(studio):
    boxes = {"VBox", "HBox", "Box"}
    allowed = boxes | {"HTML", "Image", "Button", "FileUpload", "Dropdown", "FloatSlider", "FloatProgress"}

    def names(widget):
        yield next(kind.__name__ for kind in type(widget).__mro__ if kind.__module__.startswith("ipywidgets"))
        for child in getattr(widget, "children", ()):
            yield from names(child)

    assert set(names(studio)) == allowed
    assert isinstance(studio, widgets.VBox)


def test_folder_that_is_none(folder):
    with pytest.raises(InputError, match="does not exist: give a folder"):
        Studio(folder / "nothing")


def test_sizes_fit_the_photo_that_is_kept():
    assert max(painting.SIZES) == intake.PHOTO_SIDE
    assert images.MAX_PIXELS > LONGEST * intake.PHOTO_SIDE**2
