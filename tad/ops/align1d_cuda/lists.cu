// The forward kernel's tiles, and how the weights of a bin become a list of rows of a tile.
//
// A tile holds all snippets of one batch entry and TAD_SIZE x 128 bytes of channels, with the sums of each four
// snippets below them: a long bin reads these where it covers them.

// ----------------------------------------------------------------------------------------- weights of a bin's snippets

// Tells `take` the weights of a bin: first, once, take.run(from, to, weight) for snippets from..to-1, then
// take.one(snippet, weight) for others, and take.more(snippet, weight) for what comes on top of any of them.

// Samples one after the other, in rising order, to weights of snippets.
template <class Taker> struct Collector {
    Taker* take;
    int tap;
    Real here, next;

    __device__ __forceinline__ void sample(int left, Real part, Real share) {
        if (left != tap) {
            if (here != 0) take->one(tap, here);
            if (left != tap + 1) {
                if (next != 0) take->one(tap + 1, next);
                next = 0;
            }
            here = next;
            next = 0;
            tap = left;
        }
        here += (1 - part) * share;
        next += part * share;
    }
    __device__ __forceinline__ void finish() {
        if (here != 0) take->one(tap, here);
        if (next != 0) take->one(tap + 1, next);
    }
};

template <class Taker>
__device__ __forceinline__ void describe_samples(const Comb& comb, const Bin& bin, Taker& take) {
    Collector<Taker> collector = {&take, -1, 0, 0};
    take.run(0, 0, 0);
    Place at = bin.first;
#pragma unroll 1
    for (int sample = 0; sample < comb.count; ++sample, at += comb.spacing)
        collector.sample(whole(at), fraction(at), comb.share);
    collector.finish();
}

template <class Taker>
__device__ __forceinline__ void describe_border(const BorderBin& bin, int snippets, Taker& take) {
    Collector<Taker> collector = {&take, -1, 0, 0};
    take.run(0, 0, 0);
#pragma unroll 1
    for (int sample = 0; sample < bin.count; ++sample) {
        int left;
        Real part;
        if (locate(bin, sample, snippets, &left, &part)) collector.sample(left, part, bin.share);
    }
    collector.finish();
}

// Samples at most one snippet apart. From sample to sample the left neighbour moves on by one and the part falls by
// slip = 1 - spacing: what a snippet gets from two neighbouring samples adds up to 1 + slip. Once the part has fallen
// below 0 the left neighbour stays for one sample; in a bin without a fixed ratio this happens at most once.
template <class Taker>
__device__ __forceinline__ void describe_run(const Comb& comb, const Bin& bin, Taker& take) {
    const int left = whole(bin.first);
    const Real part = fraction(bin.first), slip = comb.slip, share = comb.share;
    const Real last_part = part - (comb.count - 1) * slip;
    const bool stays = last_part < 0;
    const int end = left + comb.count - (stays ? 1 : 0);
    take.run(left + 1, end, (1 + slip) * share);
    take.one(end, (stays ? last_part + 1 : last_part) * share);
    take.one(left, (1 - part) * share);
    if (stays) {
        // The sample at which the part falls below 0; one too early or late by rounding changes weights by as little
        const int stay = min(max((int)(part * comb.per_slip) + 1, 1), comb.count - 1);
        const Real below = part - stay * slip;
        take.more(left + stay - 1, -below * share);
        take.more(left + stay, (below + slip) * share);
    }
}

// The weights of a bin of roi `roi_index`, which is read again only where that is needed.
template <class Taker>
__device__ __forceinline__ void describe(const Problem& problem, const Comb& comb, const Bin& bin, int roi_index,
                                         int bin_index, Taker& take) {
    if (bin.where == BORDER)
        describe_border(make_border_bin(problem, load_roi(problem, roi_index), bin_index), problem.snippets, take);
    else if (bin.where != INTERIOR)
        take.run(0, 0, 0);
    else if (problem.ratio == 0 && comb.count > 4)
        describe_run(comb, bin, take);
    else
        describe_samples(comb, bin, take);
}

// ---------------------------------------------------------------------------------------------------- tiles and lists

#define GROUPS 8                        // lanes that share a row of the tile
#define LINE (GROUPS * VEC)             // channels that they read at once: 128 bytes
#define TILE (LINE * TAD_SIZE)          // channels of a tile

struct __align__(2 * sizeof(Real)) Entry { Real weight; int row; };  // row counts Reals from the start of a tile

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

struct ListTaker {
    Entry* list;
    Head head;
    int capacity, snippets;
    int lead, lead_end;  // single snippets of the run before its sums of four: lead..lead_end-1
    int tail, tail_at;   // and those after them: tail.. from entry tail_at on

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
        const int later = tail_at + snippet - tail;
        if (snippet >= tail && later < head.size && list[later].row == snippet * TILE) at = later;
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
