"""How a search works, from the top down.

patch puts a search on a MODEL; driver asks the method, has candidates evaluated and tells it the scores; finals runs
the best again; evaluate runs and judges candidates; course is what driver and loop have in common; stopping says when
it is enough; plan is what a search node was set to; results is what the SEARCH socket carries; replay follows a recipe.

methods: random search, zero-order, paths, pruning. records: recipe, report, how a search stands. pictures: thumbnails
and plots. These three need no ComfyUI. sampling: candidates as rows of one call of the user's sampler. judging:
decoding and scoring. history: what earlier runs know. board: what people see meanwhile. loop: a search around any part
of the graph. steps: the step schedules. host: ComfyUI beside its sampling.
"""
