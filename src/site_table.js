// The table of features: only the rows in sight are in the page. Filters and order are in its address.

"use strict";

{
  const { make, draw, visible, fixed, percent, step, count, isNumber } = site;
  const rowHeight = 30; // as in site.css
  const spare = 6; // rows above and below those in sight
  const byId = (id) => document.querySelector(`#${id}`);
  const [grid, rows, form] = ["features-grid", "features-rows", "features-filters"].map(byId);

  const small = (value) =>
    isNumber(value) && value < 1e-3 && value > 0 ? "< 0.001" : fixed(value, 3);
  const until = (low, high) =>
    low === null ? "" : `${step(low)}–${high === null ? "" : step(high)}`;

  // Sorted by `of`, the largest first at the first click where `falls`; `text` is what a cell says.
  // deno-fmt-ignore
  const columns = [
    { key: "feature", title: "Feature", of: (_, f) => f, text: (_, f) => String(f) },
    { key: "label", title: "Fires on", of: (t, f) => t.label[f], text: (t, f) => visible(t.label[f]) },
    { key: "lifecycle", title: "Lifecycle", of: (t, f) => t.lifecycle[f] },
    { key: "curve", title: "Similarity through training", of: (t, f) => t.similarity[f], falls: true },
    { key: "similarity", title: "Last", hint: "Similarity at the last checkpoint that is not the reference",
      of: (t, f) => t.similarity[f], text: (t, f) => fixed(t.similarity[f]), falls: true },
    { key: "emergence", title: "Emerges at step", of: (t, f) => t.emergence[f],
      text: (t, f) => step(t.emergence[f]) },
    { key: "interval", title: "Interval", of: (t, f) => t.emergenceLow[f],
      text: (t, f) => until(t.emergenceLow[f], t.emergenceHigh[f]) },
    { key: "appears", title: "Appears at", hint: "Step at which it appears by the notebook’s rule",
      of: (t, f) => t.appearsAt[f], text: (t, f) => step(t.appearsAt[f]) },
    { key: "q", title: "Smallest q", of: (t, f) => t.q[f], text: (t, f) => small(t.q[f]) },
    { key: "rate", title: "Fires on, of tokens", of: (t, f) => t.rate[f],
      text: (t, f) => percent(t.rate[f]), falls: true },
    { key: "mutual", title: "Mutual", hint: "Share of the checkpoints at which its match is mutual",
      of: (t, f) => t.mutual[f], text: (t, f) => fixed(t.mutual[f]), falls: true },
    { key: "split", title: "Split", hint: "Most features, at a checkpoint, that share its near match",
      of: (t, f) => t.split[f], text: (t, f) => String(t.split[f]), falls: true },
    { key: "merged", title: "Merged", hint: "Most near features at a checkpoint",
      of: (t, f) => t.merged[f], text: (t, f) => String(t.merged[f]), falls: true },
    { key: "token", title: "Token share", hint: "Share of its variance that the token alone explains",
      of: (t, f) => t.tokenShare[f], text: (t, f) => fixed(t.tokenShare[f]), falls: true },
    { key: "class", title: "Depends on", of: (t, f) => t.tokenClass[f], text: (t, f) => t.tokenClass[f] },
  ];

  /* Filters: as an object, as parameters of an address, and as a test of a feature. */

  const ranges = ["emergence", "similarity", "rate"];
  const sets = { lifecycle: "lifecycle", tokenClass: "class" }; // and their names in an address
  const flags = ["mutual", "split", "merged", "detailed"];

  const parts = (text) => text ? text.split(",") : [];
  const bound = (text) => text === undefined || text.trim() === "" ? NaN : Number(text);
  const toText = (value) => isNumber(value) ? String(value) : "";

  function fromParams(params) {
    const sort = params.get("sort") ?? "feature";
    const filter = {
      sort: sort.replace(/^-/, ""),
      falls: sort.startsWith("-"),
      text: params.get("q") ?? "",
      at: bound(params.get("at")),
      qBelow: bound(params.get("below")),
    };
    for (const [name, key] of Object.entries(sets)) filter[name] = parts(params.get(key));
    for (const name of ranges) filter[name] = (params.get(name) ?? "..").split("..").map(bound);
    for (const name of flags) filter[name] = parts(params.get("only")).includes(name);
    return filter;
  }

  function toParams(filter) {
    const range = ([low, high] = []) =>
      isNumber(low) || isNumber(high) ? `${toText(low)}..${toText(high)}` : "";
    const sort = filter.sort ?? "feature";
    return {
      q: filter.text,
      sort: (filter.falls ? "-" : "") + sort === "feature" ? "" : (filter.falls ? "-" : "") + sort,
      lifecycle: filter.lifecycle?.join(","),
      class: filter.tokenClass?.join(","),
      emergence: range(filter.emergence),
      at: toText(filter.at),
      similarity: range(filter.similarity),
      rate: range(filter.rate),
      below: toText(filter.qBelow),
      only: flags.filter((name) => filter[name]).join(","),
    };
  }

  function passes(table, filter) {
    const tests = [];
    const needle = filter.text.toLowerCase();
    if (needle !== "") {
      const id = needle.replace("#", "");
      tests.push((f) => labels[f].includes(needle) || String(f) === id);
    }
    for (const name of Object.keys(sets)) {
      if (filter[name].length > 0) tests.push((f) => filter[name].includes(table[name][f]));
    }
    const column = table.steps.indexOf(filter.at);
    const similarity = column < 0 || table.hundredths === undefined
      ? (f) => table.similarity[f]
      : (f) => table.hundredths[f][column] === null ? null : table.hundredths[f][column] / 100;
    const values = {
      emergence: (f) => table.emergence[f],
      similarity,
      rate: (f) => 100 * table.rate[f],
    };
    for (const name of ranges) {
      const [of, [low, high]] = [values[name], filter[name]];
      if (isNumber(low)) tests.push((f) => of(f) !== null && of(f) >= low);
      // A bin of similarities is without its upper end, but for the last one.
      const isOpen = name === "similarity" && high < 1;
      if (isNumber(high)) {
        tests.push((f) => of(f) !== null && (isOpen ? of(f) < high : of(f) <= high));
      }
    }
    if (isNumber(filter.qBelow)) {
      tests.push((f) => table.q[f] !== null && table.q[f] < filter.qBelow);
    }
    if (filter.mutual) tests.push((f) => table.mutual[f] !== null && table.mutual[f] > 0.5);
    if (filter.split) tests.push((f) => table.split[f] >= 2);
    if (filter.merged) tests.push((f) => table.merged[f] >= 2);
    if (filter.detailed) tests.push((f) => detailed.has(f));
    return (f) => tests.every((test) => test(f));
  }

  // Features without a value stand last, whichever way the others are sorted.
  function sorted(table, features, { sort, falls }) {
    const column = columns.find(({ key }) => key === sort) ?? columns[0];
    const values = table.label.map((_, f) => column.of(table, f));
    const sign = falls ? -1 : 1;
    return features.sort((f, g) => {
      const [a, b] = [values[f], values[g]];
      if (a === b) return f - g;
      if (a === null || b === null) return a === null ? 1 : -1;
      return a < b ? -sign : sign;
    });
  }

  /* Rows. */

  let [table, labels, detailed, filter, curve] = [];
  let active = 0;
  const pool = [];

  function makeRow() {
    const cells = columns.map(({ key }, i) => {
      const cell = make("div", { role: "gridcell", class: `cell-${key}`, "aria-colindex": i + 1 });
      if (key === "feature") cell.append(make("a", { tabindex: -1 }, ""));
      else if (key === "label") cell.append(make("bdi", {}, ""));
      else if (key === "lifecycle") cell.append(make("span", { class: "chip" }, ""));
      else if (key === "curve") {
        cell.append(draw("svg", { width: 104, height: 22, "aria-hidden": true }, draw("path")));
      } else cell.append("");
      return cell;
    });
    const row = make("div", { role: "row", class: "features-row" }, cells);
    row.addEventListener("click", (event) => {
      if (event.target.closest("a") === null && getSelection().isCollapsed) open(row.index);
    });
    rows.append(row);
    return Object.assign(row, { cells, index: -1, feature: -1 });
  }

  function fillRow(row, index) {
    const feature = site.order[index];
    row.index = index;
    row.hidden = false;
    row.id = `features-row-${index}`;
    row.setAttribute("aria-rowindex", index + 2);
    row.setAttribute("aria-selected", index === active);
    row.style.setProperty("transform", `translateY(${index * rowHeight}px)`);
    if (row.feature === feature) return;
    row.feature = feature;
    columns.forEach(({ key, text }, i) => {
      const inside = row.cells[i].firstChild;
      if (key === "curve") inside.firstChild.setAttribute("d", curve(feature));
      else if (key === "lifecycle") {
        inside.dataset.lifecycle = inside.textContent = table.lifecycle[feature];
      } else if (key === "feature") {
        inside.href = site.address(`feature/${feature}`);
        inside.textContent = text(table, feature);
        row.cells[i].classList.toggle("is-detailed", detailed.has(feature));
      } else if (key === "label") inside.textContent = text(table, feature);
      else inside.data = text(table, feature);
    });
  }

  function showRows() {
    const inSight = Math.ceil(grid.clientHeight / rowHeight) + 2 * spare;
    while (pool.length < Math.min(inSight, 200)) pool.push(makeRow());
    const first = Math.max(0, Math.floor(grid.scrollTop / rowHeight) - spare);
    const last = Math.min(site.order.length, first + pool.length);
    const used = new Set();
    for (let i = first; i < last; i++) {
      const row = pool[i % pool.length];
      used.add(row);
      if (row.index !== i || row.feature !== site.order[i]) fillRow(row, i);
    }
    for (const row of pool) {
      if (used.has(row)) continue;
      row.hidden = true;
      row.index = -1;
    }
  }

  // The small curve of a feature; a gap where there is no match.
  function curveOf({ steps, hundredths }) {
    const { points } = site.stepAxis(steps, 2, 102);
    return (feature) => {
      if (hundredths === undefined) return "";
      let [path, pen] = ["", "M"];
      hundredths[feature].forEach((value, c) => {
        if (value !== null) {
          path += `${pen}${points[c].toFixed(1)} ${(20 - 0.18 * value).toFixed(1)}`;
        }
        pen = value === null ? "M" : "L";
      });
      return path;
    };
  }

  function setActive(index) {
    const before = pool.find((row) => row.index === active);
    before?.setAttribute("aria-selected", false);
    active = Math.max(0, Math.min(site.order.length - 1, index));
    const top = active * rowHeight;
    const inSight = grid.clientHeight - byId("features-columns").offsetHeight;
    if (top < grid.scrollTop) grid.scrollTop = top;
    if (top + rowHeight > grid.scrollTop + inSight) grid.scrollTop = top + rowHeight - inSight;
    showRows();
    pool.find((row) => row.index === active)?.setAttribute("aria-selected", true);
    grid.setAttribute("aria-activedescendant", `features-row-${active}`);
  }

  function open(index) {
    const feature = site.order[index];
    if (feature !== undefined) site.go(site.address(`feature/${feature}`));
  }

  /* Controls. */

  function fillControls() {
    const heads = columns.map(({ key, title, hint }, i) =>
      make(
        "div",
        { role: "columnheader", class: `cell-${key}`, "aria-colindex": i + 1, "data-sort": key },
        make("button", { type: "button", title: hint }, title),
      )
    );
    byId("features-columns").replaceChildren(...heads);
    grid.setAttribute("aria-colcount", columns.length);
    for (const name of Object.keys(sets)) {
      const counts = new Map();
      for (const value of table[name]) counts.set(value, (counts.get(value) ?? 0) + 1);
      const usual = ["from the start", "early", "middle", "late", "transient", "never", "dead"];
      const rank = (value) => (usual.indexOf(value) + 100) % 100;
      const choices = [...counts].sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1));
      form.querySelector(`[data-choices=${name}]`).replaceChildren(
        ...choices.map(([value, n]) =>
          make(
            "label",
            {},
            make("input", { type: "checkbox", name, value }),
            make(
              "span",
              name === "lifecycle" ? { class: "chip", "data-lifecycle": value } : {},
              value,
            ),
            make("small", {}, count(n)),
          )
        ),
      );
    }
    const compared = table.steps.filter((_, c) => c !== table.reference);
    form.elements.at.replaceChildren(
      make("option", { value: "" }, `${count(compared[compared.length - 1])} (last)`),
      ...compared.slice(0, -1).map((at) => make("option", { value: at }, count(at))),
    );
    form.elements.at.disabled = table.hundredths === undefined;
  }

  function showFilter() {
    const { elements } = form;
    const put = (field, value) => {
      if (field !== document.activeElement || bound(field.value) !== bound(value)) {
        field.value = value;
      }
    };
    if (elements.text.value !== filter.text) elements.text.value = filter.text;
    put(elements.at, toText(filter.at));
    put(elements.qBelow, toText(filter.qBelow));
    for (const name of ranges) {
      put(elements[`${name}Low`], toText(filter[name][0]));
      put(elements[`${name}High`], toText(filter[name][1]));
    }
    for (const name of flags) elements[name].checked = filter[name];
    for (const name of Object.keys(sets)) {
      for (const box of form.querySelectorAll(`[name=${name}]`)) {
        box.checked = filter[name].includes(box.value);
      }
    }
    for (const head of grid.querySelectorAll("[data-sort]")) {
      const way = filter.falls ? "descending" : "ascending";
      head.setAttribute("aria-sort", head.dataset.sort === filter.sort ? way : "none");
    }
  }

  function readForm() {
    const { elements } = form;
    const checked = (name) =>
      Array.from(form.querySelectorAll(`[name=${name}]:checked`), ({ value }) => value);
    const read = { ...filter, text: elements.text.value, at: bound(elements.at.value) };
    read.qBelow = bound(elements.qBelow.value);
    for (const name of Object.keys(sets)) read[name] = checked(name);
    for (const name of flags) read[name] = elements[name].checked;
    for (const name of ranges) {
      read[name] = ["Low", "High"].map((end) => bound(elements[name + end].value));
    }
    return read;
  }

  const addressOf = (wanted) => site.address("features", toParams(wanted));

  /** Shows the table with these filters alone: what a figure of the overview asks for. */
  site.applyFilter = (wanted) => site.go(addressOf(wanted));

  site.views.features = {
    async show({ params }, { isNew }) {
      const read = await site.load("table");
      if (table === undefined) {
        [table, labels, curve] = [
          read,
          read.label.map((text) => text.toLowerCase()),
          curveOf(read),
        ];
        detailed = new Set(table.detailed);
        fillControls();
      }
      document.title = `Features – ${site.title}`;
      filter = fromParams(params);
      showFilter();
      const [before, was] = [
        document.querySelector("#site-nav [data-nav=features]"),
        location.hash,
      ];
      const isSame = before.getAttribute("href") === was && site.order !== undefined;
      before.setAttribute("href", was);
      if (!isSame) {
        const all = Array.from(table.label, (_, f) => f);
        site.order = sorted(table, all.filter(passes(table, filter)), filter);
        rows.style.setProperty("height", `${site.order.length * rowHeight}px`);
        grid.setAttribute("aria-rowcount", site.order.length + 1);
        grid.scrollTop = 0;
      }
      byId("features-none").hidden = site.order.length > 0;
      const of = `of ${count(table.label.length)} features`;
      byId("features-count").textContent = `${count(site.order.length)} ${of}`;
      const seen = site.order.indexOf(site.seen ?? -1);
      setActive(isNew && seen >= 0 ? seen : isSame ? active : 0);
      if (isNew) grid.focus({ preventScroll: true });
    },
  };

  /* What the reader does. */

  let [pending, frame] = [];
  const send = (options) => {
    clearTimeout(pending);
    site.go(addressOf(readForm()), options);
  };
  form.addEventListener("input", ({ target }) => {
    if (target.type === "checkbox" || target.tagName === "SELECT") return send();
    clearTimeout(pending);
    pending = setTimeout(send, 120, { replace: true });
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    site.applyFilter({ sort: filter.sort, falls: filter.falls });
  });
  byId("filter-toggle").addEventListener("click", ({ currentTarget }) => {
    const isOpen = byId("filter-more").classList.toggle("is-open");
    currentTarget.setAttribute("aria-expanded", isOpen);
  });
  byId("features-columns").addEventListener("click", ({ target }) => {
    const key = target.closest("[data-sort]")?.dataset.sort;
    if (key === undefined) return;
    const falls = filter.sort === key ? !filter.falls : columns.find((c) => c.key === key).falls;
    site.go(addressOf({ ...readForm(), sort: key, falls: falls ?? false }));
  });
  grid.addEventListener("scroll", () => {
    frame ??= requestAnimationFrame(() => {
      frame = undefined;
      showRows();
    });
  }, { passive: true });
  addEventListener("resize", () => site.route.view === "features" && site.order && showRows());
  grid.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("button")) return;
    const page = Math.floor(grid.clientHeight / rowHeight) - 2;
    // deno-fmt-ignore
    const moves = {
      ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page,
      Home: 0, End: site.order.length - 1,
    };
    if (event.key === "Enter") open(active);
    else if (event.key in moves) setActive(moves[event.key]);
    else return;
    event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (key === "Escape" && form.contains(target)) return grid.focus();
    const isFree = !site.isTyping(event) || target === grid;
    if (site.route.view !== "features") return;
    if (key === "/" && isFree) {
      event.preventDefault();
      form.elements.text.select();
    } else if (key === "Escape" && isFree) site.go("#/");
  });
  document.addEventListener("sae:filter", ({ detail }) => site.applyFilter(detail));
}
