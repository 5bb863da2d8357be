// Elements. Text of the project (classes, names, metadata) only ever becomes text, never markup.

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) continue;
    if (key in made && key !== "list" && key !== "form") made[key] = value; else made.setAttribute(key, value);
  }
  made.append(...children.filter(child => child !== null && child !== undefined));
  return made;
}

export const button = (text, onclick, attributes = {}) =>
  element("button", {type: "button", onclick, ...attributes}, text);

export const key = text => element("kbd", {}, text);

// Text with `commands` in it, as nodes.
export const prose = text => text.split("`").map((part, n) => n % 2 ? element("code", {}, part) : part);

export const number = new Intl.NumberFormat("en");

export const count = (n, noun) => `${number.format(n)} ${noun}${n === 1 ? "" : "s"}`;

// Say something to a screen reader, without moving the focus.
export function say(text) {
  document.getElementById("live").textContent = text;
}

let fading = 0;
// Show something for some seconds; screen readers are told at once.
export function toast(text, seconds = 6) {
  const box = document.getElementById("toast");
  box.replaceChildren(element("span", {}, ...prose(text)), button("×", () => box.replaceChildren(), {ariaLabel: "close"}));
  clearTimeout(fading);
  fading = setTimeout(() => box.replaceChildren(), 1000 * seconds);
}

// A modal dialog that is gone when it is closed. The focus returns to where it was.
export function dialog(title, ...content) {
  const before = document.activeElement;
  const close = button("close", () => made.close(), {className: "close"});
  const made = element("dialog", {ariaLabel: title}, element("h2", {}, title), close, ...content);
  made.addEventListener("close", () => { made.remove(); if (before && before.isConnected) before.focus({preventScroll: true}); });
  document.body.append(made);
  made.showModal();
  return made;
}
