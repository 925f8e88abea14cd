// One request: its life on a time axis, and everything the log knows of it in words.
import { html, h } from "../base/html.js";
import { clock, duration, moment, number } from "../base/formats.js";
import { usePolled } from "../base/poll.js";
import { linkTo } from "../base/route.js";
import { say, wordFor } from "../base/words.js";
import { Answer, Card, Pairs } from "../parts/cards.js";
import { Code } from "../parts/code.js";
import { Lane } from "../parts/lane.js";
import { Main } from "../parts/shell.js";
import { Chip, State } from "../parts/states.js";
import { attemptOf, spanWords } from "../parts/stories.js";
import { refusalWords } from "../parts/whys.js";

/** @param {{id: string}} props */
export function Request({ id }) {
  const polled = usePolled(`/api/requests/${encodeURIComponent(id)}/explain`, 0);
  return html`
    <${Main} title=${say("request.title")} more=${html`<a href=${linkTo("requests")}>${say("request.all")}</a>`}>
      <div class="stack">
        <${Answer} polled=${polled}>${(/** @type {any} */ explained) => html`
          ${explained.data.map((/** @type {any} */ story) => html`<${Story} key=${story.request_id} story=${story} />`)}
          ${explained.counted.length > 0 && html`<${Counted} at=${explained.at} rows=${explained.counted} />`}
          <${Card} title=${say("as_command")}><${Code} text=${`tidegate explain ${id}`} /><//>
          <p class="quiet small sequence">${say("true_at", { sequence: number(explained.sequence) })}</p>
        `}<//>
      </div>
    <//>
  `;
}

/** @param {{story: any}} props */
function Story({ story }) {
  const [asked = {}] = story.asked;
  const lane = story.lane;
  const service = asked.service_type ?? story.leases[0]?.service_type ?? "";
  const title = [asked.model || wordFor("type", service), lane?.code].filter(Boolean).join(" · ");
  return html`
    <${Card} title=${html`${title} ${lane && html`<${Chip} state=${lane.outcome} />`}`} more=${html`<span class="mono quiet wrap">${story.request_id}</span>`}>
      ${lane ? h(Lane, { lane, service }) : html`<p class="quiet">${say("request.no_lane")}</p>`}
    <//>
    <div class="columns">
      <${Card} title=${say("request.asked")}>
        <${Pairs} of=${[
          [say("at"), html`<span title=${moment(asked.asked_at)}>${clock(asked.asked_at)}</span>`],
          [say("key"), asked.key_id && html`<a href=${linkTo("requests", { key: asked.key_id })}>${asked.key_id}</a>`],
          [say("path"), asked.path],
          [say("model"), asked.model],
          [say("units"), asked.units],
          [say("request.client_id"), asked.client_request_id],
          [say("request.address"), asked.client_address],
          [say("request.agent"), asked.user_agent],
          [say("gateway"), asked.gateway_id],
        ]} />
      <//>
      <${Card} title=${say("request.why")}>
        <ol class="stack" style="gap: 10px">
          ${(lane?.spans ?? []).map((/** @type {any} */ span) => html`<li class="wrap">
            <span class="quiet tab">${duration(span.from_ms)}</span> ${spanWords(span, service, span.kind === "attempt" && attemptOf(span, story))}</li>`)}
          ${story.refusals.map((/** @type {any} */ one) => html`<li class="wrap"><${State} state="refused" /> ${wordFor("reason", one.reason)} <span class="quiet">${one.count > 1 ? say("request.counted", { n: one.count, count: number(one.count) }) : ""}</span></li>`)}
        </ol>
      <//>
    </div>
    ${story.leases.length > 0 && html`<${Leases} leases=${story.leases} />`}
    ${story.attempts.length > 0 && html`<${Attempts} attempts=${story.attempts} />`}
    ${story.consequences.length > 0 && html`<${Card} title=${say("request.consequences")}>
      <ul class="states">${story.consequences.map((/** @type {any} */ one) => html`<li><span class="wrap"><b>${wordFor("event", one.event)}</b> ${one.entity_id} <span class="quiet">${one.reason}</span></span><span class="quiet tab">${clock(one.ts)}</span></li>`)}</ul>
    <//>`}
  `;
}

/** @param {{leases: any[]}} props */
const Leases = ({ leases }) => html`
  <${Card} title=${say("request.leases")}>
    <div class="scroll" tabindex="0" role="region" aria-label=${say("request.leases")}><table><thead><tr>
      <th scope="col">${say("session")}</th><th scope="col">${say("state")}</th><th scope="col" class="num">${say("units")}</th>
      <th scope="col">${say("quota_day")}</th><th scope="col">${say("answer")}</th><th scope="col" class="num">${say("latency")}</th>
    </tr></thead><tbody>${leases.map((lease) => html`<tr>
      <td><a href=${linkTo("sessions", { session: lease.session_id })}>${lease.session_label || lease.session_id}</a></td>
      <td><${State} state=${lease.outcome} /> <span class="quiet">${lease.reason}</span></td>
      <td class="num">${number(lease.units_used)}</td><td class="tab">${lease.quota_day}</td>
      <td>${lease.status || "–"} <span class="mono">${lease.error_code}</span> <span class="quiet">${lease.error_message}</span></td>
      <td class="num">${duration(lease.total_ms)}</td>
    </tr>`)}</tbody></table></div>
  <//>
`;

/** Each try, and why the other servers were passed over. @param {{attempts: any[]}} props */
const Attempts = ({ attempts }) => html`
  <${Card} title=${say("request.attempts")}>
    <ul class="states">${attempts.map((one) => html`<li style="grid-template-columns: minmax(0, 1fr)">
      <div class="row apart">
        <span class="wrap"><a href=${linkTo("servers", {}, one.server_id)}>${one.server_id}</a> <span class="quiet">${one.region}</span>${" "}
          <${Chip} state=${one.verdict} >${wordFor("verdict", one.verdict)}<//> ${one.failure || one.meaning || one.why}</span>
        <span class="quiet tab">${wordFor("strategy", one.strategy)} · ${duration(one.total_ms)}</span>
      </div>
      <div class="quiet small wrap">${one.candidates.map((/** @type {any} */ other) => `${other.server_id} ${other.refused ? refusalWords(other.refused) : other.reason ?? (other.score == null ? "" : number(other.score, 2))}`).join(" · ")}</div>
    </li>`)}</ul>
  <//>
`;

/** @param {{at: string, rows: any[]}} props */
const Counted = ({ at, rows }) => html`
  <${Card} title=${say("request.only_counted", { at: clock(at) })}>
    <ul class="states">${rows.map((row) => html`<li><span class="wrap">${Object.entries(row).map(([name, value]) => `${name} ${value}`).join(" · ")}</span></li>`)}</ul>
  <//>
`;
