// Curves of a feature over training steps, as SVG: small multiples that are pointed at together.

"use strict";

site.curves = (() => {
  const { make, draw, fixed, number, percent, shortStep, isNumber } = site;

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
    const { title, series, bands = [], mark, emergence, format = fixed, isPercent, isToSelf } =
      spec;
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
      // The reference is like itself, which is no part of the way.
      const way = points.map(([x, y], c) => [x, isToSelf && c === reference ? NaN : y]);
      svg.append(draw("path", { d: path(way), class: `curve ${name}` }));
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
    element.style.setProperty("width", `${width}px`);
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
      for (const points of dots) {
        points[marked]?.setAttribute("r", 2.2);
        points[c]?.setAttribute("r", 4);
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

  function paths(place, { inside, table, row, emergence, pick }) {
    const { steps, reference, threshold } = table;
    const gap = 28;
    const n = inside >= 880 ? 3 : inside >= 560 ? 2 : 1;
    const width = Math.floor((inside - gap * (n - 1)) / n);
    const one = (values, name, label) => [{ values, name, label }];
    const share = { low: 0, high: 1 };
    const charts = [
      {
        title: "Similarity",
        series: one(row.similarity),
        isToSelf: true,
        bands: [
          { values: row.token, name: "by-token", label: "token" },
          { values: row.chance, name: "by-chance", label: "chance" },
        ],
        mark: threshold,
        emergence,
        ...share,
      },
      { title: "Similarity of the runner-up", series: one(row.runnerUp), ...share },
      { title: "Match here to the one before", series: one(row.previous), ...share },
      { title: "Cosine of decoder directions", series: one(row.decoder), isToSelf: true, ...share },
      { title: "Overlap of firing, IoU", series: one(row.iou), isToSelf: true, ...share },
      {
        title: "q of the match",
        series: one(row.q),
        isToSelf: true,
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

  return { line, text, picture, path, evenTicks, paths };
})();
