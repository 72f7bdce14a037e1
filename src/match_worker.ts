/**
 * A worker: one thread of a match.
 *
 * @module
 */

import { matchShare } from "./match_share.ts";
import { serve } from "./workers.ts";

serve(matchShare());
