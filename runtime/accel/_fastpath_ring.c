/* The rings of a native kernel.  Input: messages; output: records, and the other way round.

   `Ring` is the storage of HostProducer and HostConsumer, the host's ends of rings, which inherit
   from it and add all methods in Python; ring_try_put and ring_try_get take the place of their
   common cases. */

#include "_fastpath.h"

static Layout *
layout_of(const Ring *ring)
{
    PyObject *layout = ring->layout;
    return layout != NULL && Py_IS_TYPE(layout, ring->module->layout) ? (Layout *)layout : NULL;
}

/* The address of a slot, or NULL if it does not lie in the buffer. */
static inline char *
slot(const Ring *ring, const Layout *layout, unsigned long long ordinal)
{
    unsigned long long index = ordinal & ring->mask, at = index * ring->size;
    if (ring->buffer.buf == NULL || ring->size != (unsigned long long)layout->size
        || index > UINT32_MAX  /* so that nothing here overflows */
        || at + ring->size > (unsigned long long)ring->buffer.len)
        return NULL;
    return (char *)ring->buffer.buf + at;
}

enum outcome
ring_pack(Ring *ring, PyObject *message, char *record)
{
    Layout *layout = layout_of(ring);
    enum outcome packed;
    if (layout == NULL || !Py_IS_TYPE(message, layout->cls))
        return FALLBACK;
    Py_INCREF(layout);  /* a property of the message may take it from the ring */
    packed = layout_pack(layout, message, record);
    if (packed == YES && (PyObject *)layout != ring->layout)
        packed = FALLBACK;
    Py_DECREF(layout);
    return packed;
}

enum outcome
ring_publish(Ring *ring, const char *record, int gated)
{
    Layout *layout = layout_of(ring);
    unsigned long long head = ring->head;
    PyObject *done, *wake = ring->wake;
    char *to;
    if (layout == NULL || ring->words.buf == NULL || wake == NULL || (gated && ring->put_slow_path))
        return FALLBACK;
    if (head - ring->cached_remote_cursor >= ring->bound && !ring->drop_oldest) {
        ring->cached_remote_cursor = acquire(ring, ABI_PORT_WORD_TAIL);
        if (head - ring->cached_remote_cursor >= ring->bound)
            return NO;
    }
    to = slot(ring, layout, head);
    if (to == NULL)
        return FALLBACK;
    if (head >= ring->sample_at && ring->sample_time == 0.0) {
        PyObject *now = PyObject_CallNoArgs(ring->module->clock);
        if (now == NULL)
            return FAILED;
        ring->sample_at = head;
        ring->sample_time = PyFloat_AsDouble(now);
        Py_DECREF(now);
    }
    memcpy(to, record, layout->size);
    ring->head = head + 1;
    release(ring, ABI_PORT_WORD_HEAD, head + 1);
    if (ring->drop_oldest)  /* the next record overwrites one that must be seen to be overtaken */
        __atomic_thread_fence(__ATOMIC_RELEASE);
    if (ring->wake_suppressed)
        return YES;
    Py_INCREF(wake);
    done = PyObject_CallNoArgs(wake);
    Py_DECREF(wake);
    Py_XDECREF(done);
    return done == NULL ? FAILED : YES;
}

enum outcome
ring_put(Ring *ring, PyObject *message, int gated)
{
    char record[MOST_BYTES];
    enum outcome packed = ring_pack(ring, message, record);
    return packed == YES ? ring_publish(ring, record, gated) : packed;
}

enum outcome
ring_get(Ring *ring, PyObject **message)
{
    for (;;) {
        Layout *layout = layout_of(ring);
        unsigned long long tail = ring->tail;
        char *from, record[MOST_BYTES];
        if (layout == NULL || ring->words.buf == NULL || ring->drop_oldest || ring->get_slow_path)
            return FALLBACK;
        if (tail == ring->cached_remote_cursor) {
            ring->cached_remote_cursor = acquire(ring, ABI_PORT_WORD_HEAD);
            if (tail == ring->cached_remote_cursor)
                return NO;
        }
        from = slot(ring, layout, tail);
        if (from == NULL)
            return FALLBACK;
        /* Making the message may run any code (a descriptor, the garbage collector), which may take
           the memory away: so it is made of a copy.  It is counted when it is there, so that none is
           lost; code that has taken it meanwhile has had it, and the next one is made. */
        memcpy(record, from, layout->size);
        Py_INCREF(layout);
        *message = layout_unpack(layout, record);
        Py_DECREF(layout);
        if (*message == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_Exception))
                return FAILED;
            PyErr_Clear();  /* an error is reported by the Python method */
            return FALLBACK;
        }
        if (ring->tail == tail && !ring->get_slow_path)
            break;
        Py_CLEAR(*message);
    }
    ring->tail++;
    if (ring->words.buf != NULL)
        release(ring, ABI_PORT_WORD_TAIL, ring->tail);
    return YES;
}

PyObject *
ring_try_put(PyObject *ring, PyObject *message)
{
    switch (ring_put((Ring *)ring, message, 0)) {
    case YES: Py_RETURN_TRUE;
    case NO: Py_RETURN_FALSE;
    case FAILED: return NULL;
    default: return PyObject_CallFunctionObjArgs(((Ring *)ring)->module->functions[RING_PUT], ring, message, NULL);
    }
}

