// The backward kernel: incoming gradient (N, C, R) to the gradient of the input (B, C, T).
//
// A lane is a channel and keeps the gradients of TAD_SLOTS chunks of 8 snippets in registers. The bins that touch a chunk
// are read as dense rows of 8 weights, so that a bin costs 8 multiplications and 3 reads of shared memory a chunk. Every
// gradient has one owner who adds in a fixed order: no atomics, the same bits every time.

#define CHUNK 8         // snippets with one row of weights
#define SCAN 4          // candidates a thread looks at before the block works on those that concern it
#define PITCH 33        // Reals between the gradients of two channels: no bank conflicts either way

// Shared memory of one task: gradients (32 channels x PITCH), weight rows, and for each chunk of the window where its
// rows begin, its first bin and how many bins touch it.
struct Stage {
    Real* gradients;
    Real* weights;
    int* chunks;
    unsigned char* low;   // first bin of each chunk
    unsigned char* high;  // one past its last
};

#define PACK(row, bin, count) ((row) << 12 | (bin) << 6 | (count))
#define PACKED_ROW(word) ((word) >> 12)
#define PACKED_BIN(word) ((word) >> 6 & 63)
#define PACKED_COUNT(word) ((word) & 63)

struct RowTaker {
    Stage stage;
    int bin, first_chunk, chunks;

    __device__ __forceinline__ Real* place(int snippet) {
        const int chunk = snippet / CHUNK - first_chunk;
        if (chunk < 0 || chunk >= chunks) return 0;
        const int word = stage.chunks[chunk];
        if (bin < PACKED_BIN(word) || bin >= PACKED_BIN(word) + PACKED_COUNT(word)) return 0;
        return stage.weights + (PACKED_ROW(word) + bin - PACKED_BIN(word)) * CHUNK + snippet % CHUNK;
    }
    __device__ __forceinline__ void one(int snippet, Real weight) {
        Real* at = place(snippet);
        if (at) *at = weight;
    }
    __device__ __forceinline__ void more(int snippet, Real weight) {
        Real* at = place(snippet);
        if (at) *at += weight;
    }
    __device__ __forceinline__ void run(int from, int to, Real weight) {
        while (from < to) {
            Real* at = place(from);
            const int end = min(to, (from / CHUNK + 1) * CHUNK);
            if (at) for (int i = 0; i < end - from; ++i) at[i] = weight;
            from = end;
        }
    }
};

// First and last chunk that a bin touches, relative to the window and cut to it; bins outside get an empty range that
// keeps both ends in rising order from bin to bin.
__device__ __forceinline__ void touched_chunks(const Bin& bin, const Problem& problem, int first_chunk, int chunks,
                                               int* first, int* last) {
    const double last_snippet = problem.snippets - 1;
    const double low = fmin(fmax(position(bin, 0), 0.0), last_snippet);
    const double high = fmin(fmax(position(bin, max(bin.count - 1, 0)), 0.0), last_snippet);
    const int from = (int)low / CHUNK - first_chunk;
    const int to = min((int)high + 1, problem.snippets - 1) / CHUNK - first_chunk;
    *first = min(max(from, 0), chunks);
    *last = min(max(to, -1), chunks - 1);
}

// Positions far outside the sequence are too coarse to rise from bin to bin; the layout below relies on it, and on
// neighbours that share at most two chunks, which bounds the number of rows.
__device__ void keep_order(int lane, int* first, int* last) {
    for (int step = 1; step < 32; step *= 2) {
        const int earlier_first = __shfl_up_sync(FULL, *first, step), earlier_last = __shfl_up_sync(FULL, *last, step);
        if (lane >= step) {
            *first = max(*first, earlier_first);
            *last = max(*last, earlier_last);
        }
    }
    const int before = __shfl_up_sync(FULL, *last, 1);
    if (lane > 0) *first = max(*first, before - 1);
}

