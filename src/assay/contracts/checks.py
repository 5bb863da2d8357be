"""The contract of a check: see assay.checks. Findings are checked on a small project with every kind of input."""

from __future__ import annotations

from types import ModuleType

from assay.checks import Context
from assay.contracts import Check, require
from assay.data.findings import FINDINGS


def it_has_check(plugin: ModuleType) -> None:
    """There is check(context), and LIMITS, if there are any, are {name: number}."""
    require(plugin.__doc__, "it has no docstring: it tells users what the check finds")
    require(callable(getattr(plugin, "check", None)), "there is no check(context)")
    limits = getattr(plugin, "LIMITS", {})
    require(isinstance(limits, dict), "LIMITS is no {name: number}")
    wrong = [name for name, limit in limits.items() if not isinstance(limit, float)]
    require(not wrong, f"LIMITS that are no float: {', '.join(wrong)}")


def findings_have_the_form(plugin: ModuleType, context: Context) -> None:
    """check(context) returns a table of the columns FINDINGS, with a score in 0…1 and a reason for each finding."""
    found = plugin.check(context)
    require(
        getattr(found, "schema", None) is not None and found.schema.equals(FINDINGS),
        "its table does not have the columns of assay.data.findings.FINDINGS",
    )
    known = {*context.split_of, "", None}
    for row in found.to_pylist():
        require(row["id"] in known, f"{row['id']!r} is no id of the snapshot")
        require(row["related"] in known, f"related: {row['related']!r} is no id of the snapshot")
        require(0 <= row["score"] <= 1, f"a score of {row['score']} is not in 0…1")
        require(row["reason"], f"the finding of {row['id']} has no reason")


def nothing_is_found_twice(plugin: ModuleType, context: Context) -> None:
    """No two findings have the same id, related and reason."""
    rows = [(row["id"], row["related"], row["reason"]) for row in plugin.check(context).to_pylist()]
    require(len(set(rows)) == len(rows), f"{len(rows) - len(set(rows))} findings repeat another one")


def it_finds_the_same_again(plugin: ModuleType, context: Context) -> None:
    """A second call finds the same, in the same order."""
    require(
        plugin.check(context).equals(plugin.check(context)),
        "the second call found something else: draw from context.seed only",
    )


CHECKS: tuple[Check, ...] = (it_has_check,)
ON_A_CONTEXT = (findings_have_the_form, nothing_is_found_twice, it_finds_the_same_again)
