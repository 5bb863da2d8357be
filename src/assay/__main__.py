"""Entry point of the command line: `assay …`, `python -m assay …`.

`assay ingest` runs at every `dvc repro`. If no source changed, it answers without importing the command line, which
takes longer than the check of 60,000 files.
"""

import sys


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] == ["ingest"]:
        from assay.intake import unchanged

        if (summary := unchanged.nothing_new("")) is not None:
            from assay.commands.streams import reported

            with reported():
                print("\n".join(unchanged.books(summary)), flush=True)
            return
    from assay.commands.cli import main

    main()


if __name__ == "__main__":
    main()
