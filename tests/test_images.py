import errno
import io
import os
import stat
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, ImageFile

from gantutor import images
from gantutor.errors import InputError
from gantutor.images import atomic_path, centre_crop, encode_png, image_grid, load_image, resize, save_image

HALF_LEVEL = 0.5 / 255 + 1e-6
Image.init()


def noise(height, width, seed=0):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def pillow_noise(width, height, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def smooth(width, height):
    """A picture with waves of several lengths, that a JPEG file holds well."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    waves = [np.sin(x / 9 + y / 31), np.sin(x / 70 - y / 12), np.cos(x / 25 + y / 25)]
    return Image.fromarray((127.5 + 120 * np.stack(waves, 2)).astype(np.uint8))


def file_bytes(picture, kind="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(source, **options):
    """What load_image reads, as an array (H, W, 3) of levels 0 to 255."""
    return load_image(source, **options)[0].permute(1, 2, 0).numpy() * 255


def levels(picture):
    return np.asarray(picture, np.float32)


def swapped_profile():
    """An sRGB profile that calls red what is blue and the reverse."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")


def png_of_size(width, height):
    """A PNG file whose header states a size that its data do not have."""
    data = file_bytes(Image.new("RGB", (1, 1)))
    header = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


# Reading: sources and sizes


def test_path_text_bytes_and_file_give_the_same_picture(tmp_path):
    path = tmp_path / "a.png"
    pillow_noise(5, 4).save(path)
    data = path.read_bytes()
    wanted = load_image(path)
    assert wanted.shape == (1, 3, 4, 5) and wanted.dtype == torch.float32 and wanted.is_contiguous()
    np.testing.assert_allclose(pixels(path), levels(pillow_noise(5, 4)), atol=1e-3)
    for source in (str(path), data, bytearray(data), memoryview(data), io.BytesIO(data)):
        assert torch.equal(load_image(source), wanted)
    with open(path, "rb") as file:
        assert torch.equal(load_image(file), wanted)


@pytest.mark.parametrize("kind", [kind for kind in images.READABLE if kind in Image.SAVE])
def test_every_readable_kind_is_read(kind):
    flat = Image.new("RGB", (12, 8), (200, 100, 50))
    np.testing.assert_allclose(pixels(file_bytes(flat, kind)), levels(flat), atol=4)


def test_size_is_the_short_side_and_only_shrinks():
    data = file_bytes(pillow_noise(40, 20))
    assert load_image(data, 10).shape == (1, 3, 10, 20)
    assert torch.equal(load_image(data, 21), load_image(data))
    assert load_image(file_bytes(pillow_noise(20, 41)), 10).shape == (1, 3, 20, 10)


@pytest.mark.parametrize("sides", [(1001, 667), (667, 1001), (400, 399), (399, 400), (1, 300), (300, 1), (1, 1)])
@pytest.mark.parametrize("size", [7, 24, 41, 100])
def test_jpeg_has_the_same_shape_as_png(sides, size):
    picture = Image.new("RGB", sides)
    short, long = min(size, *sides), max(sides)
    long = round(long * short / min(sides))
    wanted = (long, short) if sides[1] > sides[0] else (short, long)
    for kind in ("PNG", "JPEG"):
        assert load_image(file_bytes(picture, kind), size).shape[2:] == wanted


@pytest.mark.parametrize("size", [50, 90, 149, 151, 290])
def test_shrinking_a_jpeg_while_decoding_keeps_it_sharp(size):
    jpeg = file_bytes(smooth(800, 600), "JPEG", quality=95)
    whole = Image.open(io.BytesIO(jpeg))
    difference = np.abs(pixels(jpeg, size=size) - pixels(file_bytes(whole), size=size))
    assert difference.mean() < 0.5 and difference.max() < 8


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_shrinking_is_antialiased(kind):
    board = (np.indices((400, 400)).sum(0) % 2 * 255).astype(np.uint8)
    np.testing.assert_allclose(pixels(file_bytes(Image.fromarray(board), kind), size=90), 127.5, atol=6)


@pytest.mark.parametrize("size", [0, -3])
def test_impossible_size_is_refused(size):
    with pytest.raises(InputError, match=f"{size} px"):
        load_image(file_bytes(pillow_noise(4, 4)), size)


