"""What a run leaves behind beside its checkpoint: a table of figures, sheets of samples, the generator."""

import csv
from pathlib import Path

from ..errors import InputError
from ..images import image_grid, save_image
from .quality import kernel_distance
from .zoo import save_generator

SAMPLES = 64  # pictures on a sheet
JUDGED = 500  # pictures that KID compares
COLUMNS = (
    "step",
    "discriminator loss",
    "generator loss",
    "discriminator gradient",
    "generator gradient",
    "real told",
    "fake told",
    "KID",
    "KID deviation",
)


class Record:
    """Writes log.csv and samples-*.jpg into a folder, and to TensorBoard if asked for; goes on with what is there."""

    def __init__(self, folder, tensorboard=False):
        self.folder, self.writer = Path(folder), None
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder} is a file: name a folder for the run")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.folder} cannot be made ({error.strerror}): choose another place") from error
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ModuleNotFoundError:
                raise InputError("TensorBoard is not installed: run pip install tensorboard, or leave it out") from None
            self.writer = SummaryWriter(self.folder)

    @property
    def checkpoint(self):
        return self.folder / "checkpoint.safetensors"

    def note(self, training, state, features=None, held_out=None):
        """A row about the present state and a sheet of samples; returns the row. KID if there are features."""
        numbers = state.numbers()
        row = [
            state.step,
            numbers.discriminator_loss,
            numbers.generator_loss,
            numbers.discriminator_gradient,
            numbers.generator_gradient,
            (state.real_logits > 0).float().mean().item(),
            (state.fake_logits < 0).float().mean().item(),
        ]
        if features is not None:
            count = min(JUDGED, len(held_out))
            row += kernel_distance(features, held_out[:count], training.sample(count, seed=1).to(held_out.device))
        row = dict(zip(COLUMNS, row, strict=False))
        self.add(row, image_grid(training.sample(SAMPLES).cpu(), columns=8, gap=1))
        return row

    def add(self, row, sheet):
        """Keep a row of figures, {column: number} with a step, and a sheet of samples (1, 3, H, W)."""
        self.write(row)
        save_image(sheet, self.folder / f"samples-{row['step']:06}.jpg")
        if self.writer:
            for name, value in row.items():
                self.writer.add_scalar(name, value, row["step"])
            self.writer.add_image("samples", sheet[0], row["step"])
            self.writer.flush()

    def write(self, row):
        """Append to the table; rows of steps that a resumed run makes again are replaced."""
        path = self.folder / "log.csv"
        rows = []
        if path.exists():
            with path.open(newline="") as file:
                rows = [old for old in csv.DictReader(file) if int(old["step"]) < row["step"]]
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, list({name: None for each in (*rows, row) for name in each}))
            table.writeheader()
            table.writerows([*rows, row])

    def keep(self, training, command):
        """Write the generator that samples are drawn from, with the command that made it; returns its path."""
        path = self.folder / "generator.safetensors"
        generator = training.generator if training.average is None else training.average
        save_generator(
            generator, path, {"command": command, "steps": training.step, "pictures": len(training.pictures)}
        )
        return path
