/* A small deterministic random number generator: the same seed gives the same numbers on
 * every machine. For synthetic weights and for tests; never for secrets.
 */
#ifndef TESS_BASE_RNG_H
#define TESS_BASE_RNG_H

#include <assert.h>
#include <stdint.h>

struct tess_rng {
    uint64_t state;
};

static inline void tess_rng_init(struct tess_rng *rng, uint64_t seed)
{
    rng->state = seed;
}

/* SplitMix64: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators",
 * OOPSLA 2014. */
static inline uint64_t tess_rng_next(struct tess_rng *rng)
{
    uint64_t z = (rng->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Uniform in [low, high], both included. */
static inline int tess_rng_int(struct tess_rng *rng, int low, int high)
{
    assert(low <= high);
    uint64_t span = (uint64_t)((int64_t)high - low) + 1;
    return (int)(low + (int64_t)(tess_rng_next(rng) % span));
}

/* Uniform in [0, 1) with 24 random bits: exact in float. */
static inline float tess_rng_float(struct tess_rng *rng)
{
    return (float)(tess_rng_next(rng) >> 40) * 0x1p-24f;
}

#endif
