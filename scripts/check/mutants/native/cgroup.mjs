export const file = 'native/platform/cgroup.cc';
export const suite = 'native_tests';

const ancestors = 'cgroup: the smallest limit of all ancestors holds';
const container = 'cgroup: groups of a container';
const version1 = 'cgroup: version 1';
const reclaimable = 'cgroup: reclaimable memory is available';

export const mutants = [
  {
    name: 'cpuset is taken for cpu',
    text: 'if (each == word) return true;',
    replacement: 'if (each.starts_with(word)) return true;',
    tests: version1,
  },
  {
    name: 'the groups between the own one and the root set no limit',
    text: "end = path->rfind('/', end - 1)) {",
    replacement: 'end = 0) {',
    tests: ancestors,
  },
  {
    name: 'the root of the mount sets no limit',
    text: '(path ? with_group : without_group).push_back(folder);',
    replacement: 'if (!path) without_group.push_back(folder);',
    tests: ancestors,
  },
  {
    name: 'the path within a container is looked up from the root of the machine',
    text: 'return group.substr(root.size());',
    replacement: 'return group;',
    tests: container,
  },
  {
    name: 'a group is taken for a part of another whose name it begins with',
    text: "(group + '/').starts_with(root + '/')",
    replacement: 'group.starts_with(root)',
    tests: container,
  },
  {
    name: 'a path that leads out of the container is followed',
    text: '(group + \'/\').find("/../") == std::string::npos',
    replacement: 'true',
    tests: container,
  },
  {
    name: 'the limits of all mounted groups hold',
    text: 'with_group.empty() ? without_group : with_group',
    replacement: 'without_group.empty() ? with_group : without_group',
    tests: 'cgroup: mounts of other groups',
  },
  {
    name: 'paths are compared as mountinfo writes them',
    text: '{unified, unescaped(root), unescaped(folder)}',
    replacement: '{unified, root, unescaped(folder)}',
    tests: 'cgroup: escaped paths',
  },
  {
    name: 'the group of version 1 is looked up in the tree of version 2',
    text: 'unified ? "" : controller)',
    replacement: 'controller)',
    tests: 'cgroup: both versions',
  },
  {
    name: 'the last CPU quota holds instead of the smallest',
    text: 'cpus = std::min(cpus, limit[0] / limit[1]);',
    replacement: 'cpus = limit[0] / limit[1];',
    tests: ancestors,
  },
  {
    name: 'no quota of version 1 is a quota of less than nothing',
    text: '*quota > 0',
    replacement: '*quota != 0',
    tests: version1,
  },
  {
    name: 'the largest limit of version 1 is a limit',
    text: 'least < 0x1p62',
    replacement: 'least < 0x1p63',
    tests: version1,
  },
  {
    name: 'more memory used than the limit is much memory available',
    text: 'std::max(*limit - *usage + reclaimable(folder, files.total), 0.0)',
    replacement: 'std::abs(*limit - *usage + reclaimable(folder, files.total))',
    tests: reclaimable,
  },
  {
    name: 'inactive memory of programs counts as available',
    text: 'if (key == total + each)',
    replacement: 'if (key.find(std::string(each).substr(0, 8)) == total.size())',
    tests: reclaimable,
  },
  {
    name: 'caches of the groups below do not count in version 1',
    text: '"total_"}',
    replacement: '""}',
    tests: reclaimable,
  },
];
