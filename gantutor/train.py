"""The commands of `gantutor train`: features | space | gan | painter | personal.

All go on where they stopped, but `space` and `personal`, which take minutes. Heavy imports are inside.
"""

import json
import os
import sys
from pathlib import Path

from .errors import InputError

CHECKPOINT_EVERY = 500  # steps of training the features
PHOTOS = 200  # that show a style space which directions there are


def given(arguments, *names):
    """Those of the arguments that the user gave."""
    return {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}


def changed(arguments, *names):
    """Those of the options that the user gave, as they are written on the command line."""
    return "".join(f" --{name} {value}" for name, value in given(arguments, *names).items())


def in_parts(settings):
    """The option --accumulate, whether given or found by --fit."""
    return f" --accumulate {settings.accumulate}" * (settings.accumulate > 1)


def cores():
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def bar(items, total, what):
    """A progress bar around what is worked through."""
    from tqdm.auto import tqdm

    return tqdm(items, desc=what, total=total, unit="")


def followed(training, steps, checkpoint=None, every=500):
    """The states of a run behind a progress bar, in the first of several processes."""
    from tqdm.auto import tqdm

    states = training.run(steps, checkpoint, every)
    main = training.processes.is_main_process
    options = {"total": steps, "initial": training.step, "disable": not main, "mininterval": 1}
    return tqdm(states, desc="training", unit="step", **options)


def say_skipped(*sources):
    """A line for each file that was left out."""
    for pictures in sources:
        for sentence in pictures.skipped:
            print(f"left out: {sentence}", file=sys.stderr)


