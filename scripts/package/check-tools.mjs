// Checks of the package with what others run or process programs with: Bun and Deno, tools that
// collect a program's files, bundlers, Electron's.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { root } from '../install/stamp.mjs';
import { nodeBinary, tool } from '../tools.mjs';
import {
  bare,
  check,
  consumer,
  copyConsumer,
  embeds,
  embedsWith,
  failsToLoad,
  folder,
  machine,
  prebuildOf,
} from './consumer.mjs';
import { bytesBelow, megabytes, run } from './tarball.mjs';

const require = createRequire(import.meta.url);
const prebuilds = path.join(consumer, 'node_modules', 'qwen3-embed', 'prebuilds');

/** Runtimes other than Node. */
export async function runInOtherRuntimes() {
  const { glibcVersionRuntime } = process.report.getReport().header;
  const avx2 = machine === 'linux-x64' && /\bavx2\b/.test(fs.readFileSync('/proc/cpuinfo', 'utf8'));
  if (!avx2 || !glibcVersionRuntime) {
    console.log('skipped Bun and Deno: the check has their binaries for linux-x64, glibc, AVX2');
    return;
  }
  const permissions = ['--allow-ffi', '--allow-env', '--allow-read'];
  for (const [name, spec, file, flags] of [
    ['Bun', '@oven/bun-linux-x64@1.4.5', path.join('bin', 'bun'), []],
    ['Deno', '@deno/linux-x64-glibc@2.9.6', 'deno', ['run', ...permissions]],
  ]) {
    await check(`${name} ${spec.split('@').at(-1)}`, () => {
      const env = { DENO_DIR: path.join(folder, 'deno') };
      const options = { program: path.join(tool(spec), file), flags, env };
      embedsWith(prebuildOf(consumer), consumer, 'runtime.cjs', options);
    });
  }
}

/** Tools that collect the files of a program, with all that it needs. */
export async function trace() {
  const app = path.join(folder, 'to trace');
  const library = copyConsumer(app);
  await check('@vercel/nft', async () => {
    const { nodeFileTrace } = require(tool('@vercel/nft@1.11.5'));
    const { fileList } = await nodeFileTrace([path.join(app, 'embed.cjs')], { base: app });
    const traced = path.join(folder, 'traced');
    for (const file of fileList) fs.cpSync(path.join(app, file), path.join(traced, file));
    if (!fileList.has(library)) throw new Error(`it leaves out ${library}`);
    embeds(traced, 'embed.cjs');
    return `${fileList.size} files, ${megabytes(bytesBelow(traced))}`;
  });
  await check('@vercel/ncc', () => {
    const ncc = path.join(tool('@vercel/ncc@0.45.0'), 'dist', 'ncc', 'cli.js');
    const built = path.join(folder, 'built by ncc');
    run(process.execPath, [ncc, 'build', 'embed.cjs', '--out', built], { cwd: app });
    const target = path.basename(path.dirname(library));
    if (!fs.existsSync(path.join(built, 'prebuilds', target, path.basename(library))))
      throw new Error(`it leaves out ${library}`);
    embeds(built, 'index.cjs');
  });
}

