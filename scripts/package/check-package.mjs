// npm run check:package: checks the package as its users get it. Packs it in a clean copy of the
// checkout, installs it without a compiler, loads it by require and import, in Bun and Deno, and as
// bundlers and tracers leave it, and tests how it fails when it is damaged. Prints sizes and the
// dependencies of each binary.
//
//   --prebuilt     use the binaries in prebuilds/ as they are and build none
//   --glibc=2.28   fail if a binary requires a newer glibc; a release sets this, because a build on
//                  Debian 12 requires 2.34

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { fail } from '../install/report.mjs';
import { root } from '../install/stamp.mjs';
import { nodeBinary, tool } from '../tools.mjs';
import { auditPrebuilds } from './audit-binaries.mjs';
import {
  bytesBelow,
  cleanCopy,
  install,
  megabytes,
  pack,
  run,
  temporaryFolder,
} from './tarball.mjs';

const require = createRequire(import.meta.url);
const folder = temporaryFolder();
const checkout = path.join(folder, 'checkout');
const consumer = path.join(folder, 'a folder with ümläuts');
const model = path.join(root, 'models', 'qwen3-embedding-small');
const machine = `${process.platform}-${process.arch}`;
const bare = { PATH: bareFolder() };
const golden = JSON.parse(
  fs.readFileSync(path.join(root, 'test', 'data', 'small-model', 'vectors.json'), 'utf8'),
).cases[0];
const embedArguments = [model, golden.text, JSON.stringify(golden.embedding)];

const { prebuilt, glibc } = parseArgs({
  options: { prebuilt: { type: 'boolean' }, glibc: { type: 'string' } },
}).values;

let failures = 0;

/** Runs one check. `body` throws on failure, and may return a line about what it found. */
async function check(name, body) {
  const begin = performance.now();
  try {
    const found = await body();
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    console.log(`ok      ${name}${found ? `: ${found}` : ''} (${seconds} s)`);
  } catch (error) {
    failures++;
    console.log(`FAILED  ${name}: ${error.message}`);
  }
}

/** Makes a folder for PATH with node, npm and the two programs that npm needs, and no compiler. */
function bareFolder() {
  const bin = path.join(folder, 'bin');
  fs.mkdirSync(bin, { recursive: true });
  for (const name of ['node', 'npm', 'sh', 'env']) {
    fs.symlinkSync(
      name === 'node' ? process.execPath : run('which', [name]).trim(),
      path.join(bin, name),
    );
  }
  return bin;
}

/**
 * Runs a script in a consumer's folder, so that it imports the installed package. A script of
 * test/package is copied there first.
 */
function runInside(home, script, args, options = {}) {
  const { env = {}, flags = [], program = process.execPath, ...others } = options;
  const source = path.join(root, 'test', 'package', script);
  if (fs.existsSync(source)) fs.copyFileSync(source, path.join(home, script));
  const all = { ...bare, ...env };
  const result = spawnSync(program, [...flags, script, ...args], {
    cwd: home,
    env: all,
    encoding: 'utf8',
    ...others,
  });
  return { ...result, output: `${result.stdout}${result.stderr}`.trim() };
}

function embeds(home, script, args = embedArguments, options = {}) {
  const { status, stdout, output } = runInside(home, script, args, options);
  if (status !== 0 || stdout.trim() !== 'embedded')
    throw new Error(output || `it ended with exit code ${status}`);
}

/** Runs a program whose `require` must fail with a message that matches all `patterns`. */
function failsToLoad(home, patterns, { script = 'embed.cjs', ...options } = {}) {
  const { status, signal, output } = runInside(home, script, embedArguments, options);
  if (status !== 1)
    throw new Error(`it ended with ${signal ?? status}, not with exit code 1: ${output}`);
  for (const pattern of patterns)
    if (!pattern.test(output)) throw new Error(`${pattern} is missing from:\n${output}`);
  return output.split('\n').find((line) => /^\w*Error/.test(line));
}

/** The path of the prebuild for this machine in an installed package. */
function prebuildOf(home) {
  return require('node-gyp-build').resolve(path.join(home, 'node_modules', 'qwen3-embed'));
}

/**
 * Copies the consumer, with a file in place of the CUDA library if none was built. Returns the
 * library's path from `home`.
 */
