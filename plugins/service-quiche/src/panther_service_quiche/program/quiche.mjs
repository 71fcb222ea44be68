#!/usr/bin/env node
// A server and a client of HTTP/0.9 made of quiche; orders come from the environment, as in the QUIC interop runner.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import dgram from "node:dgram";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { native } from "@matrixai/quic";

const { quiche } = native;
const env = (name, fallback) => process.env[name] || fallback;
const [CERTS, KEYS, TESTCASE] = [env("CERTS", "/certs"), env("SSLKEYLOGFILE", ""), env("TESTCASE", "")];
const UNSUPPORTED = 127;
const KNOWN = {
  server: ["handshake", "transfer", "chacha20", "retry", "resumption", "zerortt", "keyupdate", "multiconnect",
    "versionnegotiation", "ecn", "ipv6", "longrtt"],
  client: ["handshake", "transfer", "retry", "resumption", "zerortt", "multiconnect", "ipv6", "longrtt"],
};
const SIGNATURES = "ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256";
const ID_LENGTH = 16;
const MOST_STREAMS = 100;
const IDLE = 30_000;
const PATIENCE = 5_000;

function configuration(serves) {
  const read = (name) => fs.readFileSync(path.join(CERTS, name));
  const found = serves
    ? quiche.Config.withBoringSslCtx(false, false, null, [read("priv.key")], [read("cert.pem")], SIGNATURES)
    : quiche.Config.withBoringSslCtx(true, false, read("ca.pem"), null, null, SIGNATURES);
  found.setApplicationProtos(["hq-interop"]);
  found.setMaxIdleTimeout(IDLE);
  found.setInitialMaxData(16 << 20);
  found.setInitialMaxStreamDataBidiLocal(8 << 20);
  found.setInitialMaxStreamDataBidiRemote(1 << 20);
  found.setInitialMaxStreamDataUni(1 << 20);
  found.setInitialMaxStreamsBidi(MOST_STREAMS);
  found.setInitialMaxStreamsUni(MOST_STREAMS);
  found.setDisableActiveMigration(false);
  found.enablePacing(false);
  found.enableEarlyData();
  if (KEYS) found.logKeys();
  return found;
}

// One connection: what quiche wants to send goes out, and its timer runs.
class Endpoint {
  constructor(connection, socket, changed) {
    Object.assign(this, { connection, socket, changed, timer: undefined, buffer: Buffer.alloc(1500), read: Buffer.alloc(65536) });
    this.pending = new Map(); // what is still to be sent, by its stream
    if (KEYS) connection.setKeylog(KEYS);
  }

  take(data, from) {
    const { address, port } = this.socket.address();
    try {
      this.connection.recv(data, { from: { host: from.address, port: from.port }, to: { host: address, port } });
    } catch (error) {
      if (error.message !== "Done") this.fault = error.message;
    }
    this.work();
  }

  work() {
    this.changed(this);
    for (let sent = this.connection.send(this.buffer); sent !== null; sent = this.connection.send(this.buffer)) {
      const [length, { to }] = sent;
      this.socket.send(Buffer.from(this.buffer.subarray(0, length)), to.port, to.host);
    }
    clearTimeout(this.timer);
    const wait = this.connection.timeout();
    if (this.connection.isClosed()) this.changed(this);
    else if (wait !== null) this.timer = setTimeout(() => { this.connection.onTimeout(); this.work(); }, Math.max(wait, 1));
  }

  // Sends as much as the other end allows of what is pending.
  push() {
    for (const [stream, data] of this.pending) {
      let rest = data;
      try {
        const sent = this.connection.streamSend(stream, rest, true);
        rest = rest.subarray(sent ?? 0);
        if (sent === null) continue;
      } catch {
        rest = rest.subarray(rest.length);
      }
      if (rest.length > 0) this.pending.set(stream, rest);
      else this.pending.delete(stream);
    }
  }

  // Hands on what has arrived: (stream, data, whether it is the end).
  receive(handle) {
    for (const stream of this.connection.readable()) {
      for (let got = this.connection.streamRecv(stream, this.read); got !== null; ) {
        handle(stream, Buffer.from(this.read.subarray(0, got[0])), got[1]);
        got = got[1] ? null : this.connection.streamRecv(stream, this.read);
      }
    }
  }
}

