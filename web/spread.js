import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const SPREAD = "NoiseSearch.Spread";
const ADDRESS = "NoiseSearch.Address";
const THIS_GPU = "this GPU";

/** Where candidates run is the browser's setting, not the workflow's: a workflow made on a cluster opens on a laptop. */
app.registerExtension({
  name: "noise_search.spread",
  settings: [
    {
      id: SPREAD,
      category: ["Noise Search", "Several GPUs", "Spread"],
      name: "Spread searches over",
      tooltip: "Several GPUs need Ray (docs/cluster.md). Give a multiple of the GPUs as candidates.",
      type: "combo",
      options: [THIS_GPU, "all GPUs here", "a Ray cluster"],
      defaultValue: THIS_GPU,
    },
    {
      id: ADDRESS,
      category: ["Noise Search", "Several GPUs", "Address"],
      name: "Address of the Ray cluster",
      tooltip: "HOST:6379 of its head. Empty where ComfyUI runs on one of its machines.",
      type: "text",
      defaultValue: "",
    },
  ],
  setup() {
    const post = api.fetchApi;
    api.fetchApi = function (route, options) {
      return post.call(this, route, isPrompt(route, options) ? withSetting(options) : options);
    };
  },
});

const isPrompt = (route, options) => route === "/prompt" && options?.method === "POST";

/** The request that queues a prompt, with the setting in its extra data; as it is where nobody has changed that. */
function withSetting(options) {
  const spread = app.extensionManager?.setting.get(SPREAD) ?? THIS_GPU;
  if (spread === THIS_GPU) return options;
  const body = JSON.parse(options.body);
  body.extra_data = { ...body.extra_data, noise_search: { spread, address: app.extensionManager.setting.get(ADDRESS) } };
  return { ...options, body: JSON.stringify(body) };
}
