"""The command line: what each `assay x` does that is no stage.

Each module has `run(…)`, a plain function that returns something JSON-able, and `render(result, console)`.
"""
