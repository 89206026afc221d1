import { app } from "../../scripts/app.js";

/** Tell people what could not be done. */
export function complain(error) {
  app.extensionManager.toast.add({ severity: "warn", summary: "Noise Search", detail: error.message, life: 5000 });
}
