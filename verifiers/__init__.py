"""How an image is judged. One file per verifier; every one of them follows `base.Verifier`."""
