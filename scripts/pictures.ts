/**
 * Writes the figures of a report as pictures, by an installed Chrome or Chromium.
 *
 * Reads   <out>/report/index.html.
 * Writes  <out>/pictures/<figure>.png or .svg.
 * Example deno task pictures --out out/demo --format svg
 */

import { openBrowser } from "../src/browser.ts";
import { pictureFormats, writePictures } from "../src/pictures.ts";
import { Command, Option, run, say } from "./_cli.ts";

const command = new Command("pictures")
  .description("Writes the figures of a report as pictures.")
  .requiredOption("--out <folder>", "the folder that holds report/index.html")
  .addOption(
    new Option("--format <name>", "what to write").choices(pictureFormats).default("png" as const),
  );

await run(command, async ({ out, format }) => {
  await using browser = await openBrowser();
  const options = { format, browser };
  for (const path of await writePictures(`${out}/report/index.html`, `${out}/pictures`, options)) {
    say(path);
  }
});
