/* Sending, receiving, asking: the common case of each, from the kernel to its rings.

   Input: a kernel and a message.  Output: YES when it is done; NO when the Python method has to
   see to it, from the beginning. */

#include "_fastpath.h"

int
is_home(const Kernel *kernel)
{
    return kernel->thread == this_thread();
}

/* Whether an attribute of a port is 0: YES, NO or FAILED. */
static enum outcome
is_zero(PyObject *port, PyObject *name)
{
    PyObject *value;
    int truth;
    if (Py_IS_TYPE(port, world.object_port)) {
        value = member(port, world.objects[name == name_put_gate ? PORT_PUT_GATE : PORT_GET_GATE]);
        if (value != NULL && PyLong_CheckExact(value))
            return PyObject_IsTrue(value) ? NO : YES;
    }
    value = PyObject_GetAttr(port, name);
    if (value == NULL)
        return FAILED;
    truth = PyObject_IsTrue(value);
    Py_DECREF(value);
    return truth < 0 ? FAILED : truth ? NO : YES;
}

static enum outcome
truth_of(PyObject *result)
{
    int truth;
    if (result == NULL)
        return FAILED;
    truth = PyObject_IsTrue(result);
    Py_DECREF(result);
    return truth < 0 ? FAILED : truth ? YES : NO;
}

/* Whether the calls of the task have held the event loop for long enough; support/time_share.py
   says how long.  YES, NO or FAILED. */
enum outcome
must_yield(Kernel *kernel)
{
    PyObject *spent;
    if (--world.calls_left > 0 || kernel->share == NULL)
        return NO;
    world.calls_left = world.calls;
    spent = PyObject_CallMethodNoArgs(kernel->share, name_spent);
    return truth_of(spent);
}

/* The port of a channel of a kernel: a new reference, or NULL. */
static PyObject *
port_of(PyObject *channel)
{
    PyObject *port;
    if (channel == NULL || !PyObject_TypeCheck(channel, world.channel)) {
        PyErr_SetString(PyExc_TypeError, "a kernel's queue is a Channel");
        return NULL;
    }
    port = member(channel, world.port);
    if (port == NULL)
        PyErr_SetString(PyExc_AttributeError, "port");
    return Py_XNewRef(port);
}

enum outcome
send_now(Kernel *kernel, PyObject *message)
{
    PyObject *port = port_of(kernel->inbox);
    enum outcome outcome = UNUSUAL;
    if (port == NULL)
        return FAILED;
    if (Py_IS_TYPE(port, world.inring)) {
        if (((Ring *)port)->put_gate) {
            Py_DECREF(port);
            return NO;
        }
        outcome = ring_put((Ring *)port, message, 1);
    }
    if (outcome == UNUSUAL) {
        outcome = is_zero(port, name_put_gate);
        if (outcome == YES)
            outcome = truth_of(Py_IS_TYPE(port, world.inring)
                ? PyObject_CallFunctionObjArgs(world.functions[RING_PUT], port, message, NULL)
                : PyObject_CallMethodOneArg(port, name_try_put, message));
        if (outcome == FAILED && PyErr_ExceptionMatches(world.foreign)) {
            PyErr_Clear();
            outcome = NO;
        }
    }
    Py_DECREF(port);
    return outcome;
}

/* Let the other end work now; YES if there may be a message. */
static enum outcome
pull(PyObject *port)
{
    if (Py_IS_TYPE(port, world.outring) && ((Ring *)port)->engine != NULL) {
        Engine *engine = (Engine *)Py_NewRef(((Ring *)port)->engine);
        enum outcome outcome = engine_pull(engine);
        Py_DECREF(engine);
        if (outcome != UNUSUAL)
            return outcome;
    }
    return truth_of(PyObject_CallMethodNoArgs(port, name_pull));
}

/* Take a message from a port; NO if there is none. */
static enum outcome
take(PyObject *port, PyObject **message)
{
    if (Py_IS_TYPE(port, world.outring)) {
        enum outcome outcome = ring_get((Ring *)port, message);
        if (outcome != UNUSUAL)
            return outcome;
        *message = PyObject_CallOneArg(world.functions[RING_GET], port);
    }
    else
        *message = PyObject_CallMethodNoArgs(port, name_try_get);
    if (*message == NULL)
        return FAILED;
    if (*message != world.empty)
        return YES;
    Py_CLEAR(*message);
    return NO;
}

enum outcome
receive_now(Kernel *kernel, PyObject **message)
{
    PyObject *port = port_of(kernel->outbox);
    enum outcome outcome;
    if (port == NULL)
        return FAILED;
    if (Py_IS_TYPE(port, world.outring))
        outcome = ((Ring *)port)->get_gate ? NO : YES;
    else
        outcome = is_zero(port, name_get_gate);
    if (outcome == YES) {
        outcome = take(port, message);
        if (outcome == NO) {
            outcome = pull(port);
            if (outcome == YES) {  /* it may have changed the port */
                Py_DECREF(port);
                port = port_of(kernel->outbox);
                outcome = port == NULL ? FAILED : take(port, message);
            }
        }
    }
    Py_XDECREF(port);
    return outcome;
}

