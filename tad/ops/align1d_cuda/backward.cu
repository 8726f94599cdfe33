// The backward kernel: incoming gradient (N, C, R) to the gradient of the input (B, C, T).
//
// A lane is a snippet and keeps the gradients of TAD_SIZE pairs of channels in registers. For each roi it works out
// which bins touch its snippet, two as a rule, and with what weights; these serve all channels. Every gradient has one
// owner who adds in a fixed order: no atomics, the same bits every time.

#define MOST_WARPS 8                            // of a block
#define WINDOWS (MOST_PAIRS / TAD_SIZE)         // windows of 32 snippets that a warp owns
#define MOST_PAIRS (256 / (int)sizeof(Real))    // whose gradients fit into a lane's registers

struct __align__(2 * sizeof(Real)) Pair { Real v[2]; };

// How the weights of a task are found. DENSE: up to four samples, one after the other, touch a snippet; SPARSE: any
// number; EXACT: in doubles, because float32 cannot tell which samples are near a snippet.
enum Kind { DENSE, SPARSE, EXACT };
#define TAPS 4

// 32 bins of a roi, or what is left of them, that wait for their block.
struct __align__(16) Task {
    Place start, width, spacing;    // first sample of the first bin; from one bin to the next; from sample to sample
    Real per_width, per_spacing;    // 1 / width, 1 / spacing
    Real share;                     // weight of a sample: 1 / samples of a bin
    int count;                      // samples of a bin
    int bins, first_bin, roi;
    int low, high;                  // no snippet outside low..high is touched
    Kind kind;
};

__device__ __forceinline__ Task make_task(const Problem& problem, const Roi& roi, int roi_index, int first_bin) {
    const Comb comb = make_comb(problem, roi);
    Task task;
    task.width = comb.width;
    task.spacing = comb.spacing;
    task.start = comb.start + first_bin * comb.width + half_of(comb.spacing);
    task.per_width = 1 / real_of(comb.width);
    task.per_spacing = 1 / real_of(comb.spacing);
    task.share = comb.share;
    task.count = comb.count;
    task.bins = min(BINS, problem.bins - first_bin);
    task.first_bin = first_bin;
    task.roi = roi_index;
    task.low = 0;
    task.high = problem.snippets - 1;
    task.kind = EXACT;
    if (comb.count > 0 && comb.count <= 65536) {
        task.low = whole(task.start) - 2;
        task.high = whole(task.start + task.bins * task.width) + 2;
        const bool dense = real_of(comb.spacing) > (Real)0.51 && comb.count <= 4096 && problem.snippets <= 65536;
        task.kind = dense ? DENSE : SPARSE;
    }
    return task;
}

// Weight of a snippet in a bin, in doubles, for samples that may lie before or after the sequence, or far from 0.
__device__ Real exact_weight(const Problem& problem, int roi, int index, int snippet) {
    const BorderBin bin = make_border_bin(problem, load_roi(problem, roi), index);
    // Samples that lie near the snippet before rounding, and those that rounding may bring there
    const double centre = (snippet - bin.begin) / bin.spacing - 0.5 - bin.first;
    const double reach = (1.0 + 4.5e-16 * fabs(bin.begin)) / bin.spacing + 1.0;
    const int end = (int)fmin(fmax(floor(centre + reach) + 1.0, 0.0), (double)bin.count);
    Real total = 0;
    for (int sample = (int)fmin(fmax(ceil(centre - reach), 0.0), 1e9); sample < end; ++sample) {
        int left;
        Real part;
        if (!locate(bin, sample, problem.snippets, &left, &part)) continue;
        if (left == snippet) total += 1 - part;
        if (left == snippet - 1) total += part;
    }
    return total * bin.share;
}

// Whether some samples of a bin lie before or after the sequence and touch its first or last snippet all the same.
__device__ __forceinline__ bool over_the_border(const Problem& problem, const Task& task, Place first, int snippet) {
    return (snippet == 0 && first < 0)
           || (snippet == problem.snippets - 1 && first + (task.count - 1) * task.spacing > 0);
}

// The bins of a task that may touch a snippet: from *bin to *last.
__device__ __forceinline__ void touching_bins(const Task& task, int snippet, int* bin, int* last) {
    *bin = 0;
    *last = task.bins - 1;
    if (task.kind == EXACT) return;
    // Samples less than one snippet away touch it; a little more, so that rounding never loses one
    const Real at = real_of(place_of(snippet) - task.start), most = (Real)task.bins, more = (Real)1.00001;
    const Real from = (at - real_of((task.count - 1) * task.spacing) - more) * task.per_width - (Real)0.001;
    const Real to = (at + more) * task.per_width + (Real)0.001;
    if (from >= 0) *bin = from < most ? (int)from + 1 : task.bins;
    if (to < most) *last = to >= 0 ? (int)to : -1;
}

