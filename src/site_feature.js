// The page of a feature: what became of it through training, and what it does at a checkpoint that the
// reader picks.

"use strict";

(() => {
  const { make, draw, words, fixed, number, percent, step, count, isNumber, charts } = site;
  const byId = (id) => document.querySelector(`#${id}`);
  const place = (name) => document.querySelector(`[data-part=${name}]`);
  const scrub = byId("scrub");

  let [table, row, detail, curve] = []; // what is shown, the series of its paths as [C]
  let feature; // its number
  let now = 0; // the checkpoint that was picked
  let marks = []; // what marks a checkpoint in every part
  let pending;

  const link = (other) =>
    make("a", { href: site.address(`feature/${other}`, stepParam()) }, String(other));
  const chip = (lifecycle) =>
    make("span", { class: "chip", "data-lifecycle": lifecycle }, lifecycle);
  const stepParam = () => now === table.reference ? {} : { step: table.steps[now] };

  /* The head. */

  function showHead() {
    const of = (name) => table[name][feature];
    byId("feature-title").replaceChildren(`Feature ${feature} `, chip(of("lifecycle")));
    byId("feature-label").replaceChildren("fires on ", words(of("label"), { class: "token" }));
    byId("feature-label").hidden = of("label") === "";
    byId("feature-facts").replaceChildren(
      ...fact(
        "Emerges at step",
        step(of("emergence")),
        interval(of("emergenceLow"), of("emergenceHigh")),
      ),
      ...fact(
        "Similarity, last",
        fixed(of("similarity")),
        `of ${fixed(table.threshold)} to be there`,
      ),
      ...fact("Smallest q", number(of("q"))),
      ...fact("Fires on", percent(of("rate")), `of ${count(table.nTokens)} tokens`),
      ...fact(
        "Token alone explains",
        isNumber(of("tokenShare")) ? percent(of("tokenShare")) : site.none,
        of("tokenClass"),
      ),
      ...fact(
        "Mutual at",
        isNumber(of("mutual")) ? percent(of("mutual")) : site.none,
        "of checkpoints",
      ),
      ...fact("Splits", splits(of("split")), of("split") >= 2 ? "share its near match" : ""),
      ...fact("Merges", splits(of("merged")), of("merged") >= 2 ? "near features at once" : ""),
    );
    const at = site.order?.indexOf(feature) ?? -1;
    const [before, after] = [neighbour(-1), neighbour(1)];
    byId("feature-previous").disabled = before === undefined;
    byId("feature-next").disabled = after === undefined;
    byId("feature-place").textContent = at < 0
      ? "not among the features of the table"
      : `${count(at + 1)} of ${count(site.order.length)} in the table`;
  }

  function fact(name, value, note) {
    const more = note === undefined || value === site.none || note === ""
      ? undefined
      : make("small", {}, note);
    return [
      make("div", {}, make("dt", {}, name), make("dd", {}, value, more ? " " : undefined, more)),
    ];
  }

  function interval(low, high) {
    if (!isNumber(low)) return undefined;
    return isNumber(high) ? `${step(low)} to ${step(high)}` : `${step(low)} or later`;
  }

  const splits = (n) => n >= 2 ? `up to ${n}` : "none";

  // The feature before or after this one, as the table was last sorted and filtered.
  function neighbour(by) {
    const order = site.order ?? [];
    const at = order.indexOf(feature);
    return at < 0 ? (by > 0 ? order[0] : undefined) : order[at + by];
  }

  function turn(by) {
    const other = neighbour(by);
    if (other !== undefined) site.go(site.address(`feature/${other}`, stepParam()));
  }

  /* The checkpoint that was picked. */

  function set(c) {
    now = c;
    scrub.value = c;
    scrub.setAttribute("aria-valuetext", `step ${table.steps[c]}`);
    byId("scrub-step").textContent = count(table.steps[c]);
    const match = row.match[c];
    const values = match === null ? [["no match", ""]] : [
      [
        c === table.reference ? "the feature itself" : "match",
        c === table.reference ? "" : String(match),
      ],
      ["similarity", fixed(row.similarity[c])],
      ["fires on", percent(row.rate[c])],
      ["largest", number(row.max[c])],
      ["q", c === table.reference ? "" : number(row.q[c])],
    ].filter(([, value], i) => i === 0 || value !== "");
    byId("scrub-values").replaceChildren(
      ...values.map(([name, value]) =>
        make("span", {}, name, value === "" ? "" : " ", make("b", {}, value))
      ),
    );
    byId("feature-permalink").setAttribute("href", site.address(`feature/${feature}`, stepParam()));
    for (const mark of marks) mark(c);
  }

  function pick(c) {
    if (c === now) return;
    set(c);
    clearTimeout(pending);
    const [from, hash] = [location.hash, site.address(`feature/${feature}`, stepParam())];
    pending = setTimeout(() => {
      if (location.hash === from) site.go(hash, { replace: true }); // else the reader has gone on
    }, 200);
  }

  function showScrub() {
    scrub.max = table.steps.length - 1;
    const inside = scrub.clientWidth - 16;
    const last = table.steps.length - 1;
    let free = -Infinity; // pixels up to which there is a label
    const ticks = table.steps.map((value, c) => {
      const text = site.shortStep(value);
      const [at, half] = [c / (last || 1) * inside, 4 * text.length];
      const tick = make("span", {}, at - half > free + 6 ? text : "");
      if (at - half > free + 6) free = at + half;
      tick.style.setProperty("left", `${8 + at}px`);
      return tick;
    });
    byId("scrub-ticks").replaceChildren(...ticks);
  }

  /* What the decoder direction writes, and lists of features. */

  function logits(c) {
    const of = detail.logits[c];
    if (!of) {
      return place("logits").replaceChildren(
        make("p", { class: "quiet" }, "None at this step."),
      );
    }
    const most = Math.max(
      ...[...of.promoted, ...of.suppressed].map(({ value }) => Math.abs(value)),
      1e-9,
    );
    const list = (title, entries, side) =>
      make(
        "div",
        { class: `logits ${side}` },
        make("h3", {}, title),
        make(
          "ol",
          {},
          entries.map(({ token, value }) =>
            make(
              "li",
              {},
              words(token, { class: "token" }),
              bar(value / most),
              make("span", { class: "value" }, fixed(value)),
            )
          ),
        ),
      );
    place("logits").replaceChildren(
      list("Raised", of.promoted, "raised"),
      list("Lowered", of.suppressed, "lowered"),
      make(
        "div",
        { class: "logits" },
        make("h3", {}, "All tokens"),
        charts.histogram(of.histogram),
      ),
    );
  }

  function bar(share) {
    const width = Math.max(1, Math.round(64 * Math.abs(share)));
    return draw(
      "svg",
      { class: "bar", width: 64, height: 10, "aria-hidden": true },
      draw("rect", { width, height: 10 }),
    );
  }

  function tableOf(heads, rows) {
    const head = make("tr", {}, heads.map((name) => make("th", { scope: "col" }, name)));
    const body = rows.map((cells) => make("tr", {}, cells.map((cell) => make("td", {}, cell))));
    return make(
      "div",
      { class: "scroll-x" },
      make("table", { class: "list" }, make("thead", {}, head), make("tbody", {}, body)),
    );
  }

  const labelOf = (other) => words(table.label[other] ?? "", { class: "label" });

  function lists() {
    const none = [make("p", { class: "quiet" }, "None.")];
    const { correlated, neurons } = detail;
    place("correlated").replaceChildren(
      ...correlated.length === 0 ? none : [tableOf(
        ["Feature", "Fires on", "Cosine", "Pearson", "IoU"],
        correlated.map((other) => [
          link(other.feature),
          labelOf(other.feature),
          fixed(other.cosine),
          fixed(other.pearson),
          fixed(other.iou),
        ]),
      )],
    );
    const most = Math.max(...neurons.map(({ weight }) => Math.abs(weight)), 1e-9);
    place("neurons").replaceChildren(
      ...neurons.length === 0 ? none : [tableOf(
        ["Dimension", "", "Weight", "Share of L1"],
        neurons.map(({ neuron, weight, share }) => [
          String(neuron),
          bar(weight / most),
          fixed(weight, 3),
          percent(share),
        ]),
      )],
    );
  }

  function alike() {
    const cards = row.alike.map((other) =>
      make(
        "li",
        {},
        make(
          "a",
          { href: site.address(`feature/${other}`, stepParam()) },
          make("b", {}, String(other)),
          draw(
            "svg",
            { width: 104, height: 22, "aria-hidden": true },
            draw("path", { d: curve(other) }),
          ),
          labelOf(other),
        ),
      )
    );
    byId("part-alike").hidden = cards.length === 0;
    place("alike").replaceChildren(make("ul", { class: "cards" }, cards));
  }

  /* All parts. */

  function showParts() {
    const at = table.emergence[feature];
    const [low, high] = [table.emergenceLow[feature], table.emergenceHigh[feature]];
    const emergence = isNumber(at) ? { at, low, high } : undefined;
    const inside = byId("feature-body").clientWidth; // asked once, before anything is drawn
    const isMatched = row.match.some(isNumber);
    if (isMatched) {
      marks = [site.curves.paths(place("paths"), { inside, table, row, emergence, pick })];
    } else {
      marks = [];
      place("paths").replaceChildren(
        make("p", { class: "quiet" }, "It has no match at any checkpoint."),
      );
    }
    alike();
    byId("feature-detail").hidden = detail === undefined;
    const note = byId("feature-undetailed");
    note.hidden = detail !== undefined;
    note.replaceChildren(
      "Its texts, activations, logits and lineage were not written; ",
      make("code", {}, `deno task features --features ${feature}`),
      " adds them.",
    );
    if (detail === undefined) return;
    const { contexts, density, ranks, ego } = detail;
    // Drawn if there is something to draw, and else left out with its title.
    const drawn = [
      ["kwic", contexts.length, (at) => site.text.columns(at, { table, row, contexts, pick })],
      ["contexts", contexts.length, (at) => site.text.windows(at, { table, row, contexts })],
      [
        "density",
        density.edges.length,
        (at) => charts.ridges(at, { inside, table, density, pick }),
      ],
      ["logits", detail.logits.filter((of) => of !== null).length, () => logits],
      ["ranks", ranks.tokens.length, (at) => charts.bump(at, { inside, table, ranks, pick })],
      [
        "ego",
        ego.links.length,
        (at) => charts.ego(at, { inside, table, ego, match: row.match, pick }),
      ],
    ];
    for (const [name, size, show] of drawn) {
      byId(`part-${name}`).hidden = size === 0;
      if (size > 0) marks.push(show(place(name)));
    }
    lists();
  }

  async function load(wanted) {
    const read = await site.load("table");
    const nFeatures = read.label.length;
    if (!(wanted >= 0 && wanted < nFeatures)) {
      throw new Error(
        `Cannot show this feature: expected a number from 0 to ${
          nFeatures - 1
        } in the address, got ` +
          `${JSON.stringify(location.hash)}`,
      );
    }
    const [paths, more] = await Promise.all([
      site.load(`paths-${Math.floor(wanted / read.perShard)}`),
      read.detailed.includes(wanted) ? site.load(`feature-${wanted}`) : undefined,
    ]);
    const series = Object.entries(paths).filter(([, values]) => Array.isArray(values));
    return {
      read,
      more,
      own: Object.fromEntries(series.map(([name, values]) => [name, values[wanted - paths.from]])),
    };
  }

  site.views.feature = {
    async show(route, { isNew }) {
      const { params } = route;
      const view = byId("feature-view");
      clearTimeout(pending);
      if (route.feature !== feature) {
        view.setAttribute("aria-busy", "true");
        view.classList.add("is-waiting");
        feature = undefined; // nothing is shown until all of it is here
        const { read, more, own } = await load(route.feature).catch((error) => {
          view.classList.add("is-lost");
          throw error;
        });
        if (site.route !== route) return;
        [table, row, detail, feature] = [read, own, more, route.feature];
        curve ??= site.curveOf(table);
        site.order ??= table.label.map((_, f) => f);
        site.seen = feature;
        now = checkpoint(params);
        view.removeAttribute("aria-busy");
        view.classList.remove("is-waiting", "is-lost");
        showHead();
        showParts();
      } else if (isNew) showHead();
      document.title = `Feature ${feature} – ${site.title}`;
      showScrub();
      set(checkpoint(params));
      if (isNew) byId("feature-title").focus({ preventScroll: true });
    },
  };

  function checkpoint(params) {
    const c = table.steps.indexOf(Number(params.get("step") ?? NaN));
    return c < 0 ? table.reference : c;
  }

  /* What the reader does. */

  scrub.addEventListener("input", () => pick(Number(scrub.value)));
  byId("feature-previous").addEventListener("click", () => turn(-1));
  byId("feature-next").addEventListener("click", () => turn(1));
  document.addEventListener("keydown", (event) => {
    if (site.route.view !== "feature") return;
    if (event.key === "Escape") return site.go(byId("features-link").getAttribute("href"));
    if (site.isTyping(event)) return;
    if (event.key === "ArrowLeft") turn(-1);
    if (event.key === "ArrowRight") turn(1);
  });
  // Drawings are as wide as the page.
  let width = 0;
  new ResizeObserver(([{ contentRect }]) => {
    const isOther = width !== 0 && contentRect.width !== 0 && contentRect.width !== width;
    width = contentRect.width || width;
    if (!isOther || site.route.view !== "feature" || feature === undefined) return;
    showParts();
    showScrub();
    set(now);
  }).observe(byId("feature-body"));
})();

site.start();
