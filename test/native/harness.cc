#include "harness.h"

#include <chrono>
#include <cstdio>
#include <exception>
#include <string_view>
#include <thread>

namespace qwen3::test {
namespace {

std::string json_string(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') json += '\\';
    json += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return json + '"';
}

// Runs the test. Returns the failure message; empty if it passed.
std::string outcome(const Test& test) {
  try {
    test.run();
    return "";
  } catch (const std::exception& error) {
    return *error.what() ? error.what() : "failed";
  }
}

}  // namespace

void expect(bool condition, const std::string& message) {
  if (!condition) throw Failure(message);
}

bool eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < 5000 && !holds(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return holds();
}

int run_tests(const Tests& tests, int argc, char** argv) {
  std::string_view filter;
  bool list_only = false, trace = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--list") {
      list_only = true;
    } else if (argument == "--trace") {
      trace = true;
    } else if (argument == "--filter" && i + 1 < argc) {
      filter = argv[++i];
    } else {
      std::fprintf(stderr, "usage: %s [--list] [--trace] [--filter PART_OF_NAME]\n", argv[0]);
      return 2;
    }
  }
  int ran = 0, failed = 0;
  for (const Test& test : tests) {
    if (test.name.find(filter) == std::string::npos) continue;
    ++ran;
    if (list_only) {
      std::printf("%s\n", test.name.c_str());
      continue;
    }
    // stderr is not buffered.
    if (trace) std::fprintf(stderr, "begins: %s\n", test.name.c_str());
    const auto start = std::chrono::steady_clock::now();
    const std::string message = outcome(test);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    failed += !message.empty();
    std::printf("{\"name\":%s,\"ok\":%s,\"message\":%s,\"ms\":%.1f}\n",
                json_string(test.name).c_str(), message.empty() ? "true" : "false",
                json_string(message).c_str(), took.count());
    std::fflush(stdout);  // a crash in the next test must not lose this line
  }
  if (ran == 0) std::fprintf(stderr, "no test matches the filter\n");
  return ran == 0 || failed > 0;
}

}  // namespace qwen3::test
