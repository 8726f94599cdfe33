// The forward kernel: input (B, C, T) to output (N, C, R).
//
// A block keeps a tile (all snippets x TAD_SIZE x 128 bytes of channels) of one batch entry in shared memory, with the
// sums of each four snippets below it. A warp turns 32 bins into lists of (weight, row); then 8 lanes read a row without bank
// conflicts, for 4 bins at once, and each lane ends with 4 neighbouring bins of its channels: 16-byte stores.

#define GROUPS 8                        // lanes that share a row of the tile
#define LINE (GROUPS * VEC)             // channels that they read at once: 128 bytes
#define TILE (LINE * TAD_SIZE)          // channels of a tile

struct __align__(2 * sizeof(Real)) Entry { Real weight; int row; };  // row counts Reals from the start of a tile
struct __align__(16) Pair { Entry a, b; };
union __align__(4 * sizeof(Scalar)) Four { Scalar v[4]; int words[sizeof(Scalar)]; };

// What a bin adds up besides its list, where the sums of four do not fit there: `fours` rows with one weight.
struct __align__(16) Head {
    int size;       // of the list, or one of the marks below
    int four_row;
    int fours;
    Real four_weight;
};
#define TOO_LONG -1     // for a list: go sample by sample
#define UNUSABLE -2     // of a roi that is not finite or has no batch entry
#define NOT_MINE -3     // not for this block

// Where a bin's list begins, in entries; the shift lets four bins that are read together lie in different banks.
__device__ __forceinline__ int list_start(int bin, int capacity) {
    return bin * capacity + (bin >> 2) * (16 / (int)sizeof(Entry));
}

struct ListTaker {
    Entry* list;
    Head head;
    int capacity, snippets;
    int lead, lead_end, tail, tail_at;  // of the run: single snippets lead..lead_end-1, and tail.. from entry tail_at on

    __device__ __forceinline__ void put(int row, Real weight) {
        if (head.size < capacity) {
            list[head.size].weight = weight;
            list[head.size].row = row * TILE;
        }
        ++head.size;
    }
    __device__ __forceinline__ void one(int snippet, Real weight) { put(snippet, weight); }
    // A snippet of the run, which stands alone in the list or is part of a sum of four
    __device__ __forceinline__ void more(int snippet, Real weight) {
        int at = -1;
        if (snippet >= lead && snippet < lead_end) at = snippet - lead;
        if (snippet >= tail && tail_at + snippet - tail < head.size && list[tail_at + snippet - tail].row == snippet * TILE)
            at = tail_at + snippet - tail;
        if (at >= 0) list[at].weight += weight;
        else put(snippet, weight);
    }
    __device__ __forceinline__ void run(int from, int to, Real weight) {
        const int aligned = (from + 3) & ~3, fours = ((to & ~3) - aligned) >> 2;
        lead = lead_end = from;
        if (fours > 0) {
            lead_end = aligned;
            for (int k = from; k < aligned; ++k) put(k, weight);
            const int row = snippets + (aligned >> 2);
            from = to & ~3;
            if (fours <= capacity - 10) {
                for (int i = 0; i < fours; ++i) put(row + i, weight);
            } else {
                head.four_row = row * TILE;
                head.fours = fours;
                head.four_weight = weight;
            }
        }
        tail = from;
        tail_at = head.size;
        for (; from < to; ++from) put(from, weight);
    }
};

// Values of a tile: row k < T holds snippet k, row T + q the sum of snippets 4q..4q+3.
__device__ __forceinline__ int tile_size(const Problem& problem) {
    return (problem.snippets + problem.snippets / 4) * TILE;
}

