/**
 * The choice of how a report's figures lay out training steps.
 *
 * @module
 */

import { html, type Markup } from "./html.ts";
import { type TokenPlace, tokenTicks } from "./token_axis.ts";

/**
 * The markup of the choice, which the script of the page shows and heeds.
 *
 * Tokens are offered where the checkpoints tell them; the page then holds their ticks.
 *
 * @param checkpoints The checkpoints, in order of step.
 * @returns A fieldset, hidden where no script runs, and a note for that case.
 *
 * @example With tokens and without
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const has = (choice: { markup: string }) => choice.markup.includes('value="tokens"');
 *
 * assert(has(scaleChoice([{ step: 0, tokens: 0 }, { step: 9, tokens: 9e9 }])));
 * assert(!has(scaleChoice([{ step: 0 }, { step: 9 }])));
 * ```
 */
export function scaleChoice(checkpoints: readonly TokenPlace[]): Markup {
  const ticks = tokenTicks(checkpoints);
  const title = "tokens that the language model was trained on";
  const tokens = ticks === undefined ? null : { ...ticks, "title.text": title };
  return html`
    <noscript><p>The figures need JavaScript. The tables below hold their numbers.</p></noscript>
    <fieldset id="step-scale" data-tokens="${JSON.stringify(tokens)}" hidden>
      <legend>Training steps:</legend>
      <label><input type="radio" name="scale" value="symlog" checked> logarithmic, with 0</label>
      <label><input type="radio" name="scale" value="even"> evenly spaced checkpoints</label>
      <label><input type="radio" name="scale" value="linear"> linear</label>
      ${tokens === null ? "" : tokenChoice}
    </fieldset>
  `;
}

const tokenChoice = html`
  <label><input type="radio" name="scale" value="tokens"> tokens, logarithmic</label>
`;
