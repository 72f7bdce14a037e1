/**
 * A worker: one thread of a match.
 *
 * @module
 */

import { doShare } from "./match_share.ts";
import { serve } from "./workers.ts";

serve(doShare);
