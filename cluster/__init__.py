"""Candidates on several GPUs and machines, with Ray. Imported only when somebody has turned that on."""
