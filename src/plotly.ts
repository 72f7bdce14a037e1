/**
 * The text of the plotting library, to be put into a page.
 *
 * @module
 */

/**
 * Reads plotly.js, the bundle of cartesian plots, minified.
 *
 * Loaded as text when first asked for, and never run here. Needs no permission, and works from a file
 * and from a URL alike.
 *
 * @returns Its JavaScript, 1.5 MB.
 */
export async function readPlotly(): Promise<string> {
  const { default: text } = await import(
    "npm:plotly.js-cartesian-dist-min@4.1.1/plotly-cartesian.min.js",
    { with: { type: "text" } }
  );
  return text;
}
