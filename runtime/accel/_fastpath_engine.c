/* A burst of compiled code, called by its address while the GIL is held.

   `Engine` is the storage of backends.native.NativeEngine.  engine_run_inline is its `run_inline` for the
   common case: nobody is parked, no reply is awaited, and the burst leaves nothing to be done
   afterwards.  Everything else, before or after the burst, is NativeEngine's. */

#include "_fastpath.h"

#include <time.h>

/* Bursts for fewer messages than SHORT are timed one time in SAMPLED, while messages are cheap:
   reading the clock twice costs more than they do. */
enum { SHORT = 8, SAMPLED = 16 };
static const double CHEAP_SECONDS = 2e-6;

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Call a method for its effect. */
static enum outcome
run(PyObject *object, PyObject *name, PyObject *first, PyObject *second)
{
    PyObject *done = PyObject_CallMethodObjArgs(object, name, first, second, NULL);
    Py_XDECREF(done);
    return done == NULL ? FAILED : YES;
}

static enum outcome
run_with(PyObject *object, PyObject *name, unsigned long long number, double seconds)
{
    PyObject *first = PyLong_FromUnsignedLongLong(number);
    PyObject *second = PyFloat_FromDouble(seconds);
    enum outcome outcome = FAILED;
    if (first != NULL && second != NULL)
        outcome = run(object, name, first, second);
    Py_XDECREF(first);
    Py_XDECREF(second);
    return outcome;
}

/* As metrics.take_sample; the meter is told of many at once. */
static enum outcome
sampled(Engine *engine)
{
    Ring *in = engine->in;
    unsigned long long last = in->sample_at > in->head - 1 ? in->sample_at : in->head - 1;
    double began = in->sample_time;
    in->sample_at = last < engine->module->dense ? last + 1 : last + engine->module->sparse;
    in->sample_time = 0.0;
    if (began != 0.0) {
        PyObject *clock = PyObject_CallNoArgs(engine->module->clock);
        if (clock == NULL)
            return FAILED;
        if (engine->samples >= MOST_SAMPLES)  /* `settle` came back here */
            engine->samples = 0;
        engine->sample[engine->samples++] = PyFloat_AsDouble(clock) - began;
        Py_DECREF(clock);
        if (engine->samples == MOST_SAMPLES) {
            enum outcome outcome = run((PyObject *)engine, engine->module->name_settle, NULL, NULL);
            engine->samples = 0;
            return outcome;
        }
    }
    return YES;
}

/* As BurstSizing.handled, which is called if there is more to do than to keep the estimate. */
static enum outcome
handled(Engine *engine, unsigned long long done, double seconds)
{
    PyObject **slot = (PyObject **)((char *)engine->sizing + engine->module->cost), *fresh;
    double cost = PyFloat_AsDouble(*slot), each = (seconds - engine->module->overhead) / (double)done;
    unsigned long long limit = PyLong_AsUnsignedLongLong(member(engine->sizing, engine->module->limit));
    cost += ((each < 1e-9 ? 1e-9 : each) - cost) * (done < 64 ? 0.125 : 0.5);
    if (done >= limit || cost * (double)limit > 2 * engine->module->inline_seconds)
        return run_with(engine->sizing, engine->module->name_handled, done, seconds);
    fresh = PyFloat_FromDouble(cost);
    if (fresh == NULL)
        return FAILED;
    Py_SETREF(*slot, fresh);
    return YES;
}

/* The part of NativeEngine.after that concerns every burst; the sizing only if time was taken. */
static enum outcome
account(Engine *engine, uint64_t tail, double seconds, int timed)
{
    Ring *in = engine->in, *out = engine->out;
    unsigned long long done = tail - engine->taken, held = in->head - tail + done;
    enum outcome outcome = YES;
    engine->inline_busy += seconds;
    if (!done)
        return YES;
    engine->taken = in->cached_remote_cursor = tail;
    if (held > in->peak)
        in->peak = held < in->bound ? held : in->bound;
    out->cached_remote_cursor = acquire(out, ABI_PORT_WORD_HEAD);
    held = out->cached_remote_cursor - out->tail;
    if (held > out->peak)
        out->peak = out->drop_oldest && held > out->bound ? out->bound : held;
    if (timed)
        outcome = handled(engine, done, seconds);
    /* Python code may have detached the engine */
    if (outcome != FAILED && engine->in == in && tail > in->sample_at)
        outcome = sampled(engine);
    return outcome;
}

static int
is_exact(PyObject *value, PyTypeObject *type)
{
    return value != NULL && Py_IS_TYPE(value, type);
}

