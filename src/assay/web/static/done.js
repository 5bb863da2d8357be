// Done: the judgements become an edit batch.

import {Refused, send} from "./api.js";
import {button, count, dialog, element, number} from "./dom.js";

const ABOUT = "judged since the last edit batch, by everybody on this page. One edit batch is written with the judgements that change something. " +
  "It is in git, like code; later batches may override it.";

export function finish(app) {
  const text = element("p", {}, `${count(app.answers.judged, "image")} ${ABOUT}`);
  const write = button("write the edit batch", async () => {
    write.disabled = true;
    try {
      if (app.outbox.pending) throw new Refused("some judgements are not saved yet", "wait until the server answers", 0);
      const said = await send("/api/done", {});
      text.textContent = words(said);
      if (said.disputed.length) made.append(element("p", {}, `${count(said.disputed.length, "image")} with different answers of several people: all are in the batch, the last one counts.`));
      write.remove();
      app.news();
    } catch (error) { text.textContent = error.hint ? `${error.message}: ${error.hint}` : error.message; write.disabled = false; }
  }, {className: "primary"});
  const made = dialog("Done", text, write);
  write.focus();
}

function words({written, unchanged, skipped, seconds, batch}) {
  const changes = Object.entries(written).map(([op, n]) => `${number.format(n)} ${op}`).join(", ") || "nothing new";
  return `${changes}; ${number.format(unchanged)} as before, ${number.format(skipped)} skipped, ${(seconds / 60).toFixed(1)} minutes. ` +
    (batch ? `Written: ${batch}. Next: commit it, dvc repro.` : "No batch was written.");
}
