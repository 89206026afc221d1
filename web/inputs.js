import { app } from "../../scripts/app.js";

const SEARCHES = ["AutoSearch", "RandomSearch", "ZeroOrderSearch", "PathSearch"];

/** Workflows from before an input was an advanced one, or was there at all, do and show what they did. */
app.registerExtension({
  name: "noise_search.inputs",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!SEARCHES.includes(nodeData.name)) return;
    const known = { ...nodeData.input.required, ...nodeData.input.optional };
    const created = nodeType.prototype.onNodeCreated;
    nodeType.prototype.onNodeCreated = function () {
      created?.apply(this, arguments);
      for (const widget of this.widgets) if (widget.options?.advanced) widget.advanced = true; // also on the canvas
      this.setSize(this.computeSize());
    };
    const laidOut = nodeType.prototype.getLayoutWidgets;
    nodeType.prototype.getLayoutWidgets = function () {
      // the canvas leaves a gap for advanced inputs that it does not show
      return laidOut.call(this).filter((widget) => !widget.advanced || this.showAdvanced);
    };
    const before = nodeType.prototype.onConfigure;
    nodeType.prototype.onConfigure = function (saved) {
      before?.apply(this, arguments);
      keepLevels(this, saved);
      if (this.widgets?.some(({ name, value }) => isSet(known[name]?.[1], value))) this.showAdvanced = true;
    };
  },
});

/** Path Search had its three levels before it had a choice of them. */
function keepLevels(node, saved) {
  const at = node.widgets?.findIndex(({ name }) => name === "levels") ?? -1;
  if (at >= 0 && saved.widgets_values && !(at in saved.widgets_values)) node.widgets[at].value = "custom";
}

const isSet = (options, value) => options?.advanced && value !== options.default;