__device__ void load_tile(const Problem& problem, Real* tile, int entry, int channel) {
    const int snippets = problem.snippets, column = threadIdx.x % TILE, step = blockDim.x / TILE;
    const bool exists = channel + column < problem.channels;
    const Scalar* row = problem.values + ((long long)entry * problem.channels + channel + column) * snippets;
    if (snippets % 4 == 0) {
        for (int k = threadIdx.x / TILE * 4; k < snippets; k += step * 4) {
            Four four;
            if (exists) four = *(const Four*)(row + k);
#pragma unroll
            for (int i = 0; i < 4; ++i) tile[(k + i) * TILE + column] = exists ? to_real(four.v[i]) : (Real)0;
        }
    } else {
        for (int k = threadIdx.x / TILE; k < snippets; k += step)
            tile[k * TILE + column] = exists ? to_real(row[k]) : (Real)0;
    }
    __syncthreads();
    for (int q = threadIdx.x / TILE; q < snippets / 4; q += step) {
        const Real* four = tile + 4 * q * TILE + column;
        tile[(snippets + q) * TILE + column] = (four[0] + four[TILE]) + (four[2 * TILE] + four[3 * TILE]);
    }
    __syncthreads();
}

// 32 bins: several whole rois (up to 32 bins) or a part of one.
struct Tasks { int rois, parts, count; };

__device__ __forceinline__ Tasks all_tasks(const Problem& problem) {
    Tasks tasks;
    tasks.rois = max(1, BINS / problem.bins);
    tasks.parts = (problem.bins + BINS - 1) / BINS;
    tasks.count = (problem.rois_count + tasks.rois - 1) / tasks.rois * tasks.parts;
    return tasks;
}

struct Task {
    int roi, bin;  // of its first lane
    int used;      // lanes with a bin
};

__device__ __forceinline__ int roi_of(const Problem& problem, const Task& task, int lane) {
    return task.roi + (problem.bins < BINS ? lane / problem.bins : 0);
}
__device__ __forceinline__ int bin_of(const Problem& problem, const Task& task, int lane) {
    return problem.bins < BINS ? lane % problem.bins : task.bin + lane;
}

// Channels of a lane: TAD_SIZE vectors, a line apart.
struct Sum { Real v[TAD_SIZE][VEC]; };

__device__ __forceinline__ void set_all(Sum* sum, Real value) {
#pragma unroll
    for (int u = 0; u < TAD_SIZE; ++u)
#pragma unroll
        for (int v = 0; v < VEC; ++v) sum->v[u][v] = value;
}

__device__ __forceinline__ void add_row(Sum* sum, Real weight, const Real* row) {
#pragma unroll
    for (int u = 0; u < TAD_SIZE; ++u) {
        const Vector x = *(const Vector*)(row + u * LINE);
#pragma unroll
        for (int v = 0; v < VEC; ++v) sum->v[u][v] += weight * x.v[v];
    }
}

// Four neighbouring bins, side by side to keep many reads under way. Their lists are padded to `most`.
__device__ __forceinline__ void add_lists(const Entry* list, int capacity, int most, const Real* column, Sum* sums) {
#pragma unroll 1
    for (int i = 0; i < most; i += 2) {
        Pair pairs[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) pairs[j] = *(const Pair*)(list + i + j * capacity);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            add_row(sums + j, pairs[j].a.weight, column + pairs[j].a.row);
            add_row(sums + j, pairs[j].b.weight, column + pairs[j].b.row);
        }
    }
}

// What is not in the lists: sums of four beside them, nothing at all, rois that cannot be used.
__device__ __forceinline__ void add_rest(const Head& head, const Real* column, Sum* sum) {
    if (head.size <= 0) set_all(sum, head.size == UNUSABLE ? quiet_nan() : (Real)0);
#pragma unroll 1
    for (int i = 0; i < head.fours; ++i) add_row(sum, head.four_weight, column + head.four_row + i * TILE);
}

