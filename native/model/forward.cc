#include "model/forward.h"

namespace qwen3 {
namespace {

// The part of a layer after keys and values are stored. `normed` is the input norm of the chunk's
// rows. In the last layer, only pooled rows need this part.
void attend_and_feed_forward(Backend& backend, const Model& model, uint32_t index,
                             const Chunk& chunk, void* pages, const Activations& a) {
  const Layer& layer = model.layers[index];
  const Spans spans{chunk.spans, chunk.span_count, index};
  backend.linear(a.normed, layer.query, a.query);
  backend.norm_rope(a.query, layer.query_norm, model.heads, spans);
  backend.attention(a.query, model.heads, spans, pages, a.attended);
  backend.linear_add(a.attended, layer.attention_out, chunk.x);
  backend.rms_norm(chunk.x, layer.mlp_norm, model.config.norm_eps, a.normed);
  backend.linear_swiglu(a.normed, layer.gate_up, a.gated);
  backend.linear_add(a.gated, layer.down, chunk.x);
}

}  // namespace

// Layer-major: a layer processes every chunk before the next layer starts, so only one layer's keys
// and values are stored at a time. The last layer stores the keys and values of all rows, then
// continues with the pooled rows only.
void forward(Backend& backend, const Model& model, const Batch& batch,
             const Activations& activations, const std::function<bool()>& wanted) {
  for (const Chunk& chunk : batch.chunks) backend.gather(chunk.ids, model.embeddings, chunk.x);

  const auto last = static_cast<uint32_t>(model.layers.size()) - 1;
  for (uint32_t i = 0; i <= last; ++i) {
    const Layer& layer = model.layers[i];
    for (const Chunk& chunk : batch.chunks) {
      if (!wanted()) return;
      const Activations a = activations.rows(chunk.x.rows);
      backend.rms_norm(chunk.x, layer.attention_norm, model.config.norm_eps, a.normed);
      backend.linear(a.normed, layer.key_value, a.key_value);
      backend.norm_rope_store(a.key_value, layer.key_norm, model.heads,
                              {chunk.spans, chunk.span_count, i}, batch.pages);
      if (i < last) attend_and_feed_forward(backend, model, i, chunk, batch.pages, a);
    }
  }

  const Activations a = activations.rows(batch.pooled_rows.x.rows);
  backend.gather(batch.pooled_rows.ids, batch.x, batch.pooled_rows.x);
  backend.rms_norm(batch.pooled_rows.x, model.layers[last].attention_norm, model.config.norm_eps,
                   a.normed);
  attend_and_feed_forward(backend, model, last, batch.pooled_rows, batch.pages, a);
}

Activations Activations::rows(uint32_t count) const {
  Activations a = *this;
  for (Matrix* m : {&a.normed, &a.query, &a.key_value, &a.attended, &a.gated}) m->rows = count;
  return a;
}

}  // namespace qwen3
