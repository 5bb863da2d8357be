// Elements of a page. Texts are set as text, never as HTML: names of classes come from data.

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) { if (key in made) made[key] = value; else made.setAttribute(key, value); }
  made.append(...children);
  return made;
}

export function drawn(tag, attributes = {}) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
