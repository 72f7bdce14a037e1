// The table of features: only the rows in sight are in the page. Filters and order are in its address.

"use strict";

(() => {
  const { make, draw, count } = site;
  const { columns, ranges, sets, flags, bound, toText, fromParams, toParams, passes, sorted } =
    site.filters;
  const rowHeight = 30; // as in site.css
  const spare = 6; // rows above and below those in sight
  const byId = (id) => document.querySelector(`#${id}`);
  const [grid, rows, form] = ["features-grid", "features-rows", "features-filters"].map(byId);

  /* Rows. */

  let [table, detailed, filter, curve] = [];
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
      const usual = [
        "from the start",
        "early",
        "middle",
        "late",
        "transient",
        "never",
        "token",
        "mixed",
        "context",
        "dead",
      ];
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
    form.elements.appears.replaceChildren(
      make("option", { value: "" }, "any step"),
      ...table.steps.map((at) => make("option", { value: at }, count(at))),
    );
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
    put(elements.appears, toText(filter.appears));
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
    read.appears = bound(elements.appears.value);
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
        [table, curve, detailed] = [read, site.curveOf(read), new Set(read.detailed)];
        fillControls();
      }
      document.title = `Features – ${site.title}`;
      filter = fromParams(params);
      if (pending === undefined) showFilter(); // else the reader is typing on
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
  const settle = () => {
    clearTimeout(pending);
    pending = undefined;
  };
  const send = (options) => {
    settle();
    site.go(addressOf(readForm()), options);
  };
  form.addEventListener("input", ({ target }) => {
    if (target.type === "checkbox" || target.tagName === "SELECT") return send();
    settle();
    const from = location.hash;
    pending = setTimeout(() => {
      settle();
      if (location.hash === from) send({ replace: true });
      else showFilter(); // the reader has gone on
    }, 120);
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
})();
