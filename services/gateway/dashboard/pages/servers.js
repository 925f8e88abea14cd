// Every server: its state and why, what it carries and takes, and who chooses among them.
import { html, h, useSignal } from "../base/html.js";
import { ask } from "../base/api.js";
import { ago, duration, number, percent } from "../base/formats.js";
import { now, useAction, usePolled } from "../base/poll.js";
import { closePage, linkTo, refine, route } from "../base/route.js";
import { mayChange } from "../base/signin.js";
import { say, wordFor } from "../base/words.js";
import { Answer, Card, Empty, ErrorNote, ReadOnly } from "../parts/cards.js";
import { Sparkline } from "../parts/chart.js";
import { Dialog, tell } from "../parts/dialogs.js";
import { Main } from "../parts/shell.js";
import { State } from "../parts/states.js";
import { TrueAt } from "../parts/trueat.js";
import { whyOf } from "../parts/whys.js";
import { PutServer, ServerDetail } from "./server.js";

const STRATEGIES = ["capability_based", "geographic", "least_connections", "least_response_time", "p2c_ewma", "adaptive", "round_robin", "weighted_round_robin"];

export function Page() {
  const { query, id } = route.value;
  const servers = usePolled("/api/servers", 3);
  const history = usePolled("/api/servers/history?minutes=60", 20);
  const isProbing = useSignal(false);
  const of = new Map((history.value?.data ?? []).map((/** @type {any} */ one) => [one.server_id, one]));
  const sequencesNow = { balancer: servers.value?.sequence, analytics: history.value?.sequence };
  const opened = id && servers.value?.data.find((/** @type {any} */ view) => view.server.server_id === id);
  return html`
    <${Main} title=${say("page.servers")} more=${html`<${TrueAt} of=${sequencesNow} lag=${history.value?.lag} />${mayChange() ? html`<span class="row">
      <button onClick=${() => (isProbing.value = true)}>${say("servers.probe")}</button>
      <button class="main-action" onClick=${() => refine({ add: 1 })}>${say("servers.add")}</button></span>` : html`<${ReadOnly} />`}`}>
      <${Answer} polled=${servers}>${(/** @type {any} */ list) => html`
        <div class="stack">
          <${Card}>
            ${list.data.length === 0
              ? html`<${Empty} title=${say("overview.no_servers")}>${mayChange() && say("servers.none_more")}<//>`
              : html`<${Table} list=${list.data} history=${of} state=${query.state} />`}
          <//>
          ${![404, 405].includes(history.error?.status ?? 0) && html`<${ErrorNote} error=${history.error} />`}
          <${Strategy} list=${list} onDone=${servers.again} />
        </div>`}<//>
      ${query.add && mayChange() && html`<${PutServer} onClose=${() => refine({ add: "" })} onDone=${servers.again} />`}
      ${opened && html`<${ServerDetail} view=${opened} history=${of.get(id)} sequences=${sequencesNow} lag=${history.value?.lag} onClose=${() => closePage("servers", query)} onDone=${servers.again} />`}
      ${isProbing.value && html`<${Probes} onClose=${() => (isProbing.value = false)} />`}
    <//>
  `;
}

/** @param {{list: any[], history: Map<string, any>, state?: string}} props */
function Table({ list, history, state }) {
  const shown = state ? list.filter((view) => view.state === state) : list;
  return html`
    ${state && html`<div class="filters"><button onClick=${() => refine({ state: "" })}>${wordFor("state", state)} ✕</button></div>`}
    <table class="plain" data-rows><thead><tr>
      <th scope="col">${say("server")}</th><th scope="col">${say("state")}</th>
      <th scope="col" class="num" style="width: 104px">${say("in_flight")}</th>
      <th scope="col" class="num wide" style="width: 92px">${say("median")}</th>
      <th scope="col" class="wide" style="width: 140px">${say("servers.last_hour")}</th>
      <th scope="col" class="num wide" style="width: 84px">${say("share")}</th>
      <th scope="col" class="num wide" style="width: 92px">${say("servers.success")}</th>
    </tr></thead><tbody>${shown.map((view) => html`<${Row} key=${view.server.server_id} view=${view} past=${history.get(view.server.server_id)} />`)}</tbody></table>
  `;
}

/** @param {{view: any, past: any}} props */
const Row = ({ view, past }) => {
  const { server } = view;
  return html`<tr>
    <td class="cut" title=${`${server.server_id} ${server.url}`}><a class="strong" href=${linkTo("servers", {}, server.server_id)}>${server.server_id}</a> <span class="quiet">${server.region}</span></td>
    <td class="wrap"><${State} state=${view.state || view.health} /><div class="quiet small">${whyOf(view)}</div></td>
    <td class="num">${number(view.connections ?? 0)} <span class="quiet">/ ${number(server.max_sessions ?? 100)}</span></td>
    <td class="num wide">${view.avg_response_ms ? duration(view.avg_response_ms) : "–"}</td>
    <td class="wide">${past ? h(Sparkline, { values: past.points.map((/** @type {any} */ point) => point.p50_ms), label: say("servers.last_hour") }) : html`<span class="quiet">–</span>`}</td>
    <td class="num wide">${percent(past?.share)}</td>
    <td class="num wide">${view.attempts ? percent(view.success_rate) : "–"}</td>
  </tr>`;
};

