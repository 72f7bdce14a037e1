// What the views of the site share: addresses, shards of data, elements, words for numbers, and the
// axis of training steps. Runs in the browser, before the views.

"use strict";

const site = (() => {
  const root = document.documentElement;

  /* Shards: scripts of one call each, since a page from the disk may load nothing else. */

  const kept = 6; // of each kind: paths of features, and features in detail
  const shards = new Map(); // the least recently used first
  const waiting = new Map();

  function load(name) {
    const shard = shards.get(name) ?? fetched(name);
    shards.delete(name);
    shards.set(name, shard);
    const kind = name.split("-")[0];
    const alike = [...shards.keys()].filter((other) => other.split("-")[0] === kind);
    for (const old of alike.slice(0, -kept)) shards.delete(old);
    return shard;
  }

  function fetched(name) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      const done = () => {
        script.remove();
        if (waiting.get(name) !== resolve) return;
        waiting.delete(name);
        shards.delete(name);
        reject(
          new Error(
            `Cannot load data/${name}.js: expected the folder data beside this page, got no such ` +
              "file in it; copy the page together with its folder",
          ),
        );
      };
      waiting.set(name, resolve);
      script.addEventListener("load", done);
      script.addEventListener("error", done);
      script.src = `data/${name}.js`;
      document.head.append(script);
    });
  }

  function receive(name, data) {
    const resolve = waiting.get(name);
    waiting.delete(name);
    resolve?.(data);
  }

  /* Elements: text goes in as text, whatever it says. */

  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== undefined && value !== false) element.setAttribute(name, value);
    }
    element.append(...children.flat().filter((child) => child !== undefined && child !== null));
    return element;
  }

  function make(tag, attributes = {}, ...children) {
    return fill(document.createElement(tag), attributes, children);
  }

  function draw(tag, attributes = {}, ...children) {
    return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  }

  // Signs for characters that would not be seen; halves of characters become U+FFFD.
  const signs = { "\n": "↵", "\t": "⇥", "\u007f": "␡", "\u2028": "↵", "\u2029": "↵" };

  function visible(text) {
    if (!/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(text)) return text;
    return Array.from(text.toWellFormed(), (c) => {
      if (c in signs) return signs[c];
      if (c < " ") return String.fromCharCode(0x2400 + c.charCodeAt(0));
      return c >= "\x80" && c < "\xa0" ? "\ufffd" : c;
    }).join("");
  }

  // A text of the data: its writing direction stays its own.
  function words(text, attributes = {}) {
    return make("bdi", attributes, visible(text));
  }

  /* Numbers. */

  const none = "–";
  const count = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ",");
  const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

  function fixed(value, digits = 2) {
    return isNumber(value) ? value.toFixed(digits).replace("-", "−") : none;
  }

  // Three digits that count, without powers of ten between a thousandth and a hundred thousand.
  function number(value) {
    if (!isNumber(value)) return none;
    const size = Math.abs(value);
    if (value === 0) return "0";
    if (size >= 1000 && size < 1e5) return count(Math.round(value)).replace("-", "−");
    if (size < 1e-3 || size >= 1e5) return power(value);
    return String(Number(value.toPrecision(3))).replace("-", "−");
  }

  function power(value) {
    const [digits, exponent] = value.toExponential(1).split("e");
    const first = digits === "1.0" ? "" : `${digits} × `;
    const raised = Array.from(
      exponent.replace("+", ""),
      (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)],
    );
    return `${first}10${raised.join("")}`.replace("-", "−");
  }

  function percent(value) {
    if (!isNumber(value)) return none;
    if (value === 0 || value === 1) return `${100 * value} %`;
    return value < 1e-5 ? "< 0.001 %" : `${Number((100 * value).toPrecision(2))} %`;
  }

  function step(value) {
    if (!isNumber(value)) return none;
    return value < 10 ? String(Number(value.toFixed(1))) : count(Math.round(value));
  }

  function shortStep(value) {
    return value >= 1000 && value % 100 === 0 ? `${value / 1000}k` : String(value);
  }

  /* The axis of training steps: log₁₀(1 + step), so that step 0 has a place. */

  const stepLog = (value) => Math.log10(1 + value);

  function stepAxis(steps, left, right, apart = 36) {
    const [low, high] = [stepLog(steps[0]), stepLog(steps[steps.length - 1])];
    const at = (value) =>
      left + (high > low ? (stepLog(value) - low) / (high - low) : 0.5) * (right - left);
    const decades = [0, 1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7]
      .filter((value) => value >= steps[0] && value <= steps[steps.length - 1]);
    const ticks = [];
    for (const value of decades.length >= 3 ? decades : steps) {
      const last = ticks[ticks.length - 1];
      if (last === undefined || at(value) - at(last) >= apart) ticks.push(value);
    }
    const points = steps.map(at);
    const nearest = (x) =>
      points.reduce((best, p, c) => Math.abs(p - x) < Math.abs(points[best] - x) ? c : best, 0);
    return { points, at, ticks, nearest };
  }

  // The small curve of a feature, 104 × 22; a gap where there is no match.
  function curveOf({ steps, hundredths }) {
    const { points } = stepAxis(steps, 2, 102);
    return (feature) => {
      let [path, pen] = ["", "M"];
      hundredths?.[feature].forEach((value, c) => {
        if (value !== null) {
          path += `${pen}${points[c].toFixed(1)} ${(20 - 0.18 * value).toFixed(1)}`;
        }
        pen = value === null ? "M" : "L";
      });
      return path;
    };
  }

  /* Tips: a text about the element that the mouse or the focus is on. */

  const tips = new WeakMap();

  function tip(element, text) {
    tips.set(element, text);
    return element;
  }

  function showTip({ type, target }) {
    const box = document.querySelector("#site-tip");
    let element = target instanceof Element ? target : null;
    while (element !== null && !tips.has(element)) element = element.parentElement;
    if (element === null && type === "focusin") return; // a tap focuses what scrolls around it
    box.hidden = element === null;
    if (element === null) return;
    box.replaceChildren(...[tips.get(element)()].flat());
    const [of, own] = [element.getBoundingClientRect(), box.getBoundingClientRect()];
    const left = Math.min(
      Math.max(8, of.x + of.width / 2 - own.width / 2),
      innerWidth - own.width - 8,
    );
    const top = of.y - own.height - 6 >= 0 ? of.y - own.height - 6 : of.bottom + 6;
    box.style.setProperty("left", `${left}px`);
    box.style.setProperty("top", `${top}px`);
  }

  function hideTip() {
    document.querySelector("#site-tip").hidden = true;
  }

  /* Addresses: `#/features?sort=q`, `#/feature/17?step=512`; all else is of the overview. */

  const views = {};
  const scrolled = {}; // how far down each view was left
  let route = { view: undefined };

  function read(hash) {
    if (!hash.startsWith("#/")) {
      return { view: "overview", anchor: hash.slice(1), params: new Map() };
    }
    const [path, ...query] = hash.slice(2).split("?");
    const params = new Map(new URLSearchParams(query.join("?")));
    const [view, id = ""] = path.split("/");
    if (view === "features") return { view, params };
    if (view === "feature") {
      return { view, params, feature: /^\d{1,9}$/.test(id) ? Number(id) : -1 };
    }
    return { view: "overview", anchor: "", params };
  }

  function address(path, params = {}) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(params)) {
      if (value !== undefined && value !== "") query.set(name, value);
    }
    const text = query.toString().replaceAll("%2C", ",");
    return `#/${path}${text === "" ? "" : `?${text}`}`;
  }

  // Goes to an address: as a new entry of the history, or in place of the present one.
  function go(hash, { replace = false } = {}) {
    if (hash === location.hash) return;
    if (replace) location.replace(hash);
    else location.hash = hash;
  }

  function lost(error) {
    const fault = document.querySelector("#site-fault");
    fault.hidden = error === undefined;
    fault.textContent = error?.message ?? "";
  }

  const title = document.title;

  async function follow() {
    const before = route;
    route = read(location.hash);
    const here = route;
    const isNew = here.view !== before.view;
    if (isNew) {
      scrolled[before.view] = scrollY;
      for (const element of document.querySelectorAll("[data-view]:not(:root)")) {
        element.hidden = element.dataset.view !== here.view;
      }
      root.dataset.view = here.view;
      for (const link of document.querySelectorAll("#site-nav a")) {
        const isIn = link.dataset.nav === "features" && here.view === "feature";
        if (link.dataset.nav === here.view) link.setAttribute("aria-current", "page");
        else if (isIn) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
    }
    hideTip();
    lost();
    delete root.dataset.shown;
    try {
      await views[here.view]?.show(here, { isNew });
    } catch (error) {
      if (route === here) lost(error);
      if (error.constructor !== Error) reportError(error); // one that no message was written for
    }
    if (route !== here) return;
    if (here.view === "overview") document.title = title;
    if (isNew && before.view !== undefined) restore(here);
    root.dataset.shown = here.view + (here.feature === undefined ? "" : ` ${here.feature}`);
    document.dispatchEvent(new CustomEvent("sae:view", { detail: { ...here } }));
  }

  // The overview is left where it was; figures that were not shown take the width of the window.
  function restore({ view, anchor }) {
    if (view !== "overview") return scrollTo({ top: 0, behavior: "instant" });
    dispatchEvent(new Event("resize"));
    const target = anchor === "" ? null : document.getElementById(decodeURIComponent(anchor));
    if (target !== null) target.scrollIntoView();
    else scrollTo({ top: scrolled.overview ?? 0, behavior: "instant" });
  }

  function start() {
    document.querySelector("#site-nav").hidden = false;
    document.addEventListener("pointerover", showTip);
    document.addEventListener("focusin", showTip);
    addEventListener("scroll", hideTip, { capture: true, passive: true });
    addEventListener("hashchange", follow);
    follow();
  }

  // Whether a key is meant for what is being filled in or scrolled, and not for the page.
  function isTyping({ target, ctrlKey, metaKey, altKey }) {
    const own = "input, select, textarea, [data-keys]";
    return ctrlKey || metaKey || altKey ||
      (target instanceof Element && target.closest(own) !== null);
  }

  return {
    // deno-fmt-ignore
    load,
    receive,
    make,
    draw,
    visible,
    words,
    none,
    count,
    isNumber,
    fixed,
    number,
    percent,
    step,
    shortStep,
    stepAxis,
    curveOf,
    tip,
    views,
    address,
    go,
    start,
    isTyping,
    title,
    order: undefined,
    get route() {
      return route;
    },
  };
})();

globalThis.sae = site.receive;
