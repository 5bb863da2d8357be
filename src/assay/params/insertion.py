"""A source appended to `ingest.sources` in the text of params.yaml; the rest of the text stays as it is."""

from __future__ import annotations

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode


def with_source(text: str, item: str) -> str | None:
    """The text with an item, in YAML on one line, at the end of the list; None if there is no such list."""
    sources = _value(_value(yaml.compose(text, Loader=yaml.SafeLoader), "ingest"), "sources")
    if not isinstance(sources, SequenceNode) or not sources.value:
        return None
    if sources.flow_style:
        end = sources.value[-1].end_mark.index
        return f"{text[:end]}, {item}{text[end:]}"
    lines = text.splitlines(keepends=True)
    last = _last_line(sources) + 1
    ending = "\r\n" if lines[0].endswith("\r\n") else "\n"
    if not lines[last - 1].endswith("\n"):
        lines[last - 1] += ending
    lines.insert(last, f"{' ' * sources.start_mark.column}- {item}{ending}")
    return "".join(lines)


def _value(node: Node | None, key: str) -> Node | None:
    pairs = node.value if isinstance(node, MappingNode) else ()
    return next((value for name, value in pairs if name.value == key), None)


def _last_line(node: Node) -> int:
    """The last line of a node, from 0: its end mark may be behind the comments that follow."""
    if isinstance(node, ScalarNode) or (isinstance(node, MappingNode | SequenceNode) and node.flow_style):
        return int(node.end_mark.line)
    children = (child for one in node.value for child in (one if isinstance(one, tuple) else (one,)))
    return max((_last_line(child) for child in children), default=int(node.end_mark.line))
