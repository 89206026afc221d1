import { app } from "../../scripts/app.js";
import { chinese } from "./texts_zh.js";
import { english } from "./texts_en.js";

// ComfyUI translates what a pack declares (nodes, settings, commands), but gives its scripts no way to look a text up.
const LANGUAGES = { en: english, zh: chinese };

/** What the board says, in the language that ComfyUI is set to. */
export const texts = () => LANGUAGES[app.extensionManager.setting.get("Comfy.Locale")] ?? english;
