// Colours of classes.

const PALETTE = ["#e6a700", "#00a6d6", "#e0457b", "#3fae49", "#9b6bdf", "#f07f2e", "#13b5a5", "#c05be0", "#8a9a00", "#5c8df0"];

/** The colour of a class, by its place in the list of classes. */
export function colorOf(classes, category) {
  const at = classes.indexOf(category), n = at < 0 ? classes.length : at;
  return PALETTE[n] ?? `hsl(${n * 137.5 % 360} 75% 50%)`; // the golden angle: neighbours differ
}
