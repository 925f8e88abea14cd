// Units used against limits: a row for each service type, a cell for each quota day.
import { html } from "../base/html.js";
import { day, number, percent } from "../base/formats.js";
import { say, wordFor } from "../base/words.js";
import { typeColour } from "./states.js";
import { Empty } from "./cards.js";

/** @param {{cells: {day: string, service_type: string, used: number, limit: number, share: number}[]}} props */
export function HeatMap({ cells }) {
  if (!cells.length) return html`<${Empty} title=${say("usage.none")} />`;
  const days = [...new Set(cells.map((cell) => cell.day))].sort();
  const types = [...new Set(cells.map((cell) => cell.service_type))];
  const at = new Map(cells.map((cell) => [`${cell.service_type} ${cell.day}`, cell]));
  return html`
    <div class="heat">
      ${types.map((type) => html`
        <span class="cut" title=${type}>${wordFor("type", type)}</span>
        <div class="days" role="img" aria-label=${wordsOf(type, days, at)}>
          ${days.map((when) => {
            const cell = at.get(`${type} ${when}`);
            const share = Math.min(1, cell?.share ?? 0);
            const fill = share ? `background: color-mix(in srgb, ${typeColour(type)} ${Math.round(12 + share * 88)}%, var(--track))` : "";
            return html`<i style=${fill} title=${`${day(when)} · ${percent(cell?.share)} · ${number(cell?.used)} / ${number(cell?.limit)}`}></i>`;
          })}
        </div>`)}
      <span></span>
      <div class="row apart quiet small"><span>${day(days[0])}</span><span>${say("usage.heat_says")}</span><span>${day(days.at(-1))}</span></div>
    </div>
  `;
}

/** @param {string} type @param {string[]} days @param {Map<string, any>} at */
function wordsOf(type, days, at) {
  const used = days.map((when) => at.get(`${type} ${when}`)).filter((cell) => cell?.used);
  return [wordFor("type", type), ...used.map((cell) => `${day(cell.day)} ${percent(cell.share)}`)].join(", ");
}
