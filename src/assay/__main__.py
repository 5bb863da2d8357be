"""The entry of the command line: `assay …`, `python -m assay …`.

`assay ingest` runs at every `dvc repro`; where nothing is new, the answer is there before the command line is loaded,
which takes longer than to look at 60,000 files.
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
