// The compiler's x86 intrinsics. A separate file, so that a test build can replace it by emulated
// intrinsics: by a cpu/isa/intrinsics_x86.h in an earlier include folder.
#pragma once

// GCC 12 warns about vectors in its own header that are uninitialized on purpose (GCC bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
