"""What people do at the desk: look at the queue, label, promote, see where they are.

Each module has `run(…)`, a plain function that returns something JSON-able, and `render(result, console)`.
"""
