// Requests to the server. `Gone`: it dropped a list, or was started again.

export class Gone extends Error {}
export class Refused extends Error {
  constructor(message, hint, status) { super(message); this.hint = hint; this.status = status; }
}
export class Unreachable extends Error {}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, {credentials: "same-origin", ...options});
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable("the server does not answer");
  }
  if (answer.ok) return answer;
  if (answer.status === 410) throw new Gone();
  let said = {};
  try { said = await answer.json(); } catch { /* an answer of something in between */ }
  throw new Refused(said.error || `the server says ${answer.status}`, said.hint, answer.status);
}

export const json = async (path, options) => (await ask(path, options)).json();
export const bytes = async (path, options) => (await ask(path, options)).arrayBuffer();
export const blob = async (path, options) => (await ask(path, options)).blob();
export const send = (path, body) => json(path, {
  method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
});
