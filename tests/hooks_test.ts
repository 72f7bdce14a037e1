import assert from "node:assert/strict";
import { hookPoints, parseHook } from "../src/hooks.ts";

for (const point of hookPoints) {
  Deno.test(`parseHook() takes blocks.12.${point} apart`, () => {
    const name = `blocks.12.${point}`;
    assert.deepEqual(parseHook(name, "cfg.json"), { name, layer: 12, point });
  });
}

const refused: Record<string, [unknown, string]> = {
  "a missing name": [undefined, "nothing"],
  "null": [null, "null"],
  "a list that reads like a name": [["blocks.3.hook_resid_pre"], '["blocks.3.hook_resid_pre"]'],
  "a place outside of blocks": ["hook_embed", '"hook_embed"'],
  "an unknown place": ["blocks.3.attn.hook_q", '"blocks.3.attn.hook_q"'],
  "a negative layer": ["blocks.-1.hook_resid_pre", '"blocks.-1.hook_resid_pre"'],
  "a layer that is no number": ["blocks.x.hook_resid_pre", '"blocks.x.hook_resid_pre"'],
  "text before": [" blocks.3.hook_resid_pre", '" blocks.3.hook_resid_pre"'],
  "text after": ["blocks.3.hook_resid_pre.", '"blocks.3.hook_resid_pre."'],
};

for (const [what, [name, shown]] of Object.entries(refused)) {
  Deno.test(`parseHook() refuses ${what}`, () => {
    const message = `Cannot find hook ${shown} of cfg.json: expected ` +
      "blocks.<layer>.hook_resid_pre, .hook_resid_mid, .hook_resid_post, " +
      ".hook_attn_out, .hook_mlp_out, .attn.hook_z, got another name";
    assert.throws(() => parseHook(name, "cfg.json"), { name: "DataError", message });
  });
}