def features(arguments):
    """Distil the bundled features from an ImageNet network; goes on from the checkpoint beside the output."""
    import torch
    from tqdm.auto import tqdm

    from . import datasets, images, painters
    from .runtime import device
    from .style import distil
    from .style.features import load_teacher, save_student
    from .tensors import read_tensors, write_tensors

    output = images.check_writable(arguments.output, [".safetensors"])  # before hours of work
    checkpoint = output.with_suffix(".checkpoint.safetensors")
    command = f"gantutor train features --photos DIR --teacher {Path(arguments.teacher).name}"
    command += changed(arguments, "limit", "paintings", "batch", "steps", "seed")
    teacher = load_teacher(arguments.teacher)
    paths = datasets.list_images(arguments.photos)[: arguments.limit]
    families = [name for name in painters.FAMILIES if name not in painters.HELD_OUT]
    pictures = [images.to_pil(images.load_image(path)) for path in tqdm(paths, desc="photos", unit="")]
    painted = datasets.paintings(paths, families, arguments.paintings, arguments.seed)
    pictures += tqdm(painted, desc="paintings", unit="", total=arguments.paintings)
    here = device()
    workers = min(4, cores() // 2) if here.type == "cuda" else 0  # each holds all pictures
    options = given(arguments, "batch") | {"device": here, "workers": workers}
    run = distil.Distillation(pictures, teacher, arguments.seed, arguments.steps, **options)
    if checkpoint.exists():
        state, metadata = read_tensors(checkpoint)
        if metadata.get("command") != command:
            raise InputError(
                f"{checkpoint} is not of this run ({metadata.get('command')}): repeat that, or move it away"
            )
        run.load_state_dict(state)
        print(f"going on from step {run.done} in {checkpoint}")
    bar = tqdm(run, desc="distilling", total=run.steps, initial=run.done, unit="step", mininterval=5)
    smooth = None
    for losses in bar:
        now = torch.stack(list(losses.values()))
        smooth = now if smooth is None else smooth.lerp(now, 0.01)
        if run.done % 100 == 0:
            bar.set_postfix_str(" ".join(f"{share:.3f}" for share in smooth.tolist()))
        if run.done % CHECKPOINT_EVERY == 0 and run.done < run.steps:
            write_tensors(run.state_dict(), checkpoint, {"command": command})
    record = {
        "command": command,
        "photos": len(paths),
        "painter families": families,
        "unexplained in training": [round(share, 3) for share in smooth.tolist()],
    }
    save_student(run.student, output, record)
    checkpoint.unlink(missing_ok=True)
    print(json.dumps(record, indent=1))


def space(arguments):
    """Measure what varies between paintings by the same hand: the space in which `learn` groups pictures."""
    import numpy as np

    from . import datasets, images, painters
    from .personal.space import SIZE, StyleSpace, embed
    from .runtime import device
    from .style.features import fingerprint, load_features

    output = images.check_writable(arguments.output, [".safetensors"])
    network = load_features("bundled", device())
    paths = datasets.list_images(arguments.photos)
    families = [name for name in painters.FAMILIES if name not in painters.HELD_OUT]
    count = arguments.paintings
    painted = datasets.paintings(paths, families, count, arguments.seed, SIZE, hue=0.5)
    descriptors = embed(network, map(images.from_pil, bar(painted, count, "paintings")))
    rng = np.random.default_rng([arguments.seed, count])
    chosen = [paths[number] for number in rng.permutation(len(paths))[:PHOTOS]]
    photos = (images.load_image(path, SIZE) for path in bar(chosen, len(chosen), "photos"))
    labels = np.arange(count) % len(families)
    made = StyleSpace.measured(descriptors, labels, embed(network, photos), fingerprint(network))
    command = f"gantutor train space --photos DIR --paintings {count} --seed {arguments.seed}"
    made.save(output, {"command": command, "photos": len(paths), "painter families": families})
    print(f"style space: {output}")


def gan(arguments):
    """Train a GAN on pictures; goes on from the checkpoint in the output folder."""
    from dataclasses import replace

    import torch
    from tqdm.auto import tqdm

    from . import sources
    from .gan import zoo
    from .gan.engine import Training
    from .gan.monitor import Monitor
    from .gan.quality import LayerMeans
    from .gan.record import JUDGED, Record
    from .style.features import load_features

    names = ("batch", "loss", "precision", "accumulate", "compile", "seed")
    settings = replace(zoo.SETTINGS[arguments.network], **given(arguments, *names))
    networks = zoo.build(arguments.network, arguments.size, settings.seed)
    record = Record(arguments.output, arguments.tensorboard)

    pictures = sources.open_source(arguments.data, arguments.size, watch=bar)
    say_skipped(pictures)
    pictures, held_out = pictures.split()
    training = Training(*networks, pictures, settings)
    if arguments.fit:
        training.fitted()
    main, features, judge = training.processes.is_main_process, None, None
    if main and arguments.size >= 32:  # the features need as much
        judge = held_out.to(training.device).batch(torch.arange(min(JUDGED, len(held_out))))
        if len(judge) >= 4:
            network = load_features("bundled", training.device)
            features = LayerMeans.of(network, network.style_layers[2:], judge)
    monitor = Monitor(training.loss)
    for state in followed(training, arguments.steps, record.checkpoint, arguments.every):
        for finding in monitor.update(state.numbers()) if main and state.step % 10 == 0 else ():
            tqdm.write(finding.sentence, file=sys.stderr)
        if main and (state.step % arguments.every == 0 or state.step == arguments.steps):
            row = record.note(training, state, features, judge)
            tqdm.write("  ".join(f"{name} {value:.4g}" for name, value in row.items()))
    if main:
        command = f"gantutor train gan --data {Path(arguments.data).name} --network {arguments.network}"
        command += f" --size {arguments.size}" + changed(arguments, "batch", "loss", "precision")
        command += in_parts(training.settings) + " --compile" * settings.compile
        command += f" --steps {arguments.steps} --seed {settings.seed}"
        print(f"generator: {record.keep(training, command)}\nsamples and log: {arguments.output}")


def painter(arguments):
    """Train the generator that paints at once; goes on from the checkpoint in the output folder."""
    from tqdm.auto import tqdm

    from . import datasets, sources
    from .gan.record import Record
    from .runtime import device
    from .style.adversarial import PainterSettings, PainterTraining, Pairs, build, sample_sheet
    from .style.features import load_features
    from .style.generator import SIZE, save_generator

    settings = PainterSettings(**given(arguments, "batch", "precision", "accumulate", "seed"))
    record = Record(arguments.output, arguments.tensorboard)
    photos = sources.open_source(arguments.photos, SIZE, watch=bar)
    if arguments.styles == "painters":
        paths = datasets.list_images(arguments.photos)
        paintings = sources.style_paintings(paths, arguments.paintings, SIZE, settings.seed, bar)
    else:
        paintings = sources.open_source(arguments.styles, SIZE, watch=bar)
    say_skipped(photos, paintings)
    pairs = Pairs(load_features("bundled", device()), photos, paintings, bar)
    training = PainterTraining(*build(pairs, settings.seed), pairs, settings)
    if arguments.fit:
        training.fitted()
    main = training.processes.is_main_process
    for state in followed(training, arguments.steps, record.checkpoint, arguments.every):
        if main and (state.step % arguments.every == 0 or state.step == arguments.steps):
            row = {"step": state.step, "discriminator": float(state.discriminator_loss)}
            row |= {name: float(term) for name, term in training.terms.items()}
            record.add(row, sample_sheet(training.painter(), paintings))
            tqdm.write("  ".join(f"{name} {value:.4g}" for name, value in row.items()))
    if main:
        command = f"gantutor train painter --photos DIR --styles {Path(arguments.styles).name}"
        command += f" --paintings {arguments.paintings}" * (arguments.styles == "painters")
        command += changed(arguments, "batch", "precision") + in_parts(training.settings)
        command += f" --steps {arguments.steps} --seed {settings.seed}"
        path = record.folder / "painter.safetensors"
        about = {"command": command, "photos": len(photos), "paintings": len(paintings)}
        save_generator(training.painter().generator, pairs.network, path, about)
        print(f"painter: {path}\nsamples and log: {arguments.output}")


def personal(arguments):
    """Fine-tune the painter on liked pictures, for the styles of a style file."""
    from dataclasses import replace

    from . import datasets, images
    from .personal.file import PersonalStyle
    from .runtime import device
    from .style.adversarial import PERSONAL, Pairs, fine_tuning
    from .style.features import fingerprint
    from .style.generator import SIZE, load_painter, painter_beside, save_generator

    output = images.check_writable(arguments.output or painter_beside(arguments.style_file), [".safetensors"])
    for given_file in (arguments.style_file, arguments.painter):
        if given_file and output.exists() and Path(given_file).exists() and output.samefile(given_file):
            raise InputError(f"{output} is what the painter is made from: give it another name")
    style_file = PersonalStyle.load(arguments.style_file)
    base = load_painter(arguments.painter, device())
    if style_file.features_hash != fingerprint(base.network):
        raise InputError(f"{arguments.style_file} is of other features than the bundled ones: learn it with these")
    (photos, _), (likes, hashes) = (
        squares(folder, SIZE) for folder in (arguments.photos or datasets.bundled("photos"), arguments.likes)
    )
    say_skipped(photos, likes)
    pairs = Pairs(base.network, photos, likes, bar).styled([style.to(device()) for style in style_file.styles])
    training = fine_tuning(base, pairs, replace(PERSONAL, seed=arguments.seed))
    if training.processes.is_main_process and not hashes & set(style_file.pictures):
        said = f"none of the pictures in {arguments.likes} is one that {arguments.style_file} was learnt from"
        print(f"{said}: is it the right folder?", file=sys.stderr)
    for _ in followed(training, arguments.steps):
        pass
    if training.processes.is_main_process:
        command = f"gantutor train personal STYLE --likes DIR --steps {arguments.steps} --seed {arguments.seed}"
        about = {"command": command, "photos": len(photos), "likes": len(likes)}
        save_generator(training.painter().generator, base.network, output, about)
        named = "" if output == painter_beside(arguments.style_file) else f" --painter {output}"
        print(f"painter: {output}\n`gantutor paint {arguments.style_file} PHOTO --by generator{named} -o OUT` uses it")


def squares(folder, size):
    """The central squares of a folder's pictures, as Pictures, and the hashes of the whole ones.

    In memory only, as what somebody likes is private.
    """
    import torch

    from . import datasets, images, sources
    from .personal.collection import picture_hash

    pictures, _, skipped = datasets.load_folder(folder, size)
    levels = [(images.centre_crop(images.resize(picture, size)) * 255).round().byte() for picture in pictures]
    return sources.Pictures(torch.cat(levels), skipped), {f"{picture_hash(picture):016x}" for picture in pictures}
