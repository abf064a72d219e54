"""The command line: gantutor learn | paint | inspect | train | check | doctor."""

import argparse
import sys
from pathlib import Path

from . import __version__, train
from .errors import InputError

# The heavy imports are inside the commands, so that `gantutor --help` answers at once.


def learn(arguments):
    """Find the styles in a folder of liked pictures; writes a style file and, beside it, a contact sheet (.png)."""
    from accelerate import PartialState

    from . import images
    from .lab import plots, progress
    from .personal.collection import Collection
    from .personal.learning import learn
    from .personal.space import space_of
    from .runtime import device
    from .style.features import load_features

    output = Path(arguments.output)
    sheet = output.with_suffix(".sheet.png")
    images.check_writable(output, [".safetensors"])
    images.check_writable(sheet)
    if Path(arguments.folder).resolve() in sheet.resolve().parents:
        raise InputError(
            f"{output} lies among the liked pictures, and its contact sheet would be one: choose another place"
        )
    here, processes = device(), PartialState(cpu=device().type == "cpu")
    network = load_features(arguments.features, processes.device if here.type == "cuda" else here)
    collection, space = Collection(arguments.folder), space_of(network)
    collection.describe(network, space, lambda items, total: progress.follow(items, total, "looking at the pictures"))
    if not processes.is_main_process:
        return
    for sentence in collection.skipped:
        print(f"left out: {sentence}", file=sys.stderr)
    if len(collection) < 2:
        raise InputError(f"{arguments.folder} holds one usable picture: give at least two, better a dozen")
    if not space.calibrated:
        print(f"the {arguments.features} features have no style space: content and hue count too", file=sys.stderr)
    style, clusters = learn(collection, network, arguments.features, arguments.seed, arguments.styles)
    style.save(output)
    plots.save(plots.contact_sheet(collection, clusters), sheet)
    print(summary(style))
    for number, medoid in enumerate(clusters.medoids, start=1):
        print(f"style {number} is best seen in {collection.paths[medoid]}")
    print(f"style file: {output}\ncontact sheet: {sheet}")


def clicked(style):
    """Whether a file's weights come from clicks; without any they are the shares of the pictures."""
    return any(abs(weight - share) > 1e-6 for weight, share in zip(style.weights, style.shares, strict=True))


def summary(style):
    """The styles of a file as a table, and how sure they are."""
    lines = [f"{len(style.counts)} style{'s' * (len(style.counts) > 1)} in {sum(style.counts)} pictures"]
    for number, (count, share, tightness, weight) in enumerate(
        zip(style.counts, style.shares, style.tightness, style.weights, strict=True), 1
    ):
        tight = "" if tightness is None else f", tightness {tightness:.2f}"
        liked = f", weight {weight:.2f} by your clicks" if clicked(style) else ""
        lines.append(f"style {number}: {count} picture{'s' * (count > 1)}, {share:.0%}{tight}{liked}")
    if style.answers:
        said = [f"{share:.0%} {said_number(found)}" for found, share in style.answers.items()]
        lines.append(f"how sure: of random parts of the pictures {', '.join(said)}")
    lines += [
        f"style {number} has a single picture, which can partly be rebuilt from the file: "
        "hand the file on only if you would hand on the picture"
        for number, count in enumerate(style.counts, 1)
        if count == 1
    ]
    if style.found == 0:
        lines.append(
            "one cannot tell from these pictures which styles there are, so they are taken as one: "
            "give more pictures of a kind, or say --styles K"
        )
    return "\n".join(lines)


def said_number(found):
    """What a part of a collection answered, in words."""
    return {0: "cannot tell", 1: "say 1 style"}.get(found, f"say {found} styles")


