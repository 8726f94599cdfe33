// The forward kernel: input (B, C, T) to output (N, C, R).
//
// A block keeps a tile in shared memory. A warp turns 32 bins into lists of (weight, row), one bin a lane; then 8 lanes
// read a row without bank conflicts, for 4 bins at once. Each lane ends with 8 bins of its channels, and rows of 32
// bins are written whole.

union __align__(4 * sizeof(Scalar)) Four { Scalar v[4]; int words[sizeof(Scalar)]; };

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

#define AHEAD (TAD_SIZE == 1 ? 4 : 3)  // entries that are read before the rows of those before them are added

// Adds the list of a bin. Its length differs among the bins that a warp reads together. Up to AHEAD entries after its
// end are read, and not used.
__device__ __forceinline__ void add_list(const Entry* list, int size, const Real* column, Sum* sum) {
    Entry entries[AHEAD];
#pragma unroll
    for (int i = 0; i < AHEAD; ++i) entries[i] = list[i];
#pragma unroll 1
    for (; size >= AHEAD; size -= AHEAD) {
        Entry next[AHEAD];
        list += AHEAD;
#pragma unroll
        for (int i = 0; i < AHEAD; ++i) next[i] = list[i];
#pragma unroll
        for (int i = 0; i < AHEAD; ++i) {
            add_row(sum, entries[i].weight, column + entries[i].row);
            entries[i] = next[i];
        }
    }
#pragma unroll
    for (int i = 0; i < AHEAD - 1; ++i)
        if (i < size) add_row(sum, entries[i].weight, column + entries[i].row);
}

// What is not in the lists: sums of four beside them, nothing at all, rois that cannot be used.
__device__ __forceinline__ void add_rest(const Head& head, const Real* column, Sum* sum) {
    if (head.size <= 0) set_all(sum, head.size == UNUSABLE ? quiet_nan() : (Real)0);
#pragma unroll 1
    for (int i = 0; i < head.fours; ++i) add_row(sum, head.four_weight, column + head.four_row + i * TILE);
}

// Nobody reads the output before much else has passed through the caches, so it need not stay there. A condition inside
// the instruction spares a branch around it.
__device__ __forceinline__ void stream(Four* target, const Four& four, bool wanted) {
#ifdef __CUDA_ARCH__
#if TAD_SCALAR < 2
#pragma unroll
    for (int i = 0; i < (int)sizeof(Scalar); i += 4)
        asm volatile("{.reg .pred p; setp.ne.s32 p, %5, 0; @p st.global.cs.v4.b32 [%0], {%1, %2, %3, %4};}"
                     :: "l"((int*)target + i), "r"(four.words[i]), "r"(four.words[i + 1]), "r"(four.words[i + 2]),
                     "r"(four.words[i + 3]), "r"((int)wanted) : "memory");
#else
    asm volatile("{.reg .pred p; setp.ne.s32 p, %3, 0; @p st.global.cs.v2.b32 [%0], {%1, %2};}"
                 :: "l"(target), "r"(four.words[0]), "r"(four.words[1]), "r"((int)wanted) : "memory");
#endif
#else
    if (wanted) *target = four;
#endif
}

__device__ __forceinline__ Four four_of(const Sum* sums, int u, int v) {
    Four four;
#pragma unroll
    for (int j = 0; j < 4; ++j) four.v[j] = to_scalar(sums[j].v[u][v]);
    return four;
}

// The words of `first` where `choose` is true, else those of `second`.
__device__ __forceinline__ Four either(bool choose, const Four& first, const Four& second) {
    Four four;
#pragma unroll
    for (int word = 0; word < (int)sizeof(Four) / 4; ++word)
        four.words[word] = choose ? first.words[word] : second.words[word];
    return four;
}

