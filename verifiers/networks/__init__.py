"""The networks behind the verifiers, written by hand, because

- published weights come as single files, each family with key names of its own: `keys.py` gives them one set of names,
  and no package has to be installed beside them;
- ComfyUI's model management loads, offloads and unloads them, and its operations keep the weights' type;
- each has to give its publisher's numbers to 1e-3, from the image's pixels on; tests compare them.
"""
