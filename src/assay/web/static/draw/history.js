// Undo and redo without end. A state is a frozen list of objects and which of them is selected; as states share the
// objects they have in common, a step costs one list of references.

export class History {
  #past = [];
  #future = [];

  constructor(state) {
    this.state = state;
  }

  get canUndo() { return this.#past.length > 0; }
  get canRedo() { return this.#future.length > 0; }

  /** A step that can be undone. */
  push(state) {
    this.#past.push(this.state);
    this.#future = [];
    this.state = state;
  }

  /** A change that is no step, such as what is selected. */
  amend(state) {
    this.state = state;
  }

  undo() { return this.#go(this.#past, this.#future); }
  redo() { return this.#go(this.#future, this.#past); }

  #go(from, to) {
    if (!from.length) return false;
    to.push(this.state);
    this.state = from.pop();
    return true;
  }
}
