// Drawings of the page of a feature, as SVG: curves over training steps, ridges, ranks and lineage.
// Each gives a function that marks a checkpoint.

"use strict";

site.charts = (() => {
  const { make, draw, words, fixed, number, percent, shortStep, count, isNumber, tip } = site;

  const line = (x1, y1, x2, y2, name) => draw("line", { x1, y1, x2, y2, class: name });
  const text = (x, y, content, name) => draw("text", { x, y, class: name }, content);
  const picture = (width, height, label) =>
    draw("svg", {
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-label": label,
    });

  // A line with gaps where there is no value.
  function path(points) {
    let [d, pen] = ["", "M"];
    for (const [x, y] of points) {
      const isThere = isNumber(y);
      if (isThere) d += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
      pen = isThere ? "L" : "M";
    }
    return d;
  }

  /* Vertical axes. */

  function valueAxis(values, { low, high, isLog }, top, bottom) {
    const there = values.filter((value) => isNumber(value) && (!isLog || value > 0));
    let least = Math.min(low ?? Infinity, ...there);
    let most = Math.max(high ?? -Infinity, ...there);
    if (!(least <= most)) [least, most] = isLog ? [0.01, 1] : [0, 1];
    const of = isLog ? Math.log10 : (value) => value;
    const ticks = isLog ? decades(least, most) : evenTicks(least, most);
    const [from, to] = [
      Math.min(of(least), of(ticks[0])),
      Math.max(of(most), of(ticks[ticks.length - 1])),
    ];
    const at = (value) => {
      if (!isNumber(value)) return NaN;
      const share = (of(isLog ? Math.max(value, 10 ** from) : value) - from) / (to - from || 1);
      return bottom - share * (bottom - top);
    };
    return { at, ticks };
  }

  function evenTicks(least, most) {
    const span = most - least || 1;
    const unit = 10 ** Math.floor(Math.log10(span / 2));
    const by = [1, 2, 5, 10].map((n) => n * unit).find((n) => span / n <= 3.01);
    const first = Math.floor(least / by + 1e-9);
    const n = Math.max(1, Math.ceil(most / by - 1e-9) - first);
    return Array.from({ length: n + 1 }, (_, i) => Number(((first + i) * by).toPrecision(6)));
  }

  function decades(least, most) {
    const first = Math.floor(Math.log10(least) + 1e-9);
    const last = Math.max(first + 1, Math.ceil(Math.log10(most) - 1e-9));
    const by = Math.ceil((last - first) / 3);
    const n = Math.ceil((last - first) / by);
    return Array.from({ length: n + 1 }, (_, i) => 10 ** (first + i * by));
  }

  const tickText = (value, isPercent) =>
    isPercent ? percent(value).replace(" ", "\u2009") : number(value);

  /* Small multiples. */

  function smallChart(steps, reference, width, spec) {
    const { title, series, bands = [], mark, emergence, format = fixed, isPercent } = spec;
    const [left, right, top, bottom, height] = [44, width - 8, 8, 104, 126];
    const x = site.stepAxis(steps, left + 6, right - 4, 38);
    const every = [...series, ...bands].flatMap(({ values }) => values);
    const y = valueAxis(every, spec, top, bottom);
    const svg = picture(width, height, title);
    if (emergence !== undefined) {
      const { low, at, high } = emergence;
      const [from, to] = [x.at(low ?? at), high === null ? right : x.at(high)];
      svg.append(
        draw("rect", {
          x: from,
          y: top,
          width: Math.max(1, to - from),
          height: bottom - top,
          class: "emergence",
        }),
      );
      svg.append(line(x.at(at), top, x.at(at), bottom, "emergence-step"));
    }
    for (const value of y.ticks) {
      svg.append(line(left, y.at(value), right, y.at(value), "grid"));
      svg.append(text(left - 6, y.at(value) + 4, tickText(value, isPercent), "tick end"));
    }
    for (const value of x.ticks) {
      svg.append(line(x.at(value), bottom, x.at(value), bottom + 4, "axis"));
      svg.append(text(x.at(value), bottom + 17, shortStep(value), "tick middle"));
    }
    const floor = y.at(y.ticks[0]);
    for (const { values, name } of bands) {
      const points = values.map((value, c) => [x.points[c], y.at(value)]);
      svg.append(draw("path", { d: area(points, floor), class: `band ${name}` }));
      svg.append(draw("path", { d: path(points), class: `band-edge ${name}` }));
    }
    if (mark !== undefined) svg.append(line(left, y.at(mark), right, y.at(mark), "threshold"));
    const hover = line(0, top, 0, bottom, "hover");
    const now = line(0, top, 0, bottom, "now");
    svg.append(hover, now);
    const dots = series.map(({ values, name = "" }) => {
      const points = values.map((value, c) => [x.points[c], y.at(value)]);
      svg.append(draw("path", { d: path(points), class: `curve ${name}` }));
      return points.map(([cx, cy], c) => {
        const dot = isNumber(cy)
          ? draw("circle", { cx, cy, r: 2.2, class: `dot ${name}` })
          : undefined;
        if (c === reference) dot?.classList.add("is-reference");
        if (dot !== undefined) svg.append(dot);
        return dot;
      });
    });
    const said = make("output", {});
    const element = make(
      "figure",
      { class: "small-chart" },
      make("figcaption", {}, make("span", {}, title), said),
      svg,
    );
    const move = (at, c) => {
      at.setAttribute("x1", x.points[c]);
      at.setAttribute("x2", x.points[c]);
    };
    const say = (c) => {
      const parts = [...series, ...bands].map(({ values, name, label }) =>
        make(
          "span",
          name === undefined ? {} : { class: name },
          `${label ? `${label} ` : ""}${format(values[c])}`,
        )
      );
      said.replaceChildren(...parts);
    };
    let marked = 0;
    const set = (c) => {
      for (const of of dots) {
        of[marked]?.setAttribute("r", 2.2);
        of[c]?.setAttribute("r", 4);
      }
      move(now, marked = c);
      say(c);
    };
    const point = (c) => {
      svg.classList.toggle("is-hovered", c !== undefined && c !== marked);
      if (c !== undefined) move(hover, c);
      say(c ?? marked);
    };
    const at = (event) => x.nearest(event.clientX - svg.getBoundingClientRect().left);
    return { element, svg, set, point, at };
  }

  // The area under a line with gaps.
  function area(points, floor) {
    let d = "";
    for (let c = 0; c < points.length; c++) {
      if (!isNumber(points[c][1])) continue;
      let last = c;
      while (last + 1 < points.length && isNumber(points[last + 1][1])) last++;
      d += `M${points[c][0]} ${floor}` +
        points.slice(c, last + 1).map(([x, y]) => `L${x} ${y}`).join("") +
        `L${points[last][0]} ${floor}Z`;
      c = last;
    }
    return d;
  }

  function paths(place, { table, row, emergence, pick }) {
    const { steps, reference, threshold } = table;
    const gap = 28;
    const inside = place.clientWidth;
    const n = inside >= 880 ? 3 : inside >= 560 ? 2 : 1;
    const width = Math.floor((inside - gap * (n - 1)) / n);
    const one = (values, name, label) => [{ values, name, label }];
    const share = { low: 0, high: 1 };
    const charts = [
      {
        title: "Similarity to its match",
        series: one(row.similarity),
        bands: [
          { values: row.token, name: "by-token", label: "token" },
          { values: row.chance, name: "by-chance", label: "chance" },
        ],
        mark: threshold,
        emergence,
        ...share,
      },
      { title: "To the runner-up", series: one(row.runnerUp), ...share },
      { title: "Match to the match before", series: one(row.previous), ...share },
      { title: "Cosine of decoder directions", series: one(row.decoder), ...share },
      { title: "Overlap of firing, IoU", series: one(row.iou), ...share },
      {
        title: "q of the match",
        series: one(row.q),
        isLog: true,
        high: 1,
        mark: 0.05,
        format: number,
      },
      {
        title: "Fires on, of tokens",
        series: one(row.rate),
        isLog: true,
        format: percent,
        isPercent: true,
      },
      {
        title: "Activation",
        series: [...one(row.max, "second", "largest"), ...one(row.mean, undefined, "mean")],
        low: 0,
        format: number,
      },
      { title: "Norm of the decoder direction", series: one(row.norm), low: 0, format: number },
    ].map((spec) => smallChart(steps, reference, width, spec));
    for (const { svg, at } of charts) {
      const point = (event) => {
        const c = at(event);
        for (const chart of charts) chart.point(c);
      };
      svg.addEventListener("pointermove", point);
      svg.addEventListener("pointerleave", () => charts.forEach((chart) => chart.point()));
      svg.addEventListener("click", (event) => pick(at(event)));
    }
    place.replaceChildren(...charts.map(({ element }) => element));
    return (c) => charts.forEach(({ set }) => set(c));
  }

  /* Ridges: a histogram of activations for each checkpoint. */

  function ridges(place, { table: { steps }, density: { edges, counts }, pick }) {
    const width = Math.min(place.clientWidth, 760);
    const [left, right, top, apart, tall] = [64, width - 12, 44, 22, 44];
    const height = top + apart * (steps.length - 1) + 34;
    const bottom = height - 30;
    const of = edges[0] > 0 ? Math.log10 : (value) => value;
    const [low, high] = [of(edges[0]), of(edges[edges.length - 1])];
    const x = (value) => left + (of(value) - low) / (high - low || 1) * (right - left);
    const most = Math.log10(1 + Math.max(1, ...counts.flat()));
    const svg = picture(width, height, "Number of tokens by activation at every checkpoint");
    const ticks = (edges[0] > 0 ? tens(edges) : evenTicks(low, high)).filter((v) =>
      of(v) >= low && of(v) <= high
    );
    for (const value of ticks) {
      svg.append(line(x(value), top - 20, x(value), bottom, "grid"));
      svg.append(text(x(value), bottom + 16, number(value), "tick middle"));
    }
    svg.append(text(right, bottom + 29, "activation", "tick end quiet"));
    const rows = steps.map((step, c) => {
      const base = top + apart * c;
      const heights = counts[c].map((n) => base - Math.log10(1 + n) / most * tall);
      const outline = heights.map((y, b) =>
        `L${x(edges[b]).toFixed(1)} ${y.toFixed(1)}H${x(edges[b + 1]).toFixed(1)}`
      ).join("");
      const row = draw(
        "g",
        { class: "ridge" },
        draw("path", { d: `M${left} ${base}${outline}L${right} ${base}Z` }),
        text(left - 10, base + 1, count(step), "tick end"),
        draw("rect", { x: 0, y: base - apart + 4, width, height: apart, class: "hit" }),
      );
      const n = counts[c].reduce((sum, value) => sum + value, 0);
      tip(row, () => `Step ${count(step)}: fires on ${count(n)} tokens`);
      row.addEventListener("click", () => pick(c));
      return row;
    });
    svg.append(...rows);
    place.replaceChildren(svg);
    return (now) => rows.forEach((row, c) => row.classList.toggle("is-now", c === now));
  }

  function tens(edges) {
    const first = Math.ceil(Math.log10(edges[0]) - 1e-9);
    const n = Math.floor(Math.log10(edges[edges.length - 1]) + 1e-9) - first + 1;
    return Array.from(
      { length: Math.max(0, n) },
      (_, i) => Number((10 ** (first + i)).toPrecision(3)),
    );
  }

  /* Ranks of tokens: the first one on top, logarithmically. */

  function bump(place, { table: { steps }, ranks: { tokens, ranks }, pick }) {
    const width = Math.min(place.clientWidth, 900);
    const label = Math.min(150, width / 3);
    const [left, right, top, bottom] = [
      56,
      width - label - 34,
      14,
      Math.max(260, 20 * tokens.length),
    ];
    const height = bottom + 40;
    const x = site.stepAxis(steps, left + 8, right, 40);
    const all = ranks.flat().filter(isNumber);
    const high = Math.max(1, Math.log10(Math.max(10, ...all)));
    const y = (rank) =>
      isNumber(rank) ? top + Math.log10(Math.max(1, rank)) / high * (bottom - top) : NaN;
    const svg = picture(width, height, "Ranks of tokens at every checkpoint");
    for (let rank = 1; Math.log10(rank) <= high; rank *= 10) {
      svg.append(line(left, y(rank), right, y(rank), "grid"));
      svg.append(text(left - 8, y(rank) + 4, count(rank), "tick end"));
    }
    for (const value of x.ticks) {
      svg.append(line(x.at(value), bottom, x.at(value), bottom + 4, "axis"));
      svg.append(text(x.at(value), bottom + 17, shortStep(value), "tick middle"));
    }
    svg.append(text(right, bottom + 33, "training step", "tick end quiet"));
    const now = line(0, top - 6, 0, bottom, "now");
    svg.append(now);
    const last = ranks[ranks.length - 1];
    const order = tokens.map((_, i) => i).sort((a, b) =>
      (last[a] ?? Infinity) - (last[b] ?? Infinity)
    );
    const apart = Math.min(20, (bottom - top) / Math.max(1, tokens.length - 1));
    const labels = order.map((token, place) => {
      const [points, to] = [
        steps.map((_, c) => [x.points[c], y(ranks[c][token])]),
        top + apart * place,
      ];
      const from = points[points.length - 1][1];
      const lead = isNumber(from)
        ? `M${right} ${from}C${right + 16} ${from} ${right + 10} ${to} ${right + 28} ${to}`
        : "";
      const group = draw(
        "g",
        { class: `rank tone-${place % 5}` },
        draw("path", { d: path(points), class: "wide" }),
        draw("path", { d: path(points) }),
        draw("path", { d: lead, class: "lead" }),
        points.map(([cx, cy]) => isNumber(cy) ? draw("circle", { cx, cy, r: 2 }) : undefined),
      );
      const name = make(
        "div",
        { class: `rank-label tone-${place % 5}` },
        words(tokens[token], { class: "token" }),
      );
      name.style.setProperty("top", `${to - 10}px`);
      name.style.setProperty("left", `${right + 32}px`);
      name.style.setProperty("max-width", `${label}px`);
      const ranksOf = () => [
        "Ranks of ",
        words(tokens[token]),
        `: ${ranks.map((of) => of[token] ?? "–").join(", ")}`,
      ];
      for (const part of [tip(group, ranksOf), tip(name, ranksOf)]) {
        part.addEventListener("pointerenter", () => light(group, name, true));
        part.addEventListener("pointerleave", () => light(group, name, false));
      }
      svg.append(group);
      return name;
    });
    const light = (group, name, isOn) => {
      svg.classList.toggle("has-light", isOn);
      for (const part of [group, name]) part.classList.toggle("is-lit", isOn);
    };
    svg.addEventListener(
      "click",
      (event) => pick(x.nearest(event.clientX - svg.getBoundingClientRect().left)),
    );
    place.replaceChildren(make("div", { class: "rank-chart" }, svg, labels));
    return (c) => {
      now.setAttribute("x1", x.points[c]);
      now.setAttribute("x2", x.points[c]);
    };
  }

  /* Lineage: columns are checkpoints; the matches lie along the top. */

  function ego(place, { table: { steps, reference }, ego: { features, links }, match, pick }) {
    const [wide, tall, down, top] = [46, 18, 27, 34];
    const across = Math.max(
      wide + 40,
      (place.clientWidth - wide - 8) / Math.max(1, steps.length - 1),
    );
    const rows = Math.max(...features.map((of) => of.length), 1);
    const svg = picture(
      across * (steps.length - 1) + wide + 8,
      top + down * rows + 4,
      "Lineage of the feature",
    );
    const at = features.map(() => new Map()); // row of every feature, by checkpoint
    for (let c = steps.length - 1; c >= 0; c--) {
      const middle = (feature) => {
        if (feature === match[c]) return -1;
        const near = links.filter((link) => link.c === c && link.from === feature);
        const sum = near.reduce((total, { to }) => total + (at[c + 1].get(to) ?? 0), 0);
        return near.length > 0 ? sum / near.length : 1e9;
      };
      const sorted = features[c].toSorted((a, b) => middle(a) - middle(b) || a - b);
      const skip = match[c] !== null && features[c].includes(match[c]) ? 0 : 1; // the top is the match's
      sorted.forEach((feature, row) => at[c].set(feature, row + (rows > sorted.length ? skip : 0)));
    }
    const [x, y] = [(c) => 4 + across * c, (c, feature) => top + down * at[c].get(feature)];
    for (
      const { c, from, to, similarity } of links.toSorted((a, b) => a.similarity - b.similarity)
    ) {
      if (!at[c]?.has(from) || !at[c + 1]?.has(to)) continue;
      const [x0, x1] = [x(c) + wide, x(c + 1)];
      const [y0, y1] = [y(c, from) + tall / 2, y(c + 1, to) + tall / 2];
      const bend = (x1 - x0) / 2;
      const ribbon = draw("path", {
        d: `M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}`,
        "stroke-width": Math.max(1, 14 * similarity).toFixed(1),
        class: match[c] === from && match[c + 1] === to ? "ribbon is-match" : "ribbon",
      });
      svg.append(
        tip(
          ribbon,
          () =>
            `${from} at step ${count(steps[c])} to ${to} at step ${count(steps[c + 1])}: ${
              fixed(similarity)
            }`,
        ),
      );
    }
    const heads = steps.map((step, c) => {
      const head = text(x(c) + wide / 2, 16, count(step), "tick middle head");
      head.addEventListener("click", () => pick(c));
      svg.append(head);
      for (const feature of features[c]) {
        const node = draw(
          "g",
          { class: feature === match[c] ? "node is-match" : "node" },
          draw("rect", { x: x(c), y: y(c, feature), width: wide, height: tall, rx: 3 }),
          text(x(c) + wide / 2, y(c, feature) + 13, String(feature), "middle"),
        );
        tip(node, () => `Feature ${feature} of step ${count(step)}`);
        const link = c === reference
          ? draw("a", { href: site.address(`feature/${feature}`) }, node)
          : node;
        svg.append(link);
      }
      return head;
    });
    const scroller = make("div", {
      class: "scroll-x",
      tabindex: 0,
      "data-keys": "",
      role: "group",
      "aria-label": "Lineage",
    }, svg);
    place.replaceChildren(scroller);
    scroller.scrollLeft = scroller.scrollWidth;
    return (now) => heads.forEach((head, c) => head.classList.toggle("is-now", c === now));
  }

  /* A histogram of all logits. */

  function histogram({ edges, counts }) {
    const [width, height, left, right, bottom] = [300, 110, 8, 292, 84];
    const [low, high] = [edges[0], edges[edges.length - 1]];
    const x = (value) => left + (value - low) / (high - low || 1) * (right - left);
    const most = Math.log10(1 + Math.max(1, ...counts));
    const svg = picture(width, height, "Histogram of the logits of all tokens");
    counts.forEach((n, b) => {
      const y = bottom - Math.log10(1 + n) / most * (bottom - 6);
      const side = edges[b + 1] <= 0 ? "lowered" : "raised";
      const bar = draw("rect", {
        x: x(edges[b]),
        y,
        width: Math.max(0.5, x(edges[b + 1]) - x(edges[b]) - 0.6),
        height: bottom - y,
        class: side,
      });
      svg.append(
        tip(bar, () => `${number(edges[b])} to ${number(edges[b + 1])}: ${count(n)} tokens`),
      );
    });
    svg.append(line(left, bottom, right, bottom, "axis"));
    for (const value of evenTicks(low, high).filter((v) => v >= low && v <= high)) {
      svg.append(text(x(value), bottom + 15, number(value), "tick middle"));
    }
    return svg;
  }

  return { paths, ridges, bump, ego, histogram };
})();
