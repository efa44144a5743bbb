// Runs a compiled actor in a process without Python, so that sanitizers see nothing else.
//
//   driver stream < setup > outputs    bursts and reads in turn, on one thread
//   driver threads < setup             sender, actor and receiver on threads of their own
//   driver lanes < setup               sender, receiver, and a resident kernel, a thread for each
//                                      lane (built with -DPDC_EMULATE -DPDC_THREADED)
//
// The setup is written by tests/sanitizers/program.py: numbers, then the bytes of the state, the ids
// of the constant strings, and the input records.  Every part of memory is an allocation of its own
// and of exactly its size.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

typedef uint64_t u64;
typedef uint32_t u32;

struct port {
  u64 head, pad0[7];
  u64 tail, claimed, pad1[6];
  void *slots;
  u64 mask, bound;
  u64 *source;
  u64 policy, capacity, pad2[2];
};
struct actor {
  port *input, *output;
  void *state, *log;
  u64 log_size;
  void *heap;
  const uint32_t *watch;
  u64 pad0;
  u32 stop, terminating, record_origin, event;
  int64_t fuel;
  const u64 *strings;
  u64 pad1[4];
  int32_t status, code, line, staged;
  double timeout;
  u64 produced, log_used, pad2[3];
  u64 processed, sent, rejected, timeouts, skipped, pad3[3];
};
static_assert(sizeof(port) == 192 && sizeof(actor) == 256, "layout of compiler/abi.py");

enum status { IDLE, MORE, FULL, LEFT, RETURNED, STOPPED, PREEMPTED, FAILED, DEOPT, GROW, LOG_FULL };
enum policy { BLOCK, REJECT, DROP_OLDEST };

extern "C" int pdc_burst(void *block, unsigned long long limit);
extern "C" u64 pdc_state_size;

struct setup {
  u64 in_size, out_size, state_size, strings, journal, log, messages, bound, policy, sends, limit,
      record_origin, queue_full, count, stage;
} s;
static std::vector<char> records;

static void die(const char *why) {
  fprintf(stderr, "driver: %s\n", why);
  exit(3);
}

static void get(void *to, size_t size) {
  if (size && fread(to, size, 1, stdin) != 1) die("the setup is too short");
}

static void *memory(size_t size) {
  void *made;
  if (posix_memalign(&made, 64, size ? size : 1)) die("no memory");
  memset(made, 0xA5, size);
  return made;
}

static u64 power(u64 least) {
  u64 n = 2;
  while (n < least) n *= 2;
  return n;
}

static void give_slots(port *p, u64 size, u64 least) {
  const u64 old = p->slots ? p->mask + 1 : 0, now = power(least);
  void *const slots = memory(now * size);
  memset(slots, 0, now * size);  // the gaps in records, which some builds write and some do not
  u64 *const source = (u64 *)memory(now * 8);
  for (u64 n = p->tail; n < p->tail + old; n++) {
    memcpy((char *)slots + n % now * size, (char *)p->slots + n % old * size, size);
    source[n % now] = p->source[n % old];
  }
  free(p->slots);
  free(p->source);
  p->slots = slots, p->source = source, p->mask = now - 1, p->capacity = now;
}

static actor *make() {
  get(&s, sizeof s);
  if (s.state_size != pdc_state_size) die("the state has another size");
  actor *const a = (actor *)memory(sizeof(actor));
  memset(a, 0, sizeof *a);
  a->state = memory(s.state_size);
  get(a->state, s.state_size);
  u64 *const ids = (u64 *)memory(8 * s.strings);
  get(ids, 8 * s.strings);
  a->strings = ids;
  a->heap = memory(8 + s.journal);
  *(u64 *)a->heap = s.journal;
  a->log = memory(s.log), a->log_size = s.log;
  a->watch = &a->stop, a->fuel = -1, a->record_origin = (u32)s.record_origin;
  const u64 spread = s.policy == DROP_OLDEST ? 2 * s.bound : s.bound;
  for (port **p : {&a->input, &a->output}) {
    *p = (port *)memory(sizeof(port));
    memset(*p, 0, sizeof(port));
    (*p)->bound = s.bound, (*p)->policy = s.policy;
  }
  give_slots(a->input, s.in_size, spread);
  give_slots(a->output, s.out_size, spread + s.sends);
  records.resize(s.in_size * s.messages);
  get(records.data(), records.size());
  return a;
}