const bound = (address, port) => new Promise((resolve, reject) => {
  const socket = dgram.createSocket(net.isIPv6(address) ? "udp6" : "udp4");
  socket.once("error", reject).bind(port, address, () => {
    socket.setRecvBufferSize(1 << 21);
    resolve(socket);
  });
});

// ---- server

const secret = randomBytes(32);
const sign = (text) => createHmac("sha256", secret).update(text).digest();
const token = (address, id) => Buffer.concat([sign(Buffer.concat([Buffer.from(address), id])), id]);

function originalOf(given, address) {
  const [signature, id] = [Buffer.from(given.subarray(0, 32)), Buffer.from(given.subarray(32))];
  const right = sign(Buffer.concat([Buffer.from(address), id]));
  return signature.length === right.length && timingSafeEqual(signature, right) ? id : undefined;
}

function answer(endpoint) {
  const www = path.resolve(env("WWW", "/www"));
  endpoint.lines ??= new Map();
  endpoint.receive((stream, data, ends) => {
    const line = (endpoint.lines.get(stream) ?? "") + data.toString("latin1");
    endpoint.lines.set(stream, line);
    if (!ends) return;
    endpoint.lines.delete(stream);
    const file = path.join(www, line.trim().replace(/^GET /, ""));
    if (file.startsWith(www + path.sep) && fs.existsSync(file)) endpoint.pending.set(stream, fs.readFileSync(file));
    else endpoint.connection.streamShutdown(stream, quiche.Shutdown.Write, 1);
  });
  endpoint.push();
}

async function serve() {
  const config = configuration(true);
  const address = env("IP", "::");
  const socket = await bound(address, Number(env("PORT", "443")));
  const endpoints = new Map();
  const here = { host: socket.address().address, port: socket.address().port };
  const lost = (endpoint) => {
    answer(endpoint);
    if (endpoint.connection.isClosed()) for (const [id, each] of endpoints) if (each === endpoint) endpoints.delete(id);
  };
  const offer = (endpoint) => {
    while (endpoint.connection.isEstablished() && endpoint.connection.sourceCidsLeft() > 0) {
      const id = randomBytes(ID_LENGTH);
      endpoint.connection.newSourceCid(id, BigInt(`0x${randomBytes(16).toString("hex")}`), false);
      endpoints.set(id.toString("hex"), endpoint);
    }
  };
  const accept = (header, from) => {
    const out = Buffer.alloc(1500);
    const reply = (length) => socket.send(out.subarray(0, length), from.port, from.address);
    if (header.ty !== quiche.Type.Initial && header.ty !== quiche.Type.ZeroRTT && quiche.versionIsSupported(header.version)) return undefined;
    if (!quiche.versionIsSupported(header.version)) return void reply(quiche.negotiateVersion(header.scid, header.dcid, out));
    const given = header.token ?? new Uint8Array();
    const id = randomBytes(ID_LENGTH);
    if (TESTCASE === "retry" && given.length === 0) {
      const minted = token(from.address, Buffer.from(header.dcid));
      return void reply(quiche.retry(header.scid, header.dcid, id, minted, header.version, out));
    }
    const original = TESTCASE === "retry" ? originalOf(given, from.address) : undefined;
    if (TESTCASE === "retry" && original === undefined) return undefined;
    const own = TESTCASE === "retry" ? Buffer.from(header.dcid) : id;
    const made = new Endpoint(quiche.Connection.accept(own, original, here, { host: from.address, port: from.port }, config), socket, lost);
    endpoints.set(own.toString("hex"), made);
    endpoints.set(Buffer.from(header.dcid).toString("hex"), made);
    return made;
  };
  socket.on("message", (data, from) => {
    let header;
    try {
      header = quiche.Header.fromSlice(data, ID_LENGTH);
    } catch {
      return;
    }
    const endpoint = endpoints.get(Buffer.from(header.dcid).toString("hex")) ?? accept(header, from);
    endpoint?.take(data, from);
    if (endpoint) offer(endpoint);
  });
  process.on("SIGTERM", () => process.exit(0));
}

