// The door: a key, or the link that a terminal prints.
import { html, useSignal } from "../base/html.js";
import { signInTrouble } from "../base/api.js";
import { useAction } from "../base/poll.js";
import { signIn } from "../base/signin.js";
import { say } from "../base/words.js";
import { ErrorNote } from "./cards.js";
import { Mark } from "./icons.js";
import { Languages } from "./shell.js";

export function SignIn() {
  const key = useSignal("");
  const action = useAction();
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (await action.run(() => signIn(key.value.trim()))) key.value = "";
  };
  return html`
    <main class="sign-in">
      <div class="card">
        <h1 class="brand"><${Mark} />Tidegate</h1>
        <form class="stack" onSubmit=${send}>
          <label class="field"><span>${say("sign_in.key")}</span>
            <input type="password" name="key" autocomplete="current-password" required autofocus value=${key.value}
              onInput=${(/** @type {any} */ event) => (key.value = event.currentTarget.value)} />
          </label>
          <${ErrorNote} error=${action.error ?? signInTrouble.value} />
          <button class="main-action" disabled=${action.busy}>${action.busy ? say("busy") : say("sign_in.act")}</button>
        </form>
        <p class="quiet small">${say("sign_in.how")}</p>
        <p class="small"><${Languages} /></p>
      </div>
    </main>
  `;
}
