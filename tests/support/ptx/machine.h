/* machine.h: blocks, lanes, memory and faults.

   A lane is a fiber.  It is left at a barrier, when it has run for a while, and when it ends; after
   each barrier the lanes go on in another order, so that what depends on the order shows.
   Memory: shared memory tells who has read and written each byte since the last barrier; stores that
   the host can see stay in the block until something orders them (a release, a fence, the end). */
#define LANE_STACK (256u << 10)
#define LANE_LOCAL (512u << 10)
#define PATIENCE 50000 /* backward branches between two looks at the rest of the world */
#define POISON 0xa5

struct allocation { u64 start, end, visible; };
struct machine_words { u64 held, now, fault, rounds; };
struct source_line { u32 line; const char *text; };
extern "C" const source_line ptx_lines[];
extern "C" const u32 ptx_line_count;

struct launch {
    u32 grid, lanes;
    u64 param_count;
    const u64 *params;
    const allocation *allocations;
    u64 allocation_count;
    machine_words *machine;
    u64 barrier_ns, seed;
    char *fault; /* 512 bytes */
};

struct pending { u64 word, value, mask; u32 lane, epoch; };
struct shadow { u32 written, read; u16 writer, reader; };
enum lane_state { RUNNABLE, WAITING, ENDED };
struct block;
struct lane {
    block *of;
    void *stack_pointer, *memory;
    u8 *local;
    u32 id, used, patience, barrier_line, barrier;
    lane_state state;
};
struct block {
    launch *in;
    u32 id, epoch;
    lane *lanes;
    u16 *order;
    u8 *shared;
    shadow *shadows;
    u64 shared_size, last, waiting_since, chance;
    void *host;
    const allocation *found;
    void (*kernel)(lane &, u8 *, u8 **);
    pending *stores;
    u32 *index;
    u32 store_count, store_room;
    bool done;
};

static const char *where(u32 line) {
    u32 low = 0, high = ptx_line_count;
    while (low < high) {
        const u32 middle = (low + high) / 2;
        if (ptx_lines[middle].line <= line) low = middle + 1;
        else high = middle;
    }
    return low ? ptx_lines[low - 1].text : "?";
}

extern "C" void ptx_switch(void **from, void *to);
asm(".text\n.globl ptx_switch\n.hidden ptx_switch\nptx_switch:\n"
#if defined(__x86_64__)
    "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
    "movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"
    "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n"
#elif defined(__aarch64__)
    "sub sp, sp, #160\nstp x19, x20, [sp]\nstp x21, x22, [sp, #16]\nstp x23, x24, [sp, #32]\n"
    "stp x25, x26, [sp, #48]\nstp x27, x28, [sp, #64]\nstp x29, x30, [sp, #80]\n"
    "stp d8, d9, [sp, #96]\nstp d10, d11, [sp, #112]\nstp d12, d13, [sp, #128]\n"
    "stp d14, d15, [sp, #144]\nmov x9, sp\nstr x9, [x0]\nmov sp, x1\n"
    "ldp x19, x20, [sp]\nldp x21, x22, [sp, #16]\nldp x23, x24, [sp, #32]\n"
    "ldp x25, x26, [sp, #48]\nldp x27, x28, [sp, #64]\nldp x29, x30, [sp, #80]\n"
    "ldp d8, d9, [sp, #96]\nldp d10, d11, [sp, #112]\nldp d12, d13, [sp, #128]\n"
    "ldp d14, d15, [sp, #144]\nadd sp, sp, #160\nret\n"
#else
#error "lanes switch on x86-64 and AArch64 only"
#endif
);

static __thread lane *ptx_current;
static void leave(lane &l) { ptx_switch(&l.stack_pointer, l.of->host); }
static u64 host_ns() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
}

template <class... A> static __attribute__((noinline, cold)) void
say(block &b, u32 line, const char *format, A... arguments) {
    if (*b.in->fault) return;
    char *at = b.in->fault;
    at += snprintf(at, 300, format, arguments...);
    snprintf(at, 512 - (at - b.in->fault), " (PTX line %u, %s)", line, where(line));
}
/* Ends the lane's run for ever: the launch is given up. */
template <class... A> static __attribute__((noinline, cold, noreturn)) void
fault(lane &l, u32 line, const char *format, A... arguments) {
    say(*l.of, line, format, arguments...);
    for (;;) leave(l);
}

