// The backward kernel: incoming gradient (N, C, R) to the gradient of the input (B, C, T).
//
// A lane is a channel and keeps the gradients of TAD_SIZE chunks of 8 snippets in registers. The bins that touch a chunk
// are read as dense rows of 8 weights, so that a bin costs 8 multiplications and 3 reads of shared memory a chunk. Every
// gradient has one owner who adds in a fixed order: no atomics, the same bits every time.

#define CHUNK 8         // snippets with one row of weights
#define PITCH 34        // Reals between the gradients of two channels: even, so that two bins can be copied at once

// Shared memory of one task: gradients (groups x 32 channels x PITCH), rows of weights, and for each chunk of the window
// a word that tells where its rows begin, the first bin that touches it and how many do; low and high are scratch for
// the words.
struct Slot {
    Real* gradients;
    Real* weights;
    int* words;
    unsigned char* low;
    unsigned char* high;
};

#define PACK(row, bin, count) ((row) << 12 | (bin) << 6 | (count))
#define PACKED_ROW(word) ((word) >> 12)
#define PACKED_BIN(word) ((word) >> 6 & 63)
#define PACKED_COUNT(word) ((word) & 63)

struct RowTaker {
    Slot at;
    int bin, first_chunk, first, last;  // chunks that the bin touches, counted from the window's first

    __device__ __forceinline__ Real* row(int chunk) {
        const int word = at.words[chunk];
        return at.weights + (PACKED_ROW(word) + bin - PACKED_BIN(word)) * CHUNK;
    }
    // Every row of the bin is written here, with zeros outside the run
    __device__ __forceinline__ void run(int from, int to, Real weight) {
        for (int chunk = first; chunk <= last; ++chunk) {
            const int start = (chunk + first_chunk) * CHUNK;
            Vector* target = (Vector*)row(chunk);
#pragma unroll
            for (int part = 0; part < CHUNK / VEC; ++part) {
                Vector values;
#pragma unroll
                for (int v = 0; v < VEC; ++v) {
                    const int k = start + part * VEC + v;
                    values.v[v] = k >= from && k < to ? weight : (Real)0;
                }
                target[part] = values;
            }
        }
    }
    __device__ __forceinline__ void one(int snippet, Real weight) { more(snippet, weight); }
    __device__ __forceinline__ void more(int snippet, Real weight) {
        const int chunk = snippet / CHUNK - first_chunk;
        if (chunk >= first && chunk <= last) row(chunk)[snippet % CHUNK] += weight;
    }
};

// First and last chunk that a bin touches, relative to the window and cut to it; bins outside get an empty range that
// keeps both ends in rising order from bin to bin.
__device__ __forceinline__ void touched_chunks(const Problem& problem, const Comb& comb, const Bin& bin, int roi_index,
                                               int bin_index, int first_chunk, int chunks, int* first, int* last) {
    if (bin.where == BEFORE || bin.where == AFTER) {
        *first = bin.where == BEFORE ? 0 : chunks;
        *last = *first - 1;
        return;
    }
    int low = whole(bin.first), high = whole(bin.first + (comb.count - 1) * comb.spacing) + 1;
    if (bin.where == BORDER) {
        const BorderBin border = make_border_bin(problem, load_roi(problem, roi_index), bin_index);
        const double last_snippet = problem.snippets - 1;
        low = (int)fmin(fmax(position(border, 0), 0.0), last_snippet);
        high = (int)fmin(fmax(position(border, max(border.count - 1, 0)), 0.0), last_snippet) + 1;
    }
    *first = min(max(low / CHUNK - first_chunk, 0), chunks);
    *last = min(max(min(high, problem.snippets - 1) / CHUNK - first_chunk, -1), chunks - 1);
}

