// Columns of the table of features, and its filters: as an object, as parameters of an address, and as
// a test of a feature.

"use strict";

site.filters = (() => {
  const { visible, fixed, percent, step, shortStep, isNumber } = site;

  const small = (value) =>
    isNumber(value) && value < 1e-3 && value > 0 ? "< 0.001" : fixed(value, 3);
  const until = (low, high) =>
    low === null
      ? ""
      : `${shortStep(Math.round(low))}–${high === null ? "" : shortStep(Math.round(high))}`;

  // Sorted by `of`, the largest first at the first click where `falls`; `text` is what a cell says.
  // deno-fmt-ignore
  const columns = [
    { key: "feature", title: "No.", of: (_, f) => f, text: (_, f) => String(f) },
    { key: "label", title: "Fires on", of: (t, f) => t.label[f], text: (t, f) => visible(t.label[f]) },
    { key: "lifecycle", title: "Lifecycle", of: (t, f) => t.lifecycle[f] },
    { key: "curve", title: "Through training", of: (t, f) => t.similarity[f], falls: true },
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
      appears: bound(params.get("appears")),
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
      appears: toText(filter.appears),
      only: flags.filter((name) => filter[name]).join(","),
    };
  }

  const labels = new WeakMap(); // in lower case, once for each table

  function lowered(table) {
    if (!labels.has(table)) labels.set(table, table.label.map((text) => text.toLowerCase()));
    return labels.get(table);
  }

  function passes(table, filter) {
    const tests = [];
    const detailed = new Set(table.detailed);
    const needle = filter.text.toLowerCase();
    if (needle !== "") {
      const id = needle.replace("#", "");
      tests.push((f) => String(f) === id || lowered(table)[f].includes(needle));
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
    if (isNumber(filter.appears)) tests.push((f) => table.appearsAt[f] === filter.appears);
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

  return { columns, ranges, sets, flags, bound, toText, fromParams, toParams, passes, sorted };
})();
