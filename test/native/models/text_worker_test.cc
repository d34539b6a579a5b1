// The thread that converts texts: turns, cancellation, failures, its end.
#include "engine/text_worker.h"

#include "expect_error.h"
#include "models/model_tests.h"
#include "temporary_folder.h"
#include "tokenizer/small_file.h"

namespace qwen3::test {
namespace {

using Ids = std::vector<uint32_t>;
using F = SmallFile;

// A task that calls a function, and records how it ended.
class Recorded : public TextTask {
 public:
  explicit Recorded(std::function<bool()> step) : step_(std::move(step)) {
    finish = [this](std::exception_ptr error) {
      failure = error;
      thread = std::this_thread::get_id();
      finished = true;
    };
  }
  bool step() override {
    ++steps;
    return step_();
  }

  std::atomic<size_t> steps = 0;
  std::atomic<bool> finished = false;
  std::exception_ptr failure;
  std::thread::id thread;

 private:
  const std::function<bool()> step_;
};

std::shared_ptr<Recorded> task(std::function<bool()> step) {
  return std::make_shared<Recorded>(std::move(step));
}

// A task that has more to do until `done`, but ends when a test has waited long enough.
std::shared_ptr<Recorded> long_task(const std::atomic<bool>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  return task([&done, end] { return !done && std::chrono::steady_clock::now() < end; });
}

void expect_finished(const Recorded& task, const std::string& what) {
  expect(eventually([&] { return task.finished.load(); }), what + " does not finish");
  expect(!task.failure, what + " failed");
}

// Runs a task of its own class and returns the exception that it failed with.
std::exception_ptr run(const std::shared_ptr<TextTask>& task) {
  std::atomic<bool> finished = false;
  std::exception_ptr failure;
  task->finish = [&](std::exception_ptr error) {
    failure = error;
    finished = true;
  };
  TextWorker worker;
  worker.submit(task);
  expect(eventually([&] { return finished.load(); }), "the task does not finish");
  return failure;
}

void rethrow(std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
}

// What tasks use is declared before the worker, which may still run them when a test fails.
void tasks_take_turns() {
  std::atomic<bool> short_done = false;
  const auto first = long_task(short_done), second = long_task(short_done);
  const auto short_task = task([&] {
    short_done = true;
    return false;
  });
  TextWorker worker;
  worker.submit(first);
  worker.submit(second);
  expect(eventually([&] { return first->steps > 0 && second->steps > 0; }),
         "two long tasks do not take turns");
  worker.submit(short_task);
  expect_finished(*short_task, "a short task behind long ones");
  expect_finished(*first, "the first long task");
  expect_finished(*second, "the second long task");
  expect(first->thread == short_task->thread && first->thread != std::this_thread::get_id(),
         "tasks run on other threads");
  expect(first->steps > 10, "a turn has only some steps");
}

// A task that waits inside of its step, so that others are queued behind it.
struct Gate {
  std::atomic<bool> open = false, reached = false;
  std::shared_ptr<Recorded> task = test::task([this] {
    reached = true;
    return !eventually([this] { return open.load(); });
  });
  void wait_until_reached() {
    expect(eventually([this] { return reached.load(); }), "the first task does not run");
  }
};

void tasks_begin_in_order() {
  Gate gate;
  std::vector<int> order;
  std::vector<std::shared_ptr<Recorded>> tasks;
  TextWorker worker;
  worker.submit(gate.task);
  for (int i = 0; i < 10; ++i) {
    tasks.push_back(task([&order, i] {
      order.push_back(i);
      return false;
    }));
    worker.submit(tasks.back());
  }
  gate.open = true;
  for (const auto& each : tasks) expect_finished(*each, "a task");
  expect(order == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, "another order");
  for (const auto& each : tasks) expect(each->steps == 1, "a finished task continues");
}

void cancelled_tasks_do_not_finish() {
  std::atomic<bool> done = false;
  Gate gate;
  const auto queued = task([] { return false; });
  const auto endless = long_task(done);
  // Cancelled in the step in which they would finish, or fail.
  std::shared_ptr<Recorded> ends, fails;
  ends = task([&ends] {
    ends->cancelled = true;
    return false;
  });
  fails = task([&fails]() -> bool {
    fails->cancelled = true;
    throw Error(ErrorCode::model_invalid, "cancelled");
  });
  TextWorker worker;
  for (const auto& each : {gate.task, queued, endless}) worker.submit(each);
  queued->cancelled = true;
  gate.open = true;
  expect(eventually([&] { return endless->steps > 0; }), "the running task does not begin");
  endless->cancelled = true;
  const auto after = task([] { return false; });
  for (const auto& each : {ends, fails, after}) worker.submit(each);
  expect_finished(*after, "a task behind cancelled ones");
  expect(queued->steps == 0, "a cancelled task begins");
  for (const auto& each : {queued, endless, ends, fails})
    expect(!each->finished, "a cancelled task finishes");
  // The worker does not keep them.
  for (const auto& each : {queued, endless})
    expect(eventually([&] { return each.use_count() == 2; }), "the worker keeps a cancelled task");
}

void failures_go_to_their_task() {
  TextWorker worker;
  const auto fails = task([]() -> bool { throw Error(ErrorCode::model_invalid, "the cause"); });
  const auto succeeds = task([] { return false; });
  worker.submit(fails);
  worker.submit(succeeds);
  expect_finished(*succeeds, "a task behind one that failed");
  expect(fails->finished && fails->steps == 1, "a failed task does not finish");
  expect_error(ErrorCode::model_invalid, "the cause", [&] { rethrow(fails->failure); });
}

void it_stops_with_tasks_in_its_queue() {
  std::weak_ptr<Recorded> left, running;
  std::atomic<int> finished = 0;
  std::atomic<bool> done = false;
  Gate gate;
  gate.task->finish = [&](std::exception_ptr) { ++finished; };
  {
    TextWorker worker;
    worker.submit(gate.task);
    gate.wait_until_reached();
    const auto endless = long_task(done), queued = task([] { return false; });
    for (const auto& each : {endless, queued}) {
      each->finish = [&](std::exception_ptr) { ++finished; };
      worker.submit(each);
    }
    running = endless;
    left = queued;
    gate.open = true;  // the destructor waits for the step
  }
  expect(running.expired() && left.expired(), "tasks are left");
  expect(finished <= 2, "a task that has not ended finishes");
  TextWorker unused;
}

void tokenizer_files_are_read() {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/tokenizer.json";
  const auto read = [&](uint32_t rows = F::kRows, const std::string& end_token = "") {
    const auto reading = std::make_shared<ReadTokenizer>(path, rows, end_token);
    rethrow(run(reading));
    return reading->tokenizer;
  };
  expect_error(ErrorCode::model_not_found, path + ": ", [&] { read(); });
  folder.write("/tokenizer.json", SmallFile().json());
  const auto tokenizer = read();
  expect(encode(tokenizer, u"ab<think>") == Ids{F::ab, F::think}, "the ids");
  expect(tokenizer->after() == Ids{F::end}, "the template");
  expect_error(ErrorCode::model_invalid, path + ": its ", [&] { read(100); });
  folder.write("/tokenizer.json", "{\"model\":7}");
  expect_error(ErrorCode::model_invalid, path + ": model must be an object", [&] { read(); });
  folder.write("/tokenizer.json", "{\"version\":\"3\"}");
  expect_error(ErrorCode::model_unsupported, path + ": its version is \"3\"", [&] { read(); });
  folder.write("/tokenizer.json", "");
  expect_error(ErrorCode::model_invalid, path + ": it is not JSON", [&] { read(); });
  std::filesystem::resize_file(path, (64 << 20) + 1);
  expect_error(ErrorCode::model_invalid, path + " has 67108865 bytes; at most 67108864",
               [&] { read(); });
  std::filesystem::resize_file(path, 64 << 20);
  expect_error(ErrorCode::model_invalid, path + ": it is not JSON", [&] { read(); });
  SmallFile without;
  without.post_processor = "null";
  folder.write("/tokenizer.json", without.json());
  expect(read(F::kRows, "<|end|>")->after() == Ids{F::end}, "the end token");
}

// A tokenizer that puts 'x' before and 'y', 'z' after a text.
std::shared_ptr<const Tokenizer> with_template() {
  SmallFile file;
  file.post_processor =
      R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}},)"
      R"({"Sequence":{"id":"A"}},{"SpecialToken":{"id":"yz"}}],"special_tokens":{)"
      R"("x":{"id":"x","ids":[120],"tokens":["x"]},"yz":{"id":"yz","ids":[121,122],)"
      R"("tokens":["y","z"]}}})";
  return open(file);
}

