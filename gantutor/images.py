"""Pictures in and out: decoding that trusts nothing, tensors, grids, saving that is never half done.

Images are float tensors (N, 3, H, W), RGB in the sRGB colour space, values in [0, 1].
"""

import io
import os
import secrets
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from .errors import InputError
from .runtime import first_line

MAX_PIXELS = 128_000_000  # of one picture: half a gigabyte as bytes, three times that as floats
# Only what is decoded by libraries inside Pillow: its EPS reader, for one, starts an interpreter on the file.
READABLE = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM")
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif", ".jp2", ".ppm"}  # of READABLE
WRITABLE = {  # suffix: Pillow's format and options, the lossy ones with little loss and full colour resolution
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95}),
}


def load_image(source, size=None):
    """Read a picture: a tensor (1, 3, H, W), upright, in sRGB, over white where it was transparent.

    source is a path, bytes, or a binary file. size is the length of the short side in px after antialiased
    resizing, which only ever shrinks; None keeps the picture's own. Of an animation it reads the first frame.
    Raises InputError, naming the file and the reason, for whatever is not a whole picture of at most `MAX_PIXELS`.
    """
    if size is not None:
        check_size(size)
    name, file = open_source(source)
    # Pillow warns of odd files (and of large ones, for which the limit here counts): the reader could do nothing.
    with file, warnings.catch_warnings(action="ignore"):
        try:
            if not file.read(1):
                raise InputError(f"{name} is empty: copy or download it again")
            file.seek(0)
            return decode(file, size)
        except InputError:
            raise
        except (Image.DecompressionBombError, MemoryError):
            limit = f"{MAX_PIXELS:,} pixels"
            raise InputError(f"{name} has more than {limit} or does not fit into memory: shrink it first") from None
        except UnidentifiedImageError:
            kinds = ", ".join(READABLE)
            raise InputError(f"{name} is no picture, or damaged at its start: give a sound one of {kinds}") from None
        except Exception as error:  # on damaged files decoders raise nearly every type that there is
            raise InputError(f"{name} is damaged or cut short ({reason(error)}): copy or download it again") from error


def open_source(source):
    """The name of a source of `load_image` for messages, and the source as a binary file."""
    is_path = isinstance(source, (str, os.PathLike))
    name = str(source if is_path else getattr(source, "name", "the uploaded picture"))
    if is_path and os.path.isdir(source):
        raise InputError(f"{name} is a folder: name a picture in it")
    try:
        if is_path:
            return name, open(source, "rb")
        return name, io.BytesIO(source.read() if hasattr(source, "read") else source)
    except FileNotFoundError:
        raise InputError(f"{name} does not exist: check the path") from None
    except (OSError, TypeError, ValueError) as error:
        raise InputError(f"{name} cannot be opened ({reason(error)}): give a readable file, or its bytes") from error


def decode(file, size):
    """The picture in a binary file as a tensor (1, 3, H, W), shrunk as `load_image` says."""
    Image.init()
    known = [kind for kind in READABLE if kind in Image.OPEN]  # AVIF is missing before Pillow 11.3
    with Image.open(file, formats=known) as image:  # reads the header only
        if image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError
        sides = image.size if size is None else scaled(image.size, min(size, *image.size))
        # JPEG can leave out fine detail while decoding, which is fast but coarse: stop at twice the size
        # that is wanted or more, so that `interpolate` still does the antialiasing.
        image.draft(None, tuple(2 * side for side in sides))
        image.load()
        with suppress(Exception):  # damaged EXIF data: the picture stays as it lies
            image = ImageOps.exif_transpose(image)
        # The header's sides, as a draft's are rounded; turned as the picture now is.
        shape = sorted(sides, reverse=image.height > image.width)
        levels = torch.from_numpy(np.array(to_rgb(image))).permute(2, 0, 1)[None]
        # Bytes take a quarter of the memory, and their integer arithmetic gives every machine the same picture.
        return interpolate(levels, shape).float().div(255).contiguous()


def from_pil(image):
    """A Pillow image in mode RGB as a tensor (1, 3, H, W)."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].contiguous().float() / 255


def to_pil(image):
    """One image (1, 3, H, W) or (3, H, W) as a Pillow image; values are clamped to [0, 1] and rounded to 8 bits."""
    pixels = (image.detach().cpu().float().reshape(image.shape[-3:]).clamp(0, 1) * 255).round().byte()
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())


def to_rgb(image):
    """A Pillow image of any mode as RGB: ICC profile converted to sRGB, transparency laid over white."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":
        image = deep_grey(image)
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    # A profile describes the colours as stored: grey, CMYK, or (of a palette too) RGB.
    image = image.convert({"1": "L", "L": "L", "LA": "L", "CMYK": "CMYK"}.get(image.mode, "RGB"))
    if profile:
        with suppress(ImageCms.PyCMSError):  # a broken profile, or one for another kind of colour
            srgb = ImageCms.createProfile("sRGB")
            image = ImageCms.profileToProfile(image, io.BytesIO(profile), srgb, outputMode="RGB")
    image = image.convert("RGB")
    if alpha:
        image = Image.composite(image, Image.new("RGB", image.size, "white"), alpha)
    return image