# Reading: orientation, colour, depth


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (1, lambda picture: picture),
        (2, np.fliplr),
        (3, lambda picture: np.rot90(picture, 2)),
        (4, np.flipud),
        (5, lambda picture: picture.transpose(1, 0, 2)),
        (6, np.rot90),
        (7, lambda picture: np.rot90(picture, 2).transpose(1, 0, 2)),
        (8, lambda picture: np.rot90(picture, -1)),
        (9, lambda picture: picture),
    ],
)
def test_orientation_is_applied(kind, orientation, stored):
    upright = levels(pillow_noise(5, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    data = file_bytes(Image.fromarray(np.ascontiguousarray(stored(upright))), kind, exif=exif, **options)
    np.testing.assert_allclose(pixels(data), upright, atol=1e-3)


@pytest.mark.parametrize("sides", [(801, 600), (600, 801), (400, 399)])
def test_orientation_and_size_together(sides):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = smooth(*sides)
    turned = pixels(file_bytes(picture, "JPEG", quality=95, exif=exif), size=33)
    straight = pixels(file_bytes(picture, "JPEG", quality=95), size=33)
    assert turned.shape == np.rot90(straight, -1).shape
    np.testing.assert_allclose(turned, np.rot90(straight, -1), atol=2)


@pytest.mark.parametrize("exif", [b"no EXIF data at all", b"II*\0\x08\0\0\0\x05\0\x12\x01"])
def test_damaged_exif_is_ignored(exif):
    picture = pillow_noise(5, 3)
    np.testing.assert_allclose(pixels(file_bytes(picture, exif=b"Exif\0\0" + exif)), levels(picture), atol=1e-3)


def test_icc_profile_is_converted_to_srgb():
    picture = pillow_noise(6, 4)
    read = pixels(file_bytes(picture, icc_profile=swapped_profile()))
    np.testing.assert_allclose(read, levels(picture)[..., ::-1], atol=3)


def test_icc_profile_of_a_palette_and_under_alpha():
    red = Image.new("RGB", (2, 2), (255, 0, 0))
    read = pixels(file_bytes(red.quantize(2), icc_profile=swapped_profile()))
    np.testing.assert_allclose(read, np.broadcast_to((0, 0, 255), (2, 2, 3)), atol=2)
    red.putalpha(128)
    read = pixels(file_bytes(red, icc_profile=swapped_profile()))
    np.testing.assert_allclose(read, np.broadcast_to((127, 127, 255), (2, 2, 3)), atol=2)


@pytest.mark.parametrize("profile", [b"no profile at all", b"\0" * 500, swapped_profile()[:300]])
def test_broken_icc_profile_is_ignored(profile):
    picture = pillow_noise(6, 4)
    np.testing.assert_allclose(pixels(file_bytes(picture, icc_profile=profile)), levels(picture), atol=1e-3)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_icc_profile_for_other_colours_is_ignored(mode):
    picture = pillow_noise(6, 4).convert(mode)
    read = pixels(file_bytes(picture, "TIFF", icc_profile=swapped_profile()))
    np.testing.assert_allclose(read, levels(picture.convert("RGB")), atol=1e-3)


def test_half_alpha_over_white():
    picture = Image.new("RGBA", (2, 1), (255, 0, 0, 128))
    picture.putpixel((1, 0), (10, 20, 30, 0))
    np.testing.assert_allclose(pixels(file_bytes(picture))[0], [(255, 127, 127), (255, 255, 255)], atol=1)


def test_grey_with_alpha_over_white():
    picture = Image.new("LA", (2, 1), (0, 128))
    picture.putpixel((1, 0), (40, 255))
    np.testing.assert_allclose(pixels(file_bytes(picture))[0], [(127, 127, 127), (40, 40, 40)], atol=1)


@pytest.mark.parametrize(("transparency", "first"), [(0, 255), (bytes([128, 255]), 155)])
def test_palette_with_transparency_over_white(transparency, first):
    picture = Image.new("P", (2, 1))
    picture.putpalette([55, 55, 55, 0, 0, 255])
    picture.putpixel((1, 0), 1)
    read = pixels(file_bytes(picture, transparency=transparency))[0]
    np.testing.assert_allclose(read, [(first,) * 3, (0, 0, 255)], atol=1)


def test_one_transparent_colour_over_white():
    picture = Image.new("RGB", (2, 1), (9, 8, 7))
    picture.putpixel((1, 0), (1, 2, 3))
    np.testing.assert_allclose(
        pixels(file_bytes(picture, transparency=(9, 8, 7)))[0], [(255,) * 3, (1, 2, 3)], atol=1e-3
    )


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_black_and_white_grey_and_palette(mode):
    picture = pillow_noise(6, 4).convert(mode)
    np.testing.assert_allclose(pixels(file_bytes(picture)), levels(picture.convert("RGB")), atol=1e-3)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_pure_cyan_of_cmyk(kind):
    data = file_bytes(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), kind)
    np.testing.assert_allclose(pixels(data), np.broadcast_to((0, 255, 255), (8, 8, 3)), atol=2)


@pytest.mark.parametrize(("dtype", "kind"), [("<u2", "PNG"), ("<u2", "TIFF"), (">u2", "TIFF"), ("<i4", "TIFF")])
def test_sixteen_bits_are_scaled_not_clipped(dtype, kind):
    grey = np.array([[0, 32768, 257, 0]]).astype(dtype)
    read = pixels(file_bytes(Image.fromarray(grey), kind))
    np.testing.assert_allclose(read[0, :, 0], [0, 128, 1, 0], atol=1e-3)


def test_sixteen_bit_portable_greymap():
    data = b"P5 3 1 65535\n" + np.array([0, 32768, 257], ">u2").tobytes()
    np.testing.assert_allclose(pixels(data)[0, :, 1], [0, 128, 1], atol=1e-3)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),  # the usual range
        ([0.2, 0.2, 0.4], [51, 51, 102]),  # not stretched
        ([-100.0, 0.0, 300.0], [0, 64, 255]),  # another range: from its least to its greatest
        ([np.nan, 0.5, 1.0], [0, 128, 255]),
        ([-np.inf, 0.5, np.inf], [0, 128, 0]),
    ],
)
def test_floats(values, wanted):
    data = file_bytes(Image.fromarray(np.array([values], np.float32)), "TIFF")
    np.testing.assert_allclose(pixels(data)[0, :, 2], wanted, atol=1e-3)


