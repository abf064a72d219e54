"""Paint docs/overview.png, the README's first picture (`make overview`)."""

from pathlib import Path

from gantutor.datasets import bundled, load_folder
from gantutor.images import load_image
from gantutor.lab import plots
from gantutor.personal.learning import learn
from gantutor.style.features import load_features
from gantutor.style.optimise import optimise

SIZE = 320
STRENGTH = 2  # bold enough to be seen at this size

if __name__ == "__main__":
    network = load_features("bundled")
    personal, _ = learn(load_folder(bundled("liked"), 256)[0], network, "bundled")
    photo = load_image(bundled("photos/astronaut.jpg"), SIZE)
    pictures, titles = [photo], ["a photo"]
    for number in range(1, len(personal.styles) + 1):
        for state in optimise(network, photo, personal.style(number), SIZE, STRENGTH):
            pass
        pictures.append(state.image)
        titles.append(f"in style {number} of data/liked")
    plots.save(plots.picture_row(pictures, titles, height=2.9), Path(__file__).parent.parent / "docs/overview.png")
