// Keys: whose they are, what they may, what they did today; issued and rotated with their text once.
import { html, useSignal } from "../base/html.js";
import { ask } from "../base/api.js";
import { ago, clock, moment, number } from "../base/formats.js";
import { now, useAction, usePolled } from "../base/poll.js";
import { linkTo, refine, route } from "../base/route.js";
import { mayChange } from "../base/signin.js";
import { say } from "../base/words.js";
import { Answer, Card, Empty, ErrorNote, Pairs, ReadOnly } from "../parts/cards.js";
import { Code } from "../parts/code.js";
import { Dialog, Form, tell } from "../parts/dialogs.js";
import { Check, Field } from "../parts/fields.js";
import { Main } from "../parts/shell.js";
import { Chip } from "../parts/states.js";
import { TrueAt } from "../parts/trueat.js";

const SCOPES = ["client", "admin", "viewer", "metrics"];

export function Page() {
  const polled = usePolled("/api/keys", 10);
  const { query } = route.value;
  const isAll = useSignal(false);
  const opened = useSignal(/** @type {any} */ (null));
  const text = useSignal("");
  const shown = (polled.value?.data ?? []).filter((/** @type {any} */ key) => isAll.value || !key.revoked);
  const current = opened.value && polled.value?.data.find((/** @type {any} */ key) => key.id === opened.value);
  return html`
    <${Main} title=${say("page.keys")} more=${html`<${TrueAt} of=${{ keys: polled.value?.sequence, analytics: polled.value?.figures_sequence }} lag=${polled.value?.lag} />
      ${mayChange() ? html`<button class="main-action" onClick=${() => refine({ add: 1 })}>${say("keys.issue")}</button>` : html`<${ReadOnly} />`}`}>
      <${Answer} polled=${polled}>${() => html`
        <${Card}>
          ${shown.length === 0 ? html`<${Empty} title=${say("keys.none")}>${mayChange() && say("keys.none_more")}<//>` : html`
            <table class="plain"><thead><tr>
              <th scope="col">${say("key")}</th><th scope="col" style="width: 120px">${say("keys.scope")}</th>
              <th scope="col" class="wide">${say("keys.bounds")}</th>
              <th scope="col" class="num wide" style="width: 110px">${say("keys.calls")}</th><th scope="col" class="num wide" style="width: 100px">${say("keys.failed")}</th>
              <th scope="col" class="num wide" style="width: 100px">${say("units")}</th><th scope="col" class="num" style="width: 120px">${say("keys.seen")}</th>
            </tr></thead><tbody>${shown.map((/** @type {any} */ key) => html`<tr key=${key.id}>
              <td class="cut" title=${`${key.name} ${key.id}`}><button class="link strong" onClick=${() => (opened.value = key.id)}>${key.name || key.id}</button></td>
              <td><${Chip} state=${key.revoked ? "revoked" : ""}>${say(key.revoked ? "keys.revoked" : `scope.${key.scope}`)}<//></td>
              <td class="cut wide quiet" title=${boundsOf(key)}>${boundsOf(key)}</td>
              <td class="num wide">${number(key.calls)}</td><td class="num wide">${number(key.calls_failed)}</td><td class="num wide">${number(key.units)}</td>
              <td class="num cut" title=${moment(key.last_seen_at)}>${key.last_seen_at ? ago(key.last_seen_at, now.value) : "–"}</td>
            </tr>`)}</tbody></table>`}
          <p style="margin-top: 12px"><${Check} name=${say("keys.with_revoked")} value=${isAll} /></p>
        <//>`}<//>
      ${query.add && mayChange() && html`<${Issue} onClose=${() => refine({ add: "" })} onText=${(/** @type {string} */ said) => { text.value = said; polled.again(); }} />`}
      ${current && html`<${Key} key=${current.id} of=${current} onClose=${() => (opened.value = null)} onDone=${polled.again} onText=${(/** @type {string} */ said) => (text.value = said)} />`}
      ${text.value && html`<${Dialog} title=${say("keys.text")} onClose=${() => (text.value = "")}>
        <p>${say("keys.once")}</p><${Code} text=${text.value} wrapped />
        <div class="row" style="justify-content: flex-end"><button class="main-action" onClick=${() => (text.value = "")}>${say("keys.have_it")}</button></div><//>`}
    <//>
  `;
}

/** @param {any} key */
function boundsOf(key) {
  const bounds = [
    key.requests_per_minute && say("keys.per_minute", { n: key.requests_per_minute, count: number(key.requests_per_minute) }),
    key.concurrency && say("keys.at_once", { n: key.concurrency, count: number(key.concurrency) }),
    key.models.length && key.models.join(", "),
  ].filter(Boolean);
  return bounds.length ? bounds.join(" · ") : say("keys.unbounded");
}

/** The fields of a key's bounds, and what they make. @param {any} key */
function useBounds(key) {
  const rate = useSignal(key?.requests_per_minute ?? 0);
  const concurrency = useSignal(key?.concurrency ?? 0);
  const models = useSignal((key?.models ?? []).join(", "));
  const body = () => ({
    requests_per_minute: Number(rate.value),
    concurrency: Number(concurrency.value),
    models: models.value.split(",").map((/** @type {string} */ one) => one.trim()).filter(Boolean),
  });
  const fields = html`
    <${Field} name=${say("keys.rate")} value=${rate} type="number" min="0" />
    <${Field} name=${say("keys.concurrency")} value=${concurrency} type="number" min="0" />
    <${Field} name=${say("keys.models")} value=${models} hint="jimeng-4.0" />`;
  return { body, fields };
}

/** @param {{onClose: () => void, onText: (text: string) => void}} props */
function Issue({ onClose, onText }) {
  const name = useSignal("");
  const scope = useSignal("client");
  const { body, fields } = useBounds(null);
  const work = async () => {
    const bounds = scope.value === "client" ? body() : {};
    const issued = await ask("/api/keys", { method: "POST", body: { name: name.value, scope: scope.value, ...bounds } });
    onText(issued.key);
  };
  return html`
    <${Form} title=${say("keys.issue")} act=${say("keys.issue")} work=${work} onClose=${onClose}>
      <div class="fields">
        <${Field} name=${say("keys.name")} value=${name} required hint="shop" />
        <${Field} name=${say("keys.scope")} value=${scope} list=${SCOPES.map((one) => [one, say(`scope.${one}`)])} />
        ${scope.value === "client" && fields}
      </div>
    <//>
  `;
}

/** One key: changed, rotated, revoked. @param {{of: any, onClose: () => void, onDone: () => void, onText: (text: string) => void}} props */
function Key({ of: key, onClose, onDone, onText }) {
  const action = useAction();
  const name = useSignal(key.name);
  const grace = useSignal(0);
  const sure = useSignal("");
  const { body, fields } = useBounds(key);
  const path = `/api/keys/${encodeURIComponent(key.id)}`;
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    await action.run(async () => {
      await ask(path, { method: "PATCH", body: { name: name.value, ...(key.scope === "client" ? body() : {}) } });
      tell(say("keys.did_change"));
      onDone();
      onClose();
    });
  };
  const rotate = () =>
    action.run(async () => {
      const issued = await ask(`${path}/rotate`, { method: "POST", body: { grace_s: Number(grace.value) * 60 } });
      onDone();
      onClose();
      onText(issued.key);
    });
  const revoke = () =>
    action.run(async () => {
      await ask(path, { method: "DELETE" });
      tell(say("keys.did_revoke"));
      onDone();
      onClose();
    });
  return html`
    <${Dialog} title=${key.name || key.id} onClose=${onClose}>
      <${Pairs} of=${[
        ["id", html`<code>${key.id}</code>`],
        [say("keys.scope"), say(`scope.${key.scope}`)],
        [say("keys.bounds"), boundsOf(key)],
        [say("keys.issued"), key.issued_at && `${clock(key.issued_at)} ${key.issued_by ?? ""}`],
      ]} />
      ${mayChange() && !key.revoked && html`
        <form class="stack" onSubmit=${save}><div class="fields"><${Field} name=${say("keys.name")} value=${name} required />${key.scope === "client" && fields}</div>
          <div class="row"><button class="main-action" disabled=${action.busy}>${say("save")}</button></div></form>
        <div class="row" style="align-items: end">
          <${Field} name=${say("keys.grace")} value=${grace} type="number" min="0" max="10080" />
          <button class=${sure.value === "rotate" ? "danger" : ""} disabled=${action.busy} onClick=${Number(grace.value) > 0 || sure.value === "rotate" ? rotate : () => (sure.value = "rotate")}>${say(sure.value === "rotate" ? "keys.rotate_sure" : "keys.rotate")}</button>
          <button class="danger" disabled=${action.busy} onClick=${sure.value === "revoke" ? revoke : () => (sure.value = "revoke")}>${say(sure.value === "revoke" ? "keys.revoke_sure" : "keys.revoke")}</button>
        </div>
        ${sure.value === "rotate" && html`<div class="note warn" role="status">${say("keys.rotate_now")}</div>`}`}
      <${ErrorNote} error=${action.error} />
      <div class="row"><a href=${linkTo("requests", { key: key.id })}>${say("page.requests")}</a><a href=${linkTo("log", { key: key.id })}>${say("page.log")}</a></div>
    <//>
  `;
}
