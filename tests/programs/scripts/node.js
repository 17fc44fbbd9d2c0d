/*
#@ command node -e
#@ seconds 90
*/
// Node at work: timers, files, workers, processes, streams, compression, digests, its own JIT.
"use strict";
const fs = require("fs"), os = require("os"), path = require("path"), zlib = require("zlib");
const crypto = require("crypto"), util = require("util"), events = require("events"), vm = require("vm");
const { Worker, isMainThread } = require("worker_threads"), child = require("child_process");
const { pipeline } = require("stream/promises"), { setTimeout: sleep } = require("timers/promises");
const check = (name) => console.log("== " + name);

async function main() {
    process.chdir(fs.mkdtempSync("/tmp/node-"));
    check("version");
    console.log(process.version, process.platform, process.arch, os.cpus().length > 0, os.totalmem() > 0);

    check("timers and promises");
    const order = [];
    setImmediate(() => order.push("immediate"));
    process.nextTick(() => order.push("tick"));
    Promise.resolve().then(() => order.push("promise"));
    setTimeout(() => order.push("timeout"), 500);
    await sleep(1000);
    console.log(order.join(" "));
    const begin = process.hrtime.bigint();
    await sleep(50);
    console.log(process.hrtime.bigint() - begin >= 49000000n);

    check("files");
    await fs.promises.writeFile("a", "text\n".repeat(10000));
    await fs.promises.appendFile("a", "end");
    console.log((await fs.promises.stat("a")).size, (await fs.promises.readFile("a", "utf8")).slice(-8));
    fs.mkdirSync("d/e/f", { recursive: true });
    fs.symlinkSync("../a", "d/link");
    fs.renameSync("a", "b");
    fs.copyFileSync("b", "d/c");
    console.log(fs.readdirSync("d").join(" "), fs.readlinkSync("d/link"), fs.existsSync("d/link"));
    try { fs.readFileSync("none"); } catch (error) { console.log(error.code, error.syscall); }
    fs.rmSync("d", { recursive: true });
    console.log((await Promise.all([...Array(50).keys()].map(async (i) => {
        await fs.promises.writeFile("f" + i, String(i));
        return Number(await fs.promises.readFile("f" + i, "utf8"));
    }))).reduce((a, b) => a + b));

    check("streams and compression");
    await pipeline(fs.createReadStream("b"), zlib.createGzip(), fs.createWriteStream("b.gz"));
    await pipeline(fs.createReadStream("b.gz"), zlib.createGunzip(), fs.createWriteStream("b2"));
    console.log(fs.readFileSync("b").equals(fs.readFileSync("b2")), fs.statSync("b.gz").size < 1000);
    console.log(zlib.brotliDecompressSync(zlib.brotliCompressSync("brotli")).toString());

    check("watching");
    const watcher = fs.watch(".");
    setTimeout(() => fs.writeFileSync("watched", "x"), 20);
    const [kind, name] = await events.once(watcher, "change");
    watcher.close();
    console.log(kind, name);

    check("digests and keys");
    console.log(crypto.createHash("sha256").update("x".repeat(100000)).digest("hex"));
    console.log(crypto.pbkdf2Sync("secret", "salt", 1000, 16, "sha512").toString("hex"), crypto.randomBytes(8).length);
    console.log((await util.promisify(crypto.scrypt)("a", "b", 16)).toString("hex"));
    const pair = crypto.generateKeyPairSync("ed25519");
    console.log(crypto.verify(null, Buffer.from("m"), pair.publicKey, crypto.sign(null, Buffer.from("m"), pair.privateKey)));

    check("code that gets hot");
    const sieve = (n) => { const s = new Uint8Array(n + 1); let c = 0; for (let i = 2; i <= n; i++) { if (!s[i]) { c++; for (let j = i * i; j <= n; j += i) s[j] = 1; } } return c; };
    console.log(sieve(1000000), vm.runInNewContext("[1,2,3].map((x) => x ** 2).join()"));
    let objects = []; for (let i = 0; i < 200000; i++) { objects.push({ i, s: "s" + i }); if (objects.length > 1000) objects = objects.slice(500); }
    console.log(objects.length, JSON.stringify(JSON.parse('{"a":[1,{"b":null}]}')), 2n ** 100n);
    const wasm = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11])));
    console.log(wasm.exports.add(20, 22));

    check("workers");
    const shared = new SharedArrayBuffer(4);
    const work = `const { workerData, parentPort } = require("worker_threads"); const a = new Int32Array(workerData);
        for (let i = 0; i < 10000; i++) Atomics.add(a, 0, 1); parentPort.postMessage("done")`;
    console.log((await Promise.all([1, 2, 3, 4].map(async () => {
        const worker = new Worker(work, { eval: true, workerData: shared });
        const ended = events.once(worker, "exit");
        const [message] = await events.once(worker, "message");
        return message + (await ended)[0];
    }))).join(" "), new Int32Array(shared)[0]);

    check("signals");
    setTimeout(() => process.kill(process.pid, "SIGUSR2"), 20);
    console.log((await events.once(process, "SIGUSR2"))[0]);

    check("processes");
    console.log(child.execFileSync("sh", ["-c", "echo out; exit 0"]).toString().trim());
    console.log(child.spawnSync("sh", ["-c", "cat; exit 3"], { input: "typed" }).stdout.toString());
    const running = child.spawn("sh", ["-c", "read x; echo got $x; kill -TERM $$"]);
    running.stdin.end("line\n");
    let text = "";
    running.stdout.on("data", (data) => { text += data; });
    const [code, signal] = await events.once(running, "close");
    console.log(text.trim(), code, signal);
    child.spawn("/no/such").on("error", (error) => console.log(error.code));
    await sleep(50);
    process.exitCode = 0;
}
main();
