"""What a notebook shows: plots, panels, checks of exercises, progress. This file needs no Jupyter."""

VIEW = "application/vnd.jupyter.widget-view+json"


def view(widget):
    """The part of a display bundle that shows a live widget, the same in ipywidgets 7 and 8."""
    return {VIEW: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}}
