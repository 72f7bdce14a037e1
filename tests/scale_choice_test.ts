import assert from "node:assert/strict";
import { scaleChoice } from "../src/scale_choice.ts";
import { tokenTicks } from "../src/token_axis.ts";

const places = [0, 1, 512, 143000].map((step) => ({ step, tokens: step * 2_097_152 }));

// What the page's script reads.
function read(checkpoints: Parameters<typeof scaleChoice>[0]) {
  const { markup } = scaleChoice(checkpoints);
  const [, attribute] = /data-tokens="([^"]*)"/.exec(markup)!;
  return {
    tokens: JSON.parse(attribute.replaceAll("&quot;", '"').replaceAll("&amp;", "&")),
    values: [...markup.matchAll(/value="(\w+)"/g)].map(([, value]) => value),
  };
}

Deno.test("scaleChoice() offers tokens, and holds their ticks, where checkpoints tell them", () => {
  const { tokens, values } = read(places);
  assert.deepEqual(values, ["symlog", "even", "linear", "tokens"]);
  const { "title.text": title, ...ticks } = tokens;
  assert.deepEqual(ticks, tokenTicks(places));
  assert.match(title, /^tokens /);
});

Deno.test("scaleChoice() offers the scales of steps alone, and no ticks, where they do not", () => {
  const { tokens, values } = read(places.map(({ step }) => ({ step })));
  assert.deepEqual(values, ["symlog", "even", "linear"]);
  assert.equal(tokens, null);
});

Deno.test("scaleChoice() begins with the scale in which figures are drawn", () => {
  assert.match(scaleChoice(places).markup, /value="symlog" checked>/);
});