// A warp lays out one task: a row of 8 weights for each pair of a bin and a chunk it touches, in the order of chunks.
__device__ void describe_backward(const Problem& problem, int roi_index, int first_bin, int first_chunk, int chunks,
                                  int lane, const Stage& stage) {
    const bool used = first_bin + lane < problem.bins;
    const Bin bin = make_bin(load_roi(problem, roi_index), min(first_bin + lane, problem.bins - 1), problem);
    int first, last;
    touched_chunks(bin, problem, first_chunk, chunks, &first, &last);
    if (!used) {
        first = chunks;
        last = chunks - 1;
    }
    if (__any_sync(FULL, !bin.interior)) keep_order(lane, &first, &last);
    int before = __shfl_up_sync(FULL, last, 1), after = __shfl_down_sync(FULL, first, 1);
    if (lane == 0) before = -1;
    if (lane == 31) after = chunks;
    for (int chunk = lane; chunk < chunks; chunk += 32) stage.low[chunk] = stage.high[chunk] = 0;
    __syncwarp();
    if (used) {
        for (int chunk = max(before + 1, first); chunk <= last; ++chunk) stage.low[chunk] = lane;
        for (int chunk = first; chunk <= min(after - 1, last); ++chunk) stage.high[chunk] = lane + 1;
    }
    __syncwarp();
    int row = 0;
    for (int base = 0; base < chunks; base += 32) {
        const int chunk = base + lane;
        const int low = chunk < chunks ? stage.low[chunk] : 0, high = chunk < chunks ? stage.high[chunk] : 0;
        int sum = high - low;
        for (int step = 1; step < 32; step *= 2) {
            const int other = __shfl_up_sync(FULL, sum, step);
            if (lane >= step) sum += other;
        }
        if (chunk < chunks) stage.chunks[chunk] = PACK(row + sum - (high - low), low, high - low);
        row += __shfl_sync(FULL, sum, 31);
    }
    Vector nothing;
#pragma unroll
    for (int v = 0; v < VEC; ++v) nothing.v[v] = 0;
    for (int i = lane; i < row * (CHUNK / VEC); i += 32) ((Vector*)stage.weights)[i] = nothing;
    __syncwarp();
    if (used && first <= last) {
        RowTaker take;
        take.stage = stage;
        take.bin = lane;
        take.first_chunk = first_chunk;
        take.chunks = chunks;
        describe(bin, problem, take);
    }
}

// Gradients of one task, transposed on the way: lane = bin, row = channel. Where the hardware can, the copy runs beside
// the arithmetic; finish_copies waits for it.
__device__ __forceinline__ void copy_gradients(const Problem& problem, int roi, int first_bin, int channel, int lane,
                                               int from, int to, Real* gradients) {
    const int bin = first_bin + lane;
    if (bin >= problem.bins) return;
    const Scalar* row = problem.values + ((long long)roi * problem.channels + channel) * problem.bins + bin;
    to = min(to, problem.channels - channel);
    for (int c = from; c < to; ++c) {
        Real* target = gradients + c * PITCH + lane;
#if TAD_SCALAR < 2 && __CUDA_ARCH__ >= 800
        const unsigned int address = (unsigned int)__cvta_generic_to_shared(target);
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2;"
                     :: "r"(address), "l"(row + (long long)c * problem.bins), "n"(sizeof(Real)) : "memory");
#else
        *target = to_real(row[(long long)c * problem.bins]);
#endif
    }
}

__device__ __forceinline__ void finish_copies() {
#if TAD_SCALAR < 2 && __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

// Adds what one task gives to the chunks of a warp.
__device__ __forceinline__ void add_task(const Stage& stage, int warp, int warps, int chunks, int lane,
                                         Real (*sums)[CHUNK]) {
    const Real* gradients = stage.gradients + lane * PITCH;
#pragma unroll
    for (int slot = 0; slot < TAD_SLOTS; ++slot) {
        const int chunk = slot * warps + warp;
        const int word = chunk < chunks ? stage.chunks[chunk] : 0;
        const int count = PACKED_COUNT(word);
        const Vector* weights = (const Vector*)(stage.weights + PACKED_ROW(word) * CHUNK);
        const Real* gradient = gradients + PACKED_BIN(word);
        for (int i = 0; i < count; ++i) {
            const Real value = gradient[i];
#pragma unroll
            for (int part = 0; part < CHUNK / VEC; ++part) {
                const Vector w = weights[i * (CHUNK / VEC) + part];
#pragma unroll
                for (int v = 0; v < VEC; ++v) sums[slot][part * VEC + v] += w.v[v] * value;
            }
        }
    }
}

// The tasks that concern a block, in rising order, among `SCAN * blockDim.x` candidates; returns how many.
__device__ int gather_tasks(const Problem& problem, int cursor, int tasks, int parts, int entry, int* queue,
                            int* counts) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    int total = 0;
    for (int round = 0; round < SCAN; ++round) {
        const long long index = cursor + (long long)round * blockDim.x + threadIdx.x;
        const long long task = blockIdx.y + index * problem.slices;
        bool mine = false;
        if (task < tasks) {
            const int roi = (int)task / parts;
            const int found = entry_of(problem, load_roi(problem, roi));
            mine = found == entry;
            if (found < 0 && entry == 0) *(volatile long long*)problem.bad_roi = roi + 1LL;
        }
        const unsigned int votes = __ballot_sync(FULL, mine);
        if (lane == 0) counts[warp] = __popc(votes);
        __syncthreads();
        int start = total;
        for (int other = 0; other < warps; ++other) {
            if (other < warp) start += counts[other];
            total += counts[other];
        }
        if (mine) queue[start + __popc(votes & ((1u << lane) - 1))] = (int)task;
        __syncthreads();
    }
    return total;
}

