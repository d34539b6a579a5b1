export const file = 'lib/addon/load_addon.ts';
export const suite = 'lib/load_addon';

export const mutants = [
  {
    name: 'a truncated library is loaded, which kills the process',
    text: 'refuseTruncated(file);',
    replacement: '',
    tests: 'bytes',
  },
  {
    name: 'the addon of another package is accepted',
    text: "if (typeof addon.embed !== 'function') throw",
    replacement: 'if (addon === undefined) throw',
    tests: 'the addon of another package',
  },
  {
    name: 'files beside an archive of Electron are not found',
    text: "existsSync(path.join(outside, 'prebuilds')) ? outside : folder",
    replacement: 'folder',
    tests: 'in an Electron archive',
  },
  {
    name: 'a copy without the build script proposes it',
    text: 'if (!existsSync(script))\n',
    replacement: 'if (script === "")\n',
    tests: 'a copy without the build script',
  },
  {
    name: 'the advice for bundles is given to everyone',
    text: 'version(folder) ? howToBuild(home) : howToExclude',
    replacement: 'howToExclude',
    tests: 'without an addon',
  },
  {
    name: 'the package of another name is taken for this one',
    text: "return name === 'qwen3-embed' ? version : undefined;",
    replacement: 'return version;',
    tests: 'bundle',
  },
  {
    name: 'a report that cannot be made hides the error',
    text: "} catch {\n    return ''; // Deno",
    replacement: '} catch (error) {\n    throw error; // Deno',
    tests: 'a diagnostic report that Deno refuses',
  },
];
