/* Vectors of the instruction set that a source is compiled for, for kernel_nat_tile_priv.h
 * only.
 *
 * nat_madd is the one operation of the chains of sums: fused where the set has it, else a
 * product and a sum, each rounded. The other operations are exact or round once. Hence
 * every set with fused operations gives the same bits.
 */
#ifndef TESS_EXECUTOR_KERNEL_NAT_VECTOR_PRIV_H
#define TESS_EXECUTOR_KERNEL_NAT_VECTOR_PRIV_H

#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>

typedef __m512 nat_vector;

static inline nat_vector nat_splat(float x)
{
    return _mm512_set1_ps(x);
}

/* a > b ? a : b */
static inline nat_vector nat_max(nat_vector a, nat_vector b)
{
    return _mm512_max_ps(a, b);
}

/* a < b ? a : b */
static inline nat_vector nat_min(nat_vector a, nat_vector b)
{
    return _mm512_min_ps(a, b);
}

#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

typedef __m256 nat_vector;

static inline nat_vector nat_splat(float x)
{
    return _mm256_set1_ps(x);
}

static inline nat_vector nat_max(nat_vector a, nat_vector b)
{
    return _mm256_max_ps(a, b);
}

static inline nat_vector nat_min(nat_vector a, nat_vector b)
{
    return _mm256_min_ps(a, b);
}

#else
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

typedef float nat_vector __attribute__((vector_size(16)));
typedef int nat_mask __attribute__((vector_size(16)));

static inline nat_vector nat_splat(float x)
{
    return (nat_vector){x, x, x, x};
}

static inline nat_vector nat_madd(nat_vector sum, nat_vector a, nat_vector b)
{
#if defined(__aarch64__)
    return (nat_vector)vfmaq_f32((float32x4_t)sum, (float32x4_t)a, (float32x4_t)b);
#else
    return sum + a * b; /* never contracted: the build says so */
#endif
}

static inline nat_vector nat_choose(nat_mask mask, nat_vector a, nat_vector b)
{
    return (nat_vector)(((nat_mask)a & mask) | ((nat_mask)b & ~mask));
}

static inline nat_vector nat_max(nat_vector a, nat_vector b)
{
    return nat_choose(a > b, a, b);
}

static inline nat_vector nat_min(nat_vector a, nat_vector b)
{
    return nat_choose(a < b, a, b);
}
#endif

#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
/* Said as an instruction, because compilers that may choose among the three fused ones
 * change the registers of sums halfway and copy them around. */
static inline nat_vector nat_madd(nat_vector sum, nat_vector a, nat_vector b)
{
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}
#endif

enum { NAT_LANES = sizeof(nat_vector) / sizeof(float) };

static inline nat_vector nat_load(const float *from)
{
    nat_vector vector;
    memcpy(&vector, from, sizeof vector);
    return vector;
}

static inline void nat_store(float *to, nat_vector vector)
{
    memcpy(to, &vector, sizeof vector);
}

#endif