def test_thirty_two_bit_integers_beyond_sixteen_bits_are_stretched():
    data = file_bytes(Image.fromarray(np.array([[0, 10**9, 2 * 10**9]], np.int32)), "TIFF")
    np.testing.assert_allclose(pixels(data)[0, :, 0], [0, 128, 255], atol=1e-3)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF"])
def test_animation_gives_its_first_frame(kind):
    first, second = Image.new("RGB", (4, 4), (255, 0, 0)), Image.new("RGB", (4, 4), (0, 0, 255))
    data = file_bytes(first, kind, save_all=True, append_images=[second])
    np.testing.assert_allclose(pixels(data), levels(first), atol=1e-3)


# Reading: bad files


@pytest.mark.parametrize("sides", [(12_000, 12_000), (60_000, 60_000), (2**31 - 1, 1)])
def test_bomb_is_refused_by_its_header(tmp_path, monkeypatch, sides):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("decoded"))
    path = tmp_path / "bomb.png"
    path.write_bytes(png_of_size(*sides))
    with pytest.raises(InputError, match=r"bomb\.png has more than 128,000,000 pixels.*: shrink it"):
        load_image(path, 64)


def test_pixel_limit_is_exact(monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 100)
    assert load_image(file_bytes(pillow_noise(10, 10))).shape == (1, 3, 10, 10)
    with pytest.raises(InputError, match="the uploaded picture has more than 100 pixels"):
        load_image(file_bytes(pillow_noise(101, 1)))


def test_pillow_neither_warns_nor_is_changed(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)
    assert load_image(file_bytes(pillow_noise(12, 12))).shape == (1, 3, 12, 12)  # Pillow warns of more than 100
    with pytest.raises(InputError):  # and raises for more than 200
        load_image(file_bytes(pillow_noise(20, 20)))
    with pytest.raises(InputError):
        load_image(b"GIF89a")
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)) == before


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.35, 0.6, 0.9, 0.98])
def test_truncated_file(tmp_path, kind, share):
    data = file_bytes(pillow_noise(60, 50), kind)
    path = tmp_path / "holiday.picture"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=r"holiday\.picture is .*damaged.*: \w+"):
        load_image(path)
    with pytest.raises(InputError, match=r"the uploaded picture is .*damaged"):
        load_image(path.read_bytes(), 10)


