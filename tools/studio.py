"""Serve the studio of notebook 09 as a page (`make studio`).

    python -m tools.studio [OPTION ...]     # options of Voilà, such as --port=9000

The page is there for this machine alone, at an address with a token, which is printed. A visit has a kernel of its own.
"""

import os
import sys

from traitlets.config import Config
from voila.app import Voila

from gantutor.lab.studio.intake import MOST_TOTAL

from .notebooks import ROOT

NOTEBOOK = ROOT / "notebooks" / "09_studio.ipynb"
MESSAGE = MOST_TOTAL + 1_000_000  # bytes that may come at once: files and what is said about them

CONFIG = Config(
    Voila={
        "ip": "127.0.0.1",
        "auto_token": True,
        "open_browser": False,  # it would open the address without the token
        "tornado_settings": {"websocket_max_message_size": MESSAGE},
    },
    TagRemovePreprocessor={"enabled": True, "remove_cell_tags": {"badge", "setup", "lesson"}},
)


def main(arguments=None):
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # few, busy cores are quicker so
    server = Voila.instance(config=CONFIG)
    server.initialize([str(NOTEBOOK), *(sys.argv[1:] if arguments is None else arguments)])
    server.start()


if __name__ == "__main__":
    main()