// Nobody reads the output before much else has passed through the caches, so it need not stay there.
__device__ __forceinline__ void stream(Four* target, const Four& four) {
#ifdef __CUDA_ARCH__
#if TAD_SCALAR < 2
#pragma unroll
    for (int i = 0; i < (int)sizeof(Scalar); i += 4)
        asm volatile("st.global.cs.v4.b32 [%0], {%1, %2, %3, %4};" :: "l"((int*)target + i), "r"(four.words[i]),
                     "r"(four.words[i + 1]), "r"(four.words[i + 2]), "r"(four.words[i + 3]) : "memory");
#else
    asm volatile("st.global.cs.v2.b32 [%0], {%1, %2};" :: "l"(target), "r"(four.words[0]), "r"(four.words[1]) : "memory");
#endif
#else
    *target = four;
#endif
}

// Writes four neighbouring bins of each lane's channels, where all four belong to one roi. The lanes first trade places, so
// that those which write one row of the result stand side by side: eight lanes that write eight rows would cost a pass of
// the memory pipe each. `mine` tells whether the four bins are this block's.
__device__ __forceinline__ void store_fours(const Problem& problem, const Task& task, int half, int channel, bool mine,
                                            const Sum* sums) {
    const int lane = threadIdx.x % 32, quarter = lane % 4, group = lane / 4, source = quarter * GROUPS + group;
    const int first = half * 16 + quarter * 4, start = channel + group * VEC;
    Scalar* row = (Scalar*)problem.result + bin_of(problem, task, first)
                  + ((long long)roi_of(problem, task, first) * problem.channels + start) * problem.bins;
    mine = from_lane((int)mine, source);
#pragma unroll
    for (int u = 0; u < TAD_SIZE; ++u)
#pragma unroll
        for (int v = 0; v < VEC; ++v) {
            Four four;
#pragma unroll
            for (int j = 0; j < 4; ++j) four.v[j] = to_scalar(sums[j].v[u][v]);
#pragma unroll
            for (int word = 0; word < (int)sizeof(Four) / 4; ++word) four.words[word] = from_lane(four.words[word], source);
            if (mine && start + u * LINE + v < problem.channels) stream((Four*)(row + (u * LINE + v) * problem.bins), four);
        }
}

// The same for any number of bins, one value at a time.
__device__ __forceinline__ void store_bins(const Problem& problem, const Task& task, int first, int channel,
                                           const bool* mine, const Sum* sums) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
        if (!mine[j]) continue;
        Scalar* row = (Scalar*)problem.result + bin_of(problem, task, first + j)
                      + ((long long)roi_of(problem, task, first + j) * problem.channels + channel) * problem.bins;
#pragma unroll
        for (int u = 0; u < TAD_SIZE; ++u)
#pragma unroll
            for (int v = 0; v < VEC; ++v)
                if (channel + u * LINE + v < problem.channels)
                    row[(u * LINE + v) * problem.bins] = to_scalar(sums[j].v[u][v]);
    }
}

// A bin whose list would be too long: sample by sample, over what store_bins left there.
__device__ __forceinline__ void store_samples(const Problem& problem, const Task& task, int lane, int channel,
                                           const Real* column) {
    const int roi = roi_of(problem, task, lane), index = bin_of(problem, task, lane);
    const BorderBin bin = make_border_bin(problem, load_roi(problem, roi), index);
    Sum sum;
    set_all(&sum, 0);
#pragma unroll 1
    for (int sample = 0; sample < bin.count; ++sample) {
        int left;
        Real part;
        if (!locate(bin, sample, problem.snippets, &left, &part)) continue;
        add_row(&sum, (1 - part) * bin.share, column + left * TILE);
        add_row(&sum, part * bin.share, column + min(left + 1, problem.snippets - 1) * TILE);
    }
    Scalar* row = (Scalar*)problem.result + ((long long)roi * problem.channels + channel) * problem.bins + index;
#pragma unroll
    for (int u = 0; u < TAD_SIZE; ++u)
#pragma unroll
        for (int v = 0; v < VEC; ++v)
            if (channel + u * LINE + v < problem.channels) row[(u * LINE + v) * problem.bins] = to_scalar(sum.v[u][v]);
}

