// Units of a quota: used, reserved, and what is left of the limit.
import { html } from "../base/html.js";
import { typeColour } from "./states.js";
import { number } from "../base/formats.js";
import { say } from "../base/words.js";

/** @typedef {{service_type: string, used: number, reserved: number, remaining: number, limit: number}} Quota */

/** @param {{quota: Quota, thin?: boolean}} props */
export function QuotaBar({ quota, thin = false }) {
  const whole = Math.max(quota.limit, quota.used + quota.reserved + quota.remaining, 1);
  const part = (/** @type {number} */ units) => `width: ${((units / whole) * 100).toFixed(2)}%`;
  const words = say("quota.title", {
    type: quota.service_type, used: number(quota.used), limit: number(quota.limit), left: number(quota.remaining),
  });
  const colour = `background: ${typeColour(quota.service_type)}`;
  return html`
    <div class=${`bar ${thin ? "thin" : ""}`} role="img" aria-label=${words} title=${words}>
      <i style=${`${part(quota.used)}; ${colour}`}></i>
      <i class="reserved" style=${`${part(quota.reserved)}; ${colour}`}></i>
    </div>
  `;
}
