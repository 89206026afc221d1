import { app } from "../../scripts/app.js";

/** A loader placed by hand names its files with their addresses, as one of a template does: the front end offers them. */
app.registerExtension({
  name: "noise_search.downloads",
  nodeCreated(node) {
    const { required, optional } = node.constructor.nodeData?.input ?? {};
    const inputs = Object.values({ ...required, ...optional });
    const models = inputs.flatMap(([, options]) => options?.noise_search_models ?? []);
    if (models.length) node.properties.models ??= models;
  },
});