// The weight of a snippet in a bin, by going through the samples that are near it.
__device__ Real weight_of(const Problem& problem, const Task& task, int bin, int snippet) {
    const Place first = task.start + bin * task.width - place_of(snippet);  // the first sample, seen from the snippet
    if (task.kind == EXACT || over_the_border(problem, task, first, snippet))
        return exact_weight(problem, task.roi, task.first_bin + bin, snippet);
    const Real skipped = (-1 - real_of(first)) * task.per_spacing - (Real)0.01;
    int sample = skipped > 0 ? (int)skipped + 1 : 0;
    const Real from = real_of(first + sample * task.spacing), spacing = real_of(task.spacing);
    Real total = 0, at = from;
    for (int i = 1; sample < task.count && at < 1; ++i, ++sample) {
        const Real near = 1 - (at < 0 ? -at : at);
        total += near > 0 ? near : (Real)0;
        at = from + i * spacing;
    }
    return total * task.share;
}

// Adds a bin's gradients, times the weight of the lane's snippet. `column` is the bin in pairs of channels, BINS pairs
// in a row; `sums` are those of all windows. The window is one bit of `chosen`, the same for all lanes: where its
// number is compared instead, NVRTC 9.0 makes an index of it and moves the sums out of the registers.
__device__ __forceinline__ void add_bin(const Pair* column, Real weight, int chosen, Pair (*sums)[TAD_SIZE]) {
    if (weight == 0) return;
#pragma unroll
    for (int window = 0; window < WINDOWS; ++window) {
        if (!(chosen >> window & 1)) continue;
#pragma unroll
        for (int pair = 0; pair < TAD_SIZE; ++pair) {
            const Pair gradient = column[pair * BINS];
            sums[window][pair].v[0] += weight * gradient.v[0];
            sums[window][pair].v[1] += weight * gradient.v[1];
        }
    }
}

// Samples stand in one even row across all bins, so that those near a snippet follow each other: TAPS of them at most.
struct Taps {
    Real near[TAPS];   // 1 - distance of each sample, or 0
    int bin, end;      // bin of the first; taps before `end` are in it
    int count;         // from here on they are 0
};

__device__ __forceinline__ Taps find_taps(const Task& task, int snippet) {
    const Real skipped = (real_of(place_of(snippet) - task.start) - 1) * task.per_spacing - (Real)0.01;
    const int sample = skipped > 0 ? (int)skipped + 1 : 0;
    Taps taps;
    taps.bin = min((int)((sample + (Real)0.5) * task.share), task.bins);
    const int in_bin = sample - taps.bin * task.count;
    taps.end = task.count - in_bin;
    const Real from = real_of(task.start + taps.bin * task.width + in_bin * task.spacing - place_of(snippet));
    const Real spacing = real_of(task.spacing);
    taps.count = 0;
#pragma unroll
    for (int i = 0; i < TAPS; ++i) {
        const Real at = from + i * spacing, near = 1 - (at < 0 ? -at : at);
        taps.near[i] = near > 0 ? near : (Real)0;
        if (at < 1) taps.count = i + 1;
    }
    return taps;
}

// The weight of the snippet in the next bin; the taps of that bin are used up.
__device__ __forceinline__ Real take_bin(Taps& taps, int count) {
    Real weight = 0;
#pragma unroll
    for (int i = 0; i < TAPS; ++i) {
        const bool mine = i < taps.end;
        weight += mine ? taps.near[i] : (Real)0;
        taps.near[i] = mine ? (Real)0 : taps.near[i];
    }
    taps.end += count;
    return weight;
}

// Adds what a task gives to the snippet of a lane, in one of the windows of its warp.
__device__ __forceinline__ void add_task(const Problem& problem, const Task& task, const Pair* gradients, int snippet,
                                         int window, Pair (*sums)[TAD_SIZE]) {
    const int first = snippet & ~31, last_snippet = problem.snippets - 1;
    if (task.low > min(first + 31, last_snippet) || task.high < first) return;
    const bool dense = task.kind == DENSE && first > 0 && first + 31 < last_snippet;
    int bin = 0, last = -1;
    Taps taps;
    if (dense) {
        taps = find_taps(task, snippet);
        bin = taps.bin;
        last = task.bins - 1;
    } else if (snippet <= last_snippet) {
        touching_bins(task, snippet, &bin, &last);
    }
    bool more = bin <= last;
#pragma unroll 1
    while (__any_sync(FULL, more)) {
        Real weight = 0;
        bool done = false;
        if (dense) {
            done = taps.end >= taps.count;
            weight = take_bin(taps, task.count) * task.share;
        } else if (more) {
            weight = weight_of(problem, task, bin, snippet);
        }
        add_bin(gradients + bin, more ? weight : (Real)0, 1 << window, sums);
        ++bin;
        more = more && !done && bin <= last;
    }
}

