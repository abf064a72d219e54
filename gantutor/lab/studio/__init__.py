"""The studio: from liked pictures and a photo to a painting and a style file, on one page of panels.

`intake` is what it takes in, `session` what it knows and does, both without widgets; `parts`, `steps` and `page` are
what one sees.
"""
