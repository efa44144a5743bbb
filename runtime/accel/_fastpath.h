/* pydotcompute.accel._fastpath: the hot operations of a native kernel, in C.

   What belongs here: what its files share.
     _abi.h               constants, generated from compiler/abi.py by abi_header.py
     _fastpath_record.c   messages of scalars to records and back
     _fastpath_layout.c   where the fields of a message class lie, for that
     _fastpath_ring.c     the two rings of a native kernel: storage, try_put, try_get
     _fastpath_objects.c  the queues of an interpreted actor: try_put, try_get
     _fastpath_engine.c   storage of the native engine, and a short burst run inline
     _fastpath_work.c     sending, receiving and asking, from a kernel to its rings
     _fastpath_call.c     the awaitables that these calls return
     _fastpath_method.c   the methods of Python classes that begin all this
     _fastpath.c          the module, and what it knows of the Python classes

   Nothing here is static but constants: all state is in a `Module`, one for each interpreter that
   imports it.  It counts on the interpreter's lock: see `Py_mod_gil` in _fastpath.c.

   The Python code is the definition.  Whatever is unusual is left to it, before anything has been
   changed: a function here either does the whole of its work or none of it. */

#ifndef PYDOTCOMPUTE_FASTPATH_H
#define PYDOTCOMPUTE_FASTPATH_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include <stdint.h>
#ifdef __linux__
#include <pthread.h>
#endif

#include "_abi.h"

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "records are little-endian: on this machine the Python code does the work"
#endif

/* What an operation came to.  FALLBACK: nothing was done, the Python code has to do it. */
enum outcome { FAILED = -1, NO = 0, YES = 1, FALLBACK = 2 };

typedef struct Module Module;

enum { MOST_FIELDS = 32, MOST_BYTES = 512, MOST_SAMPLES = 128 };

typedef struct {
    PyObject *name;        /* interned */
    Py_ssize_t member;     /* offset of the __slots__ member in an instance, or 0 */
    Py_ssize_t offset;     /* in the record */
    Py_ssize_t bytes;      /* in the record */
    char code;             /* as of struct; 's': string id, 'm': index of an enum's member */
    PyTypeObject *scalar;  /* numpy's type, or NULL: owned */
    PyObject *first;       /* 's': dict of ids, 'm': members, numpy bool: False; owned */
    PyObject *second;      /* 's': list of texts; numpy bool: True; owned */
} Field;

/* An object that has a `module` owns a reference to `module->self`. */

typedef struct {
    PyObject_HEAD
    Module *module;
    PyTypeObject *cls;
    Py_ssize_t size;
    Py_ssize_t count;
    Field fields[MOST_FIELDS];
} Layout;

typedef struct Engine Engine;

typedef struct {
    PyObject_HEAD
    Module *module;
    unsigned long long head, tail, cached_remote_cursor, bound, mask, size;
    unsigned long long put_slow_path, get_slow_path, wake_suppressed, dropped, peak, sample_at;
    double sample_time;
    char drop_oldest;
    PyObject *wake, *run_inline, *slots;
    PyObject *layout;      /* a Layout or None; NULL before it is set */
    Engine *engine;        /* the one that may run a burst inline, or NULL */
    PyObject *tape;        /* a Tape: where each message is written first; or NULL */
    unsigned long long tape_actor;  /* what the journal calls the actor */
    Py_buffer words, buffer;
} Ring;

/* The storage of a SegmentWriter. */
typedef struct {
    PyObject_HEAD
    Module *module;
    Py_buffer view;        /* of the last segment */
    unsigned long long end, limit, sequence;
    char open;             /* groups may be appended here */
} Tape;

typedef int (*Burst)(void *actor, unsigned long long limit);

struct Engine {
    PyObject_HEAD
    Module *module;
    int run_flags;
    char staged, prints, waits;
    unsigned long long taken;
    double inline_busy;    /* seconds not yet added to the meter */
    PyObject *sizing;
    /* What `attach` gives; all NULL before and after. */
    PyObject *block;       /* keeps `actor` alive */
    Ring *in, *out;
    unsigned char *actor;
    Burst burst;
    unsigned tick;
    int samples;           /* latencies not yet added to the meter, in seconds */
    double sample[MOST_SAMPLES];
};