def paint(arguments):
    """Paint a photo in a style from a style file, or in that of a single picture."""
    from . import images
    from .lab import progress
    from .personal.file import PersonalStyle
    from .runtime import device
    from .style.features import load_features
    from .style.optimise import check_photo, optimise, total_steps
    from .style.statistics import with_colours_of
    from .style.target import Regions, Style

    output = images.check_writable(arguments.output, images.WRITABLE)
    for given in (arguments.photo, arguments.style_file, arguments.mask):
        if given and output.exists() and Path(given).exists() and output.samefile(given):
            raise InputError(
                f"{output} is what is to be painted, its style or its mask: give the painting another name"
            )
    if arguments.painter and arguments.by != "generator":
        raise InputError("--painter is for the generator: add --by generator, or leave it out")
    photo = images.load_image(arguments.photo, arguments.size).to(device())
    check_photo(photo)
    mask = load_mask(arguments.mask, arguments.size) if arguments.mask else None
    if arguments.style is not None and arguments.mix:
        raise InputError("--style and --mix exclude each other: leave one out")
    source = Path(arguments.style_file)
    if source.is_dir():
        raise InputError(f"{source} is a folder: make a style file of it with `gantutor learn {source} -o FILE`")
    if source.suffix.lower() in images.SUFFIXES:
        if arguments.style is not None or arguments.mix:
            raise InputError(
                f"{source} is one picture with one style: leave out --style and --mix, or give a style file"
            )
        network = load_features(arguments.features or "bundled", device())
        style = Style.of(network, [images.load_image(source).to(device())])
    else:
        personal = PersonalStyle.load(source)
        if arguments.features not in (None, personal.features):
            raise InputError(
                f"{source} was learnt with the {personal.features} features: leave out --features or learn it again"
            )
        network = personal.network(device())
        if arguments.mix:
            style = personal.mix(personal.weights if arguments.mix == "liked" else arguments.mix)
            if arguments.mix == "liked" and not clicked(personal):
                print(f"{source} knows of no clicks: each style counts as much as it has pictures")
        else:
            style = personal.style(1 if arguments.style is None else arguments.style)
    style, original = style.to(device()), images.resize(photo, arguments.size)
    if mask is not None:
        Regions([(style, mask)]).check(original)
    if arguments.by == "generator":
        painting = paint_at_once(arguments, network, original, style)
        done = "painted by the generator"
    else:
        style = style if mask is None else Regions([(style, mask)]).to(device())
        states = optimise(network, photo, style, arguments.size, strength=arguments.strength)
        for state in progress.follow(states, total_steps(arguments.size), "painting"):
            pass
        painting, done = state.image, f"style distance {state.style:.2f}, content distance {state.content:.2f}"
    if arguments.keep_colours:
        painting = with_colours_of(original, painting)
    if mask is not None:
        painting = original.lerp(painting, images.interpolate(mask, painting.shape[2:]).clamp(0, 1).to(device()))
    images.save_image(painting, arguments.output)
    print(f"{arguments.output}: {done}")


def paint_at_once(arguments, network, photo, style):
    """The generator's painting of a photo in a style of the network's features.

    It is by the painter named, by the one beside the style file if there is one, or by the bundled one.
    """
    from .runtime import device
    from .style.features import fingerprint
    from .style.generator import load_painter, painter_beside
    from .style.target import Style

    if arguments.strength > 1:
        raise InputError(f"--strength {arguments.strength} is more than the generator has: say at most 1")
    beside = painter_beside(arguments.style_file)
    chosen = arguments.painter or (beside if beside != Path(arguments.style_file) and beside.exists() else None)
    if chosen:
        print(f"painter: {chosen}")
    painter = load_painter(chosen, device())
    if fingerprint(network) != fingerprint(painter.network):
        raise InputError("the generator paints by the bundled features: learn the style with these, or leave out --by")
    if arguments.strength < 1:
        own = Style.of(painter.network, [photo])
        style = Style.mixed([own, style], [1 - arguments.strength, arguments.strength])
    return painter.paint(painter.encode(photo), style)


def load_mask(path, size):
    """A mask (1, 1, H, W) from a picture: 1 where it is white."""
    from PIL import Image

    from . import images

    mask = images.load_image(path, size).mean(1, keepdim=True)
    with Image.open(path) as file:
        if file.has_transparency_data:
            raise InputError(f"{path} has transparent parts: fill them with black or white")
    if not (mask > 0.5).any():
        raise InputError(f"{path} has no white region: paint white where the style belongs")
    return mask


def inspect(arguments):
    """Print what a style file holds and draw each style as a texture and its palette."""
    from . import images
    from .lab import plots
    from .personal.file import PersonalStyle

    personal = PersonalStyle.load(arguments.style_file)
    output = arguments.output or Path(arguments.style_file).with_suffix(".styles.png")
    images.check_writable(output, [".png"])
    print(summary(personal))
    print(f"learnt with the {personal.features} features ({personal.features_hash})")
    plots.save(plots.style_card(personal), output)
    print(f"drawn in {output}")


