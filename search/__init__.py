"""How a search works. The pure part knows nothing of ComfyUI; trajectory, judge, driver and patch are the host part."""