enum outcome
request_now(Kernel *kernel, PyObject *message, PyObject *timeout, PyObject **reply,
            PyObject **waiting)
{
    PyObject *in = port_of(kernel->inbox), *out = NULL, *engine = NULL, *done = NULL;
    enum outcome outcome = UNUSUAL;
    Answer answer;
    if (in == NULL || (out = port_of(kernel->outbox)) == NULL)
        outcome = FAILED;
    else if (Py_IS_TYPE(in, world.inring) && Py_IS_TYPE(out, world.outring)
             && ((Ring *)out)->engine != NULL) {
        engine = Py_NewRef((PyObject *)((Ring *)out)->engine);
        outcome = engine_request((Engine *)engine, (Ring *)in, (Ring *)out, message, &answer);
    }
    if (outcome == NO) {
        *waiting = PyObject_CallMethod((PyObject *)kernel, "_request_begun", "OOKOid", message,
                                       timeout, answer.ordinal, engine, answer.status,
                                       answer.seconds);
        if (*waiting == NULL)
            outcome = FAILED;
    }
    else if (outcome == YES) {
        if (answer.status == ABI_STATUS_FULL) {
            PyObject *channel = Py_XNewRef(kernel->outbox);
            done = channel == NULL ? NULL : PyObject_CallMethodNoArgs(channel, name_took);
            if (channel == NULL)
                PyErr_SetString(PyExc_AttributeError, "_outbox");
            Py_XDECREF(channel);
        }
        if (answer.status != ABI_STATUS_FULL || done != NULL)
            Py_XSETREF(done, PyObject_CallFunctionObjArgs(world.correlate, answer.reply, message,
                                                          NULL));
        *reply = answer.reply;
        if (done == NULL) {
            Py_CLEAR(*reply);
            outcome = FAILED;
        }
        Py_XDECREF(done);
    }
    Py_XDECREF(in);
    Py_XDECREF(out);
    Py_XDECREF(engine);
    return outcome == UNUSUAL ? NO : outcome;
}

/* --- storage of a kernel ------------------------------------------------------------------- */

static PyMemberDef kernel_members[] = {
    {"_inbox", T_OBJECT_EX, offsetof(Kernel, inbox), 0, NULL},
    {"_outbox", T_OBJECT_EX, offsetof(Kernel, outbox), 0, NULL},
    {"_share", T_OBJECT_EX, offsetof(Kernel, share), 0, NULL},
    {"_thread", T_ULONG, offsetof(Kernel, thread), 0, NULL},
    {NULL},
};

static int
kernel_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(((Kernel *)object)->inbox);
    Py_VISIT(((Kernel *)object)->outbox);
    Py_VISIT(((Kernel *)object)->share);
    return 0;
}

static int
kernel_clear(PyObject *object)
{
    Py_CLEAR(((Kernel *)object)->inbox);
    Py_CLEAR(((Kernel *)object)->outbox);
    Py_CLEAR(((Kernel *)object)->share);
    return 0;
}

static void
kernel_dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    kernel_clear(object);
    Py_TYPE(object)->tp_free(object);
}

PyTypeObject KernelType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "pydotcompute.accel._fastpath.Kernel",
    .tp_doc = "The storage of a RingKernel.",
    .tp_basicsize = sizeof(Kernel),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = kernel_dealloc,
    .tp_traverse = kernel_traverse,
    .tp_clear = kernel_clear,
    .tp_free = PyObject_GC_Del,
    .tp_members = kernel_members,
};

/* --- storage of a runtime ------------------------------------------------------------------ */

static PyMemberDef kernels_members[] = {
    {"_kernels", T_OBJECT_EX, offsetof(Kernels, kernels), 0, NULL},
    {NULL},
};

static int
kernels_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(((Kernels *)object)->kernels);
    return 0;
}

static int
kernels_clear(PyObject *object)
{
    Py_CLEAR(((Kernels *)object)->kernels);
    return 0;
}

static void
kernels_dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    kernels_clear(object);
    Py_TYPE(object)->tp_free(object);
}

PyTypeObject KernelsType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "pydotcompute.accel._fastpath.Kernels",
    .tp_doc = "The storage of a RingKernelRuntime.",
    .tp_basicsize = sizeof(Kernels),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = kernels_dealloc,
    .tp_traverse = kernels_traverse,
    .tp_clear = kernels_clear,
    .tp_free = PyObject_GC_Del,
    .tp_members = kernels_members,
};