/* --- stores that wait to be ordered ---------------------------------------------------------- */
static u32 slot_of(const block &b, u64 word) {
    return (u32)((word >> 3) * 0x9E3779B97F4A7C15u >> 32) & (2 * b.store_room - 1);
}
static pending *find_store(block &b, u64 word, bool make) {
    if (make && b.store_count == b.store_room) {
        b.store_room = b.store_room ? 2 * b.store_room : 64;
        b.stores = (pending *)realloc(b.stores, b.store_room * sizeof(pending));
        free(b.index);
        b.index = (u32 *)calloc(2 * b.store_room, sizeof(u32));
        for (u32 n = 0; n < b.store_count; ++n) {
            u32 at = slot_of(b, b.stores[n].word);
            while (b.index[at]) at = (at + 1) & (2 * b.store_room - 1);
            b.index[at] = n + 1;
        }
    }
    if (!b.store_room) return nullptr;
    u32 at = slot_of(b, word);
    for (; b.index[at]; at = (at + 1) & (2 * b.store_room - 1))
        if (b.stores[b.index[at] - 1].word == word) return &b.stores[b.index[at] - 1];
    if (!make) return nullptr;
    b.index[at] = ++b.store_count;
    pending *const made = &b.stores[b.store_count - 1];
    *made = {word, 0, 0, 0, 0};
    return made;
}
static void perform(const pending &p) {
    if (p.mask == ~(u64)0) *(volatile u64 *)p.word = p.value;
    else for (int n = 0; n < 8; ++n)
        if (p.mask >> 8 * n & 1) ((volatile u8 *)p.word)[n] = (u8)(p.value >> 8 * n);
}
/* Everything the lane has stored or, by a barrier, knows to have been stored. */
static void order_stores(lane &l) {
    block &b = *l.of;
    if (!b.store_count) return;
    u32 kept = 0;
    for (u32 n = 0; n < b.store_count; ++n) {
        const pending p = b.stores[n];
        if (p.lane == l.id || p.epoch < b.epoch) perform(p);
        else b.stores[kept++] = p;
    }
    b.store_count = 0;
    memset(b.index, 0, 2 * b.store_room * sizeof(u32));
    for (u32 n = 0; n < kept; ++n) {
        const pending p = b.stores[n];
        *find_store(b, p.word, true) = p;
    }
}
static void pend(lane &l, u64 at, const u8 *from, u32 size) {
    while (size) {
        const u32 skip = at & 7, here = size < 8 - skip ? size : 8 - skip;
        pending *const p = find_store(*l.of, at - skip, true);
        for (u32 n = 0; n < here; ++n) {
            const u32 bit = 8 * (skip + n);
            p->value = (p->value & ~((u64)255 << bit)) | (u64)from[n] << bit;
            p->mask |= (u64)255 << bit;
        }
        p->lane = l.id, p->epoch = l.of->epoch;
        at += here, from += here, size -= here;
    }
}
/* What the lane reads there is what the block has stored, before anyone else sees it. */
static void overlay(block &b, u64 at, u8 *to, u32 size) {
    for (u64 word = at & ~(u64)7; word < at + size; word += 8)
        if (const pending *const p = find_store(b, word, false))
            for (u32 n = 0; n < 8; ++n)
                if ((p->mask >> 8 * n & 1) && word + n >= at && word + n < at + size)
                    to[word + n - at] = (u8)(p->value >> 8 * n);
}
static void forget(block &b, u64 at, u32 size) {
    for (u64 word = at & ~(u64)7; word < at + size; word += 8)
        if (pending *const p = find_store(b, word, false))
            for (u32 n = 0; n < 8; ++n)
                if (word + n >= at && word + n < at + size) p->mask &= ~((u64)255 << 8 * n);
}

/* --- where an address leads ------------------------------------------------------------------ */
enum space { GENERIC, GLOBAL, SHARED, LOCAL };
enum ordering { WEAK, RELAXED, ORDERED };
enum kind { DEVICE, VISIBLE, IN_SHARED, IN_LOCAL };

