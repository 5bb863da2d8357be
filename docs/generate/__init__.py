"""The reference pages of the site, written from the code: `python -m docs.generate` fills docs/reference/."""
