// A receiver in Node, without any package: verify the raw body, answer at once, work afterwards.
//
// WEBHOOK_FORMAT=governlayer WEBHOOK_SECRET=whsec_… PORT=8080 node examples/node_receiver.mjs

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const TOLERANCE_S = 300;
const BODY_MAX_BYTES = 2_000_000;

// Each takes the headers, the raw body and one secret, and says whether the request is genuine.
const VERIFIERS = {
  governlayer(headers, body, secret) {
    return equal(headers["x-governlayer-signature"], hmac(secret, body).toString("hex"));
  },

  "standard-webhooks"(headers, body, secret) {
    const id = headers["webhook-id"] ?? "";
    const timestamp = headers["webhook-timestamp"] ?? "";
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(id) || !isFresh(timestamp)) return false;
    const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
    const expected = "v1," + hmac(key, `${id}.${timestamp}.`, body).toString("base64");
    // While a secret rotates there are several signatures, one for each secret.
    return anyOf((headers["webhook-signature"] ?? "").split(" ").map((given) => equal(given, expected)));
  },
};

const verify = VERIFIERS[process.env.WEBHOOK_FORMAT];
// While a secret rotates, put both here, separated by a space.
const secrets = (process.env.WEBHOOK_SECRET ?? "").split(" ").filter(Boolean);
if (!verify || !secrets.length) {
  console.error(`set WEBHOOK_FORMAT to one of ${Object.keys(VERIFIERS).join(", ")}, and WEBHOOK_SECRET`);
  process.exit(2);
}

async function receive(request, response) {
  if (request.method !== "POST" || request.url !== "/webhooks") return answer(response, 404);
  const body = await read(request);
  if (body === null) return answer(response, 413);
  if (!anyOf(secrets.map((secret) => verify(request.headers, body, secret)))) return answer(response, 401);
  answer(response, 204);
  handle(JSON.parse(body));
}

// Do what the event asks for; the same one may come twice, so remember its id.
function handle(event) {
  console.log(event.type);
}

// Return the bytes as they came: a body that was parsed and written anew has another signature.
async function read(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size <= BODY_MAX_BYTES) parts.push(part);
  }
  return size <= BODY_MAX_BYTES ? Buffer.concat(parts) : null;
}

function answer(response, status) {
  response.writeHead(status).end();
}

function hmac(key, ...parts) {
  const state = createHmac("sha256", key);
  for (const part of parts) state.update(part);
  return state.digest();
}

// Compare in a time that tells nothing about where two texts differ.
function equal(given, expected) {
  const [left, right] = [Buffer.from(given ?? ""), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}

// An old request that somebody kept is genuine, too; the time is signed so that it can be told.
function isFresh(timestamp) {
  return /^[0-9]{1,12}$/.test(timestamp) && Math.abs(Date.now() / 1000 - Number(timestamp)) <= TOLERANCE_S;
}

function anyOf(answers) {
  return answers.includes(true);
}

const server = createServer((request, response) => {
  receive(request, response).catch((error) => {
    console.error(error.message);
    if (!response.headersSent) response.destroy();
  });
});
server.listen(Number(process.env.PORT ?? 8080), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/webhooks`);
});
