// The compiler's x86 intrinsics. A file of its own so that a test build can put emulated ones in its place: a folder
// with another cpu/isa/intrinsics_x86.h, earlier among the include folders.
#pragma once

// GCC 12 warns of its own header, whose undefined vectors are undefined on purpose (GCC bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
