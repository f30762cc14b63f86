// The peer that a Node team would write: express, Twilio's own signature check, and BullMQ's debounced jobs on Redis.
//
// PORT, REDIS_URL, PUBLIC_URL and TWILIO_AUTH_TOKEN are its settings; with WORKER=1 it also works the queue. A job waits
// for 3 s after the last text of a customer, and keeps only that text.
import express from "express";
import twilio from "twilio";
import { Queue, Worker } from "bullmq";

const QUIET_MS = 3_000;
const { PORT, REDIS_URL, PUBLIC_URL, TWILIO_AUTH_TOKEN, WORKER } = process.env;

const { hostname, port } = new URL(REDIS_URL);
const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null };
const queue = new Queue("windows", { connection });
let windows = 0;
if (WORKER) {
  const answer = async () => {
    windows += 1;
  };
  new Worker("windows", answer, { connection, concurrency: 64 });
}

const app = express();
app.use(express.urlencoded({ extended: false }));

const signed = twilio.webhook(TWILIO_AUTH_TOKEN, { url: `${PUBLIC_URL}/webhooks/twilio/sms` });
app.post("/webhooks/twilio/sms", signed, async (request, response) => {
  const { From: customer, MessageSid: sid, Body: body } = request.body;
  await queue.add("window", { sid, body }, {
    delay: QUIET_MS,
    deduplication: { id: customer, ttl: QUIET_MS, extend: true, replace: true },
    removeOnComplete: true,
  });
  response.type("text/xml").send('<?xml version="1.0" encoding="UTF-8"?><Response/>');
});

app.get("/progress", async (_, response) => {
  const { active, delayed, waiting } = await queue.getJobCounts("active", "delayed", "waiting");
  response.json({ windows, settled: active + delayed + waiting === 0 });
});

app.listen(Number(PORT), "127.0.0.1");
