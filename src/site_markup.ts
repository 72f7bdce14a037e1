/**
 * The views of the site beside the overview, before there is data in them.
 *
 * @module
 */

import { type Content, html, type Markup } from "./html.ts";

/**
 * Navigation, the table of features and the page of a feature, as they stand at the start of a
 * `<body>`: hidden until scripts have found out which of them an address asks for.
 *
 * @returns The HTML.
 *
 * @example A place for every view
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const places = siteViews().markup.match(/data-view="[a-z]+"/g);
 *
 * assert.deepEqual(places, ['data-view="features"', 'data-view="feature"']);
 * ```
 */
export function siteViews(): Markup {
  return html`
    <nav id="site-nav" aria-label="Views" hidden>
      <a href="#/" data-nav="overview">Overview</a>
      <a id="features-link" href="#/features" data-nav="features">Features</a>
    </nav>
    <p id="site-fault" role="alert" hidden></p>
    <div id="site-tip" role="tooltip" hidden></div>
    ${table}
    ${feature}
  `;
}

const table = html`
  <main id="features-view" data-view="features" aria-labelledby="features-title" hidden>
    <form id="features-filters" role="search" aria-label="Filter the features">
      <div class="filter-search">
        <label for="filter-text">Search</label>
        <input id="filter-text" name="text" type="search" autocomplete="off" spellcheck="false"
          placeholder="token text or number" aria-keyshortcuts="/">
        <button type="button" id="filter-toggle" aria-expanded="false" aria-controls="filter-more">
          Filters</button>
      </div>
      <div id="filter-more">
        <fieldset>
          <legend>Lifecycle</legend>
          <div class="filter-choices" data-choices="lifecycle"></div>
        </fieldset>
        <fieldset>
          <legend>Depends on</legend>
          <div class="filter-choices" data-choices="tokenClass"></div>
        </fieldset>
        ${range("emergence", "Emerges at step", "from", "to")}
        <div class="filter-line">
          <label for="filter-appears">Appears for good at</label>
          <select id="filter-appears" name="appears"></select>
        </div>
        <fieldset class="filter-range">
          <legend>Similarity at step <select name="at" aria-label="step"></select></legend>
          ${bounds("similarity", "Similarity", "0", "1")}
        </fieldset>
        ${range("rate", "Fires on, % of tokens", "0", "100")}
        <div class="filter-line">
          <label for="filter-q">Smallest q below</label>
          <input id="filter-q" name="qBelow" inputmode="decimal" autocomplete="off" placeholder="1">
        </div>
        <fieldset>
          <legend>Only</legend>
          <div class="filter-choices">
            ${flag("mutual", "mutual at most checkpoints")} ${flag("split", "split")}
            ${flag("merged", "merged")} ${flag("detailed", "in detail")}
          </div>
        </fieldset>
        <button type="reset" id="filter-reset">Clear all</button>
      </div>
    </form>
    <section class="features-list">
      <div class="features-head">
        <h1 id="features-title" tabindex="-1">Features</h1>
        <p id="features-count" role="status"></p>
        <p
          class="keys"><kbd>↑</kbd> <kbd>↓</kbd> move, <kbd>Enter</kbd> opens, <kbd>/</kbd> searches</p>
      </div>
      <div id="features-grid" role="grid" aria-labelledby="features-title" tabindex="0" data-keys>
        <div id="features-columns" role="row" aria-rowindex="1"></div>
        <div id="features-rows" role="rowgroup"></div>
        <p id="features-none" aria-hidden="true" hidden>No feature passes all filters.</p>
      </div>
    </section>
  </main>
`;

function range(name: string, legend: string, low: string, high: string): Markup {
  return html`
    <fieldset class="filter-range">
      <legend>${legend}</legend>
      ${bounds(name, legend, low, high)}
    </fieldset>
  `;
}

function bounds(name: string, legend: string, low: string, high: string): Markup {
  return html`
    <input name="${name}Low" inputmode="decimal" autocomplete="off" placeholder="${low}"
      aria-label="${legend}, from">
    <span aria-hidden="true">–</span>
    <input name="${name}High" inputmode="decimal" autocomplete="off" placeholder="${high}"
      aria-label="${legend}, to">
  `;
}

function flag(name: string, label: string): Markup {
  return html`<label><input type="checkbox" name="${name}"><span>${label}</span></label>`;
}

const feature = html`
  <main id="feature-view" data-view="feature" aria-labelledby="feature-title" hidden>
    <div id="feature-head">
      <div class="feature-turn">
        <button type="button" id="feature-previous" aria-keyshortcuts="ArrowLeft">← Previous</button>
        <button type="button" id="feature-next" aria-keyshortcuts="ArrowRight">Next →</button>
        <span id="feature-place"></span>
        <a id="feature-permalink">Permalink</a>
      </div>
      <h1 id="feature-title" tabindex="-1"></h1>
      <p id="feature-label"></p>
      <dl id="feature-facts"></dl>
    </div>
    <div id="feature-scrub">
      <label for="scrub">Step <output id="scrub-step" for="scrub"></output></label>
      <div class="scrub-track">
        <input id="scrub" type="range" min="0" step="1">
        <div id="scrub-ticks" aria-hidden="true"></div>
      </div>
      <p id="scrub-values" role="status"></p>
    </div>
    <div id="feature-body">
      ${part(
        "paths",
        "Its match through training",
        "At each checkpoint the feature is followed to the one most like it. Training steps run to the " +
          "right, logarithmically. Point at a curve to read all of them at that checkpoint; click to " +
          "stay there.",
      )}
      <p id="feature-undetailed" hidden></p>
      <div id="feature-detail">
        ${part(
          "kwic",
          "The same text at every checkpoint",
          "A column for each checkpoint, a row for each place in the text. The stronger the colour, the more " +
            "the match at that checkpoint fires on the token, from 0 to its largest activation there.",
        )}
        ${part(
          "contexts",
          "Where it fires",
          html`
            The same places with more of the text around them, at the step chosen above.
                        <span
              id="loss-note">At the reference, a line under a token is the thicker the more the loss
                        on the next one rises without the feature; it is dotted where that falls.</span>
          `,
        )}
        ${part(
          "density",
          "How strongly it fires",
          "Number of tokens by activation, a ridge for each checkpoint; heights grow with the square root.",
        )}
        ${part(
          "logits",
          "What it writes",
          "Tokens whose logits the decoder direction of the match raises and lowers most, and all tokens.",
        )}
        ${part(
          "ranks",
          "When it learned to write them",
          "Rank, among all tokens, of those that the feature raises most at the reference.",
        )}
        ${part(
          "ego",
          "What it was before",
          "Features near it at neighbouring checkpoints. A ribbon is the wider the more alike the two are; " +
            "those along its matches are coloured.",
        )}
        <div class="feature-pair">
          ${part(
            "correlated",
            "Fires together with",
            "Features of the reference, most alike first.",
          )}
          ${part(
            "neurons",
            "Dimensions it uses",
            "Of the residual, by weight in its decoder direction.",
          )}
        </div>
      </div>
      ${part(
        "alike",
        "Features of like trajectory",
        "Those whose similarity rises and falls most alike.",
      )}
    </div>
  </main>
`;

function part(name: string, title: string, caption: Content): Markup {
  return html`
    <section class="part" id="part-${name}" aria-labelledby="part-${name}-title">
      <h2 id="part-${name}-title">${title}</h2>
      <p class="part-caption">${caption}</p>
      <div data-part="${name}"></div>
    </section>
  `;
}
