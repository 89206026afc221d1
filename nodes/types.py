"""The pack's socket types, and where its nodes are listed."""

from comfy_api.latest import io

CATEGORY = "noise search"

Positives = io.Custom("POSITIVES")
Verifier = io.Custom("VERIFIER")
Search = io.Custom("SEARCH")
