"""XML of VOC and CVAT. Read without entities, as an XML with them can be a trap; written so that it reads the same."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from assay.errors import UsageError

ENTITY = re.compile(rb"<!\s*ENTITY")
ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped."""


def parsed(data: bytes) -> ElementTree.Element:
    """The root. ValueError for what is no XML, or declares entities; expat bounds those of other encodings."""
    if ENTITY.search(data):
        raise ValueError("it declares entities")
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from None


def text_of(root: ElementTree.Element, declaration: bool = False) -> bytes:
    """The XML in UTF-8. UsageError for a text with a character that XML cannot hold."""
    for node in root.iter():
        for text in (node.text, *node.attrib, *node.attrib.values()):
            if text and (found := ILLEGAL.search(text)):
                raise UsageError(
                    f"{text!r}: XML cannot hold the character U+{ord(found[0]):04X}",
                    hint="rename it, or export as coco: JSON holds it",
                )
    data: bytes = ElementTree.tostring(root, "utf-8", xml_declaration=declaration)
    return data.replace(b"\r", b"&#13;")  # in texts; those of attributes are escaped by ElementTree
