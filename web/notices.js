import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { complain } from "./notice.js";

/** What a node has to tell people that is no error: a search that does not take place. */
app.registerExtension({
  name: "noise_search.notices",
  setup() {
    api.addEventListener("noise_search.notice", ({ detail }) => complain({ message: detail.text }));
  },
});
