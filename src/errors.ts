/**
 * The one error of this package that is the data's fault and not the caller's.
 *
 * @module
 */

/** What a {@linkcode DataError} says: where, what was expected, what was found, what to do. */
export interface DataErrorDetail {
  /** The file, and the tensor, column or line within it. */
  readonly where: string;
  /** What the data must be. */
  readonly expected: string;
  /** What the data is. */
  readonly got: string;
  /** What the reader of the message can do about it; left out where no one thing is always right. */
  readonly fix?: string;
}

/**
 * A file cannot be read, or what it holds is not what the computation needs.
 *
 * The message is one sentence: `Cannot <act> <where>: expected <E>, got <G>; <fix>`.
 *
 * @example The four parts of a message
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const { message } = new DataError("read tensor", {
 *   where: '"W_enc" in step2/sae_weights.safetensors',
 *   expected: "shape [512, 8192]",
 *   got: "shape [8192, 512]",
 *   fix: "save W_enc as [d_in, d_sae]",
 * });
 *
 * assert.equal(
 *   message,
 *   'Cannot read tensor "W_enc" in step2/sae_weights.safetensors: ' +
 *     "expected shape [512, 8192], got shape [8192, 512]; save W_enc as [d_in, d_sae]",
 * );
 * ```
 */
export class DataError extends Error {
  /** "DataError". */
  override readonly name = "DataError";
  /** The parts of the message, for a caller that wants them apart. */
  readonly detail: DataErrorDetail;

  /**
   * Writes the message from its parts.
   *
   * @param act What was being done, a bare verb phrase: "read tensor".
   * @param detail The parts of the message.
   * @param options The error that led here, as `cause`.
   */
  constructor(act: string, detail: DataErrorDetail, options?: ErrorOptions) {
    const { where, expected, got, fix } = detail;
    super(
      `Cannot ${act} ${where}: expected ${expected}, got ${got}${fix ? `; ${fix}` : ""}`,
      options,
    );
    this.detail = detail;
  }
}

/**
 * A value as it is shown in a message: JSON on one line, cut after 60 characters.
 *
 * @param value Anything that came out of a file.
 * @returns The text; a missing value is "nothing".
 *
 * @example Long text is cut
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.equal(show([1, "a"]), '[1,"a"]');
 * assert.equal(show(undefined), "nothing");
 * assert.equal(show("x".repeat(99)).length, 61);
 * ```
 */
export function show(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = typeof value === "bigint" ? `${value}` : JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`;
}

/**
 * Refuses a member of a JSON file.
 *
 * @param where The file.
 * @param key The member, with the path to it: "tokens.path".
 * @param expected What it must be.
 * @param got Its value, which is shown.
 * @throws {DataError} Always.
 */
export function refuseMember(where: string, key: string, expected: string, got: unknown): never {
  throw new DataError("read", { where: `"${key}" in ${where}`, expected, got: show(got) });
}
