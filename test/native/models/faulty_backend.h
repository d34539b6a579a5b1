// A backend that forwards to another one, calls back before certain ops, and fails on request.
#pragma once
#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "backend/backend.h"

namespace qwen3::test {

class FaultyBackend final : public Backend {
 public:
  struct Faults {
    std::atomic<bool> no_memory = false, broken = false, unsupported = false;
    std::atomic<size_t> available = SIZE_MAX;  // bytes, if the other backend has as many
    std::atomic<size_t> temporary = 0;         // bytes of each weight, beside the other backend's
    // Called on the engine thread, before the op. Set before work is submitted.
    std::function<void()> at_attention = [] {}, at_pool = [] {};
    // After an allocation, with its memory; before an upload, with its destination.
    std::function<void(void* memory, size_t bytes)> at_allocate = [](void*, size_t) {};
    std::function<void(void* to, size_t bytes)> at_upload = [](void*, size_t) {};
    std::function<void(uint32_t threads)> at_limit_threads = [](uint32_t) {};
    std::function<void(bool invariant)> at_begin_batch = [](bool) {};
  };

  FaultyBackend(std::unique_ptr<Backend> backend, std::shared_ptr<const Faults> faults)
      : backend_(std::move(backend)), faults_(std::move(faults)) {}

  Traits traits() const noexcept override { return backend_->traits(); }
  void begin_batch(uint32_t tokens, bool invariant) noexcept override {
    faults_->at_begin_batch(invariant);
    backend_->begin_batch(tokens, invariant);
  }
  void limit_threads(uint32_t threads) noexcept override {
    faults_->at_limit_threads(threads);
    backend_->limit_threads(threads);
  }
  void gather(const uint32_t* ids, Matrix table, Matrix out) noexcept override {
    backend_->gather(ids, table, out);
  }
  void rms_norm(Matrix x, Matrix gain, float eps, Matrix out) noexcept override {
    backend_->rms_norm(x, gain, eps, out);
  }
  void linear(Matrix in, Matrix weight, Matrix out) noexcept override {
    backend_->linear(in, weight, out);
  }
  void linear_add(Matrix in, Matrix weight, Matrix x) noexcept override {
    backend_->linear_add(in, weight, x);
  }
  void linear_swiglu(Matrix in, Matrix weight, Matrix out) noexcept override {
    backend_->linear_swiglu(in, weight, out);
  }
  void norm_rope(Matrix query, Matrix gain, Heads heads, Spans spans) noexcept override {
    backend_->norm_rope(query, gain, heads, spans);
  }
  void norm_rope_store(Matrix key_value, Matrix gain, Heads heads, Spans spans,
                       void* pages) noexcept override {
    backend_->norm_rope_store(key_value, gain, heads, spans, pages);
  }
  void attention(Matrix query, Heads heads, Spans spans, const void* pages,
                 Matrix out) noexcept override {
    faults_->at_attention();
    backend_->attention(query, heads, spans, pages, out);
  }
  void pool(Matrix x, Matrix gain, float eps, Pooled* outputs, uint32_t count) noexcept override {
    faults_->at_pool();
    backend_->pool(x, gain, eps, outputs, count);
  }
  const char* sync() noexcept override {
    return faults_->broken ? "the device fell off the bus" : backend_->sync();
  }
  void* allocate(size_t bytes) noexcept override {
    void* const memory = faults_->no_memory ? nullptr : backend_->allocate(bytes);
    if (memory) faults_->at_allocate(memory, bytes);
    return memory;
  }
  void release(void* memory) noexcept override { backend_->release(memory); }
  void upload(void* to, const void* from, size_t bytes) noexcept override {
    faults_->at_upload(to, bytes);
    backend_->upload(to, from, bytes);
  }
  size_t available_bytes() const noexcept override {
    return std::min(faults_->available.load(), backend_->available_bytes());
  }
  size_t page_bytes(const Heads& heads) const noexcept override {
    return backend_->page_bytes(heads);
  }
  WeightLayout weight_layout(WeightUse use, uint32_t rows, uint32_t cols,
                             DType stored) const noexcept override {
    WeightLayout layout = backend_->weight_layout(use, rows, cols, stored);
    if (faults_->unsupported && use == WeightUse::linear_add) layout.bytes = 0;
    layout.temporary += faults_->temporary;
    return layout;
  }
  void store_weight(Matrix weight, WeightUse use, uint32_t first_row, uint32_t rows,
                    const void* from, DType stored) noexcept override {
    backend_->store_weight(weight, use, first_row, rows, from, stored);
  }

 private:
  std::unique_ptr<Backend> backend_;
  std::shared_ptr<const Faults> faults_;
};

}  // namespace qwen3::test
