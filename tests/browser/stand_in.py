"""Holds a stand-in, inside the page, for the gateway's stream of an answer."""

from __future__ import annotations

TOKENS = 3000
#: Answers the page's requests for an answer with a text in `TOKENS` pieces, `rate` a second, as many in a read as are
#: due: no board and no simulator here is as fast.
STREAM = """([text, rate]) => {
  const size = Math.max(1, Math.ceil(text.length / TOKENS));
  const data = (delta, finish) => JSON.stringify({ id: 'x', choices: [{ index: 0, delta, finish_reason: finish }] });
  const chunk = (delta, finish = null) => `data: ${data(delta, finish)}\\n\\n`;
  const real = window.fetch;
  window.fetch = (path, options) => {
    if (!String(path).endsWith('/chat/completions')) return real(path, options);
    const encoder = new TextEncoder();
    const began = performance.now();
    let at = 0;
    const body = new ReadableStream({
      async pull(controller) {
        let out = '';
        while (!out && at < text.length) {
          await new Promise((resolve) => setTimeout(resolve, Math.min(1000 / rate, 50)));
          const due = Math.min(text.length, Math.floor((performance.now() - began) / 1000 * rate) * size);
          while (at < due) out += chunk({ content: text.slice(at, (at += size)) });
        }
        controller.enqueue(encoder.encode(out || chunk({}, 'stop') + 'data: [DONE]\\n\\n'));
        if (!out) controller.close();
      },
    });
    return Promise.resolve(new Response(body, { headers: { 'content-type': 'text/event-stream' } }));
  };
}""".replace("TOKENS", str(TOKENS))