/** Bundles embed.cjs, as README.md says and as it warns. */
export async function bundle() {
  const entry = path.join(consumer, 'embed.cjs');
  // In a bundle, ../.. is the consumer's folder, whose package.json has another name.
  const script = (name) => path.join('bundles', name, 'embed.cjs');
  const bundlers = {
    esbuild: (outfile, external = []) => {
      const { buildSync } = require(tool('esbuild@0.28.2'));
      const options = { bundle: true, platform: 'node', logLevel: 'silent' };
      buildSync({ ...options, entryPoints: [entry], external, outfile });
    },
    webpack: async (outfile, external = []) => {
      const webpack = promisify(require(tool('webpack@5.113.0')));
      const stats = await webpack({
        context: consumer,
        mode: 'production',
        target: 'node',
        entry,
        externals: Object.fromEntries(external.map((name) => [name, `commonjs ${name}`])),
        output: { path: path.dirname(outfile), filename: path.basename(outfile) },
      });
      if (stats.hasErrors()) throw new Error(stats.toString('errors-only'));
    },
  };
  for (const [name, build] of Object.entries(bundlers)) {
    await check(`${name}, with the package external`, async () => {
      await build(path.join(consumer, script(name)), ['qwen3-embed']);
      embeds(consumer, script(name));
    });
    await check(`${name}, with the package bundled`, async () => {
      await build(path.join(consumer, script(name)));
      // From the start of a line, because Node also prints the line of code that throws.
      const patterns = [/^qwen3-embed was bundled/m, /^ {2}esbuild: /m, /^ {2}webpack: /m];
      return failsToLoad(consumer, patterns, { script: script(name) });
    });
    await check(`${name}, with the package bundled and the prebuilds beside it`, async () => {
      await build(path.join(consumer, script(name)));
      const copy = path.join(consumer, 'prebuilds');
      fs.cpSync(prebuilds, copy, { recursive: true });
      const file = path.join(copy, path.relative(prebuilds, prebuildOf(consumer)));
      embedsWith(file, consumer, script(name));
      fs.rmSync(copy, { recursive: true });
    });
  }
}

export async function packIntoElectron() {
  const { createPackageWithOptions, extractFile, listPackage, statFile } = require(
    tool('@electron/asar@3.4.1'),
  );
  // @electron/rebuild needs Node 22. Without a prebuild it builds, which fails without a compiler.
  const rebuild = [
    nodeBinary('22.23.3'),
    path.join(tool('@electron/rebuild@4.2.1'), 'lib', 'cli.js'),
  ];
  for (const target of fs.readdirSync(prebuilds)) {
    await check(`@electron/rebuild finds ${target}`, () => {
      const [platform, arch] = target.split('-');
      const args = [
        '--force',
        '--version',
        '45.4.1',
        '--module-dir',
        '.',
        '--platform',
        platform,
        '--arch',
        arch,
      ];
      const options = {
        cwd: consumer,
        env: { ...bare, DEBUG: 'electron-rebuild' },
        encoding: 'utf8',
      };
      const { status, stderr } = spawnSync(rebuild[0], [rebuild[1], ...args], options);
      if (status !== 0 || !stderr.includes('Found prebuilt Node-API module'))
        throw new Error(stderr);
    });
  }

  await check('app.asar, native files unpacked as in docs/electron.md', async () => {
    const home = path.join(folder, 'electron');
    const app = path.join(home, 'app');
    const cudaLibrary = copyConsumer(app);
    const documented = /unpack: '(.*)'/.exec(
      fs.readFileSync(path.join(root, 'docs', 'electron.md'), 'utf8'),
    )[1];
    const archive = path.join(home, 'archive');
    await createPackageWithOptions(app, archive, { unpack: documented });
    fs.rmSync(app, { recursive: true });
    fs.renameSync(`${archive}.unpacked`, path.join(home, 'app.asar.unpacked'));

    // Plain Node cannot read the archive: a folder of the same name gets the archived files.
    const inside = path.join(home, 'app.asar');
    fs.mkdirSync(inside);
    for (const name of listPackage(archive).map((each) => each.slice(1))) {
      const { files, unpacked } = statFile(archive, name);
      if (files) fs.mkdirSync(path.join(inside, name));
      else if (!unpacked) fs.writeFileSync(path.join(inside, name), extractFile(archive, name));
    }
    fs.copyFileSync(path.join(root, 'test', 'package', 'asar.cjs'), path.join(home, 'asar.cjs'));
    const loaded = prebuildOf(path.join(home, 'app.asar.unpacked'));
    const flags = ['--require', path.join(home, 'asar.cjs')];
    embedsWith(loaded, inside, 'embed.cjs', { flags });
    const library = path.join(home, 'app.asar.unpacked', cudaLibrary);
    if (!fs.existsSync(library) || fs.existsSync(path.join(inside, cudaLibrary)))
      throw new Error(`${library} is missing, or was packed into the archive`);
    return `loaded ${path.relative(home, loaded)}, and the CUDA library is in the same folder`;
  });
}
