"""ComfyUI beside its sampling: prompts, their texts, graph, memory. No other room reaches into those.

What search touches of ComfyUI, and who does; tests/search/host/test_host.py says which is gone after an update.

comfy.cli_args: host/starting, loop/copies
comfy.conds: host/strangers
comfy.controlnet: host/strangers
comfy.k_diffusion: host/strangers
comfy.k_diffusion.sampling: host/strangers, sampling/sharing
comfy.ldm: host/strangers
comfy.ldm.modules: host/strangers
comfy.ldm.modules.attention: host/strangers
comfy.memory_management: host/outputs
comfy.model_base: host/strangers, patch, steps/schedules
comfy.model_management: board/by_hand, crew/spread, host/memory, judging/small_images, loop/spread, sampling/draws,
    sampling/rows, steps/adaptive
comfy.model_patcher: host/strangers
comfy.nested_tensor: sampling/draws, sampling/listening, sampling/noise_objects, sampling/source
comfy.patcher_extension: host/strangers, sampling/crosstalk, sampling/wrappers, steps/adaptive, steps/on_model
comfy.sample: sampling/draws, steps/adaptive
comfy.sampler_helpers: host/strangers, sampling/wordings
comfy.samplers: host/strangers, sampling/call, sampling/conditioning, sampling/crosstalk, sampling/looking,
    sampling/rows, sampling/sharing, sampling/together, sampling/wordings, steps/adaptive, steps/on_model,
    steps/schedules, steps/solver_cost
comfy.sd1_clip: host/prompt_text
comfy.taesd.taesd: judging/small_images
comfy.utils: board/glimpses, judging/decoding, loop/looped, results, sampling/draws, sampling/listening,
    sampling/source, steps/adaptive
comfy_api.internal: host/converted
comfy_api.latest._io: host/converted
comfy_execution.caching: host/outputs
comfy_execution.graph: history/keys, host/converted, host/graph, host/positive, host/prompt_text, host/prompts,
    loop/body, loop/looped, loop/spread, patch
comfy_execution.graph_utils: board/choices, crew/by_value, history/keys, host/graph, host/positive, host/seeds,
    loop/body, loop/copies
comfy_execution.progress: board/board, host/graph, host/prompt_text, loop/looped
comfy_execution.utils: host/prompt_text, host/prompts
comfy_extras.nodes_align_your_steps: steps/schedules
comfy_extras.nodes_custom_sampler: steps/schedules
comfy_extras.nodes_gits: steps/schedules
comfyui_version: history/keys
execution: history/keys
folder_paths: history/keys, history/pages, host/strangers, judging/small_images
nodes: crew/by_value, host/converted, host/graph, host/positive
server: board/routes
"""
