// Checks for the tools of the native build: a C++20 compiler, CMake and make. scripts/setup.mjs can
// install them.

import { spawnSync } from 'node:child_process';

const minimumCMake = [3, 18];

/** Returns what is missing and how to install it, in one sentence; undefined if nothing is. */
export function missingTools() {
  const missing = [];
  const compiler = [process.env.CXX, 'c++', 'g++', 'clang++'].find(
    (name) => name && runs(name, ['--version']),
  );
  if (!compiler) missing.push('a C++20 compiler');
  else if (
    !compiles(
      compiler,
      '#include <bit>\n#include <span>\n' +
        'std::span<int> s; const auto bits = std::bit_cast<unsigned>(1.0f);',
    )
  ) {
    missing.push(`a C++20 compiler (${compiler} is too old: GCC 11, Clang 14 or newer is needed)`);
  }
  const cmake = /(\d+)\.(\d+)/.exec(output('cmake', ['--version']));
  if (!cmake) missing.push('CMake 3.18 or newer');
  else if (
    cmake[1] < minimumCMake[0] ||
    (+cmake[1] === minimumCMake[0] && cmake[2] < minimumCMake[1])
  ) {
    missing.push(`CMake 3.18 or newer (${cmake[0]} is installed)`);
  }
  if (!runs('make', ['--version'])) missing.push('make');
  if (missing.length === 0) return undefined;
  const command = installCommand();
  const list = new Intl.ListFormat('en').format(missing);
  return `The native part needs ${list}.${command ? ` Install with: ${command}` : ''}`;
}

/** Installs missing tools on Debian and Ubuntu if run as root; does nothing anywhere else. */
export function installTools() {
  if (!missingTools() || process.getuid?.() !== 0 || !runs('apt-get', ['--version'])) return;
  const packages = ['g++', 'cmake', 'make'];
  console.log(`Installing ${packages.join(', ')} (apt-get, as root)`);
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const command of [
    ['update'],
    ['install', '--yes', '--no-install-recommends', ...packages],
  ]) {
    const result = spawnSync('apt-get', ['-qq', ...command], {
      env: environment,
      encoding: 'utf8',
    });
    if (result.status !== 0)
      console.error(`apt-get ${command.join(' ')} failed:\n${result.stdout}${result.stderr}`);
  }
}

function compiles(compiler, source) {
  const options = ['-std=c++20', '-fsyntax-only', '-x', 'c++', '-'];
  return spawnSync(compiler, options, { input: `${source}\n` }).status === 0;
}

function installCommand() {
  if (process.platform === 'darwin')
    return 'xcode-select --install, and CMake with: brew install cmake';
  const commands = {
    'apt-get': 'sudo apt-get install g++ cmake make',
    dnf: 'sudo dnf install gcc-c++ cmake make',
    apk: 'apk add g++ cmake make',
    pacman: 'sudo pacman -S gcc cmake make',
    zypper: 'sudo zypper install gcc-c++ cmake make',
  };
  const manager = Object.keys(commands).find((name) => runs(name, ['--version']));
  return manager ? commands[manager] : undefined;
}

function runs(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function output(command, args) {
  return spawnSync(command, args, { encoding: 'utf8' }).stdout ?? '';
}
