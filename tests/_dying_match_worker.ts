// A thread of a match that dies at its second block.

import { doShare, type ShareTask } from "../src/match_share.ts";
import { serve } from "../src/workers.ts";

serve((task: ShareTask) => {
  if (task.act === "add" && task.number === 1) setTimeout(() => Promise.reject("a broken thread"));
  return task.act === "add" && task.number === 1 ? new Promise(() => {}) : doShare(task);
});
