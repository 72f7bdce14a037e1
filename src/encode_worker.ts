/**
 * A worker: opens sessions, runs sequences and releases sessions as it is told.
 *
 * @module
 */

import { type EncodedRun, encodeRun, type Run, type RunPlan } from "./encode_run.ts";
import { type Encoder, openSession, type SessionPlan } from "./session.ts";
import { serve } from "./workers.ts";

/** What a worker is told, of one of its sessions. */
export type EncodeTask =
  & { readonly session: number }
  & (
    | { readonly act: "open"; readonly plan: SessionPlan & RunPlan }
    | { readonly act: "run"; readonly run: Run }
    | { readonly act: "release" }
  );

const sessions = new Map<number, { readonly encoder: Encoder; readonly plan: RunPlan }>();

serve(act, (result) => {
  if (result === undefined) return [];
  const { offsets, columns, values } = result.rows;
  return [offsets.buffer, columns.buffer, values.buffer, result.norms.buffer];
});

async function act(task: EncodeTask): Promise<EncodedRun | undefined> {
  switch (task.act) {
    case "open":
      sessions.set(task.session, { encoder: await openSession(task.plan), plan: task.plan });
      return;
    case "run": {
      const { encoder, plan } = sessions.get(task.session)!;
      return await encodeRun(task.run, encoder, plan);
    }
    case "release":
      await sessions.get(task.session)?.encoder.release();
      sessions.delete(task.session);
  }
}
