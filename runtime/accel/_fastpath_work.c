/* Sending, receiving, asking: the common case of each, from the kernel to its rings.

   Input: a kernel and a message.  Output: YES when it is done; NO when the Python method has to
   see to it, from the beginning. */

#include "_fastpath.h"

/* Whether an attribute of a port is 0: YES, NO or FAILED. */
static enum outcome
is_zero(const Module *module, PyObject *port, PyObject *name)
{
    PyObject *value;
    int truth;
    if (Py_IS_TYPE(port, module->object_port)) {
        enum port_slot slot = name == module->name_put_slow_path ? PORT_PUT_SLOW_PATH : PORT_GET_SLOW_PATH;
        value = member(port, module->objects[slot]);
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

enum outcome
look_at_the_clock(Module *module, Kernel *kernel)
{
    if (kernel->share == NULL)
        return NO;
    module->calls_left = module->calls;
    return truth_of(PyObject_CallMethodNoArgs(kernel->share, module->name_spent));
}

/* The port of a channel of a kernel: a new reference, or NULL. */
static PyObject *
port_of(const Module *module, PyObject *channel)
{
    PyObject *port;
    if (channel == NULL || !PyObject_TypeCheck(channel, module->channel)) {
        PyErr_SetString(PyExc_TypeError, "a kernel's queue is a Channel");
        return NULL;
    }
    port = member(channel, module->port);
    if (port == NULL)
        PyErr_SetString(PyExc_AttributeError, "port");
    return Py_XNewRef(port);
}

enum outcome
send_now(const Module *module, Kernel *kernel, PyObject *message)
{
    PyObject *port = port_of(module, kernel->inbox);
    enum outcome outcome = FALLBACK;
    if (port == NULL)
        return FAILED;
    if (Py_IS_TYPE(port, module->inring)) {
        if (((Ring *)port)->put_slow_path) {
            if (((Ring *)port)->put_slow_path == ABI_JOURNALED)
                outcome = ring_put_journaled((Ring *)port, message);
            Py_DECREF(port);
            return outcome == FALLBACK ? NO : outcome;
        }
        outcome = ring_put((Ring *)port, message, 1);
    }
    if (outcome == FALLBACK) {
        outcome = is_zero(module, port, module->name_put_slow_path);
        if (outcome == YES)
            outcome = truth_of(Py_IS_TYPE(port, module->inring)
                ? PyObject_CallFunctionObjArgs(module->functions[RING_PUT], port, message, NULL)
                : Py_IS_TYPE(port, module->object_port)
                ? object_try_put(module, port, message)
                : PyObject_CallMethodOneArg(port, module->name_try_put, message));
        if (outcome == FAILED && PyErr_ExceptionMatches(module->foreign)) {
            PyErr_Clear();
            outcome = NO;
        }
    }
    Py_DECREF(port);
    return outcome;
}

/* Let the other end work now; YES if there may be a message. */
static enum outcome
run_inline(const Module *module, PyObject *port)
{
    if (Py_IS_TYPE(port, module->outring) && ((Ring *)port)->engine != NULL) {
        Engine *engine = (Engine *)Py_NewRef(((Ring *)port)->engine);
        enum outcome outcome = engine_run_inline(engine);
        Py_DECREF(engine);
        if (outcome != FALLBACK)
            return outcome;
    }
    return truth_of(PyObject_CallMethodNoArgs(port, module->name_run_inline));
}

/* Take a message from a port; NO if there is none. */
static enum outcome
take(const Module *module, PyObject *port, PyObject **message)
{
    if (Py_IS_TYPE(port, module->outring)) {
        enum outcome outcome = ring_get((Ring *)port, message);
        if (outcome != FALLBACK)
            return outcome;
        *message = PyObject_CallOneArg(module->functions[RING_GET], port);
    }
    else if (Py_IS_TYPE(port, module->object_port))
        *message = object_try_get(module, port);
    else
        *message = PyObject_CallMethodNoArgs(port, module->name_try_get);
    if (*message == NULL)
        return FAILED;
    if (*message != module->empty)
        return YES;
    Py_CLEAR(*message);
    return NO;
}

enum outcome
receive_now(const Module *module, Kernel *kernel, PyObject **message)
{
    PyObject *port = port_of(module, kernel->outbox);
    enum outcome outcome;
    if (port == NULL)
        return FAILED;
    if (Py_IS_TYPE(port, module->outring))
        outcome = ((Ring *)port)->get_slow_path ? NO : YES;
    else
        outcome = is_zero(module, port, module->name_get_slow_path);
    if (outcome == YES) {
        outcome = take(module, port, message);
        if (outcome == NO) {
            outcome = run_inline(module, port);
            if (outcome == YES) {  /* it may have changed the port */
                Py_DECREF(port);
                port = port_of(module, kernel->outbox);
                outcome = port == NULL ? FAILED : take(module, port, message);
            }
        }
    }
    Py_XDECREF(port);
    return outcome;
}

enum outcome
request_now(const Module *module, Kernel *kernel, PyObject *message, PyObject *timeout,
            PyObject **reply, PyObject **waiting)
{
    PyObject *in = port_of(module, kernel->inbox), *out = NULL, *engine = NULL, *done = NULL;
    enum outcome outcome = FALLBACK;
    Answer answer;
    if (in == NULL || (out = port_of(module, kernel->outbox)) == NULL)
        outcome = FAILED;
    else if (Py_IS_TYPE(in, module->inring) && Py_IS_TYPE(out, module->outring)
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
            done = channel == NULL ? NULL : PyObject_CallMethodNoArgs(channel, module->name_took);
            if (channel == NULL)
                PyErr_SetString(PyExc_AttributeError, "_outbox");
            Py_XDECREF(channel);
        }
        if (answer.status != ABI_STATUS_FULL || done != NULL)
            Py_XSETREF(done, PyObject_CallFunctionObjArgs(module->correlate, answer.reply, message,
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
    return outcome == FALLBACK ? NO : outcome;
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
    Py_VISIT(Py_TYPE(object));
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
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    kernel_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyType_Slot kernel_slots[] = {
    {Py_tp_doc, "The storage of a RingKernel."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, kernel_dealloc},
    {Py_tp_traverse, kernel_traverse},
    {Py_tp_clear, kernel_clear},
    {Py_tp_members, kernel_members},
    {0, NULL},
};

PyType_Spec kernel_spec = {
    .name = "pydotcompute.accel._fastpath.Kernel",
    .basicsize = sizeof(Kernel),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE
        | Py_TPFLAGS_BASETYPE,
    .slots = kernel_slots,
};

/* --- storage of a runtime ------------------------------------------------------------------ */

static PyMemberDef kernels_members[] = {
    {"_kernels", T_OBJECT_EX, offsetof(Kernels, kernels), 0, NULL},
    {NULL},
};

static int
kernels_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
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
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    kernels_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyType_Slot kernels_slots[] = {
    {Py_tp_doc, "The storage of a RingKernelRuntime."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, kernels_dealloc},
    {Py_tp_traverse, kernels_traverse},
    {Py_tp_clear, kernels_clear},
    {Py_tp_members, kernels_members},
    {0, NULL},
};

PyType_Spec kernels_spec = {
    .name = "pydotcompute.accel._fastpath.Kernels",
    .basicsize = sizeof(Kernels),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE
        | Py_TPFLAGS_BASETYPE,
    .slots = kernels_slots,
};
