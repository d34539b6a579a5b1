// Texts that take long or much memory, and systems that allow few threads. Each test uses its own
// process, which a crash would end.

import { chmodSync, copyFileSync, existsSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Ended, run, script } from '../support/child';
import { smallModel } from '../support/goldens.cjs';
import { temporaryFolder } from '../support/temporary_folder';
import { tinyCheckpoint, writeCheckpoint } from '../support/tiny_checkpoint';

/** A model that takes 256 tokens, with the small model's tokenizer. */
let tiny: string;

beforeAll(() => {
  tiny = temporaryFolder();
  writeCheckpoint(tiny, tinyCheckpoint({ vocabulary: 16_384 }));
  copyFileSync(path.join(smallModel, 'tokenizer.json'), path.join(tiny, 'tokenizer.json'));
  chmodSync(tiny, 0o755); // a user without rights reads it below
});

/** Runs a script in which `embedder` is the loaded model. Returns what it printed. */
async function printed(source: string): Promise<string[]> {
  const loaded = `const embedder = await Embedder.load(process.argv[1]);\n${source}`;
  const { stdout, ...end } = await run(script(loaded), { args: [tiny] });
  expect(end).toEqual({ code: 0, signal: null, stderr: '' });
  return stdout.trim().split('\n');
}

// The limits are several times what a slow core needs.
describe('texts of ten million characters', () => {
  it('a run of white space is embedded with truncate: end', async () => {
    const [cut, same, count] = await printed(`
      const cut = { truncate: 'end' };
      const vector = await embedder.embed(' '.repeat(10_100_000) + 'x', cut);
      console.log(Math.hypot(...vector).toFixed(5));
      const other = await embedder.embed(' '.repeat(100_000), cut);
      console.log(vector.every((value, i) => value === other[i]));
      console.log(await embedder.countTokens(' '.repeat(10_100_000) + 'x'));`);
    expect([cut, same]).toEqual(['1.00000', 'true']);
    expect(Number(count)).toBeGreaterThan(100_000);
  });

  it.each([
    ['digits', "'0123456789'.repeat(1_200_000)"],
    ['one letter', "'a'.repeat(12_000_000)"],
    ['letters', "'qjxkzvbw'.repeat(1_500_000)"],
    ['marks', "'a' + '\\u0301\\u0323'.repeat(6_000_000)"],
    ['lone surrogates', "'\\ud800'.repeat(12_000_000)"],
    ['control tokens', "'<|im_end|>'.repeat(1_200_000)"],
    ['beginnings of control tokens', "'<|im_en'.repeat(1_700_000)"],
  ])('%s are INPUT_TOO_LONG within 2 s and 250 MB', async (_, text) => {
    const [code, seconds, megabytes] = await printed(`
      const { resourceUsage } = process;
      await embedder.embed('a text');
      const text = ${text};
      const before = resourceUsage().maxRSS;
      const begin = performance.now();
      await embedder.embed(text).catch((error) => console.log(error.code));
      console.log((performance.now() - begin) / 1e3);
      console.log((resourceUsage().maxRSS - before) / 1024);`);
    expect(code).toBe('INPUT_TOO_LONG');
    expect(Number(seconds)).toBeLessThan(2);
    expect(Number(megabytes)).toBeLessThan(250);
  });

  it('that are converted delay neither files nor short texts', async () => {
    const [delay, first] = await printed(`
      const { readFile } = require('node:fs/promises');
      const long = 'some words and 123 '.repeat(55_000);
      let least = Infinity;
      let order;
      // Other processes take the core away for longer, so the best round counts.
      for (let round = 0; round < 5 && least > 50; round++) {
        order = [];
        const calls = Array.from({ length: 64 }, () =>
          embedder.countTokens(long).then(() => order.push('long')),
        );
        calls.push(embedder.countTokens('a text').then(() => order.push('short')));
        let most = 0;
        for (let i = 0; i < 5; i++) {
          const begin = performance.now();
          await readFile(process.argv[1] + '/config.json');
          most = Math.max(most, performance.now() - begin);
        }
        least = Math.min(least, most);
        await Promise.all(calls);
      }
      console.log(least);
      console.log(order[0]);`);
    expect(Number(delay)).toBeLessThan(50);
    expect(first).toBe('short');
  });
});

// prlimit is part of Debian's base system. Root is not limited, so the process becomes another
// user.
describe.runIf(existsSync('/usr/bin/prlimit'))('if the system allows few threads', () => {
  const user = 54_321;

  /** Loads and calls the model while `more` threads are allowed, and then without a limit. */
  const limited = (more: number): Promise<Ended> =>
    run(
      script(`
      const { execFileSync, spawn } = require('node:child_process');
      const { once } = require('node:events');
      const { promises } = require('node:fs');
      const outcome = async () => {
        const embedder = await Embedder.load(process.argv[1], { threads: 1 });
        try {
          await embedder.embed('a text');
          await embedder.countTokens('a text');
        } finally {
          await embedder.close();
        }
        return 'works';
      };
      const tell = (error) =>
        error instanceof EmbedderError ? error.code + ' ' + error.message : error.stack;
      // Reading a file starts Node's threads.
      const status = await promises.readFile('/proc/self/status', 'latin1');
      const threads = Number(/Threads:\\s+(\\d+)/.exec(status)[1]);
      const user = process.getuid() === 0 ? { uid: ${user}, gid: ${user} } : {};
      const shell = spawn('sh', { stdio: ['pipe', 'inherit', 'inherit'], ...user }); // not limited
      const prlimit = (soft) => ['--pid', String(process.pid), '--nproc=' + soft + ':'];
      execFileSync('prlimit', prlimit(threads + ${more}));
      try {
        if (user.uid) {
          process.setgid(user.gid);
          process.setuid(user.uid);
        }
        await promises.readdir(process.argv[1]);
      } catch (error) {
        return console.log('cannot be another user: ' + error.message);
      }
      console.log(await outcome().catch(tell));
      shell.stdin.end('exec prlimit ' + prlimit(threads + 1_000).join(' ') + '\\n');
      await once(shell, 'close');
      console.log(await outcome().catch(tell));`),
      { args: [tiny] },
    );

  it('calls work, or reject with an error that says so', async ({ skip }) => {
    const outcomes: string[] = [];
    for (let more = 0; more < 6; more++) {
      const { stdout, ...end } = await limited(more);
      expect(end, `${more} threads`).toEqual({ code: 0, signal: null, stderr: '' });
      if (stdout.startsWith('cannot be another user')) return skip(stdout);
      const [with_limit = '', without] = stdout.trim().split('\n');
      expect(with_limit).toMatch(/^(works|DEVICE_UNAVAILABLE the system does not allow .* thread)/);
      expect(without, `after ${with_limit}`).toBe('works');
      outcomes.push(with_limit);
    }
    expect(outcomes[0]).toMatch(/^DEVICE_UNAVAILABLE/);
    // Other processes of an ordinary user count too.
    if (process.getuid?.() === 0) expect(outcomes.at(-1)).toBe('works');
  });
});
