// The forward kernel: input (B, C, T) to output (N, C, R).
//
// A block keeps a tile (all snippets x 128 bytes of channels) of one batch entry in shared memory, with the sums of each
// four snippets below it. A warp turns 32 bins into lists of (weight, row); then 8 lanes read a row without bank
// conflicts, for 4 bins at once, and each lane ends with 4 neighbouring bins of its channels: 16-byte stores.

#define GROUPS 8               // lanes that share a row of the tile
#define TILE (GROUPS * VEC)    // channels of a tile: 128 bytes

struct __align__(2 * sizeof(Real)) Entry { Real weight; int row; };  // of a bin's list; row counts Reals
struct __align__(16) Pair { Entry a, b; };
struct __align__(4 * sizeof(Scalar)) Four { Scalar v[4]; };

// Bins are described 32 at a time: several whole rois (up to 32 bins) or a part of one.
struct Tasks { int rois, parts, count; };

__device__ __forceinline__ Tasks forward_tasks(const Problem& problem) {
    Tasks tasks;
    tasks.rois = max(1, BINS / problem.bins);
    tasks.parts = (problem.bins + BINS - 1) / BINS;
    tasks.count = (problem.rois_count + tasks.rois - 1) / tasks.rois * tasks.parts;
    return tasks;
}

// Where a bin's list begins, in entries; the shift lets four bins that are read together lie in different banks.
__device__ __forceinline__ int list_start(int bin, int capacity) {
    return bin * capacity + (bin >> 2) * (16 / (int)sizeof(Entry));
}

struct ListTaker {
    Entry* list;
    int capacity, snippets, size;

    __device__ __forceinline__ void put(int row, Real weight) {
        if (size < capacity) {
            list[size].weight = weight;
            list[size].row = row * TILE;
        }
        ++size;
    }
    __device__ __forceinline__ void one(int snippet, Real weight) { put(snippet, weight); }
    __device__ __forceinline__ void more(int snippet, Real weight) { put(snippet, weight); }
    __device__ __forceinline__ void run(int from, int to, Real weight) {
        while (from < to && (from & 3)) put(from++, weight);
        for (; from + 4 <= to; from += 4) put(snippets + (from >> 2), weight);
        while (from < to) put(from++, weight);
    }
};

// Fills the tile: row k < T holds snippet k, row T + q the sum of snippets 4q..4q+3.
__device__ void load_tile(const Problem& problem, Real* tile, int entry, int channel) {
    const int threads = blockDim.x, snippets = problem.snippets;
    const int column = threadIdx.x % TILE;
    const bool exists = channel + column < problem.channels;
    const Scalar* row = problem.values + ((long long)entry * problem.channels + channel + column) * snippets;
    const int lanes = threads / TILE;
    if (snippets % 4 == 0) {
        for (int k = threadIdx.x / TILE * 4; k < snippets; k += lanes * 4) {
            Four four;
            if (exists) four = *(const Four*)(row + k);
            for (int i = 0; i < 4; ++i) tile[(k + i) * TILE + column] = exists ? to_real(four.v[i]) : (Real)0;
        }
    } else {
        for (int k = threadIdx.x / TILE; k < snippets; k += lanes)
            tile[k * TILE + column] = exists ? to_real(row[k]) : (Real)0;
    }
    __syncthreads();
    for (int q = threadIdx.x / TILE; q < snippets / 4; q += lanes) {
        const Real* four = tile + 4 * q * TILE + column;
        tile[(snippets + q) * TILE + column] = (four[0] + four[TILE]) + (four[2 * TILE] + four[3 * TILE]);
    }
    __syncthreads();
}

// A bin whose list is too long: sample by sample.
__device__ void add_samples(const Bin& bin, const Problem& problem, const Real* column, Real* sum) {
    for (int sample = 0; sample < bin.count; ++sample) {
        double at = position(bin, sample);
        if (!(at >= -1.0 && at <= (double)problem.snippets)) continue;
        at = fmin(fmax(at, 0.0), (double)(problem.snippets - 1));
        const int left = (int)at, right = min(left + 1, problem.snippets - 1);
        const Real part = (Real)(at - left);
        const Vector a = *(const Vector*)(column + left * TILE), b = *(const Vector*)(column + right * TILE);
        for (int v = 0; v < VEC; ++v) sum[v] += bin.share * ((1 - part) * a.v[v] + part * b.v[v]);
    }
}

