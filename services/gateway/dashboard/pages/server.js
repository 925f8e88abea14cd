// One server: added, changed, drained, tested by one paid call, taken out.
import { html, useSignal } from "../base/html.js";
import { ask } from "../base/api.js";
import { duration, number, percent } from "../base/formats.js";
import { useAction } from "../base/poll.js";
import { linkTo } from "../base/route.js";
import { mayChange } from "../base/signin.js";
import { say, wordFor } from "../base/words.js";
import { ErrorNote, Pairs } from "../parts/cards.js";
import { Dialog, Form, tell } from "../parts/dialogs.js";
import { Check, Field } from "../parts/fields.js";
import { State } from "../parts/states.js";
import { TrueAt } from "../parts/trueat.js";
import { whyOf } from "../parts/whys.js";

const DIALECTS = ["plain", "jimeng", "drraw", "jimeng-free-all", "jimeng-free"];

/** Add a server, or change the one that is given. @param {{server?: any, onClose: () => void, onDone: () => void}} props */
export function PutServer({ server, onClose, onDone }) {
  const of = (/** @type {string} */ name, /** @type {any} */ otherwise) => useSignal(server?.[name] ?? otherwise);
  const id = of("server_id", "");
  const url = of("url", "");
  const region = of("region", "");
  const dialect = of("dialect", "plain");
  const numbers = { max_sessions: of("max_sessions", 100), weight: of("weight", 1), priority: of("priority", 1), level: of("level", 1) };
  const capabilities = useSignal((server?.capabilities ?? []).join(", "));
  const isIdempotent = of("idempotent", false);
  const work = async () => {
    const body = {
      url: url.value,
      region: region.value,
      dialect: dialect.value,
      idempotent: isIdempotent.value,
      capabilities: capabilities.value.split(",").map((/** @type {string} */ name) => name.trim()).filter(Boolean),
      ...Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, Number(value.value)])),
    };
    if (server) await ask(`/api/servers/${encodeURIComponent(id.value)}`, { method: "PATCH", body });
    else await ask("/api/servers", { method: "POST", body: { id: id.value, ...body } });
    tell(say(server ? "server.did.change" : "server.did.add"));
    onDone();
  };
  return html`
    <${Form} title=${server ? say("server.change_one", { name: id.value }) : say("servers.add")} act=${say(server ? "save" : "servers.add")} work=${work} onClose=${onClose}>
      <div class="fields">
        ${!server && html`<${Field} name=${say("server.id")} value=${id} required hint="server-1" />`}
        <${Field} name=${say("server.url")} value=${url} required hint="http://127.0.0.1:8000" />
        <${Field} name=${say("region")} value=${region} hint="us" />
        <${Field} name=${say("server.dialect")} value=${dialect} list=${DIALECTS.map((name) => [name, name])} />
        <${Field} name=${say("server.max_sessions")} value=${numbers.max_sessions} type="number" min="1" />
        <${Field} name=${say("servers.weight")} value=${numbers.weight} type="number" min="1" />
        <${Field} name=${say("server.priority")} value=${numbers.priority} type="number" />
        <${Field} name=${say("server.level")} value=${numbers.level} type="number" min="1" />
        <${Field} name=${say("server.capabilities")} value=${capabilities} hint="image, video" />
      </div>
      <${Check} name=${say("server.idempotent")} value=${isIdempotent} />
    <//>
  `;
}

