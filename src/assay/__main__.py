"""Entry point of the command line: `assay …`, `python -m assay …`.

`assay ingest` runs at every `dvc repro`. If no source changed, it answers without importing the command line, which
takes longer than the check of 60,000 files.
"""

import os
import sys


def main() -> None:
    """Run the command line."""
    if sys.getfilesystemencoding() != "utf-8":
        again_in_utf8()
    if sys.argv[1:] == ["ingest"]:
        from assay.intake import unchanged

        if (summary := unchanged.nothing_new("")) is not None:
            from assay.commands.streams import reported

            with reported():
                print("\n".join(unchanged.books(summary)), flush=True)
            return
    from assay.commands.cli import main

    main()


def again_in_utf8() -> None:
    """Start again in Python's UTF-8 mode: with a locale of another encoding, classes named by folders would be garbled.

    The output keeps the encoding of the terminal.
    """
    os.environ.setdefault("PYTHONIOENCODING", sys.stdout.encoding)
    os.execv(sys.executable, [sys.executable, "-X", "utf8", "-m", "assay", *sys.argv[1:]])


if __name__ == "__main__":
    main()
