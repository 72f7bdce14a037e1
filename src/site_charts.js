// Drawings of the page of a feature, as SVG: ridges of activations, ranks of tokens, lineage, logits.
// Each gives a function that marks a checkpoint.

"use strict";

site.charts = (() => {
  const { make, draw, words, fixed, number, shortStep, count, isNumber, tip } = site;
  const { line, text, picture, path, evenTicks } = site.curves;

  /* Ridges: a histogram of activations for each checkpoint. */

  function ridges(place, { inside, table: { steps }, density: { edges, counts }, pick }) {
    const width = Math.min(inside, 760);
    const [left, right, top, apart, tall] = [64, width - 12, 44, 22, 44];
    const height = top + apart * (steps.length - 1) + 34;
    const bottom = height - 30;
    const of = edges[0] > 0 ? Math.log10 : (value) => value;
    const [low, high] = [of(edges[0]), of(edges[edges.length - 1])];
    const x = (value) => left + (of(value) - low) / (high - low || 1) * (right - left);
    const most = Math.sqrt(Math.max(1, ...counts.flat()));
    const svg = picture(width, height, "Number of tokens by activation at every checkpoint");
    const ticks = (edges[0] > 0 ? tens(edges) : evenTicks(low, high)).filter((v) =>
      of(v) >= low && of(v) <= high
    );
    for (const value of ticks) {
      svg.append(line(x(value), top - 20, x(value), bottom, "grid"));
      svg.append(text(x(value), bottom + 16, number(value), "tick middle"));
    }
    svg.append(text(right, bottom + 29, "activation", "tick end"));
    const rows = steps.map((step, c) => {
      const base = top + apart * c;
      const heights = counts[c].map((n) => base - Math.sqrt(n) / most * tall);
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

  function bump(place, { inside, table: { steps }, ranks: { tokens, ranks }, pick }) {
    const width = Math.min(inside, 900);
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
    svg.append(text(right, bottom + 33, "training step", "tick end"));
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

  function ego(
    place,
    { inside, table: { steps, reference }, ego: { features, links }, match, pick },
  ) {
    const [wide, tall, down, top] = [46, 18, 27, 34];
    const across = Math.max(
      wide + 40,
      (inside - wide - 8) / Math.max(1, steps.length - 1),
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
    return (now) => {
      heads.forEach((head, c) => head.classList.toggle("is-now", c === now));
      const left = x(now) + wide / 2 - scroller.clientWidth / 2;
      scroller.scrollTo({ left, behavior: "instant" });
    };
  }

  /* A histogram of all logits. */

  function histogram({ edges, counts }) {
    if (counts.length === 0) return make("p", { class: "quiet" }, "Not counted.");
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

  return { ridges, bump, ego, histogram };
})();