// Where the hardware can, copies run beside the arithmetic; finish_copies waits for them.
#if TAD_SCALAR < 2 && __CUDA_ARCH__ >= 800
typedef unsigned int Target;  // an address in shared memory
__device__ __forceinline__ Target target_of(Pair* place) { return (Target)__cvta_generic_to_shared(place); }
__device__ __forceinline__ Target beyond(Target target, int reals) { return target + reals * (int)sizeof(Real); }
__device__ __forceinline__ void copy(Target target, const Scalar* source) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" :: "r"(target), "l"(source), "n"(sizeof(Real)) : "memory");
}
__device__ __forceinline__ void finish_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }
#else
typedef Real* Target;
__device__ __forceinline__ Target target_of(Pair* place) { return place->v; }
__device__ __forceinline__ Target beyond(Target target, int reals) { return target + reals; }
__device__ __forceinline__ void copy(Target target, const Scalar* source) { *target = to_real(*source); }
__device__ __forceinline__ void finish_copies() {}
#endif

// A thread's share of the gradients of every task: one bin of every `step`-th pair of channels. A warp takes several
// pairs at once where bins are few.
struct Share { int bin, pair, step; };

__device__ __forceinline__ Share share_of(const Problem& problem) {
    const int shift = problem.bins > 16 ? 5 : problem.bins > 8 ? 4 : 3;
    Share share;
    share.bin = threadIdx.x & ((1 << shift) - 1);
    share.pair = threadIdx.x >> shift;
    share.step = blockDim.x >> shift;
    return share;
}

// The gradients of a task, rows of bins, one a channel, to a place in shared memory.
__device__ __forceinline__ void copy_gradients(const Problem& problem, const Task& task, const Share& share,
                                               int channel, int channels, Target target) {
    if (share.bin >= task.bins) return;
    const Scalar* source = problem.values + ((long long)task.roi * problem.channels + channel + 2 * share.pair)
                           * problem.bins + task.first_bin + share.bin;
    const int source_step = 2 * share.step * problem.bins, target_step = 2 * share.step * BINS, pairs = channels / 2;
    target = beyond(target, 2 * (share.pair * BINS + share.bin));
    int pair = share.pair;
    // Four at once without asking in between
    for (; pair + 3 * share.step < pairs; pair += 4 * share.step) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            copy(target, source);
            copy(beyond(target, 1), source + problem.bins);
            source += source_step;
            target = beyond(target, target_step);
        }
    }
#pragma unroll 1
    for (; pair < pairs; pair += share.step) {
        copy(target, source);
        copy(beyond(target, 1), source + problem.bins);
        source += source_step;
        target = beyond(target, target_step);
    }
    if (pair == pairs && channels % 2 == 1) copy(target, source);
}

// A block's part of the result.
struct Part { int entry, channel, channels, first_snippet, snippets; };

__device__ __forceinline__ Part part_of(const Problem& problem) {
    const int width = problem.groups * 2 * TAD_SIZE, channel_parts = (problem.channels + width - 1) / width;
    const int index = blockIdx.x / problem.windows;
    Part part;
    part.entry = index / channel_parts;
    part.channel = index % channel_parts * width;
    part.channels = min(width, problem.channels - part.channel);
    part.snippets = blockDim.x / problem.groups * WINDOWS;
    part.first_snippet = blockIdx.x % problem.windows * part.snippets;
    return part;
}

// The tasks that concern a block, in rising order, among problem.capacity candidates from `cursor` on; returns their
// number.
__device__ int gather_tasks(const Problem& problem, const Part& part, int cursor, Task* queue, int* counts) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    const int parts = (problem.bins + BINS - 1) / BINS;
    const long long candidate = blockIdx.y + (long long)(cursor + threadIdx.x) * problem.slices;
    const bool exists = threadIdx.x < problem.capacity && candidate < (long long)problem.rois_count * parts;
    const int index = exists ? (int)(candidate / parts) : 0;
    const Roi roi = load_roi(problem, index);
    const int found = entry_of(problem, roi);
    if (exists && found < 0 && part.entry == 0) *(volatile long long*)problem.bad_roi = index + 1LL;
    Task task;
    bool mine = exists && found == part.entry;
    if (mine) {
        task = make_task(problem, roi, index, (int)(candidate % parts) * BINS);
        mine = task.high >= part.first_snippet && task.low < part.first_snippet + part.snippets;
    }
    const unsigned int votes = __ballot_sync(FULL, mine);
    if (lane == 0) counts[warp] = __popc(votes);
    __syncthreads();
    int start = 0, total = 0;
