import { button, element } from "./dom.js";
import { texts } from "./texts.js";

/** A recipe as text with a button that copies it; what to say instead when there is none. written: as the server wrote it,
 * with seeds that are too large for the numbers of a browser. */
export function recipePanel(recipe, written = JSON.stringify(recipe)) {
  if (!recipe) {
    return element("p", { class: "hint" }, texts().noRecipe);
  }
  const text = element("textarea", { class: "recipe", readonly: true, rows: 3, spellcheck: "false" });
  text.value = written;
  const copying = button(texts().copyRecipe, () => copy(text, copying));
  const noise = recipe.noise ? element("p", { class: "hint" }, texts().otherNoise(recipe.noise)) : null;
  return element("div", { class: "recipe-panel" }, noise, text, copying);
}

async function copy(text, pressed) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text.value);
  } else {
    // only pages from https or localhost have a clipboard
    text.select();
    document.execCommand("copy");
  }
  pressed.textContent = texts().copied;
  setTimeout(() => (pressed.textContent = texts().copyRecipe), 1500);
}
