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
  /** What was being done. */
  readonly act: string;
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
    this.act = act;
    this.detail = detail;
  }
}

/** An error as plain data, which can be posted to another thread. */
export interface PlainError {
  /** Its class. */
  readonly name: string;
  /** What it says. */
  readonly message: string;
  /** Where it was made. */
  readonly stack: string | undefined;
  /** The parts of a {@linkcode DataError}. */
  readonly data: { readonly act: string; readonly detail: DataErrorDetail } | undefined;
}

/**
 * An error as plain data; its cause stays behind.
 *
 * @param error What was thrown.
 * @returns What can be posted.
 */
export function errorToPlain(error: unknown): PlainError {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  const data = error instanceof DataError ? { act: error.act, detail: error.detail } : undefined;
  return { name, message, stack, data };
}

/**
 * The error behind plain data, of the same class and message where the class is known here.
 *
 * @param plain What was posted.
 * @returns The error, to be thrown.
 *
 * @example There and back
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const error = new DataError("read", { where: "a", expected: "b", got: "c" });
 * const copy = errorFromPlain(structuredClone(errorToPlain(error)));
 *
 * assert(copy instanceof DataError);
 * assert.equal(copy.message, error.message);
 * ```
 */
export function errorFromPlain({ name, message, stack, data }: PlainError): Error {
  const classes: Readonly<Record<string, ErrorConstructor>> = { RangeError, TypeError };
  const error = data ? new DataError(data.act, data.detail) : new (classes[name] ?? Error)(message);
  if (stack !== undefined) error.stack = stack;
  return error;
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
