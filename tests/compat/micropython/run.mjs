// Runs one file in MicroPython 1.27 (its own WebAssembly build) as a board would: in a file system of its own, with
// config.py beside it. WebAssembly has no network and would sleep by spinning, so this lends it the two things a board
// has: a socket (one answer for what was written, as HTTP/1.0 ends a connection) and a sleep.
// Arguments: the folder MicroPython is installed in, the file to run, config.py.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, program, config] = process.argv.slice(2);
const installed = createRequire(pathToFileURL(`${folder}/package.json`));
const build = installed.resolve("@micropython/micropython-webassembly-pyscript/micropython.mjs");
const { loadMicroPython } = await import(pathToFileURL(build));

// Another process waits for the network, because MicroPython waits here without letting events happen.
const RELAY = `
const [port, host] = process.argv.slice(1);
const socket = require("node:net").connect(Number(port), host, () => process.stdin.pipe(socket, { end: false }));
socket.pipe(process.stdout);
`;
const SOCKET = `
import binascii
import host

def getaddrinfo(name, port):
    return [(2, 1, 0, "", (name, port))]

class socket:
    def connect(self, address):
        self.address, self.sent, self.answer = address, b"", None

    def write(self, data):
        self.sent += data
        return len(data)

    def read(self, size):
        if self.answer is None:
            sent = binascii.b2a_base64(self.sent).decode()
            self.answer = binascii.a2b_base64(host.exchange(self.address[0], self.address[1], sent).encode())
        part, self.answer = self.answer[:size], self.answer[size:]
        return part

    def close(self):
        pass
`;

const python = await loadMicroPython({ heapsize: 256 * 1024, linebuffer: true, stdout: (line) => console.log(line) });
python.registerJsModule("host", {
  exchange(name, port, data) {
    const told = { input: Buffer.from(data, "base64"), maxBuffer: 1 << 24, timeout: 30000 };
    return spawnSync(process.execPath, ["-e", RELAY, String(port), name], told).stdout.toString("base64");
  },
  sleep: (seconds) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000),
});
python.FS.mkdir("/lib");
python.FS.writeFile("/lib/socket.py", SOCKET);
python.FS.writeFile("/lib/time.py", "from utime import *\nimport host\nsleep = host.sleep\n");
python.FS.writeFile("config.py", readFileSync(config, "utf8"));
try {
  python.runPython('import sys\nprint(sys.implementation.name, "%d.%d" % sys.implementation.version[:2])');
  python.runPython(readFileSync(program, "utf8"));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
