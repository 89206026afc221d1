"""How an image is judged. One file a verifier; every one of them follows `base.Verifier`."""
