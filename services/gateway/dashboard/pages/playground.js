// A call as a client makes it: with a client's key, its picture shown and its headers explained.
import { html, useEffect, useSignal } from "../base/html.js";
import { addressOf, ApiError } from "../base/api.js";
import { bytes, duration } from "../base/formats.js";
import { useAction } from "../base/poll.js";
import { linkTo } from "../base/route.js";
import { mayChange } from "../base/signin.js";
import { isSaid, say, wordFor } from "../base/words.js";
import { asCurl, asNode, asPython, KINDS } from "../parts/calls.js";
import { Card, Empty, ErrorNote } from "../parts/cards.js";
import { Code } from "../parts/code.js";
import { Field } from "../parts/fields.js";
import { Main } from "../parts/shell.js";

const WRITERS = { curl: asCurl, Python: asPython, Node: asNode };
const SHOWN_MAX = 4000;

/** The key is kept while the page is open, and nowhere else. */
let keyOfVisit = "";

export function Page() {
  const key = useSignal(keyOfVisit);
  const kind = useSignal("image");
  const model = useSignal("");
  const prompt = useSignal("a tide gate at dawn");
  const models = useSignal(/** @type {string[]} */ ([]));
  const answer = useSignal(/** @type {any} */ (null));
  const writer = useSignal(/** @type {keyof typeof WRITERS} */ ("curl"));
  const action = useAction();
  useEffect(() => {
    keyOfVisit = key.value;
    if (key.value.length < 8) return undefined;
    const timer = setTimeout(() => modelsOf(key.value).then((names) => {
      models.value = names;
      if (!model.value && names.length) [model.value] = names;
    }), 400);
    return () => clearTimeout(timer);
  }, [key.value]);
  const call = { path: KINDS[kind.value].path, body: KINDS[kind.value].bodyOf(model.value || "jimeng-4.0", prompt.value) };
  const send = (/** @type {Event} */ event) => {
    event.preventDefault();
    answer.value = null;
    action.run(async () => (answer.value = await makeCall(key.value.trim(), call)));
  };
  return html`
    <${Main} title=${say("page.playground")}>
      <div class="columns">
        <div class="stack">
          <${Card} title=${say("playground.call")}>
            <form class="stack" onSubmit=${send}>
              <${Field} name=${say("playground.key")} value=${key} type="password" required hint="sk-…" />
              <div class="fields">
                <${Field} name=${say("playground.kind")} value=${kind} list=${Object.keys(KINDS).map((name) => [name, KINDS[name].path])} />
                <label class="field"><span>${say("model")}</span><input list="models" value=${model.value} placeholder="jimeng-4.0" onInput=${(/** @type {any} */ event) => (model.value = event.currentTarget.value)} />
                  <datalist id="models">${models.value.map((name) => html`<option value=${name}></option>`)}</datalist></label>
              </div>
              <label class="field"><span>${say("playground.prompt")}</span><textarea rows="3" value=${prompt.value} onInput=${(/** @type {any} */ event) => (prompt.value = event.currentTarget.value)}></textarea></label>
              <${ErrorNote} error=${action.error} />
              <div class="row"><button class="main-action" disabled=${action.busy}>${action.busy ? say("busy") : say("playground.send")}</button><span class="quiet small">${say("playground.costs")}</span></div>
            </form>
          <//>
          <${Card} title=${say("playground.as_code")} more=${html`<span class="row">${Object.keys(WRITERS).map((name) => html`<button aria-pressed=${writer.value === name} onClick=${() => (writer.value = /** @type {any} */ (name))}>${name}</button>`)}</span>`}>
            <${Code} text=${WRITERS[writer.value](call)} />
          <//>
        </div>
        <${Card} title=${say("playground.answer")}>
          ${answer.value ? html`<${Shown} answer=${answer.value} />` : html`<${Empty} title=${say(action.busy ? "busy" : "playground.none")}>${say("playground.none_more")} ${mayChange() && html`<a href=${linkTo("keys", { add: 1 })}>${say("keys.issue")}</a>`}<//>`}
        <//>
      </div>
    <//>
  `;
}

/** @param {string} key @returns {Promise<string[]>} */
async function modelsOf(key) {
  try {
    const answer = await fetch(addressOf("/v1/models"), { credentials: "omit", headers: { Authorization: `Bearer ${key}` } });
    return answer.ok ? (await answer.json()).data.map((/** @type {any} */ one) => one.id) : [];
  } catch {
    return [];
  }
}

/** Call with the client's key alone, as a client would. @param {string} key @param {import("../parts/calls.js").Call} call */
async function makeCall(key, { path, body }) {
  const began = performance.now();
  let answer;
  try {
    answer = await fetch(addressOf(path), {
      method: "POST",
      credentials: "omit",
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new ApiError("unreachable", "");
  }
  const text = await answer.text();
  const headers = [...answer.headers].filter(([name]) => isSaid(`header.${name}`));
  return { status: answer.status, ok: answer.ok, text, headers, ms: performance.now() - began, ...foundIn(text) };
}

/** The picture, the links and the error that an answer holds. @param {string} text */
function foundIn(text) {
  try {
    const said = JSON.parse(text);
    const items = Array.isArray(said.data) ? said.data : [];
    return {
      pictures: items.map((/** @type {any} */ one) => one.b64_json).filter((/** @type {any} */ one) => typeof one === "string"),
      links: items.map((/** @type {any} */ one) => one.url).filter((/** @type {any} */ one) => typeof one === "string" && /^https?:/.test(one)),
      error: said.error ? new ApiError(String(said.error.code), String(said.error.message)) : null,
      said,
    };
  } catch {
    return { pictures: [], links: [], error: null, said: null };
  }
}

/** @param {{answer: any}} props */
function Shown({ answer }) {
  const id = answer.headers.find((/** @type {string[]} */ [name]) => name === "x-request-id")?.[1];
  const isLong = (/** @type {unknown} */ value) => typeof value === "string" && value.length > 400;
  const body = answer.said ? JSON.stringify(answer.said, (_, value) => (isLong(value) ? `${value.slice(0, 60)}… (${value.length})` : value), 2) : answer.text;
  return html`
    <div class="stack">
      <div class="row"><span class=${`chip ${answer.ok ? "good" : "bad"}`}>${answer.status}</span><span class="quiet tab">${duration(answer.ms)} · ${bytes(answer.text.length)}</span>
        ${id && html`<a href=${linkTo("requests", {}, id)}>${say("server.story")}</a>`}</div>
      <${ErrorNote} error=${answer.error} />
      ${answer.pictures.map((/** @type {string} */ data) => html`<img class="picture" alt=${say("playground.picture")} src=${`data:${typeOf(data)};base64,${data}`} />`)}
      ${answer.links.map((/** @type {string} */ url) => html`<a class="wrap" href=${url} target="_blank" rel="noopener noreferrer">${url}</a>`)}
      <dl class="stack" style="gap: 8px">${answer.headers.map((/** @type {string[]} */ [name, value]) => html`
        <div><dt><code>${name}</code>: <span class="wrap">${value}</span></dt><dd class="quiet small">${wordFor("header", name)}</dd></div>`)}</dl>
      <${Code} text=${body.slice(0, SHOWN_MAX)} wrapped />
    </div>
  `;
}

/** What a picture is, by how it begins. @param {string} data */
const typeOf = (data) => (data.startsWith("/9j/") ? "image/jpeg" : data.startsWith("UklG") ? "image/webp" : data.startsWith("R0lG") ? "image/gif" : "image/png");
