import { button, element } from "./dom.js";

/** A recipe as text with a button that copies it; what to say instead when there is none. */
export function recipePanel(recipe) {
  if (!recipe) {
    return element("p", { class: "hint" }, "No recipe: the noise came from the workflow, and no seed recreates it.");
  }
  const text = element("textarea", { class: "recipe", readonly: true, rows: 3, spellcheck: "false" });
  text.value = JSON.stringify(recipe);
  const copying = button("Copy recipe", () => copy(text, copying));
  return element("div", { class: "recipe-panel" }, text, copying);
}

async function copy(text, pressed) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text.value);
  } else {
    // only pages from https or localhost have a clipboard
    text.select();
    document.execCommand("copy");
  }
  pressed.textContent = "Copied";
  setTimeout(() => (pressed.textContent = "Copy recipe"), 1500);
}
