// Server-sent events out of a fetch body: pieces of bytes, cut anywhere, become the data of whole events.

const SLICE_MS = 8;

/** Yields the data of each event; comments and other fields are passed over. Ends with the body.
 *
 * Thousands of events may come at once, a resumed answer say: after some milliseconds the page does what else waits. */
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + value).split(/\r?\n\r?\n/);
      rest = parts.pop();
      let began = performance.now();
      for (const part of parts) {
        const data = eventData(part);
        if (data) yield data;
        if (performance.now() - began < SLICE_MS) continue;
        await nextTask();
        began = performance.now();
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Not by a timer, because browsers slow those of hidden pages down. */
function nextTask() {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

function eventData(event) {
  const lines = event.split(/\r?\n/).filter((line) => line.startsWith("data:"));
  return lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
}