/* The attributes of port.ObjectPort that are used here. */
enum port_slot {
    PORT_WAKE_SUPPRESSED, PORT_BOUND, PORT_GET_SLOW_PATH, PORT_HEAD, PORT_ITEMS, PORT_PEAK, PORT_PUT_SLOW_PATH,
    PORT_SAMPLE_AT, PORT_SAMPLE_TIME, PORT_TAIL, PORT_VALUES, PORT_WAKE, PORT_SLOTS,
};

/* The storage of a RingKernel. */
typedef struct {
    PyObject_HEAD
    PyObject *inbox, *outbox;   /* Channels */
    PyObject *share;            /* the TimeShare of the kernel's event loop */
    unsigned long thread;       /* of the kernel's event loop */
} Kernel;

/* The storage of a RingKernelRuntime. */
typedef struct {
    PyObject_HEAD
    PyObject *kernels;          /* a dict from ids to kernels */
} Kernels;

/* The functions that have a Method. */
enum function {
    KERNEL_SEND, KERNEL_RECEIVE, KERNEL_REQUEST, RUNTIME_SEND, RUNTIME_RECEIVE, RUNTIME_REQUEST,
    RING_PUT, RING_GET, OBJECT_PUT, OBJECT_GET, FUNCTIONS,
};

/* A Python function whose common case runs in C. */
typedef struct {
    PyObject_HEAD
    Module *module;
    PyObject *function;
    PyTypeObject *owner;        /* of a call: the class whose method it is */
    PyObject *weakrefs;
    vectorcallfunc call;
    enum function which;
} Method;

typedef struct Call Call;

/* Attribute names: `module->name_get` is "get", interned. */
#define NAMES(X)                                                                              \
    X(put_slow_path) X(get_slow_path) X(try_put) X(try_get) X(run_inline) X(_send_slow) X(_receive_slow)      \
    X(get) X(after) X(_idle) X(took) X(append) X(popleft) X(settle) X(handled) X(timeout)     \
    X(throw) X(close) X(spent)
#define NAME_FIELD(name) PyObject *name_##name;

enum { SPARE = 64 };

/* The module's state. */
struct Module {
    PyObject *self;                     /* the module: borrowed */
    NAMES(NAME_FIELD)
    PyTypeObject *layout, *ring, *engine, *call, *kernel, *kernels, *method, *tape;
    PyObject *empty_tuple;
    PyObject *shared_nan;               /* the function of compiler/types/shared_nan.py */
    Call *spare[SPARE];                 /* unused memory */
    int spares;

    /* What `bind` was given; the classes are NULL before. */
    int on;                             /* it was called, and use(False) was not */
    PyObject *functions[FUNCTIONS];     /* of the Methods */
    PyTypeObject *ring_kernel;          /* the owner of KERNEL_SEND */
    PyTypeObject *channel, *inring, *outring, *sizing, *object_port, *values;
    PyObject *empty, *foreign, *clock, *correlate;
    /* offsets of __slots__ members */
    Py_ssize_t port, overflow, cost, limit, too_long, copiers;
    Py_ssize_t objects[PORT_SLOTS];
    long calls, calls_left;             /* time_share.CALLS, and until the next look at the clock */
    long long fuel;                     /* of a burst run inline */
    double inline_seconds, overhead;    /* burst_sizing.INLINE_SECONDS, OVERHEAD */
    unsigned long long dense, sparse;   /* metrics.DENSE, SPARSE */
    uint32_t crc_table[8][256];         /* of CRC-32 */
};

extern PyType_Spec layout_spec, ring_spec, engine_spec, call_spec, kernel_spec, kernels_spec;
extern PyType_Spec method_spec, tape_spec;

/* The state behind one of the module's classes, or a class that inherits from it; NULL and an
   error if there is none. */
Module *module_of(PyTypeObject *type);
/* A new object of a class, without fields but `module`, which lies right behind the head. */
PyObject *object_new(PyTypeObject *type);
/* Free an object that is untracked and cleared. */
void object_free(PyObject *object);

/* A __slots__ member of an instance: borrowed, NULL if it is not set. */
static inline PyObject *
member(PyObject *object, Py_ssize_t offset)
{
    return *(PyObject **)((char *)object + offset);
}

/* As threading.get_ident: what it calls on Linux, without the way there. */
static inline unsigned long
this_thread(void)
{
#ifdef __linux__
    return (unsigned long)pthread_self();
#else
    return PyThread_get_thread_ident();
#endif
}

static inline uint64_t
acquire(const Ring *ring, int word)
{
    return __atomic_load_n((const uint64_t *)ring->words.buf + word, __ATOMIC_ACQUIRE);
}

