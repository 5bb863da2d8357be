"""reference/cli.md: every command with its arguments and options, from the Typer app."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import typer

from assay.commands.cli import app
from assay.errors import AssayError
from docs.generate.markdown import NOTICE, code, prose, table

HEAD = f"""{NOTICE}
# Command line

Run every command in the root of a project, where dvc.yaml and params.yaml are. `--json` prints the result as JSON on
stdout; progress goes to stderr. Exit code 0: done. An error is one line with what is wrong and what to do; its exit
code is [below](#exit-codes), unless the command defines its own.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for panel, group in groupby(commands(), key=lambda command: command.rich_help_panel):
        parts += [f"## {panel}\n", *(section(command) for command in group)]
    return "\n".join([*parts, "## Exit codes\n", table(["error", "exit code", "means"], errors(AssayError))])


def errors(parent: type[AssayError]) -> Iterator[tuple[str, str, str]]:
    """(name, exit code, meaning) of an error class and its subclasses, in the order of the code."""
    yield code(parent.__name__), str(parent.exit_code), prose(parent.__doc__)
    for child in parent.__subclasses__():
        if child.__module__ == parent.__module__:
            yield from errors(child)


def commands() -> list[Any]:
    """The commands, as `assay --help` lists them: by panel."""
    group = typer.main.get_group(app)
    return list(group.commands.values())


def section(command: Any) -> str:
    """Heading, usage, help text and the table of one command."""
    context = typer.Context(command, info_name=f"assay {command.name}")
    usage = command.get_usage(context).removeprefix("Usage: ")
    return "\n".join(
        [
            f"### assay {command.name}\n",
            f"```text\n{usage}\n```\n",
            _examples(prose(command.help)),
            table(["argument or option", "meaning"], (described(param, context) for param in command.params)),
        ]
    )


def described(param: Any, context: typer.Context) -> tuple[str, str]:
    """What `--help` says of an argument or an option; the negative of a flag is left out."""
    names, meaning = param.get_help_record(context)
    return code(re.sub(r" / --no-.*", "", names)), re.sub(r"  \[default: no-[a-z-]+\]", "", meaning)


def _examples(text: str) -> str:
    """The examples of a help text as a block of their own."""
    before, found, line = text.partition("Examples:")
    if not found:
        return text
    block = "\n".join(one.strip() for one in line.split("·"))
    return f"{before}\n```sh\n{block}\n```\n"
