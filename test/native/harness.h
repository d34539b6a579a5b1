// A test is a name and a function that throws Failure. Knows nothing of what is tested.
#pragma once
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace qwen3::test {

struct Test {
  std::string name;
  std::function<void()> run;
};
using Tests = std::vector<Test>;

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void expect(bool holds, const std::string& otherwise);

// Runs the tests whose name contains the argument of --filter, or all of them; --list only names them. Prints one
// line of JSON per test: {"name", "ok", "message", "ms"}. With --trace, stderr has "begins: NAME" before each:
// the one that hangs or crashes has a name. Returns the exit code.
int run_tests(const Tests& tests, int argc, char** argv);

}  // namespace qwen3::test
