// Opening the backend: the devices and dtypes that it accepts, the name that it reports, its
// tuning.
#include <cstring>

#include "backend/cuda_interface.h"
#include "cuda_tests.h"
#include "emulated_backend.h"
#include "tuning.h"

namespace qwen3::test {
namespace {

std::string refusal(int device, DType input) {
  char message[64];
  const std::unique_ptr<Backend> backend(qwen3_cuda_create(device, input, message, sizeof message));
  return backend ? "" : message;
}

void reports_why_it_does_not_open() {
  emulator::options = {};
  expect(qwen3_cuda_interface_version() == kCudaInterfaceVersion,
         "the interface version differs from the header's");
  for (const DType input : {DType::bf16, DType::f16, DType::s8}) {
    expect(refusal(0, input).empty(), "a valid device and dtype are refused");
  }
  for (const int device : {-1, 1}) {
    expect(refusal(device, DType::bf16).find("no CUDA device") != std::string::npos,
           "a missing device is accepted");
  }
  expect(refusal(0, DType::f32).find("bf16, f16 and int8") != std::string::npos, "f32 is accepted");
}

// The instruction set that is shown to users reports which kernels run.
void reports_which_kernels_run() {
  const auto reported = [](int capability, int code_capability = 0) {
    emulator::options = {};
    emulator::options.capability = capability;
    emulator::options.code_capability = code_capability;
    char message[64];
    const std::unique_ptr<Backend> backend(
        qwen3_cuda_create(0, DType::bf16, message, sizeof message));
    expect(backend != nullptr, message);
    return std::string(backend->traits().instruction_set);
  };
  const auto expect_reported = [](const std::string& actual, const std::string& wanted) {
    expect(actual == "emulated device, " + wanted, "'" + actual + "', not " + wanted);
  };
  expect_reported(reported(80), "sm_80");
  expect_reported(reported(100), "sm_100");
  expect_reported(reported(kHopper), "sm_90a");
  expect_reported(reported(kHopper, 80), "sm_90");
  const Variable off("QWEN3_EMBED_HOPPER", "0");
  expect_reported(reported(kHopper), "sm_90");
}

void reads_tuning() {
  char message[512] = "";
  cuda::Tuning tuning;
  const auto parse = [&](const std::string& text) {
    return cuda::parse_tuning(text, &tuning, message, sizeof message);
  };
  expect(parse("") && tuning.split_k_blocks == 128, "an empty text changes a number");
  expect(parse("tile=wide,narrow_step=1.25,epilogue_store=0,epilogue_add=1.5,"
               "epilogue_swiglu=10000,epilogue_int8=7") &&
             parse("small_tokens=64,split_k_rows=1,split_k_tiles=1000000,split_k_blocks=1024,"
                   "split_k_steps=9"),
         message);
  expect(tuning.tile == cuda::TileForm::wide && tuning.narrow_step == 1.25 &&
             tuning.epilogue_store == 0 && tuning.epilogue_add == 1.5 &&
             tuning.epilogue_swiglu == 10'000 && tuning.epilogue_int8 == 7 &&
             tuning.small_tokens == 64 && tuning.split_k_rows == 1 &&
             tuning.split_k_tiles == 1'000'000 && tuning.split_k_blocks == 1024 &&
             tuning.split_k_steps == 9,
         "a number is parsed wrongly");
  expect(parse("tile=narrow") && tuning.tile == cuda::TileForm::narrow, "narrow is parsed wrongly");
  expect(parse("tile=auto") && tuning.tile == cuda::TileForm::automatic, "auto is parsed wrongly");

  for (const char* bad : {"tile",
                          "tile=",
                          "tile=Wide",
                          "=1",
                          "tiles=1",
                          "narrow_step",
                          "narrow_step=",
                          "narrow_step=nan",
                          "narrow_step=-nan",
                          "narrow_step=inf",
                          "narrow_step=1e999",
                          "narrow_step=1e-999",
                          "narrow_step=-1",
                          "narrow_step=100.5",
                          "narrow_step=.5",
                          "narrow_step=1.",
                          "narrow_step=1.-5",
                          "narrow_step=1.1234567",
                          "narrow_step=4294967297",
                          "narrow_step=1.5x",
                          "narrow_step= 1",
                          "narrow_step=0x1",
                          "narrow_step=1.5;tile=wide",
                          "small_tokens=65",
                          "small_tokens=-1",
                          "small_tokens=1.5",
                          "small_tokens=4294967297",
                          "split_k_blocks=0",
                          "split_k_blocks=1025",
                          "split_k_blocks=99999999999999999999",
                          "split_k_steps=0",
                          "split_k_rows=0",
                          "split_k_tiles=0",
                          ",",
                          "tile=wide,,split_k_steps=1",
                          "tile=wide,tile=%s%n"}) {
    expect(!parse(bad), std::string(bad) + " is accepted");
    for (const char* name :
         {"tile", "narrow_step", "epilogue_int8", "small_tokens", "split_k_steps"}) {
      expect(std::string(message).find(std::string(name) + "=") != std::string::npos,
             std::string(name) + " is missing in the message about " + bad);
    }
  }
  expect(!parse(std::string(100'000, 'x')) &&
             std::string(message).ends_with("split_k_steps=1 to 1000000"),
         "a long text is accepted, or the message does not end with the names");
  char small[8];
  expect(!cuda::parse_tuning("x", &tuning, small, sizeof small) && std::strlen(small) == 7,
         "the message is not truncated to its buffer");

  emulator::options = {};
  const Variable bad("QWEN3_EMBED_CUDA_TUNING", "split_k_blocks=1025");
  expect(refusal(0, DType::bf16).find("QWEN3_EMBED_CUDA_TUNING must be") == 0,
         "a backend opens with bad tuning");
}

}  // namespace

void add_opening_tests(Tests& tests) {
  tests.push_back({"cuda: reports why it does not open", reports_why_it_does_not_open});
  tests.push_back({"cuda: reports which kernels run", reports_which_kernels_run});
  tests.push_back({"cuda: tuning is read", reads_tuning});
}

}  // namespace qwen3::test