function copyConsumer(home) {
  fs.cpSync(consumer, home, { recursive: true });
  fs.rmSync(path.join(home, 'node_modules', '.bin'), { recursive: true });
  const library = path.join(path.dirname(prebuildOf(home)), 'libqwen3_embed_cuda.so');
  if (!fs.existsSync(library)) fs.writeFileSync(library, 'in place of the library');
  return path.relative(home, library);
}

let packed;

async function makeTarball() {
  await check(prebuilt ? 'a clean copy' : 'a clean copy builds its prebuild', () => {
    cleanCopy(checkout);
    run('npm', ['ci', '--ignore-scripts', '--prefer-offline', '--loglevel=error'], {
      cwd: checkout,
    });
    if (!prebuilt) run('npm', ['run', 'prebuildify'], { cwd: checkout });
    // Also packs the prebuilds of other platforms that are in prebuilds/.
    const others = path.join(root, 'prebuilds');
    for (const platform of fs.existsSync(others) ? fs.readdirSync(others) : []) {
      if (platform === machine && !prebuilt) continue;
      fs.cpSync(path.join(others, platform), path.join(checkout, 'prebuilds', platform), {
        recursive: true,
      });
    }
    return fs.readdirSync(path.join(checkout, 'prebuilds')).join(', ');
  });
  await check('npm pack', () => {
    packed = pack(checkout);
    const strays = packed.files.filter(({ path: file }) =>
      /^(test|bench|models|build|node_modules|examples)\//.test(file),
    );
    if (strays.length > 0)
      throw new Error(`it contains ${strays.map(({ path: file }) => file).join(', ')}`);
    if (packed.size > 25e6) throw new Error(`${megabytes(packed.size)} packed, more than 25 MB`);
    const sizes = [packed.size, packed.unpackedSize].map(megabytes);
    return `${sizes[0]} packed, ${sizes[1]} unpacked, ${packed.entryCount} files`;
  });
  await check('publint --strict', () => {
    run(process.execPath, [
      path.join(tool('publint@0.3.25'), 'src', 'cli.js'),
      'run',
      checkout,
      '--strict',
    ]);
  });
  await check('are the types wrong', () => {
    run(process.execPath, [
      path.join(tool('@arethetypeswrong/cli@0.18.5'), 'dist', 'index.js'),
      packed.file,
    ]);
  });
  await check('binaries', () => {
    const audited = auditPrebuilds(path.join(checkout, 'prebuilds'), glibc);
    const problems = audited.flatMap(({ platform, name, problems }) =>
      problems.map((problem) => `${platform}/${name} ${problem}`),
    );
    if (problems.length > 0) throw new Error(problems.join('; '));
    for (const { platform, name, bytes, needs } of audited) {
      console.log(`        ${platform}/${name}  ${megabytes(bytes)}  ${needs}`);
    }
    return 'no external buffers, only the entry points are exported';
  });
}