static inline void
release(const Ring *ring, int word, uint64_t value)
{
    __atomic_store_n((uint64_t *)ring->words.buf + word, value, __ATOMIC_RELEASE);
}

/* Check a message and write its record: YES, FALLBACK or FAILED. */
enum outcome layout_pack(const Layout *layout, PyObject *message, char *record);
/* numpy's scalars keep their value right behind the object header; `Layout` makes sure. */
static inline char *
scalar_value(PyObject *scalar)
{
    return (char *)scalar + sizeof(PyObject);
}

/* Build the message of a record: a new reference, or NULL. */
PyObject *layout_unpack(const Layout *layout, const char *record);

/* The record of a message for a ring: YES, FALLBACK or FAILED.  Python code may run. */
enum outcome ring_pack(Ring *ring, PyObject *message, char *record);
/* Publish such a record; as ring_put.  Python code runs only after it is published. */
enum outcome ring_publish(Ring *ring, const char *record, int gated);
PyObject *all_known(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* Put a message; NO if the ring is full.  With `gated`, FALLBACK if the put gate is up. */
enum outcome ring_put(Ring *ring, PyObject *message, int gated);
/* Take the oldest message into *message; NO if there is none.  Messages that come before those in
   the slots (`HostConsumer.overflow`) raise the get gate: then it is FALLBACK. */
enum outcome ring_get(Ring *ring, PyObject **message);
/* The methods try_put of HostProducer and try_get of HostConsumer. */
PyObject *ring_try_put(PyObject *ring, PyObject *message);
PyObject *ring_try_get(PyObject *ring);

/* Write a message to the journal and put it; NO if the ring is full, FALLBACK if Python has to see
   to it, from the beginning. */
enum outcome ring_put_journaled(Ring *ring, PyObject *message);
enum outcome tape_append(Tape *tape, unsigned long long actor, const char *record, Py_ssize_t size);
/* Before the first tape is used. */
void tape_begin(Module *module);

/* An attribute that is memory: see _fastpath_ring.c. */
PyObject *get_view(Py_buffer *view, const char *name);
int set_view(Py_buffer *view, PyObject *value, Py_ssize_t least);
void drop_view(Py_buffer *view);

PyObject *object_try_put(const Module *module, PyObject *port, PyObject *message);
PyObject *object_try_get(const Module *module, PyObject *port);

/* Run a short burst: YES if messages may have moved. */
enum outcome engine_run_inline(Engine *engine);

/* A burst for the message of a request. */
typedef struct {
    PyObject *reply;              /* a new reference, or NULL */
    unsigned long long ordinal;   /* of the message */
    int status;
    double seconds;
} Answer;

/* Put a message and let it be answered at once.  YES: there is a reply, and it only remains to
   say that room was made (`took`) if the status is FULL.  FALLBACK: nothing was done.  NO: the
   message was put and a burst run, but there is no reply yet: NativeEngine.after comes next. */
enum outcome engine_request(Engine *engine, Ring *in, Ring *out, PyObject *message,
                            Answer *answer);

/* Whether this is the thread of the kernel's event loop. */
static inline int
is_home(const Kernel *kernel)
{
    return kernel->thread == this_thread();
}

/* Whether the calls of the task have held the event loop for long enough; support/time_share.py
   says how long.  YES, NO or FAILED. */
enum outcome look_at_the_clock(Module *module, Kernel *kernel);

static inline enum outcome
must_yield(Module *module, Kernel *kernel)
{
    return --module->calls_left > 0 ? NO : look_at_the_clock(module, kernel);
}

/* YES: it is done.  NO: the Python method has to see to it. */
enum outcome send_now(const Module *module, Kernel *kernel, PyObject *message);
enum outcome receive_now(const Module *module, Kernel *kernel, PyObject **message);
/* The same; or NO and *waiting is the coroutine that waits for the reply. */
enum outcome request_now(const Module *module, Kernel *kernel, PyObject *message,
                         PyObject *timeout, PyObject **reply, PyObject **waiting);

enum operation { SEND, RECEIVE, REQUEST };
/* The awaitable of a call: of a kernel, or of a runtime and the id of a kernel. */
PyObject *call_new(Module *module, enum operation operation, PyObject *target, PyObject *id,
                   PyObject *message, PyObject *timeout);
/* Free the memory of calls that is kept for the next ones. */
void call_free_spares(Module *module);

#endif
