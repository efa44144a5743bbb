// A hand-written actor that follows compiler/abi.py: what the native engine is tested against,
// apart from the compiler.  kit.py holds the same actor in Python, which replays its failures.
//
// An input says what to do with it: see enum op.

#include <cstdint>

typedef uint64_t u64;
typedef int64_t i64;
typedef uint32_t u32;
typedef int32_t i32;

struct port {
  u64 head, pad0[7];
  u64 tail, claimed, pad1[6];
  u64 slots, mask, bound, source, policy, capacity, pad2[2];
};
struct actor {
  u64 input, output, state, log, log_size, heap, watch, pad0;
  u32 stop, terminating, carry, event;
  i64 fuel;
  u64 strings, pad1[4];
  i32 status, code, line, staged;
  double timeout;
  u64 produced, log_used, pad2[3];
  u64 processed, sent, rejected, timeouts, skipped, pad3[3];
};
static_assert(sizeof(port) == 192 && sizeof(actor) == 256, "layout of compiler/abi.py");

struct task { i64 op, value; };
struct result { i64 total, value; };
struct state { i64 total; };

enum op { SEND, SEVERAL, FAIL, DEOPTIMISE, SPIN, LEAVE, RETURN, PRINT };
enum status { IDLE, MORE, FULL, LEFT, RETURNED, STOPPED, PREEMPTED, FAILED, DEOPT, GROW, LOG_FULL };
enum policy { BLOCK, REJECT, DROP_OLDEST };

template <class T> static T load(T *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
template <class T> static void store(T *p, T v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }

// One turn: everything staged, nothing committed unless it returns MORE, LEFT or RETURNED.
struct turn {
  actor *a;
  port *in, *out;
  u64 produced, log_used, ordinal;
  i64 fuel;

  i32 send(i64 total, i64 value) {
    u64 tail = load(&out->tail);
    if (out->policy == REJECT && produced - tail >= out->bound) {
      a->rejected++;
      return FAILED;
    }
    if (out->policy != DROP_OLDEST && produced - tail >= out->capacity) return GROW;
    u64 slot = produced & out->mask;
    if (out->policy == DROP_OLDEST) store(&out->head, produced);
    ((result *)out->slots)[slot] = {total, value};
    if (a->carry && out->source) ((u64 *)out->source)[slot] = ordinal;
    produced++;
    return MORE;
  }

  i32 back_edge() {
    if (fuel < 0) return load(&a->stop) ? STOPPED : MORE;
    return --fuel ? MORE : PREEMPTED;
  }

  i32 run(task t, state *s) {
    s->total += t.op == SPIN ? 0 : t.value;
    i32 r = MORE;
    switch (t.op) {
    case SEND: return send(s->total, t.value * 2);
    case SEVERAL:
      for (i64 n = 0; n < t.value && r == MORE; n++) r = send(s->total, n);
      return r;
    case FAIL: a->code = 1; a->line = 1; return FAILED;
    case DEOPTIMISE: a->code = 1000; a->line = 2; return DEOPT;
    case SPIN:  // value < 0: for ever
      for (i64 n = 0; n != t.value; n++)
        if ((r = back_edge()) != MORE) return r;
      return send(s->total, t.value);
    case LEAVE: return LEFT;
    case RETURN: return RETURNED;
    case PRINT:
      if (log_used + 8 > a->log_size) return LOG_FULL;
      *(i64 *)(a->log + log_used) = t.value;
      log_used += 8;
      return MORE;
    }
    return MORE;
  }
};

extern "C" const u32 pdc_abi = 4;
extern "C" const u64 pdc_state_size = sizeof(state);

static bool publish(actor *a, port *out) {
  u64 head = out->head, tail = load(&out->tail), goal = a->produced;
  if (out->policy == BLOCK && goal - tail > out->bound)
    goal = tail + out->bound > head ? tail + out->bound : head;
  store(&out->head, goal);
  return goal == a->produced;
}

static i32 burst(actor *a, u64 limit) {
  port *in = (port *)a->input, *out = (port *)a->output;
  for (u64 n = 0;; n++) {
    if (!publish(a, out)) return FULL;
    if (load(&a->stop)) return STOPPED;
    if (n == limit) return MORE;
    u64 tail = in->tail, head = load(&in->head);
    if (in->policy == DROP_OLDEST && head - tail > in->bound) {
      a->skipped += head - in->bound - tail;
      tail = head - in->bound;
    }
    if (tail == head) {
      a->timeout = 0.05;
      if (!load(&a->event)) return IDLE;
      store(&a->event, 0u);
      a->timeouts++;
      if (load(&a->terminating)) return LEFT;
      continue;
    }
    task t = ((task *)in->slots)[tail & in->mask];
    if (in->policy == DROP_OLDEST && load(&in->head) - tail > in->bound) continue;
    state s = *(state *)a->state;
    turn now = {a, in, out, a->produced, a->log_used, tail, a->fuel};
    i32 r = now.run(t, &s);
    if (r > RETURNED) return r;
    *(state *)a->state = s;
    a->fuel = now.fuel;
    a->sent += now.produced - a->produced;
    a->produced = now.produced;
    a->log_used = now.log_used;
    a->processed++;
    store(&in->claimed, tail + 1);
    store(&in->tail, tail + 1);
    if (r != MORE) {
      publish(a, out);
      return r;
    }
  }
}

extern "C" int pdc_burst(void *block, unsigned long long limit) {
  actor *a = (actor *)block;
  return a->status = burst(a, limit);
}
