// What the forward and the backward kernels share: types, rois, and the weights of a bin's snippets.
//
// program.py puts this file before forward.cu or backward.cu and gives the text to NVRTC, so no header may be included.
// TAD_SCALAR is 0 for float32, 1 float64, 2 float16, 3 bfloat16.
//
// A bin's value is a weighted sum of a few neighbouring snippets, and its weights are the same for all channels. The
// kernels work out the weights of 32 bins at a time, one bin a lane, and apply them to many channels.

#if TAD_SCALAR == 1
typedef double Scalar;
typedef double Real;  // what is added up in
#elif TAD_SCALAR == 0
typedef float Scalar;
typedef float Real;
#else
typedef unsigned short Scalar;
typedef float Real;
#endif

#define VEC (16 / (int)sizeof(Real))   // channels in a 16-byte vector
#define BINS 32                        // bins that a warp describes together
#define FULL 0xffffffffu

struct __align__(16) Vector { Real v[VEC]; };

// What both kernels are told; the same layout as launch.py's Problem.
struct Problem {
    const Scalar* values;    // forward: input (B, C, T); backward: incoming gradient (N, C, R)
    const void* rois;        // (N, 3)
    Real* tiles;             // forward_long: the tiles in global memory
    void* result;            // forward: output (N, C, R); backward: gradient (B, C, T), or partial sums per slice
    long long* bad_roi;      // mapped host memory: a roi that cannot be used, plus 1
    int wide_rois;           // rois are float64, else float32
    int batch, channels, snippets, rois_count, bins, ratio;
    int slices;              // blocks that share the rois of one batch entry and channel tile
    int groups;              // forward: tiles in a block; backward: groups of 32 channels in a block
    int capacity;            // backward: weight rows of a task
    int stage;               // backward: tasks worked on between two barriers
    int windows;             // backward: parts of the sequence, a block each
};

__device__ __forceinline__ Real to_real(Scalar value) {
#if TAD_SCALAR < 2
    return value;
#elif TAD_SCALAR == 2
    float result;
    asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value));
    return result;
#else
    return __int_as_float((int)value << 16);
#endif
}

__device__ __forceinline__ Scalar to_scalar(Real value) {
#if TAD_SCALAR < 2
    return value;
#elif TAD_SCALAR == 2
    unsigned short result;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(result) : "f"(value));
    return result;
#else
    unsigned int bits = (unsigned int)__float_as_int(value);
    if (value != value) return 0x7fc0;
    return (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);  // to nearest, ties to even
#endif
}

__device__ __forceinline__ Real quiet_nan() { return (Real)__int_as_float(0x7fc00000); }

// ---------------------------------------------------------------------------------------------------------------- rois

struct Roi { double batch, start, end; };

__device__ __forceinline__ Roi load_roi(const Problem& problem, int index) {
    Roi roi;
    if (problem.wide_rois) {
        const double* row = (const double*)problem.rois + 3 * (long long)index;
        roi.batch = row[0]; roi.start = row[1]; roi.end = row[2];
    } else {
        const float* row = (const float*)problem.rois + 3 * (long long)index;
        roi.batch = row[0]; roi.start = row[1]; roi.end = row[2];
    }
    return roi;
}

template <class T> __device__ __forceinline__ T from_lane(T value, int lane) { return __shfl_sync(FULL, value, lane); }

// The batch entry of a roi, or -1 for a roi that must not be used.
__device__ __forceinline__ int entry_of(const Problem& problem, const Roi& roi) {
    const double span = roi.start - roi.start + roi.end - roi.end;  // NaN unless both are finite
    const bool good = span == 0.0 && roi.batch >= 0.0 && roi.batch < (double)problem.batch
                      && roi.batch == floor(roi.batch);
    return good ? (int)roi.batch : -1;
}

// The batch entry whose blocks answer for a roi: those of the first also mark the unusable ones.
__device__ __forceinline__ int owner_of(int entry) { return max(entry, 0); }

// What all bins of a roi share; doubles, so that positions far into the sequence keep their fraction.
struct Comb {
    double start, width, spacing;  // of the roi; of a bin; from one sample to the next
    double samples;                // of a bin
    Real share;                    // weight of a sample
    Real per_slip;                 // 1 / (1 - spacing)
};

__device__ __forceinline__ Comb make_comb(const Problem& problem, const Roi& roi) {
    Comb comb;
    comb.start = roi.start;
    comb.width = fmin(fmax(roi.end - roi.start, 1.0), 1e300) / problem.bins;
    comb.samples = problem.ratio > 0 ? (double)problem.ratio : ceil(comb.width);
    comb.spacing = comb.width / comb.samples;
    comb.share = (Real)1 / (Real)comb.samples;
    comb.per_slip = (Real)1 / (Real)(1.0 - comb.spacing);
    return comb;
}