def test_reason_of_the_damage_is_named():
    with pytest.raises(InputError, match=r"damaged or cut short \(.*truncated.*\): copy or download it again"):
        load_image(file_bytes(pillow_noise(60, 50), "JPEG")[:2000])


def test_memory_that_does_not_suffice(monkeypatch):
    def load(image):
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with pytest.raises(InputError, match="does not fit into memory"):
        load_image(file_bytes(pillow_noise(4, 4), "BMP"))


def test_empty_file(tmp_path):
    path = tmp_path / "empty.jpg"
    path.touch()
    with pytest.raises(InputError, match=r"empty\.jpg is empty: "):
        load_image(path)
    with pytest.raises(InputError, match="the uploaded picture is empty"):
        load_image(b"")


@pytest.mark.parametrize(
    "data", [b"hello", b"\0" * 5000, b"<svg></svg>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"]
)
def test_not_a_picture(tmp_path, data):
    path = tmp_path / "notes.png"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"notes\.png is no picture.*: give a sound one of JPEG, PNG"):
        load_image(path)


def test_folder_and_missing_file(tmp_path):
    with pytest.raises(InputError, match="is a folder: name a picture"):
        load_image(tmp_path)
    with pytest.raises(InputError, match=r"gone\.png does not exist: check"):
        load_image(str(tmp_path / "gone.png"))


def test_file_that_may_not_be_read(tmp_path, monkeypatch):
    def denied(*arguments):
        raise PermissionError(errno.EACCES, "Permission denied", "mine.png")

    monkeypatch.setattr(images, "open", denied, raising=False)
    with pytest.raises(InputError, match=r"mine\.png cannot be opened \(Permission denied\): give"):
        load_image(tmp_path / "mine.png")


@pytest.mark.parametrize("source", [5, None, "nul\0byte.png", io.StringIO("text")])
def test_source_of_another_kind(source):
    with pytest.raises(InputError, match=": "):
        load_image(source)


def test_file_object_is_named_by_its_name(tmp_path):
    path = tmp_path / "named.png"
    path.write_bytes(b"nothing")
    with open(path, "rb") as file, pytest.raises(InputError, match=r"named\.png is no picture"):
        load_image(file)


# Tensors


@pytest.mark.parametrize(("size", "shape"), [(10, (10, 20)), (80, (80, 160)), (33, (33, 66)), (1, (1, 2))])
def test_resize_both_ways(size, shape):
    assert resize(noise(40, 80).repeat(2, 1, 1, 1), size).shape == (2, 3, *shape)


@pytest.mark.parametrize("sides", [(1, 5000), (5000, 1), (1, 1), (2, 4999)])
@pytest.mark.parametrize("size", [1, 4])
def test_resize_of_extreme_shapes(sides, size):
    image = torch.full((1, 3, *sides), 0.3)
    result = resize(image, size)
    assert min(result.shape) >= 1 and min(result.shape[2:]) == size
    torch.testing.assert_close(result, torch.full_like(result, 0.3))


def test_resize_is_antialiased_and_stays_in_range():
    board = (torch.arange(400)[:, None] + torch.arange(400)) % 2
    board = board.float().expand(1, 3, -1, -1)
    torch.testing.assert_close(resize(board, 90), torch.full((1, 3, 90, 90), 0.5), atol=0.03, rtol=0)
    edge = (torch.arange(20) >= 10).float().expand(1, 3, 20, 20)
    assert resize(edge, 77).min() == 0 and resize(edge, 77).max() == 1


def test_resize_passes_gradients_and_keeps_its_size():
    image = noise(8, 12).requires_grad_()
    resize(image, 4).sum().backward()
    assert image.grad.abs().min() > 0
    assert torch.equal(resize(image, 8), image)


def test_resize_refuses_what_cannot_be(monkeypatch):
    with pytest.raises(InputError, match="0 px"):
        resize(noise(4, 4), 0)
    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    with pytest.raises(InputError, match="90 × 30 px are more than 1,000 pixels: crop"):
        resize(noise(10, 30), 30)