// The described bins of a task for one tile: 8 lanes a bin, so that four bins are read at once.
__device__ __forceinline__ void apply_task(const Problem& problem, const Task& task, int channel, const Real* tile,
                                           const Entry* lists, const Head* heads, int most, bool plain) {
    const int lane = threadIdx.x % 32, group = lane % GROUPS, quarter = lane / GROUPS;
    const Real* column = tile + group * VEC;
#pragma unroll 1
    for (int half = 0; half < 2; ++half) {
        const int first = half * 16 + quarter * 4;
        if (half * 16 >= task.used) break;
        Sum sums[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) set_all(sums + j, 0);
        add_lists(lists + list_start(first, problem.capacity), problem.capacity, from_lane(most, first), column, sums);
        bool mine[4] = {true, true, true, true};
        if (!plain) {
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                const Head head = heads[first + j];
                mine[j] = head.size != NOT_MINE;
                add_rest(head, column, sums + j);
            }
        }
        if (problem.bins % 4 == 0) store_fours(problem, task, half, channel, mine[0], sums);
        else store_bins(problem, task, first, channel + group * VEC, mine, sums);
    }
    if (plain) return;
    __syncwarp();
#pragma unroll 1
    for (int i = 0; i < 8; ++i) {
        const int bin = i / 4 * 16 + quarter * 4 + i % 4;
        if (heads[bin].size == TOO_LONG) store_samples(problem, task, bin, channel + group * VEC, column);
    }
}

// Describes the bins of a task, one a lane; returns the size that the lists of each four lanes are padded to.
__device__ __forceinline__ int describe_task(const Problem& problem, const Task& task, const Comb& comb, int entry,
                                             bool mine, Entry* lists, Head* heads, bool* plain) {
    const int lane = threadIdx.x % 32, roi = roi_of(problem, task, lane);
    ListTaker take;
    take.list = lists + list_start(lane, problem.capacity);
    take.capacity = problem.capacity;
    take.snippets = problem.snippets;
    take.head.size = take.head.four_row = take.head.fours = 0;
    take.head.four_weight = 0;
    const int index = bin_of(problem, task, lane);
    if (mine && entry >= 0) describe(problem, comb, make_bin(comb, index, problem), roi, index, take);
    const bool fits = take.head.size <= problem.capacity;
    const int size = fits ? take.head.size : 0;
    int most = max(size, __shfl_xor_sync(FULL, size, 1));
    most = (max(most, __shfl_xor_sync(FULL, most, 2)) + 1) & ~1;
    const int row = size > 0 ? take.list[size - 1].row : 0;  // the same row again, weighted 0
    for (int i = size; i < most; ++i) {
        take.list[i].weight = 0;
        take.list[i].row = row;
    }
    if (!fits) take.head.size = TOO_LONG;
    if (!mine) take.head.size = NOT_MINE;
    if (mine && entry < 0) {
        take.head.size = UNUSABLE;
        *(volatile long long*)problem.bad_roi = roi + 1LL;
    }
    heads[lane] = take.head;
    *plain = !__any_sync(FULL, take.head.size <= 0 || take.head.fours > 0);
    return most;
}