__device__ __forceinline__ void add_list(const Entry* list, int size, const Real* column, Real* sum) {
#pragma unroll 2
    for (int i = 0; i < size; i += 2) {
        const Pair pair = *(const Pair*)(list + i);
        const Vector x = *(const Vector*)(column + pair.a.row), y = *(const Vector*)(column + pair.b.row);
#pragma unroll
        for (int v = 0; v < VEC; ++v) sum[v] += pair.a.weight * x.v[v] + pair.b.weight * y.v[v];
    }
}

struct ForwardTask { int roi, bin; };  // of its first lane

// Describes the task's bins, one a lane: lists in shared memory. Size -1: too long for a list; -2: an unusable roi;
// -3: not for this block.
__device__ __forceinline__ void describe_forward(const Problem& problem, const ForwardTask& task, int entry, int lane,
                                                 Entry* lists, int* sizes) {
    const int roi_index = task.roi + (problem.bins <= BINS ? lane / problem.bins : 0);
    const int bin_index = problem.bins <= BINS ? lane % problem.bins : task.bin + lane;
    const bool used = problem.bins <= BINS ? lane < max(1, BINS / problem.bins) * problem.bins
                                           : bin_index < problem.bins;
    int size = -3;
    if (used && roi_index < problem.rois_count) {
        const Roi roi = load_roi(problem, roi_index);
        const int found = entry_of(problem, roi);
        if (found < 0 && entry == 0) {
            *(volatile long long*)problem.bad_roi = roi_index + 1LL;
            size = -2;
        } else if (found == entry) {
            const Bin bin = make_bin(roi, bin_index, problem);
            ListTaker take;
            take.list = lists + list_start(lane, problem.capacity);
            take.capacity = problem.capacity;
            take.snippets = problem.snippets;
            take.size = 0;
            describe(bin, problem, take);
            if (take.size & 1) {
                const int last = take.size - 1;
                take.put(last < problem.capacity ? take.list[last].row / TILE : 0, (Real)0);
            }
            size = take.size <= problem.capacity ? take.size : -1;
        }
    }
    sizes[lane] = size;
}

__device__ __forceinline__ void forward_task(const Problem& problem, const ForwardTask& task, int channel, int lane,
                                             const Real* tile, const Entry* lists, const int* sizes) {
    const int group = lane % GROUPS, quarter = lane / GROUPS;
    const Real* column = tile + group * VEC;
    Scalar* result = (Scalar*)problem.result;
    for (int half = 0; half < 2; ++half) {
        const int first = half * 16 + quarter * 4;
        Real sums[4][VEC];
        bool mine[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
#pragma unroll
            for (int v = 0; v < VEC; ++v) sums[j][v] = 0;
            const int size = sizes[first + j];
            mine[j] = size > -3;
            if (size >= 0) {
                add_list(lists + list_start(first + j, problem.capacity), size, column, sums[j]);
            } else if (size == -1) {
                const int roi = task.roi + (problem.bins <= BINS ? (first + j) / problem.bins : 0);
                const int bin = problem.bins <= BINS ? (first + j) % problem.bins : task.bin + first + j;
                add_samples(make_bin(load_roi(problem, roi), bin, problem), problem, column, sums[j]);
            } else if (size == -2) {
                for (int v = 0; v < VEC; ++v) sums[j][v] = quiet_nan();
            }
        }
        const int start = channel + group * VEC;
        if (problem.bins % 4 == 0) {  // four neighbouring bins belong to one roi
            const int roi = task.roi + (problem.bins <= BINS ? first / problem.bins : 0);
            const int bin = problem.bins <= BINS ? first % problem.bins : task.bin + first;
            Scalar* row = result + ((long long)roi * problem.channels + start) * problem.bins + bin;
            if (mine[0]) {
#pragma unroll
                for (int v = 0; v < VEC; ++v) {
                    Four four;
#pragma unroll
                    for (int j = 0; j < 4; ++j) four.v[j] = to_scalar(sums[j][v]);
                    if (start + v < problem.channels) *(Four*)(row + (long long)v * problem.bins) = four;
                }
            }
        } else {
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                if (!mine[j]) continue;
                const int roi = task.roi + (problem.bins <= BINS ? (first + j) / problem.bins : 0);
                const int bin = problem.bins <= BINS ? (first + j) % problem.bins : task.bin + first + j;
                for (int v = 0; v < VEC && start + v < problem.channels; ++v)
                    result[((long long)roi * problem.channels + start + v) * problem.bins + bin] = to_scalar(sums[j][v]);
            }
        }
    }
}

