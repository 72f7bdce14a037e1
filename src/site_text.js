// Text coloured by activations: the same places at every checkpoint, and whole windows at one of them.

"use strict";

site.text = (() => {
  const { make, words, count, number, fixed, percent, isNumber, tip } = site;
  const [before, after] = [4, 3]; // tokens shown of a place in the small columns
  const shown = 12; // places shown before the reader asks for all

  // Of nine colours; 0 is none.
  function heat(value, largest) {
    if (!isNumber(value) || !(value > 0) || !(largest > 0)) return 0;
    return Math.min(9, Math.max(1, Math.ceil(9 * value / largest)));
  }

  function token(text, level) {
    return words(text, level > 0 ? { class: `heat-${level}` } : {});
  }

  function said({ steps }, row, c, value, effect) {
    const share = isNumber(row.max[c]) && row.max[c] > 0
      ? `, ${percent(value / row.max[c])} of its largest`
      : "";
    const loss = isNumber(effect)
      ? `; loss without the feature ${effect < 0 ? "" : "+"}${fixed(effect, 3)}`
      : "";
    return `${number(value)} at step ${count(steps[c])}${share}${loss}`;
  }

  /* A column for each checkpoint, a row for each place, as in a concordance. */

  function columns(place, { table, row, contexts, pick }) {
    const heads = table.steps.map((step, c) => {
      const button = make("button", { type: "button" }, count(step));
      button.addEventListener("click", () => pick(c));
      return make("th", { scope: "col" }, button);
    });
    const body = make("tbody");
    const add = (from, to) =>
      body.append(
        ...contexts.slice(from, to).map((context, i) => columnsRow(table, row, context, from + i)),
      );
    add(0, shown);
    const grid = make(
      "table",
      { class: "kwic" },
      make(
        "thead",
        {},
        make("tr", {}, make("th", { scope: "col", class: "kwic-place" }, "Place"), heads),
      ),
      body,
    );
    const name = "The same text at every checkpoint";
    const scroller = make("div", {
      class: "scroll-x",
      tabindex: 0,
      "data-keys": "",
      role: "group",
      "aria-label": name,
    }, grid);
    place.replaceChildren(scroller);
    if (contexts.length > shown) {
      const more = make(
        "button",
        { type: "button", class: "more" },
        `Show all ${count(contexts.length)} places`,
      );
      more.addEventListener("click", () => {
        more.remove();
        add(shown);
        mark(now);
      });
      place.append(more);
    }
    let now = 0;
    const mark = (c) => {
      for (const { cells } of grid.rows) {
        cells[now + 1]?.classList.remove("is-now");
        cells[c + 1]?.classList.add("is-now");
      }
      now = c;
    };
    return (c) => {
      mark(c);
      const [head, first] = [heads[c], grid.rows[0].cells[0]];
      const middle = head.offsetLeft + head.offsetWidth / 2 -
        (scroller.clientWidth + first.offsetWidth) / 2;
      scroller.scrollTo({ left: middle, behavior: "instant" });
    };
  }

  function columnsRow(
    table,
    row,
    { group, sequence, position, centre, tokens, activations },
    index,
  ) {
    const [from, to] = [Math.max(0, centre - before), Math.min(tokens.length, centre + after + 1)];
    const where = `sequence ${count(sequence)}, position ${count(position + centre)}`;
    const head = make("th", { scope: "row", class: "kwic-place" }, String(index + 1));
    tip(head, () => [`${group}; ${where}`]);
    const cells = activations.map((values, c) => {
      const piece = (first, last, name) => {
        const spans = tokens.slice(first, last).map((text, i) => {
          const value = values === null ? undefined : values[first + i];
          const span = token(text, heat(value, row.max[c]));
          return tip(span, () => values === null ? "no match" : said(table, row, c, value));
        });
        return make("span", { class: name }, make("span", {}, spans));
      };
      const cell = make(
        "td",
        values === null ? { class: "is-absent" } : {},
        make(
          "div",
          {},
          piece(from, centre, "left"),
          piece(centre, centre + 1, "centre"),
          piece(centre + 1, to, "right"),
        ),
      );
      return cell;
    });
    return make("tr", {}, head, cells);
  }

  /* Whole windows at one checkpoint, by group. */

  function windows(place, { table, row, contexts }) {
    const most = Math.max(
      ...contexts.flatMap(({ lossEffect }) => lossEffect ?? []).filter(isNumber).map(Math.abs),
      0,
    );
    const groups = Map.groupBy(contexts, ({ group }) => group);
    document.querySelector("#loss-note").hidden = most === 0;
    const pieces = [];
    let now = 0;
    const lists = [...groups].map(([group, members]) => {
      const items = members.map((context) => {
        const { tokens, activations, centre, sequence, position, lossEffect } = context;
        const spans = tokens.map((text, t) => {
          const span = words(text, t === centre ? { class: "is-centre" } : {});
          const effect = () => now === table.reference ? lossEffect?.[t] : undefined;
          return tip(span, () => {
            const values = activations[now];
            return values === null ? "no match" : said(table, row, now, values[t], effect());
          });
        });
        const largest = make("b", {});
        pieces.push({ spans, activations, centre, lossEffect, largest });
        const where = `${count(sequence)}:${count(position + centre)}`;
        const place = tip(
          make("small", {}, where),
          () => `sequence ${count(sequence)}, position ${count(position + centre)}`,
        );
        return make(
          "li",
          {},
          make("span", { class: "where" }, largest, place),
          make("p", {}, spans),
        );
      });
      const title = group === "top" ? "Strongest" : `Activation ${group}`;
      return make("section", {}, make("h3", {}, title), make("ol", { class: "contexts" }, items));
    });
    place.replaceChildren(...lists);
    return (c) => {
      now = c;
      for (const { spans, activations, centre, lossEffect, largest } of pieces) {
        const values = activations[c];
        largest.textContent = values === null ? site.none : number(Math.max(...values));
        spans.forEach((span, t) => {
          const level = values === null ? 0 : heat(values[t], row.max[c]);
          const effect = c === table.reference ? lossEffect?.[t] : undefined;
          const loss = isNumber(effect) && most > 0 ? Math.round(3 * effect / most) : 0;
          const names = [
            level > 0 ? `heat-${level}` : "",
            loss > 0 ? `loss-up-${loss}` : loss < 0 ? `loss-down-${-loss}` : "",
            t === centre ? "is-centre" : "",
          ];
          const name = names.filter((part) => part !== "").join(" ");
          if (span.className !== name) span.className = name;
        });
      }
    };
  }

  return { columns, windows };
})();
