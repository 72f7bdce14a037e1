import assert from "node:assert/strict";
import { writeTable } from "../src/arrow.ts";
import { bytesInMemory } from "../src/files.ts";
import { checkMadeFrom, readInfo, type TableInfo } from "../src/metadata.ts";

interface Info extends TableInfo {
  readonly n: number;
}

/** A table that says this of itself. */
function table(text: string | undefined) {
  const parts: Uint8Array[] = [];
  const sink = { write: (bytes: Uint8Array) => void parts.push(bytes.slice()) };
  const metadata: Record<string, string> = text === undefined ? {} : { about: text };
  writeTable(sink, { x: "uint8" }, { x: { values: [1] } }, metadata);
  return bytesInMemory("x.arrow", Uint8Array.from(parts.flatMap((part) => [...part])));
}

const whole = { format: 1, fingerprint: "f", n: 2 };

const bad: Record<string, [text: string | undefined, said: string]> = {
  "nothing": [undefined, "expected format 1, got nothing"],
  "what is not JSON": ["{", 'expected JSON, got "{"'],
  "another format": [JSON.stringify({ ...whole, format: 2 }), "expected format 1, got 2"],
  "no fingerprint": ['{"format":1,"n":2}', 'expected text "fingerprint", got nothing'],
  "a count that is none": [
    JSON.stringify({ ...whole, n: 0.5 }),
    'expected a count "n", got 0.5',
  ],
};

Deno.test("readInfo() reads what a table says of itself", async () => {
  assert.deepEqual(await readInfo<Info>(table(JSON.stringify(whole)), "about", ["n"]), whole);
});

for (const [what, [text, said]] of Object.entries(bad)) {
  Deno.test(`readInfo() refuses a table that says ${what}`, async () => {
    await assert.rejects(readInfo<Info>(table(text), "about", ["n"]), {
      name: "DataError",
      message:
        `Cannot read metadata "about" of x.arrow: ${said}; delete the file and make it again`,
    });
  });
}

Deno.test("checkMadeFrom() takes the same inputs, and names both where they differ", () => {
  const info = { format: 1, fingerprint: "a" } as const;
  checkMadeFrom("x.arrow", info, "a");
  assert.throws(() => checkMadeFrom("x.arrow", info, "b"), {
    message: "Cannot reuse x.arrow: expected a file made from inputs b, got one made from a; " +
      "use another --out, or --force to make it again",
  });
});