@pytest.mark.parametrize("function", [lambda x: resize(x, 4), centre_crop, lambda x: image_grid(x, 1)])
@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 1, 4, 4), (1, 4, 4, 4), (0, 3, 4, 4), (1, 3, 0, 4)])
def test_other_shapes_are_refused(function, shape):
    with pytest.raises(InputError, match=r"float tensors \(N, 3, H, W\)"):
        function(torch.zeros(shape))


def test_centre_crop():
    image = noise(5, 9)
    assert torch.equal(centre_crop(image), image[..., :, 2:7])
    assert torch.equal(centre_crop(image, 3), image[..., 1:4, 3:6])
    assert centre_crop(noise(9, 4)).shape == (1, 3, 4, 4)
    with pytest.raises(InputError, match="6 px does not fit into a picture of 5 px: resize"):
        centre_crop(image, 6)
    with pytest.raises(InputError, match="0 px"):
        centre_crop(image, 0)


def test_grid_to_the_pixel():
    tiles = torch.stack([torch.full((3, 2, 3), value) for value in (0.1, 0.2, 0.3)])
    grid = image_grid(tiles, columns=2, gap=1, background=0.9)
    wanted = [
        [0.1, 0.1, 0.1, 0.9, 0.2, 0.2, 0.2],
        [0.1, 0.1, 0.1, 0.9, 0.2, 0.2, 0.2],
        [0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9],
        [0.3, 0.3, 0.3, 0.9, 0.9, 0.9, 0.9],
        [0.3, 0.3, 0.3, 0.9, 0.9, 0.9, 0.9],
    ]
    torch.testing.assert_close(grid, torch.tensor(wanted).expand(1, 3, -1, -1))


def test_grid_keeps_the_pictures_and_fits_few():
    pictures = noise(6, 5).repeat(2, 1, 1, 1) * torch.tensor([1, 0.5]).reshape(2, 1, 1, 1)
    grid = image_grid(pictures, columns=7)
    assert grid.shape == (1, 3, 6, 14)
    assert torch.equal(grid[..., :5], pictures[:1]) and torch.equal(grid[..., 9:], pictures[1:])
    assert (grid[..., 5:9] == 1).all()
    assert image_grid(pictures, columns=1, gap=0).shape == (1, 3, 12, 5)


@pytest.mark.parametrize(("columns", "gap"), [(0, 4), (2, -1)])
def test_impossible_grid(columns, gap):
    with pytest.raises(InputError, match=f"{columns} columns with gaps of {gap} px"):
        image_grid(noise(4, 4), columns, gap)


def test_pillow_and_back():
    picture = pillow_noise(6, 4)
    assert torch.equal(images.from_pil(picture), load_image(file_bytes(picture)))
    assert images.from_pil(picture).shape == (1, 3, 4, 6) and images.from_pil(picture).is_contiguous()
    for image in (images.from_pil(picture), images.from_pil(picture)[0]):
        assert np.array_equal(levels(images.to_pil(image)), levels(picture))
    assert images.to_pil(torch.tensor([-1.0, 0.999, 2.0]).expand(3, 1, 3)).tobytes()[::3] == bytes([0, 255, 255])


# Saving


def test_png_round_trip_is_within_half_a_level(tmp_path):
    image = noise(40, 30)
    save_image(image, tmp_path / "a.png")
    assert (load_image(tmp_path / "a.png") - image).abs().max() <= HALF_LEVEL
    assert (load_image(encode_png(image)) - image).abs().max() <= HALF_LEVEL
    assert torch.equal(load_image(encode_png(image[0])), load_image(encode_png(image)))


def test_values_are_rounded_and_clamped():
    image = torch.tensor([-7.0, 0.49 / 255, 0.51 / 255, 0.999, 1.0, 42.0]).expand(3, 1, 6)
    np.testing.assert_allclose(pixels(encode_png(image))[0, :, 0], [0, 0, 1, 255, 255, 255], atol=1e-3)