static void put(port *in, u64 n) {
  memcpy((char *)in->slots + (n & in->mask) * s.in_size,
         records.data() + n % s.messages * s.in_size, s.in_size);
}

// --- one thread ------------------------------------------------------------------------------

static void read_outputs(port *out) {
  if (s.policy == DROP_OLDEST && out->head - out->tail > s.bound) out->tail = out->head - s.bound;
  while (out->tail != out->head) {
    fwrite((char *)out->slots + (out->tail & out->mask) * s.out_size, s.out_size, 1, stdout);
    out->tail++;
  }
}

static void stream(actor *a) {
  port *const in = a->input, *const out = a->output;
  u64 next = 0, turns = 0;
  bool timed = false;
  while (next < s.messages || in->head != in->tail || !timed) {
    while (next < s.messages && (s.policy == DROP_OLDEST ? next < turns * 3
                                                         : in->head - in->tail < s.bound)) {
      put(in, next);
      in->head = ++next;
    }
    if (next == s.messages && in->head == in->tail) a->event = timed = true;
    a->fuel = turns++ % 2 ? -1 : 1 << 20;
    const int status = pdc_burst(a, s.limit);
    const u64 room = out->tail + out->bound;
    if (status == FAILED || status == DEOPT) {
      fwrite(&a->code, 4, 1, stdout);
      if (status == FAILED && a->code == (int)s.queue_full && out->head != out->tail) {
        read_outputs(out);  // and the message once more
      } else if (in->head != in->tail) {
        in->tail++;
      }
    } else if (status == GROW) {
      give_slots(out, s.out_size, 2 * out->capacity);
    } else if (status == LOG_FULL && a->log_used == 0) {
      free(a->log);
      a->log_size *= 2, a->log = memory(a->log_size);
    } else if (status == PREEMPTED) {
      in->tail++;
    } else if (status == LEFT || status == RETURNED) {
      break;
    }
    fwrite(a->log, a->log_used, 1, stdout);
    a->log_used = 0;
    if (s.policy == BLOCK && room < out->head) die("more outputs than the bound");
    read_outputs(out);
  }
  out->head = a->produced;
  read_outputs(out);
  fwrite(a->state, s.state_size, 1, stdout);
}

// --- three threads: records whose second word is the complement of the first --------------------

