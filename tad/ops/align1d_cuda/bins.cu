// What the forward and the backward kernels share: types, rois, and where bins and their samples lie.
//
// program.py puts this file before the kernels' own and gives the text to NVRTC, so no header may be included.
// TAD_SCALAR is 0 for float32, 1 float64, 2 float16, 3 bfloat16.
//
// A bin's value is a weighted sum of a few neighbouring snippets, and its weights are the same for all channels. The
// forward kernel works out the weights of 32 bins at a time, one bin a lane, the backward kernel those of 32 snippets,
// and either applies them to many channels.

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
    int groups;              // forward: tiles in a block; backward: groups of 2 * TAD_SIZE channels in a block
    int capacity;            // forward: entries of a bin's list; backward: rois that a block looks at together
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

// ------------------------------------------------------------------------------------------------------ combs and bins

// A position in the sequence. Float kernels keep 32 bits of fraction, which is finer than float32 needs and spares them
// double arithmetic, slow on most GPUs; the float64 kernel keeps doubles.
#if TAD_SCALAR == 1
typedef double Place;
__device__ __forceinline__ Place to_place(double at) { return at; }
__device__ __forceinline__ int whole(Place at) { return (int)at; }
__device__ __forceinline__ Real fraction(Place at) { return at - (int)at; }
__device__ __forceinline__ Place half_of(Place at) { return at * 0.5; }
__device__ __forceinline__ Place place_of(int snippet) { return snippet; }
__device__ __forceinline__ Real real_of(Place at) { return at; }
#else
typedef long long Place;
__device__ __forceinline__ Place to_place(double at) { return (Place)(at * 4294967296.0); }
__device__ __forceinline__ int whole(Place at) { return (int)(at >> 32); }
__device__ __forceinline__ Real fraction(Place at) { return (Real)(unsigned int)at * 2.3283064365386963e-10f; }
__device__ __forceinline__ Place half_of(Place at) { return at >> 1; }
__device__ __forceinline__ Place place_of(int snippet) { return (Place)snippet << 32; }
__device__ __forceinline__ Real real_of(Place at) { return (Real)whole(at) + fraction(at); }
#endif

// What all bins of a roi share.
struct Comb {
    Place start, width, spacing;  // of the roi; of a bin; from one sample to the next
    int count;                    // samples of a bin; 0 if the roi is too large for Place
    Real share, slip, per_slip;   // weight of a sample; 1 - spacing and its inverse
};

__device__ __forceinline__ Comb make_comb(const Problem& problem, const Roi& roi) {
    const double length = fmax(roi.end - roi.start, 1.0), width = length / problem.bins;
    const double samples = problem.ratio > 0 ? (double)problem.ratio : ceil(width);
    const double spacing = width / samples;
    Comb comb;
    comb.start = to_place(roi.start);
    comb.width = to_place(width);
    comb.spacing = to_place(spacing);
    comb.count = fabs(roi.start) + length < 1e9 ? (int)samples : 0;
    comb.share = (Real)1 / (Real)samples;
    comb.slip = (Real)(1.0 - spacing);
    comb.per_slip = (Real)1 / comb.slip;
    return comb;
}

// Where a bin lies. INTERIOR: each sample between two snippets; BEFORE, AFTER: none counts; BORDER: anything else.
enum Where { INTERIOR, BEFORE, AFTER, BORDER };

struct Bin {
    Place first;  // its first sample
    Where where;
};

__device__ __forceinline__ Bin make_bin(const Comb& comb, int index, const Problem& problem) {
    Bin bin;
    bin.first = comb.start + index * comb.width + half_of(comb.spacing);
    const Place next = bin.first + comb.count * comb.spacing;  // the first sample of the next bin
    bin.where = BORDER;
    if (comb.count > 0) {
        if (bin.first >= 0 && whole(next) < problem.snippets - 1) bin.where = INTERIOR;
        else if (bin.first < 0 && next < 0 && whole(next) < -2) bin.where = BEFORE;
        else if (bin.first > 0 && whole(bin.first) > problem.snippets + 1) bin.where = AFTER;
    }
    return bin;
}

// A bin at a border of the sequence, or of a very long roi, in doubles: samples first, first + 1, ... first + count - 1
// at begin + (sample + 0.5) * spacing may lie in the sequence.
struct BorderBin {
    double begin, spacing, first;
    int count;
    Real share;
};

__device__ __forceinline__ double position(const BorderBin& bin, int sample) {
    // The reference's order of operations, unfused, so that both agree on which samples lie inside
    return __dadd_rn(bin.begin, __dmul_rn(bin.first + sample + 0.5, bin.spacing));
}

__device__ __forceinline__ BorderBin make_border_bin(const Problem& problem, const Roi& roi, int index) {
    const double width = fmin(fmax(roi.end - roi.start, 1.0), 1e300) / problem.bins;
    const double samples = problem.ratio > 0 ? (double)problem.ratio : ceil(width);
    BorderBin bin;
    bin.begin = __dadd_rn(roi.start, __dmul_rn((double)index, width));
    bin.spacing = width / samples;
    bin.share = (Real)1 / (Real)samples;
    const double first = ceil((-1.0 - bin.begin) / bin.spacing - 0.5) - 1.0;
    const double last = floor(((double)problem.snippets - bin.begin) / bin.spacing - 0.5) + 1.0;
    bin.first = fmax(first, 0.0);
    bin.count = (int)fmin(fmax(fmin(last, samples - 1.0) - bin.first + 1.0, 0.0), 1e9);
    return bin;
}

// The snippet at or before a sample of a border bin, and how far the sample lies towards the next one; false if the
// sample lies outside and counts 0.
__device__ __forceinline__ bool locate(const BorderBin& bin, int sample, int snippets, int* left, Real* part) {
    const double at = position(bin, sample);
    if (!(at >= -1.0 && at <= (double)snippets)) return false;
    const double inside = fmin(fmax(at, 0.0), (double)(snippets - 1));
    *left = (int)inside;
    *part = (Real)(inside - *left);
    return true;
}
