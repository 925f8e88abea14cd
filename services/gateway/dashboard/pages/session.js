// One session: everything that is known of it, what one may do with it, and its latest events.
import { html, h, useSignal } from "../base/html.js";
import { ask, withParameters } from "../base/api.js";
import { ago, clock, duration, moment } from "../base/formats.js";
import { now, useAction, usePolled } from "../base/poll.js";
import { linkTo } from "../base/route.js";
import { mayChange } from "../base/signin.js";
import { say, wordFor } from "../base/words.js";
import { Answer, Empty, ErrorNote, Pairs } from "../parts/cards.js";
import { Dialog, tell } from "../parts/dialogs.js";
import { QuotaBar } from "../parts/quotabar.js";
import { reasonOf, State } from "../parts/states.js";
import { TrueAt } from "../parts/trueat.js";

/** What is sent of each action. @type {Record<string, any>} */
export const CHANGES = {
  drain: { status: "draining" },
  clear: { status: "active", cool_s: 0 },
  disable: { status: "disabled" },
};

/** Carry out an action for one session. @param {string} action @param {string} id @param {number} [cool_s] */
export function changeSession(action, id, cool_s = 0) {
  const path = `/api/sessions/${encodeURIComponent(id)}`;
  if (action === "remove") return ask(path, { method: "DELETE" });
  if (action === "test") return ask(`${path}/test`, { method: "POST" });
  const body = action === "cool" ? { cool_s, reason: "by an operator" } : CHANGES[action];
  return ask(path, { method: "PATCH", body });
}

/** @param {{id: string, onClose: () => void, onDone: () => void}} props */
export function Session({ id, onClose, onDone }) {
  const polled = usePolled(`/api/sessions/${encodeURIComponent(id)}`, 5);
  const events = usePolled(withParameters("/api/events", { past: "last", session: id, limit: 12 }), 10);
  const session = polled.value;
  return html`
    <${Dialog} title=${session?.label || id} onClose=${onClose}>
      <${Answer} polled=${polled}>${(/** @type {any} */ one) => html`
        <div class="stack">
          ${Object.keys(one.limits).map((type) => html`<div class="row">
            <span class="cut" style="min-width: 64px; max-width: 40%" title=${type}>${wordFor("type", type)}</span>
            <div class="grow">${h(QuotaBar, { quota: { service_type: type, used: one.used[type] ?? 0, reserved: one.reserved[type] ?? 0, remaining: one.remaining[type] ?? 0, limit: one.limits[type] } })}</div>
            <span class="tab quiet">${say("left_short", { left: one.remaining[type] ?? 0, limit: one.limits[type] })}</span></div>`)}
          <${Pairs} of=${[
            ["id", html`<code>${one.session_id}</code>`],
            [say("state"), html`<${State} state=${one.status} /> ${one.cooling_s > 0 ? duration(one.cooling_s * 1000) : ""} <span class="quiet">${reasonOf(one)}</span>`],
            [say("quota_day"), `${one.quota_day} · ${say("resets_in")} ${duration(Math.round(one.resets_in_s) * 1000)}`],
            [say("region"), one.region],
            [say("in_flight"), one.open_leases ?? 0],
            [say("last_used"), html`<span title=${moment(one.last_used_at)}>${ago(one.last_used_at, now.value)}</span>`],
            [say("session.checked"), one.checked_at && ago(one.checked_at, now.value)],
            [say("session.doubts"), one.doubts || ""],
            [say("session.origin"), one.origin],
            [say("session.added"), html`<span title=${moment(one.created_at)}>${clock(one.created_at)}</span>`],
          ]} />
          ${mayChange() && html`<${Actions} session=${one} onDone=${() => { polled.again(); events.again(); onDone(); }} />`}
          <${Notes} session=${one} onDone=${polled.again} />
          <div><${TrueAt} of=${{ pool: one.sequence }} /></div>
        </div>`}<//>
      <div>
        <div class="row apart"><h3>${say("session.events")}</h3><span class="row"><a href=${linkTo("requests", { session: id })}>${say("page.requests")}</a><a href=${linkTo("log", { session: id })}>${say("page.log")}</a></span></div>
        ${events.value && (events.value.data.length
          ? html`<ul class="states">${events.value.data.map((/** @type {any} */ event) => html`<li><span class="wrap">${wordFor("event", event.type)} <span class="quiet">${event.reason ?? ""}</span></span><span class="quiet tab">${clock(event.time)}</span></li>`)}</ul>`
          : html`<${Empty} title=${say("session.no_events")} />`)}
        <${ErrorNote} error=${events.error} />
      </div>
    <//>
  `;
}