async function useIt() {
  await check('npm i with only node, npm, sh and env on the PATH', () => {
    install(packed.file, consumer, { env: bare });
    const modules = path.join(consumer, 'node_modules');
    const parts = fs.readdirSync(modules).filter((name) => !name.startsWith('.'));
    const sizes = parts.map((name) => `${name} ${megabytes(bytesBelow(path.join(modules, name)))}`);
    return `node_modules ${megabytes(bytesBelow(modules))}: ${sizes.join(', ')}`;
  });
  await check('require', () => embeds(consumer, 'embed.cjs'));
  await check('import', () => embeds(consumer, 'embed.mjs'));
  await check('the tokenizers package', () => {
    const { status, output } = runInside(consumer, 'tokenizers.cjs', [model]);
    if (status !== 0) throw new Error(output);
    return output;
  });
  // Without the types of Node and the DOM, and with declaration files checked. 5.2 is the oldest
  // compiler that knows `await using`.
  for (const version of ['5.2.2', '7.0.2']) {
    await check(`types, TypeScript ${version}`, () => {
      for (const name of ['types.cts', 'types.mts']) {
        fs.copyFileSync(path.join(root, 'test', 'package', name), path.join(consumer, name));
      }
      const compiler = path.join(tool(`typescript@${version}`), 'bin', 'tsc');
      const options = ['--strict', '--noEmit', '--target', 'es2022', '--lib', 'es2022'];
      const files = ['types.cts', 'types.mts'];
      run(process.execPath, [compiler, ...options, '--module', 'nodenext', ...files], {
        cwd: consumer,
      });
    });
  }
  await check('main thread and workers at the same time', () =>
    embeds(consumer, 'worker.cjs', [model]),
  );
  await check('NODE_DEBUG=qwen3-embed', () => {
    const { output } = runInside(consumer, 'embed.cjs', embedArguments, {
      env: { NODE_DEBUG: 'qwen3-embed' },
    });
    if (!output.includes(prebuildOf(consumer))) throw new Error(output);
  });
  await check('--disallow-code-generation-from-strings', () => {
    const env = { NODE_OPTIONS: '--disallow-code-generation-from-strings' };
    embeds(consumer, 'embed.cjs', embedArguments, { env });
  });
  await check('the permission model without addons', () => {
    const flag =
      Number(process.versions.node.split('.')[0]) < 23
        ? '--experimental-permission'
        : '--permission';
    return failsToLoad(consumer, [/ERR_DLOPEN_DISABLED/], { flags: [flag, '--allow-fs-read=*'] });
  });
  await check('two copies in one process', () => {
    const copy = path.join(folder, 'second', 'node_modules');
    fs.cpSync(path.join(consumer, 'node_modules'), copy, { recursive: true });
    const copies = [path.join(consumer, 'node_modules'), copy].map((modules) =>
      path.join(modules, 'qwen3-embed'),
    );
    embeds(consumer, 'two-copies.cjs', [...copies, model]);
  });
  await check('npm i --ignore-scripts', () => {
    const home = path.join(folder, 'without scripts');
    install(packed.file, home, { args: ['--ignore-scripts'], env: bare });
    embeds(home, 'embed.cjs');
    fs.rmSync(home, { recursive: true });
  });
}

/** Runtimes other than Node. */
async function runElsewhere() {
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
      const env = { NODE_DEBUG: 'qwen3-embed', DENO_DIR: path.join(folder, 'deno') };
      const options = { program: path.join(tool(spec), file), flags, env };
      const { output } = runInside(consumer, 'runtime.cjs', embedArguments, options);
      if (!/^embedded$/m.test(output) || !output.includes(prebuildOf(consumer)))
        throw new Error(output);
    });
  }
}

/** Tools that collect the files of a program, with all that it needs. */
async function trace() {
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
async function bundle() {
  const entry = path.join(consumer, 'embed.cjs');
  // The compiled code expects its package two folders above: here a package.json with another name.
  const script = (name) => path.join('bundles', name, 'embed.cjs');
  const bundlers = {
    esbuild: (outfile, external) => {
      const { buildSync } = require(tool('esbuild@0.28.2'));
      const options = { bundle: true, platform: 'node', logLevel: 'silent' };
      buildSync({ ...options, entryPoints: [entry], external: [external], outfile });
    },
    webpack: async (outfile, external) => {
      const webpack = promisify(require(tool('webpack@5.113.0')));
      const stats = await webpack({
        context: consumer,
        mode: 'production',
        target: 'node',
        entry,
        externals: { [external]: `commonjs ${external}` },
        output: { path: path.dirname(outfile), filename: path.basename(outfile) },
      });
      if (stats.hasErrors()) throw new Error(stats.toString('errors-only'));
    },
  };
  for (const [name, build] of Object.entries(bundlers)) {
    await check(`${name}, with the package external`, async () => {
      await build(path.join(consumer, script(name)), 'qwen3-embed');
      embeds(consumer, script(name));
    });
    await check(`${name}, with the package bundled`, async () => {
      await build(path.join(consumer, script(name)), 'tokenizers');
      // From the start of a line, because Node also prints the line of code that throws.
      const patterns = [/^Error: qwen3-embed was bundled/m, /^ {2}esbuild: /m, /^ {2}webpack: /m];
      return failsToLoad(consumer, patterns, { script: script(name) });
    });
    await check(`${name}, with the prebuilds copied`, () => {
      const prebuilds = path.join(consumer, 'prebuilds');
      fs.cpSync(path.join(consumer, 'node_modules', 'qwen3-embed', 'prebuilds'), prebuilds, {
        recursive: true,
      });
      const env = { NODE_DEBUG: 'qwen3-embed' };
      embeds(consumer, script(name), embedArguments, { env });
      fs.rmSync(prebuilds, { recursive: true });
    });
  }
}

async function packIntoElectron() {
  const { createPackageWithOptions, extractFile, listPackage, statFile } = require(
    tool('@electron/asar@3.4.1'),
  );
  // @electron/rebuild needs Node 22. Without a prebuild it builds, which fails without a compiler.
  const rebuild = [
    nodeBinary('22.23.3'),
    path.join(tool('@electron/rebuild@4.2.1'), 'lib', 'cli.js'),
  ];
  for (const target of fs.readdirSync(path.join(checkout, 'prebuilds'))) {
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
    const options = {
      env: { NODE_DEBUG: 'qwen3-embed' },
      flags: ['--require', path.join(home, 'asar.cjs')],
    };
    const { status, output } = runInside(inside, 'embed.cjs', embedArguments, options);
    const loaded = prebuildOf(path.join(home, 'app.asar.unpacked'));
    if (status !== 0 || !output.includes(loaded)) throw new Error(output);
    const library = path.join(home, 'app.asar.unpacked', cudaLibrary);
    if (!fs.existsSync(library) || fs.existsSync(path.join(inside, cudaLibrary)))
      throw new Error(`${library} is missing, or was packed into the archive`);
    return `loaded ${path.relative(home, loaded)}, and the CUDA library is in the same folder`;
  });
}

