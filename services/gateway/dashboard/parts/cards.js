// Cards, empty states and errors: an empty one says what to do next, an error says what the API said.
import { html } from "../base/html.js";
import { isSaid, say, wordFor } from "../base/words.js";

/** One question and its answer. @param {{title?: any, more?: any, children?: any, kind?: string}} props */
export function Card({ title, more, children, kind = "" }) {
  return html`
    <section class=${`card ${kind}`}>
      ${title && html`<header><h2>${title}</h2>${more}</header>`}
      ${children}
    </section>
  `;
}

/** Nothing is here, and what to do about it. @param {{title: any, children?: any}} props */
export function Empty({ title, children }) {
  return html`<div class="empty"><strong>${title}</strong>${children && html`<p>${children}</p>`}</div>`;
}

/** An error in the reader's language by its code, and the API's own message beside it. */
export function ErrorNote({ error, again }) {
  if (!error) return null;
  const known = isSaid(`error.${error.code}`);
  return html`
    <div class="note bad" role="alert">
      <div>
        ${known && html`<strong>${wordFor("error", error.code)}</strong><br />`}
        ${error.message && error.code !== "unreachable" && html`${error.message} <code>${error.code}</code>`}
      </div>
      ${again && html`<button class="link" onClick=${again}>${say("try_again")}</button>`}
    </div>
  `;
}

/** A text in which what stands between backticks is for a terminal. @param {string} text */
export const withCode = (text) => text.split("`").map((part, place) => (place % 2 ? html`<code>${part}</code>` : part));

/** What a polled value looks like until it is there. @param {{polled: import("../base/poll.js").Polled<any>, children: (value: any) => any}} props */
export function Answer({ polled, children }) {
  return html`
    ${polled.error && html`<${ErrorNote} error=${polled.error} again=${polled.again} />`}
    ${polled.value ? children(polled.value) : !polled.error && html`<p class="quiet" role="status">${say("loading")}</p>`}
  `;
}

/** Names and what they are. @param {{of: [any, any][]}} props */
export function Pairs({ of }) {
  const there = of.filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return html`<dl class="pairs">${there.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

/** Where somebody who may change things has buttons: why there are none. */
export const ReadOnly = () => html`<span class="quiet small read-only">${say("read_only")}</span>`;
