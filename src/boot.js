// Draws the figures of a report, and lays them out anew when the reader picks another scale of
// training steps. Runs in the browser, after plotly.js.

const config = {
  displaylogo: false,
  responsive: true,
  showSendToCloud: false,
  plotlyServerURL: "",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
};

const figures = Array.from(document.querySelectorAll("figure[data-figure]"), (element) => ({
  plot: element.querySelector(".plot"),
  ...JSON.parse(element.querySelector("script").textContent),
}));

function showScale(scale) {
  for (const { plot, scales } of figures) {
    const { traces, axis } = scales[scale];
    const layout = Object.entries(axis).map(([key, value]) => [`xaxis.${key}`, value]);
    Plotly.update(plot, traces, Object.fromEntries(layout));
  }
}

const choice = document.querySelector("#step-scale");
choice.hidden = false;
choice.addEventListener("change", ({ target }) => showScale(target.value));

// A browser may restore the choice of an earlier visit, once the page is complete.
function showChosen() {
  const chosen = choice.querySelector("input:checked").value;
  if (isDrawn && chosen !== choice.querySelector("input").value) showScale(chosen);
}
addEventListener("pageshow", showChosen);

let isDrawn = false;

function drawAll() {
  for (const { plot, data, layout } of figures) Plotly.newPlot(plot, data, layout, config);
  isDrawn = true;
  showChosen();
  document.dispatchEvent(new Event("figures-drawn"));
}

// A page that opens at its table or at a feature is there sooner if figures wait until they are seen.
const isElsewhere = () => /^#\/feature/.test(globalThis.location?.hash ?? "");
if (isElsewhere()) {
  addEventListener("hashchange", function draw() {
    if (isElsewhere()) return;
    removeEventListener("hashchange", draw);
    drawAll();
  });
} else drawAll();