// Positions far outside the sequence are too coarse to rise from bin to bin; the layout below relies on it, and on
// neighbours that share at most two chunks, which bounds the number of rows.
__device__ void keep_order(int* first, int* last) {
    const int lane = threadIdx.x % 32;
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

// For each chunk from `lowest` to `highest`, the bins that touch it and where their rows begin; returns the number of rows.
// Bins touch chunks first..last; both rise from lane to lane.
__device__ __forceinline__ void lay_out_rows(int first, int last, int lowest, int highest, bool used, const Slot& at) {
    const int lane = threadIdx.x % 32;
    for (int chunk = lowest + lane; chunk <= highest; chunk += 32) at.low[chunk] = at.high[chunk] = 0;
    int before = __shfl_up_sync(FULL, last, 1), after = __shfl_down_sync(FULL, first, 1);
    if (lane == 0) before = -1;
    if (lane == 31) after = highest + 1;
    __syncwarp();
    if (used) {
        for (int chunk = max(before + 1, first); chunk <= last; ++chunk) at.low[chunk] = lane;
        for (int chunk = first; chunk <= min(after - 1, last); ++chunk) at.high[chunk] = lane + 1;
    }
    __syncwarp();
    int rows = 0;
    for (int base = lowest; base <= highest; base += 32) {
        const int chunk = base + lane;
        const int low = chunk <= highest ? at.low[chunk] : 0, high = chunk <= highest ? at.high[chunk] : 0;
        int sum = high - low;
#pragma unroll
        for (int step = 1; step < 32; step *= 2) {
            const int other = __shfl_up_sync(FULL, sum, step);
            if (lane >= step) sum += other;
        }
        if (high > low) at.words[chunk] = PACK(rows + sum - (high - low), low, high - low);
        rows += from_lane(sum, 31);
    }
}

// A warp lays out one task: a row of 8 weights for each pair of a bin and a chunk it touches, in the order of chunks.
__device__ __forceinline__ void describe_task(const Problem& problem, const Comb& comb, int roi_index, int first_bin,
                                              int first_chunk, int chunks, const Slot& at) {
    const int lane = threadIdx.x % 32;
    const bool used = first_bin + lane < problem.bins;
    const int bin_index = min(first_bin + lane, problem.bins - 1);
    const Bin bin = make_bin(comb, bin_index, problem);
    RowTaker take;
    touched_chunks(problem, comb, bin, roi_index, bin_index, first_chunk, chunks, &take.first, &take.last);
    if (!used) {
        take.first = chunks;
        take.last = chunks - 1;
    }
    if (__any_sync(FULL, bin.where == BORDER)) keep_order(&take.first, &take.last);
    const int lowest = from_lane(take.first, 0);
    const int highest = from_lane(take.last, min(problem.bins - first_bin, BINS) - 1);
    for (int chunk = lane; chunk < chunks; chunk += 32) at.words[chunk] = 0;
    __syncwarp();
    lay_out_rows(take.first, take.last, lowest, highest, used, at);
    __syncwarp();
    if (used && take.first <= take.last) {
        take.at = at;
        take.bin = lane;
        take.first_chunk = first_chunk;
        describe(problem, comb, bin, roi_index, bin_index, take);
    }
}

// Where the hardware can, copies run beside the arithmetic; finish_copies waits for them.
template <int COUNT> __device__ __forceinline__ void copy(Real* target, const Scalar* source) {
#if TAD_SCALAR < 2 && __CUDA_ARCH__ >= 800
    const unsigned int address = (unsigned int)__cvta_generic_to_shared(target);
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;"
                 :: "r"(address), "l"(source), "n"(COUNT * sizeof(Real)) : "memory");
#else
#pragma unroll
    for (int i = 0; i < COUNT; ++i) target[i] = to_real(source[i]);
#endif
}

// 16 channels of the gradients of one task, a row a channel. Two bins a lane, and so two rows at once, where bins are even.
__device__ __forceinline__ void copy_gradients(const Problem& problem, int roi, int first_bin, int channel,
                                               Real* gradients) {
    const int lane = threadIdx.x % 32, channels = min(16, problem.channels - channel);
    const Scalar* rows = problem.values + ((long long)roi * problem.channels + channel) * problem.bins + first_bin;
    if (problem.bins % 2 == 0) {
        const int bin = lane % 16 * 2;
        if (first_bin + bin >= problem.bins) return;
        rows += lane / 16 * problem.bins + bin;
        gradients += lane / 16 * PITCH + bin;
#pragma unroll
        for (int c = 0; c < 16; c += 2, rows += 2 * problem.bins)
            if (c + lane / 16 < channels) copy<2>(gradients + c * PITCH, rows);
    } else if (first_bin + lane < problem.bins) {
        for (int c = 0; c < channels; ++c, rows += problem.bins) copy<1>(gradients + c * PITCH + lane, rows + lane);
    }
}

