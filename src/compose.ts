/**
 * Unicode's composed form, as Python's `tokenizers` makes it.
 *
 * @module
 */

// Characters that compose, or change places with others, since versions of Unicode after 9.
const newer = [
  "7fd 897-89f 8ca-8d3 9fe c3c d3b-d3c eba 1715 1abf-1ace 1df6-1dfa a82c 105c9 105d2 105da 105e4",
  "10d24-10d27 10d69-10d6d 10eab-10eac 10efd-10eff 10f46-10f50 10f82-10f85 11070 1133b",
  "11382-11385 1138b 1138e 11390-11391 113b8 113bb 113c2 113c5 113c7-113c9 113ce-113d0 1145e",
  "11839-1183a 11930 11935 11938 1193d-1193e 11943 119e0 11a34 11a47 11a99 11d42 11d44-11d45",
  "11d97 11f41-11f42 1611e-16129 1612f 16d63 16d67-16d6a 16ff0-16ff1 1e08f 1e130-1e136 1e2ae",
  "1e2ec-1e2ef 1e4ec-1e4ef 1e5ee-1e5ef",
].join(" ").replace(/[0-9a-f]+/g, (hex) => `\\u{${hex}}`).replaceAll(" ", "");
const cuts = new RegExp(`([${newer}])`, "u");

/**
 * A text in the form NFC of Unicode 9, which is that of Python's `tokenizers` 0.23.3.
 *
 * A character that came later stays where and what it is, and nothing composes across it;
 * JavaScript's own form knows it, and would give other tokens for some texts.
 *
 * @param text Any text.
 * @returns The text, composed.
 *
 * @example An accent, and one that is too new
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.equal(composed("e\u0301"), "é");
 * assert.equal(composed("e\u0eba\u0301"), "e\u0eba\u0301");
 * assert.notEqual("e\u0eba\u0301".normalize("NFC"), "e\u0eba\u0301");
 * ```
 */
export function composed(text: string): string {
  return text.split(cuts).map((part) => part.normalize("NFC")).join("");
}
