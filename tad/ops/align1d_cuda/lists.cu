// The forward kernel's tiles, and how the weights of a bin become a list of rows of a tile.
//
// A tile holds all snippets of one batch entry and TAD_SIZE x 128 bytes of channels, with the sums of each four
// snippets below them: a long bin reads these where it covers them.

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