// ---- client

function fetched(urls, session, isLast) {
  const first = new URL(urls[0]);
  const host = first.hostname.replace(/^\[|\]$/g, "");
  const port = Number(first.port || 443);
  const isEarly = TESTCASE === "zerortt" && session !== undefined;
  return new Promise((resolve, reject) => void (async () => {
    const socket = await bound(net.isIPv6(host) ? "::" : "0.0.0.0", 0);
    const here = { host: net.isIPv6(host) ? "::1" : "127.0.0.1", port: socket.address().port };
    const name = net.isIP(host) ? null : host;
    const connection = quiche.Connection.connect(name, randomBytes(ID_LENGTH), here, { host, port }, configuration(false));
    if (session) connection.setSession(session);
    const [wanted, open] = [[...urls], new Map()];
    let waiting;
    let isOver = false;
    const finish = (fault) => {
      if (isOver) return;
      isOver = true;
      socket.removeAllListeners("message");
      clearTimeout(waiting);
      if (!connection.isClosed()) connection.close(true, 0, Buffer.from(""));
      endpoint.changed = () => undefined;
      endpoint.work();
      clearTimeout(endpoint.timer);
      setImmediate(() => socket.close(() => (fault ? reject(new Error(fault)) : resolve(connection.session()))));
    };
    const endpoint = new Endpoint(connection, socket, () => {
      if (connection.isClosed()) {
        const error = connection.peerError() ?? connection.localError();
        const why = error ? `closed with 0x${error.errorCode.toString(16)} ${Buffer.from(error.reason)}` : "timed out";
        return finish(`the connection ${why}${endpoint.fault ? `: ${endpoint.fault}` : ""}`);
      }
      if (connection.isEstablished() || (isEarly && connection.isInEarlyData())) {
        endpoint.push();
        while (wanted.length > 0 && endpoint.pending.size === 0 && connection.peerStreamsLeftBidi() > 0) {
          const stream = 4 * (urls.length - wanted.length);
          const url = wanted.shift();
          endpoint.pending.set(stream, Buffer.from(`GET ${new URL(url).pathname}\r\n`));
          endpoint.push();
          open.set(stream, { url, parts: [] });
        }
      }
      endpoint.receive((stream, data, ends) => {
        const file = open.get(stream);
        file.parts.push(data);
        if (!ends) return;
        open.delete(stream);
        fs.writeFileSync(path.join(env("DOWNLOADS", "/downloads"), path.basename(new URL(file.url).pathname)), Buffer.concat(file.parts));
      });
      if (wanted.length === 0 && open.size === 0) {
        if (isLast || connection.session() !== null) return void setImmediate(finish);
        waiting ??= setTimeout(() => finish("no session ticket has arrived"), PATIENCE);
      }
      return undefined;
    });
    const to = { host: here.host, port: here.port };
    socket.on("message", (data, from) => {
      if (connection.isClosed()) return;
      try {
        connection.recv(data, { from: { host: from.address, port: from.port }, to });
      } catch (error) {
        if (error.message !== "Done") endpoint.fault = error.message;
      }
      endpoint.work();
    });
    endpoint.work();
    if (isEarly) endpoint.work(); // there are keys for early data only now
  })().catch(reject));
}

async function fetchAll() {
  const given = process.argv.slice(2);
  const urls = given.length > 0 ? given : env("REQUESTS", "").split(" ").filter(Boolean);
  if (TESTCASE === "resumption" || TESTCASE === "zerortt") {
    const session = await fetched(urls.slice(0, 1), undefined, false);
    await fetched(urls.slice(1), session, true);
  } else if (TESTCASE === "multiconnect") {
    for (const url of urls) await fetched([url], undefined, true);
  } else {
    await fetched(urls, undefined, true);
  }
}

const role = env("ROLE", "client");
if (!KNOWN[role].includes(TESTCASE)) process.exit(UNSUPPORTED);
try {
  await (role === "server" ? serve() : fetchAll());
} catch (error) {
  process.stderr.write(`failed: ${error.message}\n`);
  process.exit(1);
}