// Whether a task may hold a roi of a batch entry; looking at every roi pays only where there are one or two.
__device__ __forceinline__ bool concerns(const Problem& problem, const Tasks& tasks, int task, int entry) {
    const int first = task / tasks.parts * tasks.rois;
    if (tasks.rois > 2) return true;
    if (owner_of(problem, first) == entry) return true;
    return tasks.rois == 2 && first + 1 < problem.rois_count && owner_of(problem, first + 1) == entry;
}

// Every warp goes through its tasks; `lists` is the shared memory after the tile, `tile` shared or global.
__device__ __forceinline__ void forward_tasks_of_warp(const Problem& problem, int entry, int channel, const Real* tile,
                                                      Entry* lists) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    const int list_size = list_start(BINS - 1, problem.capacity) + problem.capacity;
    int* sizes = (int*)(lists + warps * list_size) + warp * BINS;
    lists += warp * list_size;
    const Tasks tasks = forward_tasks(problem);
    const int stride = problem.slices * warps;
    for (int base = blockIdx.y * warps + warp; base < tasks.count; base += 32 * stride) {
        const int candidate = base + lane * stride;
        unsigned int todo = __ballot_sync(FULL, candidate < tasks.count && concerns(problem, tasks, candidate, entry));
        while (todo) {
            const int index = base + (__ffs(todo) - 1) * stride;
            todo &= todo - 1;
            ForwardTask task;
            task.roi = index / tasks.parts * tasks.rois;
            task.bin = index % tasks.parts * BINS;
            describe_forward(problem, task, entry, lane, lists, sizes);
            __syncwarp();
            forward_task(problem, task, channel, lane, tile, lists, sizes);
            __syncwarp();
        }
    }
}

// Grid: (channel tiles * batch entries, slices). Dynamic shared memory: tile, then lists and sizes of each warp.
extern "C" __global__ void __launch_bounds__(512) align1d_forward(const Problem problem) {
    extern __shared__ __align__(16) unsigned char shared[];
    const int tiles = (problem.channels + TILE - 1) / TILE;
    const int entry = blockIdx.x / tiles, channel = blockIdx.x % tiles * TILE;
    Real* tile = (Real*)shared;
    load_tile(problem, tile, entry, channel);
    forward_tasks_of_warp(problem, entry, channel, tile,
                          (Entry*)(tile + (problem.snippets + problem.snippets / 4) * TILE));
}

// For sequences whose tile does not fit into shared memory: align1d_tiles writes all tiles to global memory first.
extern "C" __global__ void __launch_bounds__(512) align1d_tiles(const Problem problem) {
    const int tiles = (problem.channels + TILE - 1) / TILE;
    const long long size = (long long)(problem.snippets + problem.snippets / 4) * TILE;
    load_tile(problem, problem.tiles + blockIdx.x * size, blockIdx.x / tiles, blockIdx.x % tiles * TILE);
}

extern "C" __global__ void __launch_bounds__(512) align1d_forward_long(const Problem problem) {
    extern __shared__ __align__(16) unsigned char shared[];
    const int tiles = (problem.channels + TILE - 1) / TILE;
    const long long size = (long long)(problem.snippets + problem.snippets / 4) * TILE;
    forward_tasks_of_warp(problem, blockIdx.x / tiles, blockIdx.x % tiles * TILE, problem.tiles + blockIdx.x * size,
                          (Entry*)shared);
}

// Marks an unusable roi, if there is one, and does nothing else.
extern "C" __global__ void align1d_check(const Problem problem) {
    for (int roi = blockIdx.x * blockDim.x + threadIdx.x; roi < problem.rois_count; roi += gridDim.x * blockDim.x)
        if (entry_of(problem, load_roi(problem, roi)) < 0) *(volatile long long*)problem.bad_roi = roi + 1LL;
}
