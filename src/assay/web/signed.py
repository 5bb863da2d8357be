"""Signed URLs of images: whoever has one can read that image until it expires, and nothing else.

    /signed/<content id>?expires=<seconds since 1970>&signature=<HMAC-SHA256 of both, hex>

The key is a secret of the project in `.assay/`, made on first use. Without that file, older URLs are refused.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from assay.data.files import replacing

PATH = "/signed"
KEY = "image-key"
SIZE = 32
"""Bytes of the key."""
SAMPLE = re.compile(r"[0-9a-f]{64}")
SIGNATURE = re.compile(r"[0-9a-f]{64}")
EXPIRES = re.compile(r"[1-9][0-9]{0,11}")


def image_key(scratch: Path) -> bytes:
    """The key of the project with the scratch folder `scratch`; made if there is none. Readable by its owner only."""
    file = scratch / KEY
    with suppress(FileNotFoundError):
        if len(key := file.read_bytes()) == SIZE:
            return key
        file.unlink()  # not written by `image_key`
    with suppress(FileExistsError), replacing(file, new=True) as aside:
        aside.touch(mode=0o600)
        aside.write_bytes(secrets.token_bytes(SIZE))
    return file.read_bytes()


def signature(key: bytes, sample: str, expires: int) -> str:
    """HMAC-SHA256 of a content id and its expiry, hex."""
    return hmac.new(key, f"{sample}.{expires}".encode(), hashlib.sha256).hexdigest()


def signed_url(server: str, key: bytes, sample: str, expires: int) -> str:
    """URL of an image on `server` (`http://host:port`), valid until `expires`, in seconds since 1970."""
    asked = f"expires={expires}&signature={signature(key, sample, expires)}"
    return f"{server.rstrip('/')}{PATH}/{sample}?{asked}"


def is_signed(key: bytes, sample: str, expires: str, given: str, now: float) -> bool:
    """Whether `given` is the signature of an image and an expiry after `now`. Takes the same time for every `given`."""
    if not (SAMPLE.fullmatch(sample) and EXPIRES.fullmatch(expires) and SIGNATURE.fullmatch(given)):
        return False
    right = hmac.compare_digest(signature(key, sample, int(expires)), given)
    return right and now < int(expires)


def is_valid_url(url: str, server: str, key: bytes, now: float) -> bool:
    """Whether a URL is one of `signed_url` for this server and key, and has not expired at `now`."""
    if not url.startswith(f"{server.rstrip('/')}{PATH}/"):
        return False
    parts = urlsplit(url)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    sample = parts.path.rsplit("/", 1)[-1]
    return is_signed(key, sample, asked.get("expires", ""), asked.get("signature", ""), now)
