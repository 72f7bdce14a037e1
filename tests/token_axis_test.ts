import assert from "node:assert/strict";
import { stepAxis } from "../src/axes.ts";
import { randomFrom } from "../src/random.ts";
import { pythiaSteps } from "../src/sweep.ts";
import { tokenLabel, tokenTicks } from "../src/token_axis.ts";

const perStep = 2_097_152;
const places = (steps: readonly number[], n = perStep) =>
  steps.map((step) => ({ step, tokens: step * n }));

Deno.test("tokenTicks() are decades where Pythia had seen them, and 0", () => {
  const { tickvals, ticktext } = tokenTicks(places(pythiaSteps))!;
  assert.deepEqual(ticktext, ["0", "10M", "100M", "1B", "10B", "100B"]);
  tickvals.forEach((value, i) => {
    const tokens = i === 0 ? 0 : 10 ** (6 + i);
    assert(Math.abs(value - Math.log10(1 + tokens / perStep)) < 1e-12, ticktext[i]);
  });
});

Deno.test("tokenTicks() lie within the axis of steps, ascending, on 100 random trainings", () => {
  const random = randomFrom(6);
  for (let trial = 0; trial < 100; trial++) {
    const steps: number[] = [];
    let [step, tokens] = [0, 0];
    const known = Array.from({ length: 2 + Math.floor(12 * random()) }, (_, i) => {
      if (i > 0 || random() < 0.5) {
        const more = 1 + Math.floor(10 ** (4 * random()));
        step += more;
        tokens += more * (1 + Math.floor(1e6 * random())); // batches grow and shrink
      }
      steps.push(step);
      return { step, tokens: random() < 0.8 || i < 2 ? tokens : undefined };
    });
    const { tickvals, ticktext } = tokenTicks(known)!;
    assert(tickvals.length > 0 && tickvals.length === ticktext.length);
    assert(tickvals.every((value, i) => i === 0 || value > tickvals[i - 1]), `trial ${trial}`);
    const { points } = stepAxis(steps, "symlog");
    assert(tickvals[0] >= points[0] - 1e-12, `trial ${trial}`);
    assert(tickvals.at(-1)! <= points.at(-1)! + 1e-12, `trial ${trial}`);
  }
});

Deno.test("tokenTicks() finds a known checkpoint's tokens at its step, whatever the batches", () => {
  const uneven = [{ step: 0, tokens: 0 }, { step: 10, tokens: 1e6 }, { step: 20, tokens: 1e7 }, {
    step: 400,
    tokens: 1e9,
  }];
  const { tickvals, ticktext } = tokenTicks(uneven)!;
  assert.deepEqual(ticktext, ["0", "1M", "10M", "100M", "1B"]);
  [0, 10, 20, undefined, 400].forEach((step, i) => {
    if (step !== undefined) assert(Math.abs(tickvals[i] - Math.log10(1 + step)) < 1e-12);
  });
});

Deno.test("tokenTicks() are the checkpoints' own where decades are few", () => {
  assert.deepEqual(tokenTicks(places([1000, 1500, 2000]))!.ticktext, ["2.1B", "3.15B", "4.19B"]);
  assert.deepEqual(tokenTicks(places([0, 2]))!.ticktext, ["0", "4.19M"]);
});

Deno.test("tokenTicks() leaves out what is not known, and is nothing of less than two", () => {
  const some = [{ step: 0 }, { step: 100 }, { step: 1000, tokens: 4e9 }, {
    step: 9000,
    tokens: 4e10,
  }];
  const { tickvals, ticktext } = tokenTicks(some)!;
  assert.deepEqual(ticktext, ["0", "4B", "40B"]);
  assert.equal(tickvals[1], Math.log10(1001));
  assert.equal(tokenTicks([]), undefined);
  assert.equal(tokenTicks([{ step: 5, tokens: 10 }, { step: 6 }]), undefined);
});

Deno.test("tokenTicks() is nothing of tokens that do not grow, or of a step 0 that has seen some", () => {
  for (const tokens of [[0, 5, 5], [0, 5, 4], [1, 5, 6]]) {
    const places = tokens.map((n, i) => ({ step: i * 10, tokens: n }));
    assert.equal(tokenTicks(places), undefined, `${tokens}`);
  }
});

Deno.test("tokenLabel() carries over to the next unit", () => {
  const labels = { 0: "0", 1: "1", 999: "999", 1000: "1K", 999_499: "999K", 999_500: "1M" };
  for (const [tokens, label] of Object.entries(labels)) assert.equal(tokenLabel(+tokens), label);
  assert.equal(tokenLabel(1.5e16), "15000T");
});
