// The page begins here: what is signed in, which page is open, and what keys do.
import { render } from "preact";
import { html } from "./base/html.js";
import { watchLook } from "./base/look.js";
import { loadWords } from "./base/words.js";
import { beginSignIn } from "./base/signin.js";
import { watchKeys } from "./base/keyboard.js";
import { Shell } from "./parts/shell.js";

watchLook();
watchKeys();
await loadWords();
await beginSignIn();
render(html`<${Shell} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
