// Runs the CUDA kernels on the CPU, a thread for a thread, so that their arithmetic and every memory access can be tested
// without a GPU. Compiled as C++20 with -include of this file before the kernels' own text, see test_kernels.py.

#include <barrier>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

struct Index { int x, y, z; };
static thread_local Index threadIdx, blockIdx;
static Index blockDim, gridDim;

// The exact size of the block's dynamic shared memory, between two guard zones that are checked after each block
static unsigned char* shared;

struct Warp {
    std::barrier<> barrier{32};
    long long slots[32];
};
static std::vector<std::unique_ptr<Warp>> warps;
static std::unique_ptr<std::barrier<>> block_barrier;

static Warp& warp() { return *warps[threadIdx.x / 32]; }
static int lane() { return threadIdx.x % 32; }

static void __syncthreads() { block_barrier->arrive_and_wait(); }
static void __syncwarp() { warp().barrier.arrive_and_wait(); }

template <class T> static T exchange(T value, int source) {
    long long bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    warp().slots[lane()] = bits;
    __syncwarp();
    T result = value;
    if (source >= 0 && source < 32) std::memcpy(&result, &warp().slots[source], sizeof(T));
    __syncwarp();
    return result;
}
template <class T> static T __shfl_sync(unsigned, T value, int source) { return exchange(value, source); }
template <class T> static T __shfl_up_sync(unsigned, T value, int by) { return exchange(value, lane() - by); }
template <class T> static T __shfl_down_sync(unsigned, T value, int by) { return exchange(value, lane() + by); }
template <class T> static T __shfl_xor_sync(unsigned, T value, int mask) { return exchange(value, lane() ^ mask); }
static unsigned __ballot_sync(unsigned, bool vote) {
    warp().slots[lane()] = vote;
    __syncwarp();
    unsigned votes = 0;
    for (int i = 0; i < 32; ++i) votes |= (unsigned)(warp().slots[i] & 1) << i;
    __syncwarp();
    return votes;
}
static bool __any_sync(unsigned mask, bool vote) { return __ballot_sync(mask, vote) != 0; }

static int __popc(unsigned value) { return __builtin_popcount(value); }
static int __ffs(int value) { return __builtin_ffs(value); }
static float __int_as_float(int bits) { float value; std::memcpy(&value, &bits, 4); return value; }
static int __float_as_int(float value) { int bits; std::memcpy(&bits, &value, 4); return bits; }
static double __dadd_rn(double a, double b) { return a + b; }
static double __dmul_rn(double a, double b) { return a * b; }
static int min(int a, int b) { return a < b ? a : b; }
static int max(int a, int b) { return a > b ? a : b; }

// With the address sanitizer (see test_kernels.py) a read beside shared memory stops the program too.
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
static void fence(void* start, size_t size) { __asan_poison_memory_region(start, size); }
static void unfence(void* start, size_t size) { __asan_unpoison_memory_region(start, size); }
#else
static void fence(void*, size_t) {}
static void unfence(void*, size_t) {}
#endif

// Runs `body` for every thread of every block; returns how many blocks wrote outside their shared memory.
template <class Body> static int run_grid(int x, int y, int threads, int shared_bytes, Body body) {
    const int zone = 4096;
    int broken = 0;
    blockDim = {threads, 1, 1};
    gridDim = {x, y, 1};
    for (int block = 0; block < x * y; ++block) {
        std::vector<unsigned char> memory(shared_bytes + 2 * zone + 16, 0xa5);
        shared = memory.data() + zone;
        shared += (16 - (size_t)shared % 16) % 16;
        const size_t low = shared - memory.data();
        fence(memory.data(), low);
        fence(shared + shared_bytes, memory.size() - low - shared_bytes);
        warps.clear();
        for (int i = 0; i < (threads + 31) / 32; ++i) warps.push_back(std::make_unique<Warp>());
        block_barrier = std::make_unique<std::barrier<>>(threads);
        std::vector<std::thread> running;
        for (int thread = 0; thread < threads; ++thread)
            running.emplace_back([=] {
                threadIdx = {thread, 0, 0};
                blockIdx = {block % x, block / x, 0};
                body();
                block_barrier->arrive_and_drop();
            });
        for (auto& thread : running) thread.join();
        unfence(memory.data(), memory.size());
        for (size_t i = 0; i < memory.size(); ++i)
            if ((i < low || i >= low + shared_bytes) && memory[i] != 0xa5) { ++broken; break; }
    }
    return broken;
}
