/**
 * What a language model's config.json says, checked; in the spelling of transformers 4 and 5.
 *
 * @module
 */

import { refuseMember } from "./errors.ts";

/** A parsed config.json. */
export type ConfigJson = Readonly<Record<string, unknown>>;

/** Reads the members of one config.json; what cannot be is refused by name. */
export interface ConfigReader {
  /** An integer from 1; `fallback` where it is left out or null. */
  count(key: string, fallback?: number): number;
  /** A number above 0, that was found under this key or another. */
  positive(key: string, value: unknown): number;
  /** A switch; `fallback` where it is left out or null. */
  flag(key: string, fallback: boolean): boolean;
  /** One of some names; `fallback` where it is left out or null. */
  choice<Name extends string>(key: string, names: readonly Name[], fallback: Name): Name;
  /** The settings of rotary embeddings in the spelling of transformers 5; none of them scaled. */
  rope(): ConfigJson;
}

/**
 * Reads a config.json by its members.
 *
 * Scaled rotary embeddings (linear, dynamic, yarn, llama3) are refused: their angles are others.
 *
 * @param config The parsed file.
 * @param where Its name.
 * @returns The reader; each of its functions throws a DataError that names the member.
 *
 * @example A count, and what is left out
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const { count, flag } = configReader({ num_hidden_layers: 2 }, "config.json");
 *
 * assert.equal(count("num_hidden_layers"), 2);
 * assert.equal(flag("attention_bias", false), false);
 * assert.throws(() => count("vocab_size"), /"vocab_size" in config\.json: expected a count/);
 * ```
 */
export function configReader(config: ConfigJson, where: string): ConfigReader {
  const rope = (config.rope_parameters ?? {}) as ConfigJson;
  return {
    count(key, fallback) {
      const value = config[key] ?? fallback ?? config[key]; // null is shown as null
      if (!Number.isSafeInteger(value) || (value as number) < 1) {
        refuseMember(where, key, "a count", value);
      }
      return value as number;
    },
    positive(key, value) {
      if (typeof value !== "number" || !(value > 0)) {
        refuseMember(where, key, "a number above 0", value);
      }
      return value;
    },
    flag(key, fallback) {
      const value = config[key] ?? fallback;
      if (typeof value !== "boolean") refuseMember(where, key, "true or false", value);
      return value;
    },
    choice(key, names, fallback) {
      const value = config[key] ?? fallback;
      const found = names.find((name) => name === value);
      if (found === undefined) refuseMember(where, key, names.join(", "), value);
      return found;
    },
    rope() {
      const scaling = (config.rope_scaling ?? rope) as ConfigJson;
      const kind = scaling.rope_type ?? scaling.type ?? "default";
      if (kind !== "default") refuseMember(where, "rope_type", '"default"', kind);
      return rope;
    },
  };
}