/** What may be done with a session as it is. @param {{session: any, onDone: () => void}} props */
function Actions({ session, onDone }) {
  const action = useAction();
  const verdict = useSignal(/** @type {any} */ (null));
  const isSure = useSignal(false);
  const run = (/** @type {string} */ name, cool_s = 0) => () =>
    action.run(async () => {
      const answer = await changeSession(name, session.session_id, cool_s);
      if (name === "test") verdict.value = answer;
      tell(say(`session.did.${name}`));
      isSure.value = false;
      onDone();
    });
  const is = session.status;
  return html`
    <div class="row">
      ${is === "active" && html`<button disabled=${action.busy} onClick=${run("drain")}>${say("session.drain")}</button>`}
      ${is !== "retired" && html`<button disabled=${action.busy} onClick=${run("cool", 600)}>${say("session.cool")}</button>`}
      ${is !== "active" && is !== "retired" && html`<button disabled=${action.busy} onClick=${run("clear")}>${say("session.clear")}</button>`}
      ${is !== "disabled" && is !== "retired" && html`<button disabled=${action.busy} onClick=${run("disable")}>${say("session.disable")}</button>`}
      ${is !== "retired" && html`<button disabled=${action.busy} onClick=${run("test")}>${say("session.test")}</button>`}
      ${is !== "retired" && html`<button class="danger" disabled=${action.busy} onClick=${isSure.value ? run("remove") : () => (isSure.value = true)}>${say(isSure.value ? "session.remove_sure" : "session.remove")}</button>`}
    </div>
    ${verdict.value && html`<div class=${`note ${verdict.value.judged === "alive" ? "good" : verdict.value.judged === "dead" ? "bad" : "warn"}`}>
      ${say(`session.judged.${verdict.value.judged}`)} ${verdict.value.server_id && `(${verdict.value.server_id})`} ${verdict.value.message}</div>`}
    <${ErrorNote} error=${action.error} />
  `;
}

/** Limits of its own. @param {{session: any, onDone: () => void}} props */
function Notes({ session, onDone }) {
  const action = useAction();
  const isOpen = useSignal(false);
  const limits = useSignal(/** @type {Record<string, number>} */ ({}));
  if (!mayChange() || session.status === "retired") return null;
  if (!isOpen.value) return html`<div><button class="link" onClick=${() => { limits.value = { ...session.limits }; isOpen.value = true; }}>${say("session.limits")}</button></div>`;
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const path = `/api/sessions/${encodeURIComponent(session.session_id)}`;
    const done = await action.run(() => ask(path, { method: "PATCH", body: { limits: limits.value, reason: "by an operator" } }));
    if (done) {
      isOpen.value = false;
      tell(say("session.did.limits"));
      onDone();
    }
  };
  return html`
    <form class="stack" onSubmit=${save}>
      <div class="fields">${Object.entries(limits.value).map(([type, units]) => html`
        <label class="field"><span>${wordFor("type", type)}</span><input type="number" min="0" value=${units}
          onInput=${(/** @type {any} */ event) => (limits.value = { ...limits.value, [type]: Number(event.currentTarget.value) })} /></label>`)}</div>
      <${ErrorNote} error=${action.error} />
      <div class="row"><button class="main-action" disabled=${action.busy}>${say("save")}</button><button type="button" onClick=${() => (isOpen.value = false)}>${say("leave_it")}</button></div>
    </form>
  `;
}