/* Whether a burst may be run here and now: YES, NO, or FALLBACK if NativeEngine has to see to it. */
static enum outcome
ready(const Engine *engine)
{
    const Ring *in = engine->in, *out = engine->out;
    PyObject *sizing = engine->sizing;
    if (engine->burst == NULL || sizing == NULL || !Py_IS_TYPE(sizing, engine->module->sizing)
        || !is_exact(member(sizing, engine->module->cost), &PyFloat_Type)
        || !is_exact(member(sizing, engine->module->limit), &PyLong_Type)
        || in->words.buf == NULL || out->words.buf == NULL)
        return FALLBACK;
    if (engine->run_flags || member(sizing, engine->module->too_long) == Py_True)
        return NO;
    if (engine->staged || engine->prints || in->put_slow_path || out->get_slow_path
        || *(uint32_t *)(engine->actor + ABI_ACTOR_RECORD_ORIGIN_OFFSET))
        return FALLBACK;
    return YES;
}

/* Run a burst; returns its status, and the seconds it took, measured or estimated. */
static int
burst(Engine *engine, unsigned long long limit, double *seconds, int *timed)
{
    double cost = PyFloat_AsDouble(member(engine->sizing, engine->module->cost)), began = 0.0;
    int status;
    *timed = cost > CHEAP_SECONDS || engine->in->head - engine->taken >= SHORT
        || ++engine->tick % SAMPLED == 0;
    *(int64_t *)(engine->actor + ABI_ACTOR_FUEL_OFFSET) = engine->module->fuel;
    if (*timed)
        began = now();
    status = engine->burst(engine->actor, limit);
    *seconds = *timed ? now() - began
        : cost * (double)(acquire(engine->in, ABI_PORT_WORD_TAIL) - engine->taken);
    return status;
}

/* After a burst that has left nothing to be done: account for it. */
static enum outcome
settle(Engine *engine, double seconds, int timed)
{
    if (account(engine, acquire(engine->in, ABI_PORT_WORD_TAIL), seconds, timed) == FAILED)
        return FAILED;
    return engine->waits ? run((PyObject *)engine, engine->module->name__idle, NULL, NULL) : YES;
}

/* The caller holds a reference to the engine. */
enum outcome
engine_run_inline(Engine *engine)
{
    Ring *in = engine->in;
    enum outcome outcome;
    double seconds;
    int status, timed;
    if (in != NULL && in->head == engine->taken && !engine->staged)
        return NO;
    outcome = ready(engine);
    if (outcome != YES)
        return outcome;
    status = burst(engine, PyLong_AsUnsignedLongLong(member(engine->sizing, engine->module->limit)),
                   &seconds, &timed);
    if (status > ABI_STATUS_MORE || in->head != acquire(in, ABI_PORT_WORD_TAIL))
        return run_with((PyObject *)engine, engine->module->name_after, (unsigned)status, seconds);
    return settle(engine, seconds, timed);
}

/* The caller holds references to the engine and the ring. */
enum outcome
engine_request(Engine *engine, Ring *in, Ring *out, PyObject *message, Answer *answer)
{
    unsigned long long wake_suppressed, ordinal;
    char record[MOST_BYTES];
    enum outcome outcome = ring_pack(in, message, record);
    int timed;
    if (outcome != YES)
        return outcome;
    wake_suppressed = in->wake_suppressed;
    ordinal = in->head;
    /* both queues are empty, so the first output is the reply; and a reply takes no room, which
       only shows where the queue, when full, does something other than wait */
    if (engine->in != in || engine->out != out || ready(engine) != YES || ordinal != engine->taken
        || out->tail != acquire(out, ABI_PORT_WORD_HEAD) || acquire(out, ABI_PORT_WORD_POLICY) != ABI_POLICY_BLOCK
        || out->layout == NULL || !Py_IS_TYPE(out->layout, engine->module->layout))
        return FALLBACK;
    in->wake_suppressed = 1;  /* the burst is run here: nobody needs to be woken */
    outcome = ring_publish(in, record, 1);
    in->wake_suppressed = wake_suppressed;
    if (outcome != YES)
        return outcome == FAILED ? FAILED : FALLBACK;
    answer->reply = NULL;
    answer->ordinal = ordinal;
    answer->status = burst(engine, 1, &answer->seconds, &timed);
    outcome = NO;
    if (acquire(in, ABI_PORT_WORD_TAIL) == ordinal + 1)
        outcome = ring_get(out, &answer->reply);
    if (outcome != YES)
        return outcome == FAILED ? FAILED : NO;
    outcome = engine->burst == NULL ? YES  /* making the reply has detached the engine */
        : answer->status > ABI_STATUS_MORE
        ? run_with((PyObject *)engine, engine->module->name_after, (unsigned)answer->status, answer->seconds)
        : settle(engine, answer->seconds, timed);
    if (outcome == FAILED)
        Py_CLEAR(answer->reply);
    return outcome;
}