__device__ __forceinline__ void finish_copies() {
#if TAD_SCALAR < 2 && __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

__device__ __forceinline__ void add_row(Real* sums, Real gradient, const Real* weights) {
#pragma unroll
    for (int part = 0; part < CHUNK / VEC; ++part) {
        const Vector w = *(const Vector*)(weights + part * VEC);
#pragma unroll
        for (int v = 0; v < VEC; ++v) sums[part * VEC + v] += w.v[v] * gradient;
    }
}

// Adds what a stage of tasks gives to the chunks of a warp. Lanes look at the words of a chunk together, one task each.
__device__ __forceinline__ void add_stage(const Slot& first, int present, int place_words, int place_weights,
                                          int place_gradients, int warp, int warps, int chunks, Real (*sums)[CHUNK]) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int slot = 0; slot < TAD_SIZE; ++slot) {
        const int chunk = slot * warps + warp;
        const int word = chunk < chunks && lane < present ? first.words[lane * place_words + chunk] : 0;
        const int weights_at = lane * place_weights + PACKED_ROW(word) * CHUNK;
        const int gradients_at = (lane * place_gradients + PACKED_BIN(word)) << 6 | PACKED_COUNT(word);
        unsigned int todo = __ballot_sync(FULL, word != 0);
        while (todo) {
            const int p = __ffs(todo) - 1;
            todo &= todo - 1;
            const int place = from_lane(gradients_at, p);
            const Real* weights = first.weights + from_lane(weights_at, p);
            const Real* gradient = first.gradients + (place >> 6);
            int left = place & 63;
#pragma unroll 1
            for (; left >= 2; left -= 2) {
                add_row(sums[slot], gradient[0], weights);
                add_row(sums[slot], gradient[1], weights + CHUNK);
                gradient += 2;
                weights += 2 * CHUNK;
            }
            if (left > 0) add_row(sums[slot], gradient[0], weights);
        }
    }
}

// A task that waits for its block.
struct __align__(16) Queued {
    Comb comb;
    int roi, bin;
};

// The tasks that concern a block, in rising order, among the blockDim.x candidates from `cursor` on; returns how many.
__device__ int gather_tasks(const Problem& problem, int cursor, int entry, Queued* queue, int* counts) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    const int parts = (problem.bins + BINS - 1) / BINS;
    const long long task = blockIdx.y + (long long)(cursor + threadIdx.x) * problem.slices;
    const bool exists = task < (long long)problem.rois_count * parts;
    const int index = exists ? (int)(task / parts) : 0;
    const Roi roi = load_roi(problem, index);
    const int found = entry_of(problem, roi);
    if (exists && found < 0 && entry == 0) *(volatile long long*)problem.bad_roi = index + 1LL;
    const bool mine = exists && found == entry;
    const unsigned int votes = __ballot_sync(FULL, mine);
    if (lane == 0) counts[warp] = __popc(votes);
    __syncthreads();
    int start = 0, total = 0;
    for (int other = 0; other < warps; ++other) {
        if (other < warp) start += counts[other];
        total += counts[other];
    }
    if (mine) {
        Queued* place = queue + start + __popc(votes & ((1u << lane) - 1));
        place->comb = make_comb(problem, roi);
        place->roi = index;
        place->bin = (int)(task % parts) * BINS;
    }
    __syncthreads();
    return total;
}

