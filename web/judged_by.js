import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { findNode } from "./find.js";
import { texts } from "./texts.js";

const LONGEST = 80; // signs of a prompt that are shown

/** An empty prompt shows the text that its search was judged by: the one that the sampler draws. */
app.registerExtension({
  name: "noise_search.judged_by",
  setup() {
    api.addEventListener("noise_search.judged_by", ({ detail }) => show(detail));
  },
});

function show({ node: id, text }) {
  const node = findNode(id);
  const widget = node?.widgets?.find(({ name }) => name === "prompt");
  if (!widget) return;
  const told = texts().judgedBy(text.length > LONGEST ? `${text.slice(0, LONGEST)} ...` : text);
  widget.shown ??= widget.label; // its name, in the language of the front end
  widget.label = told; // where Vue draws nodes
  if (widget.element) widget.element.placeholder = told;
  const changed = widget.callback;
  widget.callback = function (value) {
    if (value) {
      widget.label = widget.shown;
      widget.callback = changed;
    }
    return changed?.apply(this, arguments);
  };
  app.canvas.setDirty(true, true);
}