static __attribute__((noinline, cold, noreturn)) void bad_address(lane &l, u64 at, u32 size, u32 line, const char *how) {
    fault(l, line, "an illegal memory access was encountered: %s access of %u bytes at 0x%llx",
          how, size, (unsigned long long)at);
}
static inline kind global_kind(lane &l, u64 at, u32 size, u32 line) {
    block &b = *l.of;
    if (!(b.found && at >= b.found->start && at + size <= b.found->end)) {
        const launch &in = *b.in;
        u64 low = 0, high = in.allocation_count;
        while (low < high) {
            const u64 middle = (low + high) / 2;
            if (in.allocations[middle].end <= at) low = middle + 1;
            else high = middle;
        }
        if (low == in.allocation_count || at < in.allocations[low].start || at + size > in.allocations[low].end)
            bad_address(l, at, size, line, at < 4096 ? "null" : "out-of-bounds");
        b.found = &in.allocations[low];
    }
    return b.found->visible ? VISIBLE : DEVICE;
}
template <space S> static inline u8 *resolve(lane &l, u64 at, u32 size, u32 line, kind *what) {
    block &b = *l.of;
    if (at & (size - 1)) bad_address(l, at, size, line, "misaligned");
    if constexpr (S == SHARED) {
        if (at + size > b.shared_size) bad_address(l, at, size, line, "out-of-bounds shared");
        *what = IN_SHARED;
        return b.shared + at;
    } else if constexpr (S == LOCAL) {
        if (at + size > l.used) bad_address(l, at, size, line, "out-of-bounds local");
        *what = IN_LOCAL;
        return l.local + at;
    } else {
        if constexpr (S == GENERIC) {
            if (at - (u64)b.shared < b.shared_size) return resolve<SHARED>(l, at - (u64)b.shared, size, line, what);
            if (at - (u64)l.local < LANE_LOCAL) return resolve<LOCAL>(l, at - (u64)l.local, size, line, what);
        }
        *what = global_kind(l, at, size, line);
        return (u8 *)at;
    }
}
static inline void watch(lane &l, const u8 *at, u32 size, u32 line, bool writes) {
    block &b = *l.of;
    shadow *s = b.shadows + (at - b.shared);
    const u32 epoch = b.epoch;
    const u16 me = (u16)l.id;
    for (u32 n = 0; n < size; ++n, ++s) {
        if (s->written == epoch && s->writer != me)
            fault(l, line, "a race in shared memory: lane %u %s byte %llu, which lane %u wrote since the last barrier",
                  l.id, writes ? "writes" : "reads", (unsigned long long)(s - b.shadows), s->writer);
        if (writes && s->read == epoch && s->reader != me)
            fault(l, line, "a race in shared memory: lane %u writes byte %llu, which another lane read since the last barrier",
                  l.id, (unsigned long long)(s - b.shadows));
        if (writes) s->written = epoch, s->writer = me;
        else if (s->read != epoch || s->reader == me) s->read = epoch, s->reader = me;
        else s->reader = 0xffff; /* several */
    }
}

template <class T> static inline T bits_at(const u8 *at) { T made; __builtin_memcpy(&made, at, sizeof made); return made; }

/* N values of type T, which lie beside one another. */
template <class T, u32 N, space S, ordering O> static inline void load(lane &l, u64 at, u32 line, T *to) {
    kind what;
    const u8 *const from = resolve<S>(l, at, N * sizeof(T), line, &what);
    if (what == IN_SHARED) watch(l, from, N * sizeof(T), line, false);
    if (O != WEAK) {
        typedef unsigned_of<T> U;
        for (u32 n = 0; n < N; ++n) {
            const U bits = __atomic_load_n((const U *)from + n, O == RELAXED ? __ATOMIC_RELAXED : __ATOMIC_ACQUIRE);
            to[n] = as<T>(bits);
        }
    } else __builtin_memcpy(to, from, N * sizeof(T));
    if (what == VISIBLE && l.of->store_count) overlay(*l.of, at, (u8 *)to, N * sizeof(T));
}
template <class T, u32 N, space S, ordering O> static inline void store(lane &l, u64 at, u32 line, const T *from) {
    kind what;
    u8 *const to = resolve<S>(l, at, N * sizeof(T), line, &what);
    if (what == IN_SHARED) watch(l, to, N * sizeof(T), line, true);
    if (O == ORDERED) order_stores(l);
    if (O != WEAK) {
        typedef unsigned_of<T> U;
        if (what == VISIBLE && l.of->store_count) forget(*l.of, at, N * sizeof(T));
        for (u32 n = 0; n < N; ++n) {
            U bits;
            __builtin_memcpy(&bits, from + n, sizeof bits);
            __atomic_store_n((U *)to + n, bits, O == RELAXED ? __ATOMIC_RELAXED : __ATOMIC_RELEASE);
        }
    } else if (what == VISIBLE) pend(l, at, (const u8 *)from, N * sizeof(T));
    else __builtin_memcpy(to, from, N * sizeof(T));
}
static inline void op_fence(lane &l) { order_stores(l); __atomic_thread_fence(__ATOMIC_SEQ_CST); }