def test_save_takes_half_precision_gradients_and_strided_images():
    image = noise(4, 6).requires_grad_()
    assert (load_image(encode_png(image.bfloat16())) - image).abs().max() < 0.01
    assert torch.equal(load_image(encode_png(image.mT)), load_image(encode_png(image)).mT)


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.jpeg", "JPEG"), ("a.webp", "WEBP"), ("a.b.JPG", "JPEG")]
)
def test_suffix_chooses_the_format(tmp_path, name, kind):
    path = tmp_path / name
    image = load_image(file_bytes(smooth(64, 48)))
    save_image(image, str(path))
    with Image.open(path) as saved:
        assert saved.format == kind
    assert (load_image(path) - image).abs().mean() < 0.01
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.gif", "a", "a.png.txt", ".png"])
def test_unknown_suffix(tmp_path, name):
    with pytest.raises(InputError, match=r"no known suffix: end the name in \.png, \.jpg, \.jpeg, \.webp"):
        save_image(noise(4, 4), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite(tmp_path, value):
    image = noise(4, 4)
    image[0, 1, 2, 3] = value
    with pytest.raises(InputError, match="NaN or infinite"):
        save_image(image, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "image",
    [
        *(torch.zeros(shape) for shape in [(4, 4), (1, 4, 4), (4, 8, 8), (1, 1, 4, 4), (3, 0, 4), (1, 1, 3, 4, 4)]),
        torch.zeros(2, 3, 4, 4),
        torch.zeros(3, 4, 4, dtype=torch.uint8),
    ],
    ids=lambda image: f"{tuple(image.shape)} {image.dtype}",
)
def test_what_is_not_one_image_is_not_saved(tmp_path, image):
    with pytest.raises(InputError, match="image"):
        save_image(image, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_picture_too_long_for_its_format(tmp_path):
    with pytest.raises(InputError, match=r"WEBP cannot hold 17000 × 1 px .*: shrink it or save it as \.png"):
        save_image(torch.zeros(3, 1, 17000), tmp_path / "a.webp")
    assert not list(tmp_path.iterdir())


def test_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    save_image(noise(4, 4), path)
    old = path.read_bytes()

    def full_disk(path, data):
        path.touch()
        with open(path, "wb") as file:
            file.write(data[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(InputError, match=r"a\.png cannot be written \(No space left on device\): free"):
        save_image(noise(4, 4, seed=1), path)
    assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_interrupted_writer_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "style.safetensors"
    path.write_text("old")
    with pytest.raises(error), atomic_path(path) as temporary:
        assert temporary.parent == tmp_path and temporary.suffix == ".safetensors" and temporary != path
        temporary.write_text("hal")
        raise error
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_finished_writer_replaces_the_file(tmp_path):
    path = tmp_path / "style.safetensors"
    path.write_text("old")
    with atomic_path(str(path)) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_saved_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "plain").write_text("x")
    save_image(noise(4, 4), tmp_path / "a.png")
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_rename_that_fails(tmp_path, monkeypatch):
    def denied(source, target):
        raise PermissionError(errno.EACCES, "Permission denied", source)

    monkeypatch.setattr(os, "replace", denied)
    with pytest.raises(InputError, match=r"a\.png cannot be written \(Permission denied\)"):
        save_image(noise(4, 4), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_protected_folder(tmp_path, monkeypatch):
    def denied(path, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "touch", denied)
    with pytest.raises(InputError, match=r"a\.png cannot be written \(Permission denied\)"):
        save_image(noise(4, 4), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_target_that_is_no_place_for_a_file(tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"folder\.png is a folder: add"):
        save_image(noise(4, 4), tmp_path / "folder.png")
    for missing in ("gone", "file"):
        with pytest.raises(InputError, match=rf"a\.png cannot be written, as .*{missing} is no folder: create"):
            save_image(noise(4, 4), tmp_path / missing / "a.png")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.png"]


def test_target_is_checked_before_long_work(tmp_path, monkeypatch):
    assert images.check_writable(str(tmp_path / "a.PNG"), images.WRITABLE) == tmp_path / "a.PNG"
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"a\.txt has no known suffix: end the name in \.png"):
        images.check_writable(tmp_path / "a.txt", images.WRITABLE)
    with pytest.raises(InputError, match=r"is a folder: add the name of a file in it"):
        images.check_writable(tmp_path, images.WRITABLE)
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (tmp_path, os.W_OK))
    with pytest.raises(InputError, match=r"a\.txt cannot be written, as .* is protected: choose"):
        images.check_writable(tmp_path / "a.txt")
