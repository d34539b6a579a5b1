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
import path from 'node:path';
import { parseArgs } from 'node:util';
import { fail } from '../install/report.mjs';
import { root } from '../install/stamp.mjs';
import { tool } from '../tools.mjs';
import { auditPrebuilds } from './audit-binaries.mjs';
import { bundle, packIntoElectron, runInOtherRuntimes, trace } from './check-tools.mjs';
import {
  bare,
  check,
  consumer,
  embedArguments,
  embeds,
  embedsWith,
  failsToLoad,
  folder,
  machine,
  model,
  prebuildOf,
  reportChecks,
  runInside,
} from './consumer.mjs';
import { bytesBelow, cleanCopy, install, megabytes, pack, run } from './tarball.mjs';

const checkout = path.join(folder, 'checkout');

const { prebuilt, glibc } = parseArgs({
  options: { prebuilt: { type: 'boolean' }, glibc: { type: 'string' } },
}).values;

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
  // Without the types of Node and the DOM, and with declaration files checked. 5.2 is the oldest
  // compiler that knows `await using`.
  for (const compiler of [
    tool('typescript@5.2.2'),
    path.join(root, 'node_modules', 'typescript'),
  ]) {
    const { version } = JSON.parse(fs.readFileSync(path.join(compiler, 'package.json'), 'utf8'));
    await check(`types, TypeScript ${version}`, () => {
      const files = ['types.cts', 'types.mts'];
      const source = path.join(root, 'test', 'package', 'types.cts');
      for (const name of files) fs.copyFileSync(source, path.join(consumer, name));
      const tsc = path.join(compiler, 'bin', 'tsc');
      const options = ['--strict', '--noEmit', '--target', 'es2022', '--lib', 'es2022'];
      run(process.execPath, [tsc, ...options, '--module', 'nodenext', ...files], {
        cwd: consumer,
      });
    });
  }
  await check('main thread and workers at the same time', () =>
    embeds(consumer, 'worker.cjs', [model]),
  );
  await check('NODE_DEBUG=qwen3-embed', () =>
    embedsWith(prebuildOf(consumer), consumer, 'embed.cjs'),
  );
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
await runInOtherRuntimes();
await trace();
await bundle();
await packIntoElectron();
await breakIt();
reportChecks();