def deep_grey(image):
    """Grey of 16 or 32 bits as 8 bits (L): integers count to 65535, floats to 1; other ranges are stretched to fit."""
    values = np.asarray(image, np.float64)
    values = np.where(np.isfinite(values), values, 0)
    low, high = 0, 1 if image.mode == "F" else 65535
    if values.min() < low or values.max() > high:
        low, high = values.min(), values.max()
    return Image.fromarray(((values - low) / (high - low) * 255).round().astype(np.uint8))


def scaled(sides, size):
    """The two sides of a picture, in their order, scaled so that the short one is size."""
    return tuple(round(side * size / min(sides)) for side in sides)


def interpolate(images, shape):
    """Images (N, 3, h, w), floats or bytes, resized to shape (H, W); floats may pass [0, 1] a little."""
    # torch rather than Pillow: one filter for files and for whole batches, on their device, with gradients.
    if tuple(shape) == tuple(images.shape[2:]):
        return images
    return F.interpolate(images, tuple(shape), mode="bicubic", antialias=True)


def resize(images, size):
    """Scale images (N, 3, H, W) up or down, antialiased, so that their short side is size px."""
    check_images(images)
    check_size(size)
    height, width = scaled(images.shape[2:], size)
    if height * width > MAX_PIXELS:
        raise InputError(f"{width} × {height} px are more than {MAX_PIXELS:,} pixels: crop first or say a smaller size")
    return interpolate(images, (height, width)).clamp(0, 1)


def centre_crop(images, size=None):
    """Cut the central square of size px (the short side if None) out of images (N, 3, H, W)."""
    check_images(images)
    short = min(images.shape[2:])
    size = short if size is None else size
    check_size(size)
    if size > short:
        raise InputError(f"a square of {size} px does not fit into a picture of {short} px: resize it first")
    top, left = ((side - size) // 2 for side in images.shape[2:])
    return images[..., top : top + size, left : left + size]


def image_grid(images, columns, gap=4, background=1.0):
    """Lay images (N, 3, H, W) out row by row with gap px of background between them: a tensor (1, 3, H', W').

    Fewer images than columns make a row of their own length; places left over in the last row are background.
    """
    check_images(images)
    if columns < 1 or gap < 0:
        raise InputError(f"a grid of {columns} columns with gaps of {gap} px cannot be: say at least 1 and 0")
    count, _, height, width = images.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    grid = images.new_full((1, 3, rows * (height + gap) - gap, columns * (width + gap) - gap), background)
    for number, image in enumerate(images):
        top, left = number // columns * (height + gap), number % columns * (width + gap)
        grid[0, :, top : top + height, left : left + width] = image
    return grid


def encode_png(image):
    """One image (1, 3, H, W) or (3, H, W) as the bytes of a PNG file; values outside [0, 1] are clamped."""
    return encode(image, "PNG")


def save_image(image, path):
    """Save one image (1, 3, H, W) or (3, H, W), in the format of the path's suffix, whole or not at all.

    Values outside [0, 1] are clamped. Raises InputError for an unknown suffix, for what is not one finite
    image, and as `atomic_path` does.
    """
    path = check_writable(path, WRITABLE)
    format, options = WRITABLE[path.suffix.lower()]
    data = encode(image, format, **options)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def encode(image, format, **options):
    """One image as the bytes of a file in one of Pillow's formats."""
    check_images(image if image.ndim == 4 else image[None])
    if image.ndim == 4 and len(image) > 1:
        raise InputError(f"one image goes into a file, not {len(image)}: lay them out with image_grid first")
    if not image.isfinite().all():
        raise InputError("the image holds NaN or infinite values: look for the step that made them")
    picture, buffer = to_pil(image), io.BytesIO()
    try:
        picture.save(buffer, format, **options)
    except (OSError, ValueError) as error:  # all but PNG have a longest side
        size = f"{picture.width} × {picture.height} px"
        raise InputError(f"{format} cannot hold {size} ({reason(error)}): shrink it or save it as .png") from error
    return buffer.getvalue()


@contextmanager
def atomic_path(path):
    """Yield a temporary path beside path, with its suffix; rename it to path at the end, or remove it on failure.

    Whatever happens, path holds either what it held before or all that was written. Raises InputError where
    path cannot be written: a folder, in a missing or protected folder, on a full disk.
    """
    path = check_writable(path)
    temporary = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")
    try:
        temporary.touch(exist_ok=False)  # with the usual permissions, unlike tempfile's
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({reason(error)}): free or choose another place") from error
    finally:
        with suppress(OSError):  # a folder that refused the file
            temporary.unlink(missing_ok=True)


def check_writable(path, suffixes=None):
    """The path, if a file can be written there: for asking before long work. InputError says what is in the way.

    `suffixes` are those that the name may end in.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder: add the name of a file in it")
    if suffixes and path.suffix.lower() not in suffixes:
        raise InputError(f"{path} has no known suffix: end the name in {', '.join(suffixes)}")
    if not path.parent.is_dir():
        raise InputError(f"{path} cannot be written, as {path.parent} is no folder: create it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path} cannot be written, as {path.parent} is protected: choose another place")
    return path


def check_images(images):
    if not images.is_floating_point() or images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
        found = f"{tuple(images.shape)} of {images.dtype}"
        raise InputError(f"images are float tensors (N, 3, H, W) of at least 1 px a side, not {found}: convert them")


def check_size(size):
    if size < 1:
        raise InputError(f"a side of {size} px cannot be: say at least 1")


def reason(error):
    """Why it failed, in a few words: for an operating system's error without its number and path."""
    return getattr(error, "strerror", None) or first_line(error)
