/* Portable vectors for the inner loops: GCC's vector extension, eight doubles
 * wide whatever the processor has.  Sums therefore run in the same order on
 * every machine, and with contraction to fused multiply-add switched off (see
 * meson.build) a kernel returns the same bits wherever it runs. */
#ifndef WORKER_SIMD_H
#define WORKER_SIMD_H

#include <stdint.h>

/* Compiles a function for several levels of x86-64 and picks one when the
 * program starts.  Thread sanitizer instruments the picker, which runs before
 * the sanitizer is ready, so there the plain version has to do. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#define SIMD_CLONES                                                                    \
    __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define SIMD_CLONES
#endif

#define SIMD_INLINE static inline __attribute__((always_inline))

typedef double v8 __attribute__((vector_size(64)));
typedef double v8_unaligned __attribute__((vector_size(64), aligned(8), may_alias));

SIMD_INLINE v8 v8_load(const double *from)
{
    return *(const v8_unaligned *)from;
}

SIMD_INLINE void v8_store(double *to, v8 value)
{
    *(v8_unaligned *)to = value;
}

SIMD_INLINE double v8_sum(v8 a)
{
    return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

#endif
