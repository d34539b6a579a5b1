// A test is a name and a function that throws if the test fails. Independent of what is tested.
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

// Throws Failure(message) unless `condition`.
void expect(bool condition, const std::string& message);

// Waits, for at most some seconds, until `holds` returns true, because another thread will soon do
// something. Returns whether it did.
bool eventually(const std::function<bool()>& holds);

// Runs the tests whose name contains the argument of --filter, or all of them; --list only prints
// their names. Prints one line of JSON per test: {"name", "ok", "message", "ms"}. With --trace,
// prints "begins: NAME" to stderr before each test, which names a test that hangs or crashes.
// Returns the exit code.
int run_tests(const Tests& tests, int argc, char** argv);

}  // namespace qwen3::test
