/* Elementary functions for arguments in a known range, without branches, so that
 * loops over them vectorise; and with a fixed order of operations, so that they
 * return the same bits on every processor, which libm does not promise.  The
 * series are Taylor's; errors are below 3 units in the last place. */
#ifndef WORKER_FASTMATH_H
#define WORKER_FASTMATH_H

#include "worker/simd.h"
#include <string.h>

#define LN2_HIGH 0x1.62e42fefp-1 /* 32 bits, so that small multiples are exact */
#define LN2_LOW 0x1.473de6af278edp-34

SIMD_INLINE uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

SIMD_INLINE double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* e^x for x <= 0; below -708 the result stays at e^-708.  x = k ln 2 + r with
 * |r| <= ln 2 / 2; adding `shift` leaves k in the low bits of the sum. */
SIMD_INLINE double fast_exp(double x)
{
    const double shift = 0x1.8p52;
    x = x < -708.0 ? -708.0 : x;
    double shifted = x * 0x1.71547652b82fep0 + shift;
    double k = shifted - shift;
    double r = (x - k * LN2_HIGH) - k * LN2_LOW;
    double r2 = r * r, r4 = r2 * r2, r8 = r4 * r4;
    double p0 = (1.0 + r) + r2 * (1.0 / 2 + r * (1.0 / 6));
    double p4 = (1.0 / 24 + r * (1.0 / 120)) + r2 * (1.0 / 720 + r * (1.0 / 5040));
    double p8 = (1.0 / 40320 + r * (1.0 / 362880)) +
                r2 * (1.0 / 3628800 + r * (1.0 / 39916800));
    double p12 = 1.0 / 479001600 + r * (1.0 / 6227020800.0);
    double p = (p0 + r4 * p4) + r8 * (p8 + r4 * p12);
    return p * double_of((bits_of(shifted) + 1023) << 52);
}

#endif