async function breakIt() {
  const home = path.join(folder, 'broken');
  fs.cpSync(consumer, home, { recursive: true });
  const file = prebuildOf(home);
  const command = /To build it here .*: node (".*build-native\.mjs")/;

  await check('a truncated binary', () => {
    fs.truncateSync(file, 100_000);
    return failsToLoad(home, [/does not load on/, new RegExp(machine), command]);
  });
  if (process.getuid?.() === 0) {
    await check('a prebuilds folder without read permission', () => {
      fs.chmodSync(path.dirname(file), 0);
      const open = { uid: 65534, gid: 65534 };
      const seen = failsToLoad(home, [/there is no binary for/, /cannot be read/, command], open);
      fs.chmodSync(path.dirname(file), 0o755);
      return seen;
    });
  }
  await check('no binary for this platform', () => {
    fs.rmSync(path.join(home, 'node_modules', 'qwen3-embed', 'prebuilds'), { recursive: true });
    return failsToLoad(home, [
      new RegExp(`there is no binary for ${machine}`),
      /Looked for/,
      command,
    ]);
  });
  await check('npm rebuild without a compiler', () => {
    const result = spawnSync('npm', ['rebuild', 'qwen3-embed', '--foreground-scripts'], {
      cwd: home,
      env: { ...process.env, ...bare },
      encoding: 'utf8',
    });
    if (result.status === 0) throw new Error('it succeeded');
    failsToLoad(home, [/there is no binary/, command]);
  });
  await check("the error message's build command, without a compiler", () => {
    const { output } = runInside(home, 'embed.cjs', embedArguments);
    const script = JSON.parse(command.exec(output)?.[1] ?? '""');
    const { status, stderr } = spawnSync(process.execPath, [script], {
      env: bare,
      encoding: 'utf8',
    });
    if (status === 0 || !/The native part needs a C\+\+20 compiler/.test(stderr))
      throw new Error(stderr);
    return stderr.trim();
  });
  if (prebuilt) return;
  await check('npm rebuild with a compiler', () => {
    run('npm', ['rebuild', 'qwen3-embed', '--foreground-scripts'], { cwd: home });
    const built = path.join(
      home,
      'node_modules',
      'qwen3-embed',
      'build',
      'Release',
      'qwen3_embed.node',
    );
    if (!fs.existsSync(built)) throw new Error(`it did not build ${built}`);
    embeds(home, 'embed.cjs');
  });
}

await makeTarball();
if (!packed) fail(new Error('npm pack failed, so there is no package to check'));
await useIt();
await runElsewhere();
await trace();
await bundle();
await packIntoElectron();
await breakIt();
console.log(failures === 0 ? '\nAll checks passed.' : `\n${failures} checks failed.`);
process.exitCode = failures === 0 ? 0 : 1;
