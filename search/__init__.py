"""How a search works.

Pure, without ComfyUI: noise, recipe, the algorithms (random, zero_order, paths), pruning, budget, standing, report,
ledger, plot, thumbnail. The host part: wrappers, patch and replay put it on a MODEL; driver runs an algorithm;
trajectory, stretch, source, sharing and conditioning run candidates in the user's sampler; judge and race score them;
levels and pivot know the host's noise. A search around any part of the graph: loop says what runs next, loop_body reads
what lies between the two nodes, loop_copy makes a candidate's copy of it, loop_cache lets go of what that made, and
loop_kept knows what ran before. Scores are kept on disk by what they depend on: graph_key; for a search on a MODEL,
pages finds them and known says what they tell.
"""