def check(arguments):
    """Print a reader's progress through the exercises, from the outputs that the notebooks were saved with."""
    from .lab import coursework

    print(coursework.report(coursework.lessons(arguments.folder)))


def doctor(_):
    """Say what is installed, on which device the course runs, whether it works, and what to do about the rest."""
    from .lab import doctor

    findings = doctor.examine()
    for finding in findings:
        print(f"{'ok ' if finding.good else 'BAD' if finding.needed else '-  '} {finding.what}")
        if finding.remedy:
            print(f"    {finding.remedy}")
    if not all(finding.good for finding in findings if finding.needed):
        return 1


def number(kind, least, most):
    """An argparse type: a number of this kind between two bounds."""

    def parse(text):
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not between {least} and {most}")
        return value

    parse.__name__ = "number"
    return parse


def weights(text):
    """An argparse type: the weights of --mix, as in 0.7,0.3, or "liked"."""
    if text == "liked":
        return text
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no list of weights such as 0.7,0.3, nor liked") from None


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise InputError(f"{message} (see {self.prog} --help)")


def parser():
    """The argument parser, one subcommand for each function above."""
    main = Parser(prog="gantutor", description="Learn a personal style from pictures and paint photos in it.")
    main.add_argument("--version", action="version", version=__version__)
    commands = main.add_subparsers(required=True, metavar="COMMAND")

    def command(name, function, among=commands):
        sentence = function.__doc__.strip().splitlines()[0]
        added = among.add_parser(name, help=sentence, description=sentence)
        added.set_defaults(run=function)
        return added

    add = command("learn", learn).add_argument
    add("folder", help="a folder of pictures that you like")
    add("-o", "--output", required=True, help="the style file to write (.safetensors)")
    add("--styles", type=number(int, 1, 100), metavar="K", help="how many styles there are, if you know")
    add("--features", default="bundled", help="bundled (default), vgg19, or a file from `gantutor train features`")
    add("--seed", type=number(int, 0, 2**63 - 1), default=0)

    add = command("paint", paint).add_argument
    add("style_file", metavar="STYLE", help="a style file from `gantutor learn`, or a picture to take the style from")
    add("photo", metavar="PHOTO")
    add("-o", "--output", type=Path, required=True, help="the picture to write (.png, .jpg, .webp)")
    add("--style", type=int, metavar="N", help="which style of the file, counted from 1 (default: the first)")
    add("--mix", type=weights, metavar="W,W,…", help="mix all styles of the file: 0.7,0.3, or liked")
    add("--size", type=number(int, 32, 4096), default=256, help="short side of the result in px (default 256)")
    add(
        "--strength", type=number(float, 0, 10), default=1.0, help="weight of the style against the content (default 1)"
    )
    add("--by", choices=("optimiser", "generator"), default="optimiser", help="slow and exact (default), or at once")
    add("--painter", help="the generator's file (default: beside the style file, or the bundled one)")
    add("--mask", metavar="FILE", help="a picture of the photo's shape: paint where it is white, leave what is black")
    add("--keep-colours", action="store_true", help="take the painting's light and dark, and the photo's colours")
    add("--features", help="must be those of the style file; for a picture: bundled (default), vgg19 or a file")

    add = command("inspect", inspect).add_argument
    add("style_file", metavar="STYLE")
    add("-o", "--output", type=Path, help="where to draw it (default: beside the style file)")

    add = command("check", check).add_argument
    add("folder", nargs="?", default="notebooks", help="the folder of your notebooks (default notebooks)")

    command("doctor", doctor)

    training = commands.add_parser("train", help="Train networks: features, the space of styles, a GAN, a painter.")
    networks = training.add_subparsers(required=True, metavar="NETWORK")
    add = command("features", train.features, networks).add_argument
    add("--photos", required=True, help="a folder of photos")
    add("--teacher", required=True, help="a file with SqueezeNet 1.1's features, or torchvision to download them")
    add("-o", "--output", default="features.safetensors")
    add("--limit", type=number(int, 1, 10**9), help="use the first so many photos only")
    add("--paintings", type=number(int, 0, 10**6), default=900, help="how many pictures the painters add (default 900)")
    add("--batch", type=number(int, 1, 10**6), help="crops in a step (default 8; a GPU takes 64 as quickly)")
    add("--steps", type=number(int, 1, 10**9), default=22_000)
    add("--seed", type=number(int, 0, 2**63 - 1), default=0)

    add = command("space", train.space, networks).add_argument
    add("--photos", required=True, help="a folder of photos")
    add("-o", "--output", default="style_space.safetensors")
    add("--paintings", type=number(int, 12, 10**6), default=480, help="how many to paint and measure (default 480)")
    add("--seed", type=number(int, 0, 2**63 - 1), default=0)

    add = command("gan", train.gan, networks).add_argument
    add("--data", default="paintings", help="paintings (default, made here), a folder, or torchvision:CIFAR10")
    add("--network", choices=("dcgan", "modern"), default="modern")
    add("--size", type=number(int, 16, 1024), default=64, help="side of the pictures in px: 32, 64, 128 …")
    add("--steps", type=number(int, 1, 10**9), default=10_000)
    add("--every", type=number(int, 1, 10**9), default=500, help="steps between checkpoints, samples and figures")
    add("-o", "--output", default="gan", help="a folder for checkpoint, samples, log and generator (default gan)")
    add("--batch", type=number(int, 1, 10**6), help="pictures a step (default: the network's)")
    add("--loss", help="non_saturating, minimax, least_squares, hinge, wasserstein (default: the network's)")
    add("--precision", help="auto (default), float32, bfloat16, float16")
    add("--accumulate", type=number(int, 1, 10**6), help="cut a step into so many parts, to save memory")
    add("--fit", action="store_true", help="find out how many parts the memory asks for")
    add("--compile", action="store_true", help="use torch.compile")
    add("--tensorboard", action="store_true", help="write TensorBoard's logs too")
    add("--seed", type=number(int, 0, 2**63 - 1), default=0)

    add = command("painter", train.painter, networks).add_argument
    add("--photos", required=True, help="a folder of photos, at least 256 px a side")
    add("--styles", default="painters", help="a folder of paintings, or painters (default), who paint the photos")
    add("--paintings", type=number(int, 1, 10**6), default=1800, help="how many the painters paint (default 1800)")
    add("--steps", type=number(int, 1, 10**9), default=10_000)
    add("--every", type=number(int, 1, 10**9), default=500, help="steps between checkpoints, samples and figures")
    add("-o", "--output", default="painter", help="a folder for checkpoint, samples, log and painter (default painter)")
    add("--batch", type=number(int, 1, 10**6), help="pictures a step (default 4)")
    add("--precision", help="auto (default), float32, bfloat16, float16")
    add("--accumulate", type=number(int, 1, 10**6), help="cut a step into so many parts, to save memory")
    add("--fit", action="store_true", help="find out how many parts the memory asks for")
    add("--tensorboard", action="store_true", help="write TensorBoard's logs too")
    add("--seed", type=number(int, 0, 2**63 - 1), default=0)

    add = command("personal", train.personal, networks).add_argument
    add("style_file", metavar="STYLE", help="a style file from `gantutor learn`")
    add("--likes", required=True, help="the folder of liked pictures that it was learnt from")
    add("--photos", help="a folder of photos to practise on (default: the bundled ones)")
    add("--painter", help="the painter to begin with (default: the bundled one)")
    add("-o", "--output", type=Path, help="the painter to write (default: beside the style file)")
    add("--steps", type=number(int, 1, 10**9), default=300)
    add("--seed", type=number(int, 0, 2**63 - 1), default=0)
    return main


def main(argv=None):
    """Run the command line. Bad input: one sentence on stderr and exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # file names may hold what the terminal cannot show
    try:
        arguments = parser().parse_args(argv)
        return arguments.run(arguments) or 0
    except InputError as error:
        print(f"gantutor: {error}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if not (isinstance(error, MemoryError) or "memory" in str(error)):
            raise
        print(
            "gantutor: the memory does not suffice: use a smaller --size or --batch, or fewer pictures", file=sys.stderr
        )
        return 2
    except KeyboardInterrupt:
        print("gantutor: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
