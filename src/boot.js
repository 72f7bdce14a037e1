// Draws the figures of a report, one after another, and lays them out anew when the reader picks another
// scale of training steps. Runs in the browser, after plotly.js.

const config = {
  displaylogo: false,
  responsive: true,
  showSendToCloud: false,
  plotlyServerURL: "",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
};

const waiting = Array.from(document.querySelectorAll("figure[data-figure]"));
const drawn = [];

const choice = document.querySelector("#step-scale");
const firstScale = choice.querySelector("input").value;
let scale = firstScale;

// Tokens are other ticks on the first scale; none where they are not known.
const tokens = JSON.parse(choice.dataset.tokens);

function layOut({ plot, scales, title }) {
  const { traces, axis } = scales[scale === "tokens" ? firstScale : scale];
  const isOfSteps = tokens !== null && "tickvals" in axis;
  const more = !isOfSteps ? {} : scale === "tokens" ? tokens : { "title.text": title };
  const all = Object.entries({ ...axis, ...more });
  const layout = all.map(([key, value]) => [`xaxis.${key}`, value]);
  Plotly.update(plot, traces, Object.fromEntries(layout));
}

function showScale(wanted) {
  scale = wanted;
  drawn.forEach(layOut);
}

choice.hidden = false;
choice.addEventListener("change", ({ target }) => showScale(target.value));

// A browser may restore the choice of an earlier visit, once the page is complete.
addEventListener("pageshow", () => {
  const chosen = choice.querySelector("input:checked").value;
  if (chosen !== scale) showScale(chosen);
});

function drawNext() {
  const element = waiting.shift();
  const json = JSON.parse(element.querySelector("script").textContent);
  const title = json.layout.xaxis?.title?.text;
  const figure = { plot: element.querySelector(".plot"), title, ...json };
  Plotly.newPlot(figure.plot, figure.data, figure.layout, config);
  drawn.push(figure);
  if (scale !== firstScale) layOut(figure);
  if (waiting.length > 0) return;
  document.documentElement.dataset.figures = "drawn";
  performance.mark("figures-drawn");
  document.dispatchEvent(new Event("figures-drawn"));
}

// The first is there at once; the reader need not wait for those farther down, each of which is shown
// before the next is begun.
function drawAll() {
  if (waiting.length === 0) return; // all were drawn to be printed
  drawNext();
  requestAnimationFrame(() => setTimeout(drawAll));
}

// Places keep their height meanwhile, so that nothing moves when a figure comes.
for (const element of waiting) {
  const plot = element.querySelector(".plot");
  plot.style.height = `${plot.dataset.height}px`;
}
document.documentElement.dataset.figures = "waiting";
addEventListener("beforeprint", () => {
  while (waiting.length > 0) drawNext();
});

// A page that opens at its table or at a feature is there sooner if figures wait until they are seen.
const isElsewhere = () => /^#\/feature/.test(globalThis.location?.hash ?? "");
if (isElsewhere()) {
  addEventListener("hashchange", function draw() {
    if (isElsewhere()) return;
    removeEventListener("hashchange", draw);
    drawAll();
  });
} else drawAll();