#pragma unroll
    for (int other = 0; other < MOST_WARPS; ++other) {
        const int count = other < warps ? counts[other] : 0;
        if (other < warp) start += count;
        total += count;
    }
    if (mine) queue[start + __popc(votes & ((1u << lane) - 1))] = task;
    __syncthreads();
    return total;
}

__device__ __forceinline__ void store_sums(const Problem& problem, const Part& part, int snippet, int channel,
                                           const Pair* sums) {
    if (snippet >= problem.snippets) return;
    const long long line = ((long long)blockIdx.y * problem.batch + part.entry) * problem.channels + part.channel
                           + channel;
    Real* partial = (Real*)problem.result + line * problem.snippets + snippet;
    Scalar* final = (Scalar*)problem.result + line * problem.snippets + snippet;
    const int left = part.channels - channel;
#pragma unroll
    for (int pair = 0; pair < TAD_SIZE; ++pair)
#pragma unroll
        for (int v = 0; v < 2; ++v) {
            const int at = (2 * pair + v) * problem.snippets;
            if (2 * pair + v < left && problem.slices > 1) partial[at] = sums[pair].v[v];
            if (2 * pair + v < left && problem.slices == 1) final[at] = to_scalar(sums[pair].v[v]);
        }
}

// Grid: (batch entries * parts of the channels * windows, slices). A block's warps are groups of channels; those of a
// group share the windows of 32 snippets evenly, as more rois lie over the middle of a sequence than over its ends. The
// result is (slices, B, C, T) of Real, or the gradient itself where there is one slice. Dynamic shared memory: two sets
// of places for the gradients of tasks, one filled while the other is worked on; the queue; MOST_WARPS words.
extern "C" __global__ void __launch_bounds__(32 * MOST_WARPS) align1d_backward(const Problem problem) {
    extern __shared__ __align__(16) unsigned char shared[];
    const Part part = part_of(problem);
    const Share share = share_of(problem);
    const int threads = blockDim.x / problem.groups, group = threadIdx.x / threads;
    const int snippet = part.first_snippet + threadIdx.x % threads;
    const int place_size = problem.groups * TAD_SIZE * BINS;
    Pair* places = (Pair*)shared;
    const Target targets = target_of(places);
    Task* queue = (Task*)(places + 2 * problem.stage * place_size);
    int* counts = (int*)(queue + problem.capacity);

    Pair sums[WINDOWS][TAD_SIZE];
#pragma unroll
    for (int window = 0; window < WINDOWS; ++window)
#pragma unroll
        for (int pair = 0; pair < TAD_SIZE; ++pair) sums[window][pair].v[0] = sums[window][pair].v[1] = 0;

    const long long tasks = (long long)problem.rois_count * ((problem.bins + BINS - 1) / BINS);
    const int per_slice = (int)((tasks + problem.slices - 1) / problem.slices);
    for (int cursor = 0; cursor < per_slice; cursor += problem.capacity) {
        const int queued = gather_tasks(problem, part, cursor, queue, counts);
        for (int begin = -problem.stage; begin < queued; begin += problem.stage) {
            const int next = begin + problem.stage, end = min(next, queued);
            const int full = (begin / problem.stage & 1) * problem.stage - begin;
            const int empty = (next / problem.stage & 1) * problem.stage - next;
            for (int i = next; i < min(next + problem.stage, queued); ++i)
                copy_gradients(problem, queue[i], share, part.channel, part.channels,
                               beyond(targets, 2 * (empty + i) * place_size));
#pragma unroll 1
            for (int i = begin < 0 ? end : begin; i < end; ++i)
#pragma unroll 1
                for (int window = 0; window < WINDOWS; ++window)
                    add_task(problem, queue[i], places + (full + i) * place_size + group * TAD_SIZE * BINS,
                             snippet + window * threads, window, sums);
            finish_copies();
            __syncthreads();
        }
    }
#pragma unroll
    for (int window = 0; window < WINDOWS; ++window)
        store_sums(problem, part, snippet + window * threads, group * 2 * TAD_SIZE, sums[window]);
}

// Adds the slices' partial sums in order.
extern "C" __global__ void align1d_reduce(const Real* partial, Scalar* result, long long size, int slices) {
    const long long threads = (long long)gridDim.x * blockDim.x;
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < size; i += threads) {
        Real sum = 0;
        for (int slice = 0; slice < slices; ++slice) sum += partial[slice * size + i];
        result[i] = to_scalar(sum);
    }
}