/** Who chooses among the servers, and by which rules that changes. @param {{list: any, onDone: () => void}} props */
function Strategy({ list, onDone }) {
  const action = useAction();
  const wanted = useSignal("");
  const put = (/** @type {string} */ path, /** @type {any} */ body, method = "PUT") => () =>
    action.run(async () => {
      await ask(path, { method, body });
      tell(say("servers.strategy_done"));
      wanted.value = "";
      onDone();
    });
  const strategy = wanted.value || list.strategy;
  const own = Object.entries(list.strategies ?? {});
  return html`
    <${Card} title=${say("servers.strategy")}>
      <div class="stack">
        <p>${say("servers.chooses", { strategy: wordFor("strategy", list.pinned || list.strategy) })}
          ${list.pinned && html` <span class="chip warn">${say("servers.pinned")}</span> <span class="quiet">${list.pinned_at ? ago(list.pinned_at, now.value) : ""}</span>`}</p>
        ${own.length > 0 && html`<ul class="states">${own.map(([type, name]) => html`<li><span>${wordFor("type", type)}</span><span>${wordFor("strategy", String(name))}</span></li>`)}</ul>`}
        <p class="quiet small">${say(`strategy_says.${STRATEGIES.includes(strategy) ? strategy : "own"}`)}</p>
        ${mayChange() && html`<div class="row">
          <select aria-label=${say("servers.strategy")} value=${strategy} onChange=${(/** @type {any} */ event) => (wanted.value = event.currentTarget.value)}>
            ${[...new Set([...STRATEGIES, list.strategy])].map((name) => html`<option value=${name} selected=${name === strategy}>${wordFor("strategy", name)}</option>`)}
          </select>
          <button disabled=${action.busy || strategy === list.strategy} onClick=${put("/api/balancer/strategy", { strategy, reason: "by an operator" })}>${say("servers.set_strategy")}</button>
          <button disabled=${action.busy} onClick=${put("/api/balancer/pin", { strategy })}>${say("servers.pin")}</button>
          ${list.pinned && html`<button disabled=${action.busy} onClick=${put("/api/balancer/pin", undefined, "DELETE")}>${say("servers.unpin")}</button>`}
        </div>`}
        <${ErrorNote} error=${action.error} />
        <h3>${say("servers.rules")}</h3>
        ${list.rules.length === 0
          ? html`<p class="quiet">${say("servers.no_rules")} <code>[[balancer.rules]]</code></p>`
          : html`<ul class="states">${list.rules.map((/** @type {any} */ rule) => html`<li><code class="wrap">${rule.when}</code><span>${wordFor("strategy", rule.use)} ${rule.service_type ? wordFor("type", rule.service_type) : ""}</span></li>`)}</ul>`}
      </div>
    <//>
  `;
}

/** Servers measured by probes: nothing is changed. @param {{onClose: () => void}} props */
function Probes({ onClose }) {
  const found = useSignal(/** @type {any[] | null} */ (null));
  const action = useAction();
  const probe = () => action.run(async () => (found.value = (await ask("/api/servers/probe", { method: "POST", body: { probes: 10 } })).data));
  return html`
    <${Dialog} title=${say("servers.probe")} onClose=${onClose}>
      <p class="quiet">${say("servers.probe_says")}</p>
      ${found.value && html`<div class="scroll" tabindex="0" role="region" aria-label=${say("servers.probe")}><table><thead><tr>
        <th scope="col">${say("server")}</th><th scope="col" class="num">${say("median")}</th><th scope="col" class="num">p95</th>
        <th scope="col" class="num">${say("servers.lost")}</th><th scope="col" class="num">${say("servers.weight")}</th></tr></thead>
        <tbody>${found.value.map((one) => html`<tr><td>${one.server_id}<div class="quiet small">${one.failure}</div></td><td class="num">${duration(one.median_ms ?? 0)}</td><td class="num">${duration(one.p95_ms ?? 0)}</td>
          <td class="num">${one.lost ?? 0} / ${one.probes}</td><td class="num">${one.weight || "–"}</td></tr>`)}</tbody></table></div>`}
      <${ErrorNote} error=${action.error} />
      <div class="row" style="justify-content: flex-end"><button class="main-action" disabled=${action.busy} onClick=${probe}>${action.busy ? say("busy") : say("servers.probe_act")}</button></div>
    <//>
  `;
}
