#include "cpu/pack.h"

#include <algorithm>

#include "cpu/numbers.h"

namespace qwen3::cpu {
namespace {

// Depth of a panel: bf16_pairs pads an odd depth with zeros.
constexpr uint32_t padded_depth(PanelFormat format, uint32_t depth) {
  return format == PanelFormat::bf16_pairs ? depth + depth % 2 : depth;
}

template <PanelFormat format>
struct Panel {
  uint16_t* data;
  uint32_t width;

  void put(uint32_t depth, uint32_t column, float value) const {
    const size_t unit =
        format == PanelFormat::bf16_halves
            ? size_t{depth} * width + column % (width / 2) * 2 + column / (width / 2)
            : (size_t{depth} / 2 * width + column) * 2 + depth % 2;
    data[unit] = f32_to_bf16(value);
  }
};

template <>
struct Panel<PanelFormat::f32> {
  float* data;
  uint32_t width;

  void put(uint32_t depth, uint32_t column, float value) const {
    data[size_t{depth} * width + column] = value;
  }
};

// Source rows that become consecutive columns. Each panel has `strip` of them, from its column
// `column`.
struct Strips {
  uint32_t total;        // source rows of this kind in the whole weight
  uint32_t first, rows;  // those that are stored now
  uint32_t strip, column;
};

template <PanelFormat format, typename Source>
void pack_strip(const Matrix& weight, uint32_t width, const Strips& strips, uint32_t index,
                const unsigned char* from) {
  const uint32_t depth = weight.cols;
  using Element = decltype(Panel<format>::data);
  const Panel<format> panel{
      static_cast<Element>(weight.data) + size_t{index} * width * padded_depth(format, depth),
      width};
  const uint32_t begin = std::max(strips.first, index * strips.strip);
  const uint32_t end = std::min(strips.first + strips.rows, (index + 1) * strips.strip);
  // The strip of the last row also writes the panel's padding columns.
  const uint32_t filled = end == strips.total ? (index + 1) * strips.strip : end;
  constexpr uint32_t kDepths = 64;  // all columns of a panel at 64 depths fit in the L1 cache
  for (uint32_t first = 0; first < depth; first += kDepths) {
    const uint32_t last = std::min(first + kDepths, depth);
    for (uint32_t row = begin; row < filled; ++row) {
      const uint32_t column = strips.column + row % strips.strip;
      const size_t offset = size_t{row - strips.first} * depth;
      if (row < end) {
        for (uint32_t k = first; k < last; ++k) panel.put(k, column, Source::at(from, offset + k));
      } else {
        for (uint32_t k = first; k < last; ++k) panel.put(k, column, 0);
      }
      if (last == depth && padded_depth(format, depth) != depth) panel.put(depth, column, 0);
    }
  }
}

void pack_strips(PanelFormat format, uint32_t width, const Matrix& weight, const Strips& strips,
                 const void* from, DType stored, const Threads& threads) {
  if (strips.rows == 0) return;
  const auto* bytes = static_cast<const unsigned char*>(from);
  const uint32_t first = strips.first / strips.strip;
  const uint32_t last = (strips.first + strips.rows - 1) / strips.strip;
  with_stored(stored, [&](auto source) {
    using Source = decltype(source);
    threads.run(last - first + 1, [&](uint32_t task, uint32_t) {
      switch (format) {
        case PanelFormat::f32:
          return pack_strip<PanelFormat::f32, Source>(weight, width, strips, first + task, bytes);
        case PanelFormat::bf16_halves:
          return pack_strip<PanelFormat::bf16_halves, Source>(weight, width, strips, first + task,
                                                              bytes);
        case PanelFormat::bf16_pairs:
          return pack_strip<PanelFormat::bf16_pairs, Source>(weight, width, strips, first + task,
                                                             bytes);
      }
    });
  });
}

}  // namespace

size_t packed_bytes(PanelFormat format, uint32_t width, uint32_t rows, uint32_t cols) {
  const size_t panel =
      size_t{width} * padded_depth(format, cols) * (format == PanelFormat::f32 ? 4 : 2);
  return panel * ceil_div(rows, width);
}

void pack_weight(PanelFormat format, uint32_t width, Matrix weight, WeightUse use, Range rows,
                 const void* from, DType stored, const Threads& threads) {
  if (use != WeightUse::gate_up) {
    pack_strips(format, width, weight, {weight.rows, rows.first, rows.count, width, 0}, from,
                stored, threads);
    return;
  }
  const uint32_t half = weight.rows / 2, end = rows.first + rows.count;
  const uint32_t gates = rows.first < half ? std::min(end, half) - rows.first : 0;
  const uint32_t first_up = std::max(rows.first, half) - half;
  const auto* ups =
      static_cast<const unsigned char*>(from) + size_t{gates} * weight.cols * bytes_of(stored);
  pack_strips(format, width, weight, {half, rows.first, gates, width / 2, 0}, from, stored,
              threads);
  pack_strips(format, width, weight, {half, first_up, rows.count - gates, width / 2, width / 2},
              ups, stored, threads);
}

}  // namespace qwen3::cpu