static u64 load(const u64 *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
static void store(u64 *p, u64 v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }

static void send_all(port *in) {
  for (u64 n = 0; n < s.count; n++) {
    while (s.policy != DROP_OLDEST && n - load(&in->tail) >= s.bound) std::this_thread::yield();
    u64 record[2] = {n, ~n};
    memcpy((char *)in->slots + (n & in->mask) * s.in_size, record, sizeof record);
    store(&in->head, n + 1);
  }
}

static void act(actor *a, u64 *finished) {
  for (;;) {
    const bool over = load(finished) != 0;
    const int status = pdc_burst(a, s.limit);
    if (status == FAILED && a->code != (int)s.queue_full) die("half a message was handled");
    if (status > FULL && status != FAILED) die("an unexpected status");
    if (over && status == IDLE) return store(finished, 2);
    if (status != MORE) std::this_thread::yield();
  }
}

static void receive_all(port *out, actor *a, u64 *finished) {
  u64 last = 0, got = 0;
  for (u64 tail = 0;;) {
    const bool over = load(finished) == 2;
    u64 head = load(&out->head);
    if (head == tail) {
      if (over) break;
      std::this_thread::yield();
      continue;
    }
    u64 record[2];
    do {
      if (s.policy == DROP_OLDEST && head - tail > s.bound) tail = head - s.bound;
      memcpy(record, (char *)out->slots + (tail & out->mask) * s.out_size, sizeof record);
      __atomic_thread_fence(__ATOMIC_ACQUIRE);
      head = load(&out->head);
    } while (s.policy == DROP_OLDEST && head - tail > s.bound);
    if (s.policy != DROP_OLDEST && head - tail > s.bound) die("more outputs than the bound");
    if (record[0] != ~record[1]) die("half a message was received");
    if (got && record[0] <= last) die("a message came twice or out of order");
    if (s.policy != DROP_OLDEST && record[0] != got) die("a message was lost");
    last = record[0], got++;
    store(&out->tail, ++tail);
  }
  if (last != s.count - 1) die("the last message was lost");
  printf("%llu %llu\n", (unsigned long long)got, (unsigned long long)a->skipped);
}

static void threads(actor *a) {
  u64 finished = 0;
  std::thread acting(act, a, &finished), receiving(receive_all, a->output, a, &finished);
  send_all(a->input);
  store(&finished, 1);
  acting.join();
  receiving.join();
}

// --- a resident kernel -----------------------------------------------------------------------------
#ifdef PDC_THREADED
#include <pthread.h>

struct seat {
  actor *host;
  void *local, *state, *mirror;
  u64 state_size;
  void *journal;
  u64 journal_size;
  void *strings, *slots, *stage;
  u64 stage_mask, input_size, output_size, string_count, burst, budget;
  u32 leave, load;
  u64 epoch, idle_ns;
  void *sources;
  port *input, *output;
  u64 pad0[2], parked, busy_ns, visits, peak, pad1[4];
};
static_assert(sizeof(seat) == 256, "layout of compiler/abi.py");

const u64 LANES = PDC_LANE_COUNT, RESIDENT_NS = 3000000, IDLE_NS = 300000;
extern "C" {
__thread u64 pdc_lane;
void pdc_threaded(seat *, u64 resident_ns, const u64 *machine);
static pthread_barrier_t lanes_meet;
void pdc_barrier() { pthread_barrier_wait(&lanes_meet); }
}
static seat place;

static void sit(actor *a) {
  const u64 slots = a->output->mask + 1;
  seat *const p = &place;
  p->host = a, p->input = a->input, p->output = a->output;
  p->local = memory(sizeof(actor) + 2 * sizeof(port));
  p->state = memory(s.state_size), p->mirror = a->state, p->state_size = s.state_size;
  p->journal = memory(8 + s.journal), p->journal_size = s.journal;
  p->strings = memory(8 * s.strings), p->string_count = s.strings;
  p->slots = memory(slots * s.out_size), p->sources = memory(slots * 8);
  p->input_size = s.in_size, p->output_size = s.out_size, p->stage = nullptr;
  for (p->stage_mask = 1; (p->stage_mask + 1) * s.in_size <= s.stage; p->stage_mask *= 2) {}
  p->stage_mask--;
  p->burst = 256, p->budget = ~0ull >> 1, p->idle_ns = IDLE_NS, p->load = 1;
}

static void reside_again(actor *a, u64 *finished) {
  static const u64 machine[8] = {};
  std::vector<char> seen(s.state_size);
  pthread_barrier_init(&lanes_meet, nullptr, LANES);
  for (;;) {
    const bool over = load(finished) != 0;
    __atomic_store_n(&place.leave, 0, __ATOMIC_RELAXED);
    place.epoch++;
    std::vector<std::thread> lanes;
    for (u64 lane = 0; lane < LANES; lane++)
      lanes.emplace_back([lane] { pdc_lane = lane, pdc_threaded(&place, RESIDENT_NS, machine); });
    while (load(&place.parked) != place.epoch) std::this_thread::yield();
    memcpy(seen.data(), place.mirror, s.state_size);  // all of it must be there by now
    for (std::thread &each : lanes) each.join();
    place.load = 0;
    if (a->status == FAILED && a->code != (int)s.queue_full) die("half a message was handled");
    if (a->status > FULL && a->status != FAILED) die("an unexpected status");
    if (over && a->status == IDLE && a->input->tail == a->input->head) return store(finished, 2);
  }
}

static void lanes(actor *a) {
  u64 finished = 0;
  sit(a);
  std::thread residing(reside_again, a, &finished);
  std::thread receiving(receive_all, a->output, a, &finished);
  for (u64 n = 0; n < 20; n++) {  // while messages are sent, kernels are asked to leave
    std::this_thread::yield();
    __atomic_store_n(&place.leave, n % 3, __ATOMIC_RELAXED);
  }
  send_all(a->input);
  store(&finished, 1);
  residing.join();
  receiving.join();
  for (void *each : {place.local, place.state, place.journal, place.strings, place.slots,
                     place.sources})
    free(each);
}
#else
static void lanes(actor *) { die("not built for lanes"); }
#endif

int main(int, char **arguments) {
  actor *const a = make();
  if (!strcmp(arguments[1], "threads")) threads(a);
  else if (!strcmp(arguments[1], "lanes")) lanes(a);
  else stream(a);
  for (port *p : {a->input, a->output}) {
    free(p->slots);
    free(p->source);
    free(p);
  }
  free((void *)a->strings);
  free(a->heap);
  free(a->log);
  free(a->state);
  free(a);
  return 0;
}
