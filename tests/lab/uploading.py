"""What a browser sends when files are uploaded; it differs between ipywidgets 7 and 8."""

import ipywidgets


def upload(widget, *files):
    """Put files, pairs (name, bytes), into a FileUpload as its front-end does."""
    kinds = [{"name": name, "type": "image/png", "size": len(content)} for name, content in files]
    contents = [memoryview(content) for _, content in files]
    if int(ipywidgets.__version__.partition(".")[0]) < 8:
        described = [kind | {"lastModified": 0} for kind in kinds]
        widget.set_state({"metadata": described, "data": contents, "_counter": widget._counter + 1})
    else:
        pairs = zip(kinds, contents, strict=True)
        widget.set_state({"value": [kind | {"last_modified": 0, "content": content} for kind, content in pairs]})