std::shared_ptr<Tokenize> tokenized(std::vector<std::u16string> texts,
                                    const TokenizeOptions& options) {
  const auto task = std::make_shared<Tokenize>(with_template(), std::move(texts), options);
  rethrow(run(task));
  return task;
}

void texts_get_the_ids_of_the_template() {
  const auto all = tokenized({u"ab1", u"", u"abc"}, {});
  expect(all->ids == Ids{'x', F::ab, '1', 'y', 'z', 'x', 'y', 'z', 'x', F::abc, 'y', 'z'},
         "the ids");
  expect(all->lengths == Ids{5, 3, 4} && !all->refused, "the lengths");
  const auto counted = tokenized({u"ab1", u"", u"abc"}, {.keep_ids = false});
  expect(counted->ids.empty() && counted->lengths == Ids{5, 3, 4}, "the lengths alone");
}

void lengths_are_limited() {
  const std::vector<std::u16string> texts = {u"12345", u"12", u"1"};
  const auto cut = tokenized(texts, {.max_tokens = 5, .truncate = true});
  expect(cut->lengths == Ids{5, 5, 4}, "the lengths");
  expect(Ids(cut->ids.begin(), cut->ids.begin() + 5) == Ids{'x', '1', '2', 'y', 'z'},
         "the template stays");
  const auto longer = tokenized(texts, {.max_tokens = 5});
  expect(longer->lengths == Ids{6, 5, 4}, "one more, so that the caller knows");
  const auto counted = tokenized(texts, {.max_tokens = 5, .keep_ids = false});
  expect(counted->lengths == Ids{6, 5, 4} && counted->ids.empty(), "counted");
  const auto unlimited = tokenized(texts, {.truncate = true});
  expect(unlimited->lengths == Ids{8, 5, 4}, "no limit");
  // The template does not become shorter.
  for (const uint32_t max_tokens : {1, 2, 3})
    expect(tokenized(texts, {.max_tokens = max_tokens, .truncate = true})->lengths == Ids{3, 3, 3},
           "the template alone");
  expect(tokenized(texts, {.max_tokens = 3})->lengths == Ids{4, 4, 4}, "one more than it");
  expect(tokenized(texts, {.max_tokens = 2})->lengths == Ids{3, 3, 3}, "less than it");
}

