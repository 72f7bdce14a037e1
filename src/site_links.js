// Clicks on figures of the overview: to the features that a mark counts, or to the one that it is of.
// Runs before the script that draws them, and binds them once they are drawn.

"use strict";

(() => {
  const openFeature = ({ customdata: [feature, step] }) =>
    site.go(site.address(`feature/${feature}`, { step }));
  const filter = (detail) => document.dispatchEvent(new CustomEvent("sae:filter", { detail }));

  // The table knows similarities at a checkpoint in hundredths: a bin between them is widened to them.
  function openBin({ customdata: [at], data: { y: edges }, pointNumber: [bin] }) {
    const low = Math.floor(100 * edges[bin] + 1e-6) / 100;
    const high = Math.ceil(100 * edges[bin + 1] - 1e-6) / 100;
    filter({ at, similarity: [low, high] });
  }

  // Lines of chance count no features; their customdata is a step alone.
  function openMatched({ customdata, data: { name } }) {
    const distance = Number(/^distance < ([\d.]+)$/.exec(name)?.[1]);
    if (!Array.isArray(customdata) || !site.isNumber(distance)) return;
    filter({ at: customdata[0], similarity: [Math.round(100 - 100 * distance) / 100, NaN] });
  }

  // Lineages are of features of all checkpoints; of the reference's, those that emerge meanwhile.
  function openBirths({ customdata: [step], data: { name, customdata: all } }) {
    const k = all.findIndex(([at]) => at === step);
    if (name === "born" && k > 0) filter({ emergence: [all[k - 1][0], step] });
  }

  const links = [
    ["distance-matrix", openFeature, "Click on a row to see its feature."],
    ["similarity-histogram", openBin, "Click on a cell to list its features."],
    ["matched-fraction", openMatched, "Click on a point to list its features."],
    [
      "appearing-counts",
      ({ customdata }) => filter({ appears: customdata }),
      "Click on a bar to list its features.",
    ],
    [
      "births-deaths",
      openBirths,
      "Click on births to list the reference’s features that emerge in that time.",
    ],
  ];

  function bind() {
    for (const [id, open, hint] of [...links, ...appearing()]) {
      const plot = document.getElementById(id);
      if (typeof plot?.on !== "function") continue; // no such figure, or not drawn
      plot.classList.add("is-linked");
      plot.closest("figure").querySelector("figcaption").append(` ${hint}`);
      plot.on("plotly_click", ({ points: [point] }) => open(point));
    }
  }

  // The features that appear at one step, whichever it is.
  function appearing() {
    const plots = document.querySelectorAll('.plot[id^="appearing-"]:not(#appearing-counts)');
    return Array.from(plots, ({ id }) => [id, openFeature, "Click on a row to see its feature."]);
  }

  document.addEventListener("figures-drawn", bind);
})();
