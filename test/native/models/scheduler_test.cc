// next_batch: which texts run together.
#include "engine/scheduler.h"

#include <algorithm>
#include <numeric>

#include "models/model_tests.h"

namespace qwen3::test {
namespace {

using Queue = std::deque<std::shared_ptr<Request>>;

std::shared_ptr<LoadedModel> empty_model() { return std::make_shared<LoadedModel>(); }

std::shared_ptr<Request> request(std::shared_ptr<LoadedModel> model,
                                 const std::vector<uint32_t>& lengths,
                                 uint32_t max_batch_tokens = 100, uint32_t threads = 1) {
  auto made = std::make_shared<Request>();
  made->loaded = std::move(model);
  made->max_batch_tokens = max_batch_tokens;
  made->threads = threads;
  made->add(std::vector<uint32_t>(std::accumulate(lengths.begin(), lengths.end(), 0u)), lengths,
            std::vector<float*>(lengths.size()));
  return made;
}

using Picks = std::vector<std::pair<const Request*, size_t>>;

void expect_batch(Queue& queue, const Picks& wanted, const std::string& what) {
  Picks picks;
  for (const Text& text : next_batch(queue)) picks.emplace_back(text.request.get(), text.index);
  expect(picks == wanted, what);
}

void requests_take_turns() {
  const auto model = empty_model();
  const auto a = request(model, {30, 30}), b = request(model, {40, 1}), c = request(model, {30});
  Queue queue{a, b, c};
  expect_batch(queue, {{a.get(), 0}, {b.get(), 0}, {c.get(), 0}},
               "one text each, exactly the budget");
  expect(queue == Queue{a, b}, "a completed request leaves, the rest keep their order");
  expect_batch(queue, {{a.get(), 1}, {b.get(), 1}}, "the rest");
  expect(queue.empty(), "all texts are scheduled");
  expect_batch(queue, {}, "the queue is empty");
}

// The request that had the last text of a batch is last in the next one.
void the_next_batch_begins_where_the_last_one_ended() {
  const auto model = empty_model();
  const auto a = request(model, {50, 50, 50}), b = request(model, {50, 50, 50});
  const auto c = request(model, {50});
  Queue queue{a, b};
  expect_batch(queue, {{a.get(), 0}, {b.get(), 0}}, "one each");
  queue.push_back(c);
  expect_batch(queue, {{a.get(), 1}, {b.get(), 1}}, "the earlier requests");
  expect_batch(queue, {{c.get(), 0}, {a.get(), 2}},
               "then the new request, before the earlier ones are done");
  expect_batch(queue, {{b.get(), 2}}, "the rest");
}

void a_request_alone_fills_the_batch() {
  const auto a = request(empty_model(), {40, 40, 40, 40});
  Queue queue{a};
  expect_batch(queue, {{a.get(), 0}, {a.get(), 1}}, "up to the budget");
  expect_batch(queue, {{a.get(), 2}, {a.get(), 3}}, "the rest");
}

// A later short text does not overtake one that does not fit.
void no_request_overtakes() {
  const auto model = empty_model();
  const auto a = request(model, {60}), b = request(model, {60}), c = request(model, {1});
  Queue queue{a, b, c};
  expect_batch(queue, {{a.get(), 0}}, "the first");
  expect_batch(queue, {{b.get(), 0}, {c.get(), 0}}, "then the next");
}

void a_long_text_runs_alone() {
  const auto model = empty_model();
  const auto a = request(model, {500, 1, 500});
  Queue queue{a};
  expect_batch(queue, {{a.get(), 0}}, "over the budget");
  expect_batch(queue, {{a.get(), 1}}, "the long one does not fit with it");
  expect_batch(queue, {{a.get(), 2}}, "over the budget, last");
  expect(queue.empty(), "all texts are scheduled");
}

void models_never_mix() {
  const auto x = empty_model(), y = empty_model();
  const auto a = request(x, {1}), b = request(y, {1}), c = request(x, {1, 1}), d = request(y, {1});
  Queue queue{a, b, c, d};
  expect_batch(queue, {{a.get(), 0}, {c.get(), 0}, {c.get(), 1}}, "the oldest request's model");
  expect(queue == Queue{b, d}, "the other model's requests wait in order");
  expect_batch(queue, {{b.get(), 0}, {d.get(), 0}}, "then the other model");
}

void numbers_of_threads_never_mix() {
  const auto model = empty_model();
  const auto a = request(model, {1, 1}, 100, 2), b = request(model, {1}, 100, 1);
  Queue queue{a, b};
  expect_batch(queue, {{a.get(), 0}, {a.get(), 1}}, "the oldest request's number");
  expect_batch(queue, {{b.get(), 0}}, "then the other number");
}

void other_models_come_first_next_time() {
  const auto x = empty_model(), y = empty_model();
  const auto a = request(x, {60, 60}), b = request(y, {1}), c = request(x, {60});
  Queue queue{a, b, c};
  expect_batch(queue, {{a.get(), 0}}, "the next of the model does not fit");
  expect(queue == Queue{b, c, a}, "the order is skipped, did not fit, ran");
}

void models_take_turns() {
  const auto x = empty_model(), y = empty_model();
  const auto a = request(x, {100, 100}), b = request(y, {100, 100});
  Queue queue{a, b};
  for (const size_t index : {0, 1}) {
    expect_batch(queue, {{a.get(), index}}, "the first model");
    expect_batch(queue, {{b.get(), index}}, "the second model");
  }
}

void the_smallest_budget_holds() {
  const auto model = empty_model();
  const auto a = request(model, {5}, 100), b = request(model, {5}, 10);
  const auto c = request(model, {5}, 100);
  Queue queue{a, b, c};
  expect_batch(queue, {{a.get(), 0}, {b.get(), 0}}, "up to the smaller budget");
  expect_batch(queue, {{c.get(), 0}}, "the rest");
  const auto d = request(model, {11}, 100), e = request(model, {1}, 10);
  Queue too_much{d, e};
  expect_batch(too_much, {{d.get(), 0}}, "more than the smaller budget");
}

void the_models_limits_hold() {
  const auto model = empty_model();
  const auto a = request(model, std::vector<uint32_t>(7, 1));
  Queue queue{a};
  model->limits = {3, 1000, 1000};
  expect_batch(queue, {{a.get(), 0}, {a.get(), 1}, {a.get(), 2}}, "three texts at most");
  model->limits = {1000, 2, 1000};
  expect_batch(queue, {{a.get(), 3}, {a.get(), 4}}, "two tokens at most");
  model->limits = {1000, 1000, 1};
  expect_batch(queue, {{a.get(), 5}}, "a page at most");
  expect_batch(queue, {{a.get(), 6}}, "the last");
  const auto b = request(model, {kPageTokens - 1, kPageTokens + 1, kPageTokens}, 1000);
  model->limits = {1000, 1000, 3};
  Queue pages{b};
  expect_batch(pages, {{b.get(), 0}, {b.get(), 1}}, "pages are rounded up");
}

void ended_requests_leave_the_queue() {
  const auto model = empty_model();
  const auto a = request(model, {1}), b = request(model, {1, 1}), c = request(model, {1});
  a->cancelled = true;
  b->error = Error(ErrorCode::device_failed, "");
  Queue queue{a, b, c};
  expect_batch(queue, {{c.get(), 0}}, "the request that has not ended");
  expect(queue.empty(), "no request is left");
  Queue ended{a, b};
  expect_batch(ended, {}, "all requests have ended");
  expect(ended.empty(), "no ended request is left");
}

}  // namespace

void add_batch_tests(Tests& tests) {
  tests.insert(
      tests.end(),
      {{"next_batch: requests take turns", requests_take_turns},
       {"next_batch: the next batch begins where the last one ended",
        the_next_batch_begins_where_the_last_one_ended},
       {"next_batch: a request alone fills the batch", a_request_alone_fills_the_batch},
       {"next_batch: no request overtakes", no_request_overtakes},
       {"next_batch: a long text runs alone", a_long_text_runs_alone},
       {"next_batch: models never mix", models_never_mix},
       {"next_batch: numbers of threads never mix", numbers_of_threads_never_mix},
       {"next_batch: other models come first next time", other_models_come_first_next_time},
       {"next_batch: models take turns", models_take_turns},
       {"next_batch: the smallest budget holds", the_smallest_budget_holds},
       {"next_batch: the model's limits hold", the_models_limits_hold},
       {"next_batch: cancelled and failed requests leave", ended_requests_leave_the_queue}});
}

}  // namespace qwen3::test
