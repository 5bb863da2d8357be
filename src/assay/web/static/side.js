// Views and filters. Each view, with its filters, is an address.

import {button, element, number} from "./dom.js";

const TITLES = {state: "answers", status: "label", split: "split", class: "class", suggested: "suggested", edits: "edit batch", by: "judged by",
  strategy: "strategy", sent: "sent in", annotator: "annotator", kind: "change", proposed: "proposed"};
const SHOWN = 12;
const SORTS = {view: "as the view has it", score: "largest score first", "score-up": "smallest score first", name: "name", label: "label", random: "at random"};

export class Side {
  // `app`: query (URLSearchParams), project, counts, rows; `app.address(changes)` goes to another address
  constructor(app, node) {
    Object.assign(this, {app, node});
    this.open = new Set(["state", "class", "split", "strategy", "kind", "error", "suggested"]);
    this.more = new Set();
  }

  // On a narrow screen it is hidden, and lies over the images when shown.
  get isShown() { return this.node.classList.contains("open"); }
  show(focus) { this.node.classList.add("open"); this.node.querySelector(focus)?.focus(); }
  hide() { this.node.classList.remove("open"); }
  toggle() { this.node.classList.toggle("open"); }

  draw() {
    const {app} = this;
    const focused = document.activeElement?.dataset?.focus;
    this.node.replaceChildren(this.views(), ...(app.rows && !app.error ? [this.sought(), ...this.facets()] : []));
    if (focused) this.node.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus({preventScroll: true});
  }

  views() {
    const {app} = this;
    return element("nav", {ariaLabel: "views"}, ...app.project.views.map(view => {
      const n = app.counts[view.name], none = typeof n === "string";
      const current = view.name === app.view.name;
      return element("a", {href: `/?view=${view.name}`, title: none ? n : view.about, className: none || n === 0 ? "none" : "", "data-focus": `view ${view.name}`,
        "aria-current": current ? "page" : null, onclick: event => { if (event.ctrlKey || event.metaKey || event.shiftKey) return; event.preventDefault(); app.address({view: view.name}, true); }},
      view.title, element("span", {className: "n"}, typeof n === "number" ? number.format(n) : none ? "–" : ""));
    }));
  }

  sought() {
    const {app} = this, query = app.query;
    const text = element("input", {type: "search", id: "text", value: query.get("text") ?? "", placeholder: "part of the name, or id", ariaLabel: "find by name", "data-focus": "text",
      onchange: () => app.address({text: text.value.trim() || null})});
    const sort = element("select", {ariaLabel: "order", "data-focus": "sort", onchange: () => app.address({sort: sort.value === "view" ? null : sort.value})},
      ...app.project.sorts.filter(name => app.view.score || !name.startsWith("score")).map(name => element("option", {value: name}, SORTS[name])));
    sort.value = query.get("sort") ?? "view";
    const bound = (name, title) => {
      const field = element("input", {type: "number", step: "any", value: query.get(name) ?? "", placeholder: title, ariaLabel: `${app.view.score}: ${title}`, "data-focus": name,
        onchange: () => app.address({[name]: field.value || null})});
      return field;
    };
    const filtered = [...query.keys()].some(name => !["view", "at", "look", "color", "sort", "a", "b"].includes(name));
    return element("div", {className: "sought"}, text, sort,
      ...(app.view.score ? [element("div", {className: "bounds"}, element("span", {className: "soft"}, app.view.score), bound("min", "at least"), bound("max", "at most"))] : []),
      ...(query.get("inside") ? [button("within a region of the map ×", () => app.address({inside: null}), {className: "chip on"})] : []),
      ...(filtered ? [button("clear all filters", () => app.address({view: app.view.name}, true), {className: "clear"})] : []));
  }

  facets() {
    const {app} = this, query = app.query;
    return Object.entries(app.rows.facets).filter(([name, held]) => held.length > 1 || query.has(name)).map(([name, held]) => {
      const chosen = query.get(name), limit = this.more.has(name) ? held.length : SHOWN;
      const listed = held.filter(([value], n) => n < limit || value === chosen);
      if (chosen !== null && !held.some(([value]) => value === chosen)) listed.push([chosen, 0]);
      const choices = listed.map(([value, n]) => button(element("span", {}, value || "(none)"), () => app.address({[name]: value === chosen ? null : value}),
        {className: value === chosen ? "choice on" : "choice", ariaPressed: String(value === chosen), "data-focus": `${name} ${value}`}));
      choices.forEach((one, n) => one.append(element("span", {className: "n"}, number.format(listed[n][1]))));
      const rest = held.length - listed.length;
      const made = element("details", {open: this.open.has(name) || chosen !== null, ontoggle: () => { if (made.open) this.open.add(name); else this.open.delete(name); }},
        element("summary", {}, TITLES[name] ?? name.replace(/^meta\./, "")), ...choices,
        ...(rest > 0 ? [button(`${rest} more`, () => { this.more.add(name); this.draw(); }, {className: "clear"})] : []));
      return made;
    });
  }
}