// Every warp goes through its tasks, looking at the rois of as many tasks together as it has lanes for.
__device__ __forceinline__ void do_tasks(const Problem& problem, int entry, int channel, const Real* tiles,
                                         unsigned char* memory) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    const int list_space = list_start(BINS - 1, problem.capacity) + problem.capacity;
    Entry* lists = (Entry*)memory + warp * list_space;
    Head* heads = (Head*)((Entry*)memory + warps * list_space) + warp * BINS;
    const Tasks tasks = all_tasks(problem);
    const int together = 32 / tasks.rois, stride = problem.slices * warps;
    for (int base = blockIdx.y * warps + warp; base < tasks.count; base += together * stride) {
        const int candidate = base + lane / tasks.rois * stride;
        const int roi_index = candidate / tasks.parts * tasks.rois + lane % tasks.rois;
        const bool exists = lane / tasks.rois < together && candidate < tasks.count && roi_index < problem.rois_count;
        const Roi roi = load_roi(problem, exists ? roi_index : 0);
        const int found = exists ? entry_of(problem, roi) : -1;
        const Comb comb = make_comb(problem, roi);
        const unsigned int votes = __ballot_sync(FULL, exists && owner_of(found) == entry);
        for (int i = 0; i < together; ++i) {
            if (!(votes >> i * tasks.rois & (FULL >> (32 - tasks.rois)))) continue;
            const int index = base + i * stride;
            Task task;
            task.roi = index / tasks.parts * tasks.rois;
            task.bin = index % tasks.parts * BINS;
            task.used = problem.bins < BINS ? tasks.rois * problem.bins : min(BINS, problem.bins - task.bin);
            const int source = min(i * tasks.rois + (problem.bins < BINS ? lane / problem.bins : 0), 31);
            Comb shared_comb;
            shared_comb.start = from_lane(comb.start, source);
            shared_comb.width = from_lane(comb.width, source);
            shared_comb.spacing = from_lane(comb.spacing, source);
            shared_comb.count = from_lane(comb.count, source);
            shared_comb.share = from_lane(comb.share, source);
            shared_comb.slip = from_lane(comb.slip, source);
            shared_comb.per_slip = from_lane(comb.per_slip, source);
            const int owner = from_lane(found, source);
            const bool mine = lane < task.used && roi_of(problem, task, lane) < problem.rois_count
                              && owner_of(owner) == entry;
            bool plain;
            const int most = describe_task(problem, task, shared_comb, owner, mine, lists, heads, &plain);
            __syncwarp();
            for (int group = 0; group < problem.groups; ++group) {
                const int start = channel + group * TILE;
                if (start < problem.channels)
                    apply_task(problem, task, start, tiles + group * tile_size(problem), lists, heads, most, plain);
            }
            __syncwarp();
        }
    }
}

// A block's part of the channels: grid.x is (batch entries * blocks for the channels of one).
struct Part { int entry, channel; };

__device__ __forceinline__ Part part_of(const Problem& problem) {
    const int width = problem.groups * TILE, parts = (problem.channels + width - 1) / width;
    Part part;
    part.entry = blockIdx.x / parts;
    part.channel = blockIdx.x % parts * width;
    return part;
}

// Grid: (batch entries * parts of the channels, slices). Dynamic shared memory: tiles, then each warp's lists and heads.
extern "C" __global__ void __launch_bounds__(640) align1d_forward(const Problem problem) {
    extern __shared__ __align__(16) unsigned char shared[];
    const Part part = part_of(problem);
    Real* tiles = (Real*)shared;
    for (int group = 0; group < problem.groups; ++group)
        load_tile(problem, tiles + group * tile_size(problem), part.entry, part.channel + group * TILE);
    do_tasks(problem, part.entry, part.channel, tiles, (unsigned char*)(tiles + problem.groups * tile_size(problem)));
}

// For sequences whose tile does not fit into shared memory: align1d_tiles writes the tiles to global memory first.
extern "C" __global__ void __launch_bounds__(512) align1d_tiles(const Problem problem) {
    const Part part = part_of(problem);
    load_tile(problem, problem.tiles + (long long)blockIdx.x * tile_size(problem), part.entry, part.channel);
}

extern "C" __global__ void __launch_bounds__(640) align1d_forward_long(const Problem problem) {
    extern __shared__ __align__(16) unsigned char shared[];
    const Part part = part_of(problem);
    do_tasks(problem, part.entry, part.channel, problem.tiles + (long long)blockIdx.x * tile_size(problem), shared);
}

// Marks an unusable roi, if there is one, and does nothing else.
extern "C" __global__ void align1d_check(const Problem problem) {
    for (int roi = blockIdx.x * blockDim.x + threadIdx.x; roi < problem.rois_count; roi += gridDim.x * blockDim.x)
        if (entry_of(problem, load_roi(problem, roi)) < 0) *(volatile long long*)problem.bad_roi = roi + 1LL;
}
