/**
 * What an audit found, on disk: one row a finding.
 *
 * @module
 */

import { openRows, openTable, writeTable } from "./arrow.ts";
import { type Finding, findingKinds } from "./audit_findings.ts";
import { DataError, show } from "./errors.ts";
import { type ByteSink, type ByteSource, exists, openFile } from "./files.ts";
import { readInfo, type TableInfo } from "./metadata.ts";

/** What an audit says of itself. */
export interface AuditInfo extends TableInfo {
  /** What was looked at: every tensor, or the hashes of files alone. */
  readonly looked_at: "tensors" | "files";
  /** Steps that were looked at, ascending. */
  readonly steps: readonly number[];
}

/** What an audit found, and what it looked at. */
export interface Audit {
  /** What was found; nothing if all is well. */
  readonly findings: readonly Finding[];
  /** What it looked at. */
  readonly info: AuditInfo;
}

const types = {
  kind: "utf8",
  severity: "utf8",
  steps: "list<uint32>",
  parts: "utf8",
  sentence: "utf8",
} as const;

/**
 * Writes the findings of an audit: `kind`, `severity`, `steps`, `parts`, a name a line, empty where it
 * is all of a checkpoint, and `sentence`.
 *
 * @param sink Where the bytes go.
 * @param findings What was found, possibly nothing.
 * @param info What the table says of itself.
 */
export function writeAudit(sink: ByteSink, findings: readonly Finding[], info: AuditInfo): void {
  const offsets = [0];
  for (const { steps } of findings) offsets.push(offsets.at(-1)! + steps.length);
  writeTable(sink, types, {
    kind: { values: findings.map(({ kind }) => kind) },
    severity: { values: findings.map(({ severity }) => severity) },
    steps: { values: findings.flatMap(({ steps }) => steps), offsets },
    parts: { values: findings.map(({ parts }) => parts.join("\n")) },
    sentence: { values: findings.map(({ sentence }) => sentence) },
  }, { audit: JSON.stringify(info) });
}

/**
 * Reads what an audit found.
 *
 * @param source What {@linkcode writeAudit} wrote.
 * @returns The findings, in the order of the table, and what it says of itself.
 * @throws {DataError} If it is not a whole table of an audit.
 */
export async function readAudit(source: ByteSource): Promise<Audit> {
  const info = await readInfo<AuditInfo>(source, "audit", []);
  const refuse = (expected: string, got: string): never => {
    const fix = "run `deno task audit` again";
    throw new DataError("read the audit in", { where: source.name, expected, got, fix });
  };
  if (!Array.isArray(info.steps)) refuse('a list "steps"', show(info.steps));
  const { names, batches } = await openTable(source);
  for (const name of Object.keys(types)) {
    if (!names.includes(name)) refuse(`a column "${name}"`, names.join(", "));
  }
  const steps: number[][] = [];
  for await (const batch of batches()) {
    const [all, offsets] = [batch.column("steps"), batch.offsets("steps")];
    for (let f = 0; f < batch.nRows; f++) {
      steps.push(Array.from(all).slice(offsets[f], offsets[f + 1]));
    }
  }
  const textOf = async (name: string): Promise<string[]> =>
    (await Array.fromAsync((await openRows(source)).rows(name, 1))).map(String);
  const [kinds, severities, parts, sentences] = [
    await textOf("kind"),
    await textOf("severity"),
    await textOf("parts"),
    await textOf("sentence"),
  ];
  const findings = kinds.map((text, f): Finding => {
    const kind = findingKinds.find((known) => known === text);
    return {
      kind: kind ?? refuse(`a kind of ${findingKinds.join(", ")}`, show(text)),
      severity: severities[f] === "error" ? "error" : "warning",
      steps: steps[f],
      parts: parts[f] === "" ? [] : parts[f].split("\n"),
      sentence: sentences[f],
    };
  });
  return { findings, info };
}

/**
 * The audit of a folder, if there was one.
 *
 * @param out The folder that it was written in.
 * @returns What `<out>/audit.arrow` says; nothing where there is none.
 * @throws {DataError} If it is broken.
 */
export async function findAudit(out: string): Promise<Audit | undefined> {
  const path = `${out}/audit.arrow`;
  return await exists(path) ? await readAudit(await openFile(path)) : undefined;
}