// Writes 32 bins of each channel where four neighbours always belong to one roi. Eight lanes in a row write one row of
// the result: lanes that write many rows would cost a pass of the memory pipe for each. A lane holds a quarter of
// either half of a row (`halves`); it ends with eighths of the rows of two groups, its own and its neighbour's, and so
// gives away one half and then the other. `mine` tells whether the quarters are this block's.
__device__ __forceinline__ void store_rows(const Problem& problem, const Task& task, int channel, const bool* mine,
                                           const Sum (*halves)[4]) {
    const int lane = threadIdx.x % 32, quarter = lane % 4, half = lane / 4 % 2, pair = lane / 8, group = lane % GROUPS;
    const int own = quarter * GROUPS + 2 * pair + half, other = own ^ 1, bin = half * 16 + quarter * 4;
    const int start = channel + 2 * pair * VEC;
    Scalar* row = (Scalar*)problem.result + bin_of(problem, task, bin)
                  + ((long long)roi_of(problem, task, bin) * problem.channels + start) * problem.bins;
    const int first_mine = from_lane((int)mine[0], own), second_mine = from_lane((int)mine[1], own);
    const int left = (half ? second_mine : first_mine) ? problem.channels - start : 0;
#pragma unroll
    for (int u = 0; u < TAD_SIZE; ++u)
#pragma unroll
        for (int v = 0; v < VEC; ++v) {
            const Four low = four_of(halves[0], u, v), high = four_of(halves[1], u, v);
            Four mine_first = either(group % 2 == 0, low, high), mine_then = either(group % 2 == 0, high, low);
#pragma unroll
            for (int word = 0; word < (int)sizeof(Four) / 4; ++word) {
                mine_first.words[word] = from_lane(mine_first.words[word], own);
                mine_then.words[word] = from_lane(mine_then.words[word], other);
            }
            const int at = u * LINE + v;
            stream((Four*)(row + at * problem.bins), either(half == 0, mine_first, mine_then), at < left);
            stream((Four*)(row + (at + VEC) * problem.bins), either(half == 0, mine_then, mine_first), at + VEC < left);
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
                                           const Entry* lists, const Head* heads, int size, bool plain) {
    const int lane = threadIdx.x % 32, group = lane % GROUPS, quarter = lane / GROUPS;
    const Real* column = tile + group * VEC;
    Sum halves[2][4];
    bool mine[2][4];
#pragma unroll
    for (int half = 0; half < 2; ++half)
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const int bin = half * 16 + quarter * 4 + j;
            set_all(&halves[half][j], 0);
            add_list(lists + bin * problem.capacity, from_lane(size, bin), column, &halves[half][j]);
            mine[half][j] = true;
            if (plain) continue;
            const Head head = heads[bin];
            mine[half][j] = head.size != NOT_MINE;
            add_rest(head, column, &halves[half][j]);
        }
    if (problem.bins % 4 == 0) {
        const bool firsts[2] = {mine[0][0], mine[1][0]};
        store_rows(problem, task, channel, firsts, halves);
    } else {
#pragma unroll
        for (int half = 0; half < 2; ++half)
            store_bins(problem, task, half * 16 + quarter * 4, channel + group * VEC, mine[half], halves[half]);
    }
    if (plain) return;
    __syncwarp();
#pragma unroll 1
    for (int i = 0; i < 8; ++i) {
        const int bin = i / 4 * 16 + quarter * 4 + i % 4;
        if (heads[bin].size == TOO_LONG) store_samples(problem, task, bin, channel + group * VEC, column);
    }
}

// Describes the bins of a task, one a lane; returns the size of the lane's list.
__device__ __forceinline__ int describe_task(const Problem& problem, const Task& task, const Comb& comb, int entry,
                                             bool mine, Entry* lists, Head* heads, bool* plain) {
    const int lane = threadIdx.x % 32, roi = roi_of(problem, task, lane);
    ListTaker take;
    take.list = lists + lane * problem.capacity;
    take.capacity = problem.capacity;
    take.snippets = problem.snippets;
    take.head.size = take.head.four_row = take.head.fours = 0;
    take.head.four_weight = 0;
    const int index = bin_of(problem, task, lane);
    if (mine && entry >= 0) describe(problem, comb, make_bin(comb, index, problem), roi, index, take);
    const bool fits = take.head.size <= problem.capacity;
    const int size = fits ? take.head.size : 0;
    if (!fits) take.head.size = TOO_LONG;
    if (!mine) take.head.size = NOT_MINE;
    if (mine && entry < 0) {
        take.head.size = UNUSABLE;
        *(volatile long long*)problem.bad_roi = roi + 1LL;
    }
    heads[lane] = take.head;
    *plain = !__any_sync(FULL, take.head.size <= 0 || take.head.fours > 0);
    return size;
}

// Every warp goes through its tasks, looking at the rois of as many tasks together as it has lanes for.
__device__ __forceinline__ void do_tasks(const Problem& problem, int entry, int channel, const Real* tiles,
                                         unsigned char* memory) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    const int list_space = BINS * problem.capacity;
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
            const int size = describe_task(problem, task, shared_comb, owner, mine, lists, heads, &plain);
            __syncwarp();
            for (int group = 0; group < problem.groups; ++group) {
                const int start = channel + group * TILE;
                if (start < problem.channels)
                    apply_task(problem, task, start, tiles + group * tile_size(problem), lists, heads, size, plain);
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

// Grid: (batch entries * parts of the channels, slices). Dynamic shared memory: tiles, each warp's lists, and heads.
extern "C" __global__ void __launch_bounds__(512) align1d_forward(const Problem problem) {
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

extern "C" __global__ void __launch_bounds__(512) align1d_forward_long(const Problem problem) {
    extern __shared__ __align__(16) unsigned char shared[];
    const Part part = part_of(problem);
    do_tasks(problem, part.entry, part.channel, problem.tiles + (long long)blockIdx.x * tile_size(problem), shared);
}

// Marks an unusable roi, if there is one, and does nothing else.
extern "C" __global__ void align1d_check(const Problem problem) {
    for (int roi = blockIdx.x * blockDim.x + threadIdx.x; roi < problem.rois_count; roi += gridDim.x * blockDim.x)
        if (entry_of(problem, load_roi(problem, roi)) < 0) *(volatile long long*)problem.bad_roi = roi + 1LL;
}
