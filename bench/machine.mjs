// How busy the machine is, and how much memory this process uses. Reads /proc; elsewhere it knows nothing, and says so.

import fs from 'node:fs';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** Above this share of the machine, others' work disturbs a measurement. */
export const disturbance = 0.05;

/** Waits, at most ten seconds, until others leave the machine alone. */
export async function quiet() {
  for (let attempt = 0; attempt < 25; attempt++) {
    const watch = startWatch();
    await sleep(400);
    if (watch().foreign < disturbance) return;
  }
}

/** Call the result for what happened since: seconds, this process's cores in use, and others' share of the machine. */
export function startWatch() {
  const begin = performance.now();
  const ownBegin = process.cpuUsage();
  const busyBegin = busySeconds();
  return () => {
    const seconds = (performance.now() - begin) / 1000;
    const own = process.cpuUsage(ownBegin);
    const ownSeconds = (own.user + own.system) / 1e6;
    const foreignSeconds = Math.max(0, busySeconds() - busyBegin - ownSeconds);
    return {
      seconds,
      cores: ownSeconds / seconds,
      foreign: foreignSeconds / seconds / os.cpus().length,
    };
  };
}

/** CPU time that all processes, and other guests of the host, have used since the machine started. */
function busySeconds() {
  if (!fs.existsSync('/proc/stat')) return 0;
  const [user, nice, system, , , interrupts, softInterrupts, stolen] = fs
    .readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + interrupts + softInterrupts + stolen) / 100; // USER_HZ
}

/** Bytes of memory in use now, and at the most since `resetPeakMemory`. */
export function memory() {
  const status = fs.readFileSync('/proc/self/status', 'utf8');
  const bytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)[1]) * 1024;
  return { now: bytes('VmRSS'), peak: bytes('VmHWM') };
}

export function resetPeakMemory() {
  fs.writeFileSync('/proc/self/clear_refs', '5');
}