/** @param {{view: any, history: any, sequences: Record<string, number>, lag?: number, onClose: () => void, onDone: () => void}} props */
export function ServerDetail({ view, history, sequences, lag, onClose, onDone }) {
  const { server } = view;
  const isChanging = useSignal(false);
  if (isChanging.value) return html`<${PutServer} server=${server} onClose=${() => (isChanging.value = false)} onDone=${onDone} />`;
  return html`
    <${Dialog} title=${server.server_id} onClose=${onClose}>
      <${Pairs} of=${[
        [say("state"), html`<${State} state=${view.state || view.health} /> <span class="quiet wrap">${whyOf(view)}</span>`],
        [say("server.url"), html`<code>${server.url}</code>`],
        [say("region"), server.region],
        [say("in_flight"), `${number(view.connections ?? 0)} / ${number(server.max_sessions ?? 100)}`],
        [say("median"), view.avg_response_ms ? duration(view.avg_response_ms) : "–"],
        [say("servers.success"), view.attempts ? percent(view.success_rate) : "–"],
        [say("share"), history && percent(history.share)],
        [say("server.capabilities"), (server.capabilities ?? []).map((/** @type {string} */ name) => wordFor("type", name)).join(", ")],
        [say("server.dialect"), server.dialect ?? "plain"],
        [say("servers.weight"), server.weight ?? 1],
        [say("server.priority"), server.priority ?? 1],
        [say("server.level"), server.level ?? 1],
      ]} />
      ${(view.service_types ?? []).length > 0 && html`<ul class="states">${view.service_types.map((/** @type {any} */ one) => html`
        <li><span>${wordFor("type", one.service_type)} <${State} state=${one.state} /> <span class="quiet">${whyOf(one)}</span></span><span class="tab quiet">${say("server.tries", { n: one.attempts ?? 0, count: number(one.attempts ?? 0) })}</span></li>`)}</ul>`}
      ${mayChange() && html`<${Actions} view=${view} onClose=${onClose} onDone=${onDone} onChange=${() => (isChanging.value = true)} />`}
      <div class="row"><a href=${linkTo("requests", { server: server.server_id })}>${say("page.requests")}</a><a href=${linkTo("log", { server: server.server_id })}>${say("page.log")}</a><${TrueAt} of=${sequences} lag=${lag} /></div>
    <//>
  `;
}

/** @param {{view: any, onClose: () => void, onDone: () => void, onChange: () => void}} props */
function Actions({ view, onClose, onDone, onChange }) {
  const action = useAction();
  const isSure = useSignal(false);
  const tested = useSignal(/** @type {any} */ (null));
  const type = useSignal((view.server.capabilities ?? ["image"])[0] ?? "image");
  const path = `/api/servers/${encodeURIComponent(view.server.server_id)}`;
  const run = (/** @type {string} */ name, /** @type {() => Promise<unknown>} */ work) => () =>
    action.run(async () => {
      await work();
      tell(say(`server.did.${name}`));
      onDone();
    });
  const remove = run("remove", async () => {
    await ask(path, { method: "DELETE" });
    onClose();
  });
  const test = run("test", async () => (tested.value = await ask(`${path}/test`, { method: "POST", body: { service_type: type.value } })));
  return html`
    <div class="row">
      ${view.state === "draining"
        ? html`<button disabled=${action.busy} onClick=${run("undrain", () => ask(`${path}/undrain`, { method: "POST" }))}>${say("server.undrain")}</button>`
        : html`<button disabled=${action.busy} onClick=${run("drain", () => ask(`${path}/drain`, { method: "POST" }))}>${say("server.drain")}</button>`}
      <button disabled=${action.busy} onClick=${onChange}>${say("server.change")}</button>
      <button class="danger" disabled=${action.busy} onClick=${isSure.value ? remove : () => (isSure.value = true)}>${say(isSure.value ? "server.remove_sure" : "server.remove")}</button>
    </div>
    <div class="row">
      <${Field} name=${say("service_type")} value=${type} list=${(view.server.capabilities ?? ["image", "video", "avatar"]).map((/** @type {string} */ name) => [name, wordFor("type", name)])} />
      <button style="align-self: end" disabled=${action.busy} onClick=${test}>${action.busy ? say("busy") : say("server.test")}</button>
    </div>
    ${tested.value && html`<div class=${`note ${tested.value.verdict === "success" ? "good" : "bad"}`}>
      ${tested.value.status} ${wordFor("verdict", tested.value.verdict)} · ${duration(tested.value.total_ms)} · ${say("server.cost", { n: tested.value.units, count: tested.value.units })} ${tested.value.why}
      <a href=${linkTo("requests", {}, tested.value.request_id)}>${say("server.story")}</a></div>`}
    <${ErrorNote} error=${action.error} />
  `;
}