void a_refused_token_ends_the_conversion() {
  const auto task =
      tokenized({u"1", u"2", u"ab<think>", u"3"}, {.control_tokens = ControlTokens::refuse});
  expect(task->refused && task->refused->id == F::think && task->refused->content == "<think>",
         "the token");
  expect(task->lengths == Ids{4, 4}, "the texts before it");
  const auto text = tokenized({u"<think>"}, {.control_tokens = ControlTokens::as_text});
  expect(!text->refused && text->lengths == Ids{10}, "as text");
}

// Each text is a step at least, and long ones are several.
void many_texts_are_many_steps() {
  Tokenize task(with_template(), {u"1", u"2", std::u16string(10'000, u'1'), u"3"}, {});
  size_t steps = 1;
  while (task.step()) ++steps;
  expect(steps >= 3 + 10'000 / 2'048, std::to_string(steps) + " steps");
  expect(task.lengths == Ids{4, 4, 10'003, 4}, "the lengths");
}

}  // namespace

void add_text_worker_tests(Tests& tests) {
  tests.insert(
      tests.end(),
      {{"text worker: tasks take turns", tasks_take_turns},
       {"text worker: tasks begin in order", tasks_begin_in_order},
       {"text worker: cancelled tasks do not finish", cancelled_tasks_do_not_finish},
       {"text worker: failures go to their task", failures_go_to_their_task},
       {"text worker: it stops with tasks in its queue", it_stops_with_tasks_in_its_queue},
       {"text worker: tokenizer files are read", tokenizer_files_are_read},
       {"text worker: texts get the ids of the template", texts_get_the_ids_of_the_template},
       {"text worker: lengths are limited", lengths_are_limited},
       {"text worker: a refused token ends the conversion", a_refused_token_ends_the_conversion},
       {"text worker: many texts are many steps", many_texts_are_many_steps}});
}

}  // namespace qwen3::test
