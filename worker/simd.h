/* Portable vectors for the inner loops: GCC's vector extension, four doubles wide
 * whatever the processor has (wider ones are spilled to memory where they are not
 * native).  Sums run in eight lanes, in the same order on every machine; with
 * contraction to fused multiply-add switched off (see meson.build) a kernel
 * returns the same bits wherever it runs, but for those of glm_rows.h. */
#ifndef WORKER_SIMD_H
#define WORKER_SIMD_H

#include <stdint.h>

/* Compiles a function for plain x86-64 and for processors with AVX2, and picks one
 * when the program starts.  Thread sanitizer instruments the picker, which runs before
 * the sanitizer is ready, so there the plain version has to do; and so it has with
 * clang 14, which gives the picker a name that other files do not look for. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
#define SIMD_CLONES __attribute__((target_clones("default", "arch=x86-64-v3")))
#else
#define SIMD_CLONES
#endif

#define SIMD_INLINE static inline __attribute__((always_inline))

typedef double v4 __attribute__((vector_size(32)));
typedef double v4_unaligned __attribute__((vector_size(32), aligned(8), may_alias));
typedef float f4_unaligned __attribute__((vector_size(16), aligned(4), may_alias));

/* Macros, since a function that returned a vector would have another ABI in each
 * of the clones. */
#define v4_load(from) ((v4) * (const v4_unaligned *)(from))
/* Spelt out: GCC 12 turns this into one conversion, and __builtin_convertvector, in a
 * function with clones, into two. */
#define v4_load_f32(from) ((v4){(from)[0], (from)[1], (from)[2], (from)[3]})
#define v4_store(to, value) (*(v4_unaligned *)(to) = (value))

/* The sum of the four lanes. */
#define v4_sum(a) (((a)[0] + (a)[2]) + ((a)[1] + (a)[3]))

#endif
