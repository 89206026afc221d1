"""How a search works.

Pure, without ComfyUI: noise, recipe, the algorithms (random, zero_order, paths), pruning, budget, standing, report,
plot, thumbnail. The host part: wrappers, patch and replay put it on a MODEL; driver runs an algorithm; trajectory,
stretch, source, sharing and conditioning run candidates in the user's sampler; judge and race score them; levels and
pivot know the host's noise.
"""