template <class T, space S, class F> static inline T atomic(lane &l, u64 at, u32 line, F change) {
    kind what;
    u8 *const where = resolve<S>(l, at, sizeof(T), line, &what);
    typedef unsigned_of<T> U;
    U *const word = (U *)where;
    U before = __atomic_load_n(word, __ATOMIC_SEQ_CST), after;
    do {
        const T made = change(as<T>(before));
        __builtin_memcpy(&after, &made, sizeof after);
    } while (!__atomic_compare_exchange_n(word, &before, after, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    return as<T>(before);
}

/* --- lanes ----------------------------------------------------------------------------------- */
static inline void tick(lane &l) {
    if (--l.patience == 0) { l.patience = PATIENCE; leave(l); }
}
static inline void op_barrier(lane &l, u32 id, u32 line) {
    l.state = WAITING, l.barrier_line = line, l.barrier = id;
    leave(l);
}
static inline void op_nanosleep(lane &l) {
    __atomic_fetch_add(&l.of->in->machine->rounds, 1, __ATOMIC_RELEASE);
    leave(l);
}
static inline u64 op_globaltimer(lane &l) {
    machine_words *const m = l.of->in->machine;
    return __atomic_load_n(&m->held, __ATOMIC_ACQUIRE) ? __atomic_load_n(&m->now, __ATOMIC_ACQUIRE) : host_ns();
}
/* Local memory of a function's frame; what it holds is what was left there. */
static inline u64 enter(lane &l, u32 size, u32 align, u32 line) {
    const u64 at = (l.used + (u64)align - 1) & ~(u64)(align - 1);
    if (at + size > LANE_LOCAL) fault(l, line, "a lane's local memory is full: %u bytes", (u32)(at + size));
    memset(l.local + at, POISON, size);
    l.used = (u32)(at + size);
    return at;
}

static void lane_main() {
    lane &l = *ptx_current;
    u8 *params[64];
    for (u64 n = 0; n < l.of->in->param_count; ++n) params[n] = (u8 *)&l.of->in->params[n];
    l.of->kernel(l, nullptr, params);
    order_stores(l);
    l.state = ENDED;
    for (;;) leave(l);
}

static struct { void *memory[4096]; u32 count; u32 busy; } spare;
static void *take_memory() {
    while (__atomic_exchange_n(&spare.busy, 1, __ATOMIC_ACQUIRE)) sched_yield();
    void *found = spare.count ? spare.memory[--spare.count] : nullptr;
    __atomic_store_n(&spare.busy, 0, __ATOMIC_RELEASE);
    if (found) return found;
    found = mmap(nullptr, LANE_STACK + LANE_LOCAL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return found == MAP_FAILED ? nullptr : found;
}
static void give_memory(void *memory) {
    while (__atomic_exchange_n(&spare.busy, 1, __ATOMIC_ACQUIRE)) sched_yield();
    const bool room = spare.count < 4096;
    if (room) spare.memory[spare.count++] = memory;
    __atomic_store_n(&spare.busy, 0, __ATOMIC_RELEASE);
    if (!room) munmap(memory, LANE_STACK + LANE_LOCAL);
}

static bool begin_lane(block &b, u32 id) {
    lane &l = b.lanes[id];
    l.of = &b, l.id = id, l.patience = PATIENCE, l.state = RUNNABLE;
    l.memory = take_memory();
    if (!l.memory) { say(b, 0, "no memory for lanes"); return false; }
    l.local = (u8 *)l.memory + LANE_STACK;
    l.used = 0;
    u64 *top = (u64 *)((u8 *)l.memory + LANE_STACK - 64);
#if defined(__x86_64__)
    top[0] = (u64)lane_main; /* as if called: the stack is 8 off 16 */
    l.stack_pointer = top - 6;
#else
    top -= 20;
    memset(top, 0, 160);
    top[11] = (u64)lane_main;
    l.stack_pointer = top;
#endif
    return true;
}
static void shuffle(block &b) {
    for (u32 n = b.in->lanes; n > 1; --n) {
        b.chance = b.chance * 6364136223846793005u + 1442695040888963407u;
        const u32 other = (u32)(b.chance >> 33) % n;
        const u16 held = b.order[n - 1];
        b.order[n - 1] = b.order[other], b.order[other] = held;
    }
}
/* All lanes wait at one barrier: let them go on.  Or say what is wrong. */
static void meet(block &b, u32 waiting, u32 ended, u32 runnable, lane *first) {
    const u32 line = first->barrier_line;
    if (runnable) {
        if (!b.waiting_since) b.waiting_since = host_ns();
        else if (host_ns() - b.waiting_since > b.in->barrier_ns)
            say(b, line, "%u lanes waited for a barrier that %u others did not reach in time", waiting, runnable);
        return;
    }
    b.waiting_since = 0;
    if (ended) {
        say(b, line, "%u lanes wait at a barrier and %u have returned", waiting, ended);
        return;
    }
    for (u32 n = 0; n < b.in->lanes; ++n) {
        lane &l = b.lanes[n];
        if (l.barrier_line != line || l.barrier != first->barrier) {
            say(b, line, "lanes wait at different barriers: lane %u at PTX line %u (%s)", n, l.barrier_line, where(l.barrier_line));
            return;
        }
        l.state = RUNNABLE;
    }
    ++b.epoch;
    shuffle(b);
}
/* Some turns of each lane.  Returns whether any has moved on by itself. */
static void run_block(block &b) {
    u32 waiting = 0, ended = 0, runnable = 0;
    lane *first = nullptr;
    for (u32 n = 0; n < b.in->lanes && !*b.in->fault; ++n) {
        lane &l = b.lanes[b.order[n]];
        if (l.state == RUNNABLE) {
            ptx_current = &l;
            ptx_switch(&b.host, l.stack_pointer);
        }
        if (l.state == WAITING) { ++waiting; if (!first) first = &l; }
        else if (l.state == ENDED) ++ended;
        else ++runnable;
    }
    if (*b.in->fault) return;
    if (ended == b.in->lanes) {
        for (u32 n = 0; n < b.store_count; ++n) perform(b.stores[n]);
        b.store_count = 0;
        b.done = true;
    } else if (waiting) meet(b, waiting, ended, runnable, first);
}
static void end_block(block &b) {
    for (u32 n = 0; n < b.in->lanes; ++n)
        if (b.lanes[n].memory) give_memory(b.lanes[n].memory);
    free(b.lanes), free(b.order), free(b.shared), free(b.shadows), free(b.stores), free(b.index);
}
static bool begin_block(block &b, launch *in, u32 id, void (*kernel)(lane &, u8 *, u8 **), u64 shared_size) {
    b.in = in, b.id = id, b.epoch = 1, b.kernel = kernel, b.shared_size = shared_size;
    b.chance = in->seed + id;
    b.lanes = (lane *)calloc(in->lanes, sizeof(lane));
    b.order = (u16 *)calloc(in->lanes, sizeof(u16));
    b.shared = (u8 *)aligned_alloc(256, (shared_size + 256) & ~(u64)255);
    b.shadows = (shadow *)calloc(shared_size + 1, sizeof(shadow));
    memset(b.shared, POISON, shared_size);
    for (u32 n = 0; n < in->lanes; ++n) {
        b.order[n] = (u16)n;
        if (!begin_lane(b, n)) return false;
    }
    shuffle(b);
    return true;
}
/* 0: the grid has ended; 1: it has died; 2: it was told to die. */
static int run_grid(launch *in, void (*kernel)(lane &, u8 *, u8 **), u64 shared_size) {
    block *const blocks = (block *)calloc(in->grid, sizeof(block));
    u32 left = in->grid;
    bool stopped = false;
    for (u32 n = 0; n < in->grid; ++n) begin_block(blocks[n], in, n, kernel, shared_size);
    for (u64 rounds = 1; left && !*in->fault; ++rounds) {
        u64 slept = __atomic_load_n(&in->machine->rounds, __ATOMIC_ACQUIRE);
        for (u32 n = 0; n < in->grid && !*in->fault; ++n)
            if (!blocks[n].done) {
                run_block(blocks[n]);
                left -= blocks[n].done;
            }
        stopped = __atomic_load_n(&in->machine->fault, __ATOMIC_ACQUIRE);
        if (stopped) break;
        if (slept != __atomic_load_n(&in->machine->rounds, __ATOMIC_ACQUIRE) || rounds % 64 == 0) sched_yield();
    }
    for (u32 n = 0; n < in->grid; ++n) end_block(blocks[n]);
    free(blocks);
    return *in->fault ? 1 : stopped ? 2 : 0;
}