PyObject *
ring_try_get(PyObject *ring)
{
    const Module *module = ((Ring *)ring)->module;
    PyObject *overflow = member(ring, module->overflow), *message;
    enum outcome outcome = FALLBACK;
    if (overflow != NULL && PyObject_Size(overflow) == 0)
        outcome = ring_get((Ring *)ring, &message);
    else
        PyErr_Clear();
    switch (outcome) {
    case YES: return message;
    case NO: return Py_NewRef(module->empty);
    case FAILED: return NULL;
    default: return PyObject_CallOneArg(module->functions[RING_GET], ring);
    }
}

/* --- storage ------------------------------------------------------------------------------- */

PyObject *
get_view(Py_buffer *view, const char *name)
{
    if (view->obj == NULL) {
        PyErr_SetString(PyExc_AttributeError, name);
        return NULL;
    }
    return Py_NewRef(view->obj);
}

void
drop_view(Py_buffer *view)
{
    Py_buffer old = *view;
    memset(view, 0, sizeof(*view));  /* first: releasing it may run any code */
    PyBuffer_Release(&old);
}

/* Takes a memoryview; the memory stays where it is for as long as the ring holds it. */
int
set_view(Py_buffer *view, PyObject *value, Py_ssize_t least)
{
    Py_buffer fresh, old;
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "the memory of a ring cannot be deleted");
        return -1;
    }
    if (PyObject_GetBuffer(value, &fresh, PyBUF_CONTIG))
        return -1;
    if (fresh.len < least) {
        PyBuffer_Release(&fresh);
        PyErr_SetString(PyExc_ValueError, "the memory of a ring is too small");
        return -1;
    }
    /* a memoryview gives itself as the owner, so that get_view returns what was set */
    if (fresh.obj != value) {
        PyBuffer_Release(&fresh);
        PyErr_SetString(PyExc_TypeError, "the memory of a ring is given as a memoryview");
        return -1;
    }
    old = *view;
    *view = fresh;
    PyBuffer_Release(&old);
    return 0;
}

static PyObject *
get_words(PyObject *ring, void *Py_UNUSED(closure))
{
    return get_view(&((Ring *)ring)->words, "words");
}

static int
set_words(PyObject *ring, PyObject *value, void *Py_UNUSED(closure))
{
    return set_view(&((Ring *)ring)->words, value, ABI_PORT_WORDS * 8);
}

static PyObject *
get_buffer(PyObject *ring, void *Py_UNUSED(closure))
{
    return get_view(&((Ring *)ring)->buffer, "buffer");
}

static int
set_buffer(PyObject *ring, PyObject *value, void *Py_UNUSED(closure))
{
    return set_view(&((Ring *)ring)->buffer, value, 0);
}

static PyGetSetDef ring_getset[] = {
    {"words", get_words, set_words, "The port's record (abi.PORT), as 64-bit words.", NULL},
    {"buffer", get_buffer, set_buffer, "The bytes of the slots.", NULL},
    {NULL},
};

#define WORD(name) {#name, T_ULONGLONG, offsetof(Ring, name), 0, NULL}
static PyMemberDef ring_members[] = {
    WORD(head), WORD(tail), WORD(cached_remote_cursor), WORD(bound), WORD(mask), WORD(size),
    WORD(put_slow_path), WORD(get_slow_path), WORD(wake_suppressed), WORD(dropped), WORD(peak), WORD(sample_at),
    {"sample_time", T_DOUBLE, offsetof(Ring, sample_time), 0, NULL},
    {"drop_oldest", T_BOOL, offsetof(Ring, drop_oldest), 0, NULL},
    {"wake", T_OBJECT_EX, offsetof(Ring, wake), 0, NULL},
    {"run_inline", T_OBJECT_EX, offsetof(Ring, run_inline), 0, NULL},
    {"slots", T_OBJECT_EX, offsetof(Ring, slots), 0, NULL},
    {"layout", T_OBJECT_EX, offsetof(Ring, layout), 0, NULL},
    {"tape", T_OBJECT_EX, offsetof(Ring, tape), 0, NULL},
    WORD(tape_actor),
    {NULL},
};

static PyObject *
ring_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return object_new(type);
}

static int
ring_traverse(PyObject *object, visitproc visit, void *arg)
{
    Ring *self = (Ring *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->module->self);
    Py_VISIT(self->wake);
    Py_VISIT(self->run_inline);
    Py_VISIT(self->slots);
    Py_VISIT(self->layout);
    Py_VISIT(self->engine);
    Py_VISIT(self->tape);
    /* not the memoryviews: they are in no cycle, and must not be cleared while they are held */
    return 0;
}

static int
ring_clear(PyObject *object)
{
    Ring *self = (Ring *)object;
    Py_CLEAR(self->wake);
    Py_CLEAR(self->run_inline);
    Py_CLEAR(self->slots);
    Py_CLEAR(self->layout);
    Py_CLEAR(self->engine);
    Py_CLEAR(self->tape);
    drop_view(&self->words);
    drop_view(&self->buffer);
    return 0;
}

static void
ring_dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    ring_clear(object);
    object_free(object);
}

static PyType_Slot ring_slots[] = {
    {Py_tp_doc, (void *)"The storage of a host's end of a ring: what is in __slots__ without the extension."},
    {Py_tp_new, ring_new},
    {Py_tp_dealloc, ring_dealloc},
    {Py_tp_traverse, ring_traverse},
    {Py_tp_clear, ring_clear},
    {Py_tp_members, ring_members},
    {Py_tp_getset, ring_getset},
    {0, NULL},
};

PyType_Spec ring_spec = {
    .name = "pydotcompute.accel._fastpath.Ring",
    .basicsize = sizeof(Ring),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE
        | Py_TPFLAGS_BASETYPE,
    .slots = ring_slots,
};