static PyObject *
engine_attach(PyObject *object, PyObject *args)
{
    Engine *self = (Engine *)object;
    PyObject *block;
    Ring *in, *out;
    unsigned long long actor, burst;
    PyTypeObject *ring = self->module->ring;
    if (ring == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the extension has been unloaded");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OO!O!KK:attach", &block, ring, &in, ring, &out, &actor, &burst))
        return NULL;
    if (self->out != NULL)
        Py_CLEAR(self->out->engine);
    Py_XSETREF(self->block, Py_NewRef(block));
    Py_XSETREF(self->in, (Ring *)Py_NewRef(in));
    Py_XSETREF(self->out, (Ring *)Py_NewRef(out));
    self->actor = (unsigned char *)(uintptr_t)actor;
    self->burst = actor ? (Burst)(uintptr_t)burst : NULL;
    Py_XSETREF(out->engine, (Engine *)Py_NewRef(self));
    Py_RETURN_NONE;
}

static void
forget(Engine *self)
{
    self->burst = NULL;
    self->actor = NULL;
    Py_CLEAR(self->block);
    Py_CLEAR(self->in);
    Py_CLEAR(self->out);
}

static PyObject *
engine_latencies(PyObject *object, PyObject *Py_UNUSED(unused))
{
    Engine *self = (Engine *)object;
    PyObject *list = PyList_New(self->samples);
    if (list == NULL)
        return NULL;
    for (int n = 0; n < self->samples; n++) {
        PyObject *value = PyFloat_FromDouble(self->sample[n]);
        if (value == NULL) {
            Py_DECREF(list);
            return NULL;
        }
        PyList_SET_ITEM(list, n, value);
    }
    self->samples = 0;
    return list;
}

static PyObject *
engine_detach(PyObject *object, PyObject *Py_UNUSED(unused))
{
    Ring *out = ((Engine *)object)->out;
    if (out != NULL)
        Py_CLEAR(out->engine);
    forget((Engine *)object);
    Py_RETURN_NONE;
}

static PyObject *
engine_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return object_new(type);
}

static int
engine_clear(PyObject *object)
{
    forget((Engine *)object);
    Py_CLEAR(((Engine *)object)->sizing);
    return 0;
}

static int
engine_traverse(PyObject *object, visitproc visit, void *arg)
{
    Engine *self = (Engine *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->module->self);
    Py_VISIT(self->block);
    Py_VISIT(self->in);
    Py_VISIT(self->out);
    Py_VISIT(self->sizing);
    return 0;
}

static void
engine_dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    engine_clear(object);
    object_free(object);
}

static PyMethodDef engine_methods[] = {
    {"attach", engine_attach, METH_VARARGS,
     "attach(block, inport, outport, actor, burst): what may be run inline."},
    {"detach", engine_detach, METH_NOARGS, "Forget what attach gave."},
    {"take_latencies", engine_latencies, METH_NOARGS, "Latencies no meter knows of yet."},
    {NULL},
};

static PyMemberDef engine_members[] = {
    {"run_flags", T_INT, offsetof(Engine, run_flags), 0, NULL},
    {"_staged", T_BOOL, offsetof(Engine, staged), 0, NULL},
    {"_prints", T_BOOL, offsetof(Engine, prints), 0, NULL},
    {"_waits", T_BOOL, offsetof(Engine, waits), 0, NULL},
    {"_taken", T_ULONGLONG, offsetof(Engine, taken), 0, NULL},
    {"sizing", T_OBJECT_EX, offsetof(Engine, sizing), 0, NULL},
    {"inline_busy", T_DOUBLE, offsetof(Engine, inline_busy), 0, NULL},
    {NULL},
};

static PyType_Slot engine_slots[] = {
    {Py_tp_doc, (void *)"The storage of a native engine that bursts run inline share with it."},
    {Py_tp_new, engine_new},
    {Py_tp_dealloc, engine_dealloc},
    {Py_tp_traverse, engine_traverse},
    {Py_tp_clear, engine_clear},
    {Py_tp_methods, engine_methods},
    {Py_tp_members, engine_members},
    {0, NULL},
};

PyType_Spec engine_spec = {
    .name = "pydotcompute.accel._fastpath.Engine",
    .basicsize = sizeof(Engine),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE
        | Py_TPFLAGS_BASETYPE,
    .slots = engine_slots,
};
