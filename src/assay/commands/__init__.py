"""The commands of the command line that are no stages.

Each module has `run(…)`, a plain function that returns something JSON-able, and `render(result, console)`.
"""
