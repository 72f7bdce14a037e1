/**
 * The report of a matched sweep, as a file.
 *
 * @module
 */

import { writeFile } from "./files.ts";
import { readPlotly } from "./plotly.ts";
import { type ReportOptions, reportPage } from "./report.ts";
import type { Summary } from "./summary.ts";

/**
 * Writes `report/index.html`: one page that holds all that it needs.
 *
 * @param summary A matched sweep.
 * @param out Folder to write in.
 * @param options What to show.
 * @returns The path of the page.
 * @throws {DataError} If the disk refuses.
 * @throws {RangeError} If no checkpoint has the step `appearingAt`.
 */
export async function writeReport(
  summary: Summary,
  out: string,
  options: Omit<ReportOptions, "plotly" | "generatedBy"> = {},
): Promise<string> {
  const html = await reportPage(summary, {
    plotly: await readPlotly(),
    generatedBy: "sae-through-training 0.1.0",
    ...options,
  });
  const path = `${out}/report/index.html`;
  await writeFile(path, (sink) => sink.write(new TextEncoder().encode(html)));
  return path;
}
