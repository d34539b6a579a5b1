// Measures the load of the machine and the memory of this process. Reads /proc: on other systems
// the load of other processes counts as 0, and `memory` throws.

import fs from 'node:fs';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** The share of the machine's CPU time above which other processes disturb a measurement. */
export const disturbance = 0.05;

/** Waits until other processes are idle, at most ten seconds. */
export async function quiet() {
  for (let attempt = 0; attempt < 25; attempt++) {
    const watch = startWatch();
    await sleep(400);
    if (watch().foreign < disturbance) return;
  }
}

/**
 * Starts a measurement. The returned function gives the elapsed `seconds`, the `cores` that this
 * process used, and the share of the machine that other processes used (`foreign`).
 */
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

/** CPU seconds since boot of all processes, and of other guests of the host (steal time). */
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

/** Resident memory in bytes: now, and the peak since `resetPeakMemory`. */
export function memory() {
  const status = fs.readFileSync('/proc/self/status', 'utf8');
  const bytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)[1]) * 1024;
  return { now: bytes('VmRSS'), peak: bytes('VmHWM') };
}

export function resetPeakMemory() {
  fs.writeFileSync('/proc/self/clear_refs', '5');
}
