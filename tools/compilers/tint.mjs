// Compiles WGSL with Tint, the compiler of Dawn and Chromium, and makes a pipeline of it; check.py runs it.
//
//   node tint.mjs PACKAGE BACKEND < list     the folder of the npm package `webgpu`; `null`, or `vulkan` for a driver
//
// Takes lines of a path, a tab and an entry point, as compile.c does, and answers as it does.
//
// A module is held to standard WGSL as it stands, but for the line that asks for subgroups, which naga does not want.
// A pipeline is made with the immediates as a uniform buffer: Dawn has room for 64 bytes of them, and kernels use more.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [folder, backend] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { create, globals } = require(`${folder}/dist/${process.platform}-${process.arch}/dawn.node`);
Object.assign(globalThis, globals);
const gpu = create([`backend=${backend}`, 'enable-dawn-features=allow_unsafe_apis']);

async function open() {
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error(`Dawn has no adapter for ${backend}`);
  const opened = await adapter.requestDevice({ requiredFeatures: ['subgroups'] });
  opened.addEventListener('uncapturederror', (event) => { uncaptured.push(event.error.message); });
  return opened;
}
const uncaptured = [];
const device = await open();

// What is wrong with a kernel, as lines; nothing where it compiles.
async function compile(path, entry) {
  const source = 'enable subgroups;\n' + readFileSync(path, 'utf8');
  const check = async (code) => {
    const module = device.createShaderModule({ code });
    const { messages } = await module.getCompilationInfo();
    const errors = messages.filter((message) => message.type === 'error');
    return [module, errors.map((error) => `${error.lineNum - 1}:${error.linePos}: ${error.message}`)];
  };
  device.pushErrorScope('validation');
  const [, errors] = await check(source);
  if (errors.length === 0) {
    const free = Math.max(-1, ...[...source.matchAll(/@group\((\d+)\)/g)].map((match) => Number(match[1]))) + 1;
    let binding = 0;
    const uniforms = source.replace(/var<immediate>/g, () => `@group(${free}) @binding(${binding++}) var<uniform>`);
    const [module, others] = await check(uniforms);
    errors.push(...others);
    if (others.length === 0) {
      const compute = { module, entryPoint: entry };
      await device.createComputePipelineAsync({ layout: 'auto', compute }).catch((error) => errors.push(error.message));
    }
  }
  const scope = await device.popErrorScope();
  if (scope && errors.length === 0) errors.push(scope.message);
  errors.push(...uncaptured.splice(0));
  return errors;
}

for await (const line of createInterface({ input: process.stdin })) {
  const [path, entry] = line.split('\t');
  if (!entry) continue;
  console.log('begin');
  const start = process.cpuUsage();
  const errors = await compile(path, entry).catch((error) => [String(error)]);
  const { user, system } = process.cpuUsage(start);
  const seconds = ((user + system) / 1e6).toFixed(3);
  const message = errors.join(' | ').replace(/\s+/g, ' ');
  console.log(`end\t${seconds}\t${errors.length === 0 ? 'ok' : 'fail'}\t${message}`);
}
process.exit(0);