// ------------------------------------------------------------------------------------------------------- bin geometry

// One bin: samples first, first + 1, ... first + count - 1 at begin + (sample + 0.5) * spacing may lie in the sequence.
struct Bin {
    double begin, spacing, first;
    int count;
    Real share, per_slip;
    bool interior;   // every sample counts and has both neighbours
};

__device__ __forceinline__ double position(const Bin& bin, int sample) {
    // The reference's order of operations, unfused, so that both agree on which samples lie inside
    return __dadd_rn(bin.begin, __dmul_rn(bin.first + sample + 0.5, bin.spacing));
}

__device__ __forceinline__ Bin make_bin(const Comb& comb, int index, const Problem& problem) {
    const double snippets = problem.snippets;
    Bin bin;
    bin.begin = __dadd_rn(comb.start, __dmul_rn((double)index, comb.width));
    bin.spacing = comb.spacing;
    bin.share = comb.share;
    bin.per_slip = comb.per_slip;
    bin.first = 0.0;
    bin.count = (int)fmin(comb.samples, 1e9);
    bin.interior = position(bin, 0) >= 0.0 && bin.begin + (comb.samples + 0.5) * bin.spacing < snippets - 1.0;
    if (!bin.interior) {
        const double first = ceil((-1.0 - bin.begin) / bin.spacing - 0.5) - 1.0;
        const double last = floor((snippets - bin.begin) / bin.spacing - 0.5) + 1.0;
        bin.first = fmax(first, 0.0);
        bin.count = (int)fmin(fmax(fmin(last, comb.samples - 1.0) - bin.first + 1.0, 0.0), 1e9);
    }
    return bin;
}

// Tells `take` the weights of a bin: first, once, take.run(from, to, weight) for snippets from..to-1, then
// take.one(snippet, weight) for others, and take.more(snippet, weight) for what comes on top.
template <class Taker>
__device__ void describe_samples(const Bin& bin, int snippets, Taker& take) {
    const double last_snippet = snippets - 1;
    int tap = -1;
    Real here = 0, next = 0;
    take.run(0, 0, 0);
#pragma unroll 1
    for (int sample = 0; sample < bin.count; ++sample) {
        double at = position(bin, sample);
        if (!(at >= -1.0 && at <= (double)snippets)) continue;
        at = fmin(fmax(at, 0.0), last_snippet);
        const int left = (int)at;
        const Real part = (Real)(at - left);
        if (left != tap) {
            if (here != 0) take.one(tap, here);
            if (left != tap + 1) {
                if (next != 0) take.one(tap + 1, next);
                next = 0;
            }
            here = next;
            next = 0;
            tap = left;
        }
        here += (1 - part) * bin.share;
        next += part * bin.share;
    }
    if (here != 0) take.one(tap, here);
    if (next != 0) take.one(tap + 1, next);
}

// Samples at most one snippet apart, all inside. From sample to sample the left neighbour moves on by one and the part
// falls by slip = 1 - spacing: what a snippet gets from two neighbouring samples adds up to 1 + slip. Once the part has
// fallen below 0 the left neighbour stays for one sample; in a bin without a fixed ratio this happens at most once.
template <class Taker>
__device__ void describe_run(const Bin& bin, Taker& take) {
    const double start = position(bin, 0);
    const int left = (int)start;
    const Real part = (Real)(start - left);
    const Real slip = (Real)(1.0 - bin.spacing);
    const bool stays = part - (bin.count - 1) * slip < 0;
    const int end = left + bin.count - (stays ? 1 : 0);
    const Real end_part = part - (bin.count - 1) * slip + (stays ? 1 : 0);
    take.run(left + 1, end, (1 + slip) * bin.share);
    take.one(left, (1 - part) * bin.share);
    take.one(end, end_part * bin.share);
    if (stays) {
        // The sample at which the part falls below 0; one too early or late by rounding changes weights by as little
        const int stay = min(max((int)(part * bin.per_slip) + 1, 1), bin.count - 1);
        const Real below = part - stay * slip;
        take.more(left + stay - 1, -below * bin.share);
        take.more(left + stay, (below + slip) * bin.share);
    }
}

template <class Taker>
__device__ __forceinline__ void describe(const Bin& bin, const Problem& problem, Taker& take) {
    if (bin.interior && problem.ratio == 0 && bin.count > 4) describe_run(bin, take);
    else describe_samples(bin, problem.snippets, take);
}