// Grid: (channel tiles * batch entries * windows, slices). The result is (slices, B, C, T) of Real, or the gradient
// itself where there is one slice.
extern "C" __global__ void __launch_bounds__(512) align1d_backward(const Problem problem) {
    extern __shared__ __align__(16) unsigned char shared[];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    const int tiles = (problem.channels + 31) / 32;
    const int window = blockIdx.x % problem.windows, entry = blockIdx.x / problem.windows / tiles;
    const int channel = blockIdx.x / problem.windows % tiles * 32;
    const int all_chunks = (problem.snippets + CHUNK - 1) / CHUNK;
    const int first_chunk = window * TAD_SLOTS * warps;
    const int chunks = min(TAD_SLOTS * warps, all_chunks - first_chunk);
    const int parts = (problem.bins + BINS - 1) / BINS, tasks = problem.rois_count * parts;
    const int chunk_space = TAD_SLOTS * warps;

    // Two sets of stages: one is filled while the other is worked on
    const int weight_size = problem.capacity * CHUNK, gradient_size = 32 * PITCH;
    Real* weights = (Real*)shared;
    Real* gradients = weights + 2 * problem.stage * weight_size;
    int* chunk_words = (int*)(gradients + 2 * problem.stage * gradient_size);
    int* queue = chunk_words + 2 * problem.stage * chunk_space;
    int* counts = queue + SCAN * blockDim.x;
    unsigned char* bytes = (unsigned char*)(counts + warps);

    Real sums[TAD_SLOTS][CHUNK];
#pragma unroll
    for (int slot = 0; slot < TAD_SLOTS; ++slot)
#pragma unroll
        for (int k = 0; k < CHUNK; ++k) sums[slot][k] = 0;

    const long long per_slice = ((long long)tasks + problem.slices - 1) / problem.slices;
    for (long long cursor = 0; cursor < per_slice; cursor += SCAN * blockDim.x) {
        const int queued = gather_tasks(problem, (int)cursor, tasks, parts, entry, queue, counts);
        const int stages = (queued + problem.stage - 1) / problem.stage;
        for (int step = -1; step < stages; ++step) {
            // Fill the next stage: warps take turns, and two of them share the copy of a task
            const int next = step + 1;
            const int waiting = next < stages ? min(problem.stage, queued - next * problem.stage) : 0;
            for (int p = warp / 2; p < waiting; p += warps / 2) {
                const int task = queue[next * problem.stage + p], place = (next & 1) * problem.stage + p;
                copy_gradients(problem, task / parts, task % parts * BINS, channel, lane, warp % 2 * 16,
                               warp % 2 * 16 + 16, gradients + place * gradient_size);
            }
            if (step >= 0) {
                const int present = min(problem.stage, queued - step * problem.stage);
                for (int p = 0; p < present; ++p) {
                    const int place = (step & 1) * problem.stage + p;
                    Stage stage;
                    stage.gradients = gradients + place * gradient_size;
                    stage.weights = weights + place * weight_size;
                    stage.chunks = chunk_words + place * chunk_space;
                    add_task(stage, warp, warps, chunks, lane, sums);
                }
            }
            for (int p = (warp + next * problem.stage) % warps; p < waiting; p += warps) {
                const int task = queue[next * problem.stage + p], place = (next & 1) * problem.stage + p;
                Stage stage;
                stage.gradients = 0;
                stage.weights = weights + place * weight_size;
                stage.chunks = chunk_words + place * chunk_space;
                stage.low = bytes + 2 * place * chunk_space;
                stage.high = stage.low + chunk_space;
                describe_backward(problem, task / parts, task % parts * BINS, first_chunk, chunks, lane, stage);
            }
            finish_copies();
            __syncthreads();
        }
    }

    if (channel + lane >= problem.channels) return;
    const long long line = ((long long)blockIdx.y * problem.batch + entry) * problem.channels + channel + lane;
#pragma unroll
    for (int slot = 0; slot < TAD_SLOTS; ++slot) {
        const int start = (first_chunk + slot * warps + warp) * CHUNK;
#pragma unroll
        for (int k = 0; k < CHUNK; ++k) {
            if (start + k >= problem.snippets) continue;
            if (problem.slices == 1) ((Scalar*)problem.result)[line * problem.snippets + start + k] = to_scalar(sums[slot][k]);
            else ((Real*)problem.result)[line * problem.snippets + start + k] = sums[slot][k];
        }
    }
}

// Adds the slices' partial sums in order.
extern "C" __global__ void align1d_reduce(const Real* partial, Scalar* result, long long size, int slices) {
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < size; i += (long long)gridDim.x * blockDim.x) {
        Real sum = 0;
        for (int slice = 0; slice < slices; ++slice) sum += partial[slice * size + i];
        result[i] = to_scalar(sum);
    }
}
