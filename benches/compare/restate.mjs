// The peer for durable execution: a virtual object of Restate for each customer. It collects the customer's texts, and
// answers once, 3 s after the last of them.
//
// PORT is where the service listens for restate-server, PROGRESS_PORT where it reports its progress.
import { createServer } from "node:http";

// The SDK needs it; Node has it from version 22.
Promise.withResolvers ??= () => {
  let resolve, reject;
  const promise = new Promise((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
};
const restate = await import("@restatedev/restate-sdk");

const QUIET_MS = 3_000;
const { PORT, PROGRESS_PORT } = process.env;

let windows = 0;
let answered = 0;

const conversation = restate.object({
  name: "conversation",
  handlers: {
    text: async (context, { body }) => {
      const texts = (await context.get("texts")) ?? [];
      const latest = ((await context.get("latest")) ?? 0) + 1;
      context.set("texts", [...texts, body]);
      context.set("latest", latest);
      const timer = { service: "conversation", method: "close", key: context.key, parameter: latest };
      context.genericSend({ ...timer, inputSerde: restate.serde.json, delay: QUIET_MS });
    },
    close: async (context, number) => {
      if ((await context.get("latest")) !== number) return;
      const texts = (await context.get("texts")) ?? [];
      context.clear("texts");
      await context.run("answer", () => {
        windows += 1;
        answered += texts.length;
      });
    },
  },
});

// `?texts=N`: are so many texts answered?
createServer((request, response) => {
  const { searchParams } = new URL(request.url, "http://127.0.0.1");
  const settled = answered === Number(searchParams.get("texts"));
  response.end(JSON.stringify({ windows, settled }));
}).listen(Number(PROGRESS_PORT), "127.0.0.1");
restate.serve({ services: [conversation], port: Number(PORT) });