// Grid: (batch entries * parts of the channels * windows, slices). The result is (slices, B, C, T) of Real, or the
// gradient itself where there is one slice.
extern "C" __global__ void __launch_bounds__(512) align1d_backward(const Problem problem) {
    extern __shared__ __align__(16) unsigned char shared[];
    const int lane = threadIdx.x % 32, all_warps = blockDim.x / 32, warps = all_warps / problem.groups;
    const int group = threadIdx.x / 32 / warps, warp = threadIdx.x / 32 % warps;
    const int width = problem.groups * 32, channel_parts = (problem.channels + width - 1) / width;
    const int window = blockIdx.x % problem.windows, entry = blockIdx.x / problem.windows / channel_parts;
    const int channel = blockIdx.x / problem.windows % channel_parts * width;
    const int chunk_space = TAD_SIZE * warps, first_chunk = window * chunk_space;
    const int chunks = min(chunk_space, (problem.snippets + CHUNK - 1) / CHUNK - first_chunk);
    const int parts = problem.groups * 2;  // of a task's channels, 16 each
    const long long tasks = (long long)problem.rois_count * ((problem.bins + BINS - 1) / BINS);

    // Two sets of places: one is filled while the other is worked on
    const int weight_size = problem.capacity * CHUNK, gradient_size = problem.groups * 32 * PITCH;
    Real* weights = (Real*)shared;
    Real* gradients = weights + 2 * problem.stage * weight_size;
    Queued* queue = (Queued*)(gradients + 2 * problem.stage * gradient_size);
    int* words = (int*)(queue + blockDim.x);
    int* counts = words + 2 * problem.stage * chunk_space;
    unsigned char* bytes = (unsigned char*)(counts + all_warps);

    __align__(16) Real sums[TAD_SIZE][CHUNK];
#pragma unroll
    for (int slot = 0; slot < TAD_SIZE; ++slot)
#pragma unroll
        for (int k = 0; k < CHUNK; ++k) sums[slot][k] = 0;

    const int per_slice = (int)((tasks + problem.slices - 1) / problem.slices);
    for (int cursor = 0; cursor < per_slice; cursor += blockDim.x) {
        const int queued = gather_tasks(problem, cursor, entry, queue, counts);
        const int stages = (queued + problem.stage - 1) / problem.stage;
        for (int step = -1; step < stages; ++step) {
            const int next = step + 1;
            const int waiting = next < stages ? min(problem.stage, queued - next * problem.stage) : 0;
            for (int item = threadIdx.x / 32; item < waiting * parts; item += all_warps) {
                const int p = item / parts, rows = item % parts * 16;
                const Queued& task = queue[next * problem.stage + p];
                copy_gradients(problem, task.roi, task.bin, channel + rows,
                               gradients + ((next & 1) * problem.stage + p) * gradient_size + rows * PITCH);
            }
            if (step >= 0) {
                const int place = (step & 1) * problem.stage;
                Slot at;
                at.gradients = gradients + place * gradient_size + (group * 32 + lane) * PITCH;
                at.weights = weights + place * weight_size;
                at.words = words + place * chunk_space;
                add_stage(at, min(problem.stage, queued - step * problem.stage), chunk_space, weight_size,
                          gradient_size, warp, warps, chunks, sums);
            }
            // Warps take turns, so that each waits for the others about equally often
            for (int p = (threadIdx.x / 32 + next * problem.stage) % all_warps; p < waiting; p += all_warps) {
                const Queued& task = queue[next * problem.stage + p];
                const int place = (next & 1) * problem.stage + p;
                Slot at;
                at.gradients = 0;
                at.weights = weights + place * weight_size;
                at.words = words + place * chunk_space;
                at.low = bytes + 2 * place * chunk_space;
                at.high = at.low + chunk_space;
                describe_task(problem, task.comb, task.roi, task.bin, first_chunk, chunks, at);
            }
            finish_copies();
            __syncthreads();
        }
    }

    const int mine = channel + group * 32 + lane;
    if (mine >= problem.channels) return;
    const long long line = ((long long)blockIdx.y * problem.batch + entry) * problem.channels + mine;
    Real* partial = (Real*)problem.result + line * problem.snippets;
    Scalar* final = (Scalar*)problem.result + line * problem.snippets;
#pragma unroll
    for (int slot = 0; slot < TAD_SIZE; ++slot) {
        const int start = (first_chunk + slot * warps + warp) * CHUNK;
        if (problem.slices > 1 && problem.snippets % VEC == 0) {
#pragma unroll
            for (int part = 0; part < CHUNK; part += VEC)
                if (start + part < problem.snippets) *(Vector*)(partial + start + part) = *(Vector*)(sums[slot] + part);
            continue;
        }
#pragma unroll
        for (int k = 0; k < CHUNK; ++k) {
            if (start + k >= problem.snippets) continue;
            if (problem.slices > 1) partial[start + k] = sums[slot][k];
            else final[start + k] = to_scalar(sums[slot][k]);
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
