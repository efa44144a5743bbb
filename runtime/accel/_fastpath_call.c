/* What send, receive and request of a kernel return: an awaitable that works when it is awaited.

   It behaves as the coroutine of the Python method of the same name: nothing happens before the
   first step, `throw` and `close` end it, a second await is an error, and one that was never
   awaited is warned about.  The common case ends in its first step; the others go to the Python
   methods `_send_slow`, `_receive_slow` and `request`, whose coroutines it then stands for. */

#include "_fastpath.h"

enum state { NEW, YIELDED, DELEGATED, RUNNING, DONE };

struct Call {
    PyObject_HEAD
    Module *module;
    enum operation operation;
    enum state state;
    PyObject *target;   /* the kernel, or, as long as there is an id, the runtime */
    PyObject *id;       /* of the kernel, or NULL */
    PyObject *message;  /* NULL for RECEIVE */
    PyObject *timeout;
    PyObject *inner;    /* the coroutine it stands for when DELEGATED */
};

static const char *
call_name(const Call *call)
{
    switch (call->operation) {
    case SEND: return "RingKernel.send";
    case RECEIVE: return "RingKernel.receive";
    default: return "RingKernel.request";
    }
}

static void
call_end(Call *call)
{
    call->state = DONE;
    Py_CLEAR(call->target);
    Py_CLEAR(call->id);
    Py_CLEAR(call->message);
    Py_CLEAR(call->timeout);
    Py_CLEAR(call->inner);
}

/* Replace runtime and id by the kernel. */
static int
find_kernel(Call *call)
{
    PyObject *kernels = ((Kernels *)call->target)->kernels, *kernel = NULL;
    if (kernels != NULL && PyDict_CheckExact(kernels)) {
        Py_INCREF(kernels);  /* an __eq__ of the id may run any code */
        kernel = PyDict_GetItemWithError(kernels, call->id);
        Py_XINCREF(kernel);
        Py_DECREF(kernels);
    }
    if (kernel == NULL) {
        if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_Exception))
            return -1;
        PyErr_Clear();
        kernel = PyObject_CallMethodOneArg(call->target, call->module->name_get, call->id);  /* says why */
        if (kernel == NULL)
            return -1;
    }
    if (call->module->ring_kernel == NULL
        || !PyObject_TypeCheck(kernel, call->module->ring_kernel)) {
        PyErr_Format(PyExc_TypeError, "%R is no RingKernel", kernel);
        Py_DECREF(kernel);
        return -1;
    }
    Py_SETREF(call->target, kernel);
    Py_CLEAR(call->id);
    return 0;
}

static PyObject *
delegate(Call *call)
{
    PyObject *arguments[3] = {call->target, call->message, call->timeout}, *names, *inner;
    switch (call->operation) {
    case SEND:
        return PyObject_VectorcallMethod(call->module->name__send_slow, arguments, 3, NULL);
    case RECEIVE:
        return PyObject_CallMethodOneArg(call->target, call->module->name__receive_slow, call->timeout);
    default:
        if (call->inner != NULL)
            return call->inner;
        if (call->module->functions[KERNEL_REQUEST] == NULL) {
            PyErr_SetString(PyExc_RuntimeError, "there is no RingKernel.request");
            return NULL;
        }
        names = PyTuple_Pack(1, call->module->name_timeout);
        if (names == NULL)
            return NULL;
        inner = PyObject_Vectorcall(call->module->functions[KERNEL_REQUEST], arguments, 2, names);
        Py_DECREF(names);
        return inner;
    }
}

/* The error for a call that runs, or is over. */
static void
refuse(const Call *call)
{
    if (call->state == RUNNING)
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
    else
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
}

/* --- the protocol of coroutines ------------------------------------------------------------ */

static PySendResult
call_step(PyObject *self, PyObject *value, PyObject **result)
{
    Call *call = (Call *)self;
    Module *module = call->module;
    enum outcome outcome;
    PySendResult sent;
    *result = NULL;
    if (call->state <= YIELDED && module->channel == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the extension has been unloaded");
        goto failed;
    }
    switch (call->state) {
    case NEW:
        if (value != NULL && value != Py_None) {
            PyErr_SetString(PyExc_TypeError,
                            "can't send non-None value to a just-started coroutine");
            return PYGEN_ERROR;
        }
        call->state = RUNNING;  /* an __eq__ of the id may come back here */
        if (call->id != NULL && find_kernel(call))
            goto failed;
        if (!is_home((Kernel *)call->target)) {
            outcome = NO;
            goto delegated;
        }
        outcome = must_yield(module, (Kernel *)call->target);
        if (outcome == FAILED)
            goto failed;
        if (outcome == YES) {
            call->state = YIELDED;
            *result = Py_NewRef(Py_None);
            return PYGEN_NEXT;
        }
        /* fall through */
    case YIELDED:
        call->state = RUNNING;
        if (call->operation == SEND) {
            outcome = send_now(module, (Kernel *)call->target, call->message);
            if (outcome == YES)
                *result = Py_NewRef(Py_None);
        }
        else if (call->operation == RECEIVE)
            outcome = receive_now(module, (Kernel *)call->target, result);
        else
            outcome = request_now(module, (Kernel *)call->target, call->message, call->timeout,
                                  result, &call->inner);
        if (outcome == YES) {
            call_end(call);
            return PYGEN_RETURN;
        }
    delegated:
        if (outcome == FAILED || (call->inner = delegate(call)) == NULL)
            goto failed;
        value = Py_None;
        /* fall through */
    case DELEGATED:
        call->state = RUNNING;
        sent = PyIter_Send(call->inner, value == NULL ? Py_None : value, result);
        call->state = DELEGATED;
        if (sent != PYGEN_NEXT)
            call_end(call);
        return sent;
    default:
        refuse(call);
        return PYGEN_ERROR;
    }
failed:
    call_end(call);
    return PYGEN_ERROR;
}

/* Raise StopIteration(value); steals the reference. */
static void
stop_with(PyObject *value)
{
    PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
    Py_DECREF(value);
    if (stop != NULL) {
        PyErr_SetObject(PyExc_StopIteration, stop);
        Py_DECREF(stop);
    }
}

static PyObject *
call_send(PyObject *self, PyObject *value)
{
    PyObject *result;
    switch (call_step(self, value, &result)) {
    case PYGEN_NEXT: return result;
    case PYGEN_RETURN: stop_with(result); return NULL;
    default: return NULL;
    }
}

static PyObject *
call_next(PyObject *self)
{
    return call_send(self, Py_None);
}

static PyObject *
call_await(PyObject *self)
{
    return Py_NewRef(self);
}

/* throw(exception), or as it once was throw(class, instance, traceback): raise it. */
static void
raise_given(PyObject *args)
{
    PyObject *kind, *value = NULL, *trace = NULL;
    if (!PyArg_UnpackTuple(args, "throw", 1, 3, &kind, &value, &trace))
        return;
    if (PyExceptionInstance_Check(kind) && value == NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(kind), kind);
        return;
    }
    if (!PyExceptionClass_Check(kind) || (trace != NULL && trace != Py_None
                                          && !PyTraceBack_Check(trace))) {
        PyErr_SetString(PyExc_TypeError, "throw() takes an exception");
        return;
    }
    if (trace != NULL && trace != Py_None && value != NULL && PyExceptionInstance_Check(value)
        && PyException_SetTraceback(value, trace))
        return;
    PyErr_SetObject(kind, value == NULL ? Py_None : value);
}

static PyObject *
call_throw(PyObject *self, PyObject *args)
{
    Call *call = (Call *)self;
    PyObject *method, *result;
    if (call->state == DONE || call->state == RUNNING) {
        refuse(call);
        return NULL;
    }
    if (call->state != DELEGATED) {
        call_end(call);
        raise_given(args);
        return NULL;
    }
    method = PyObject_GetAttr(call->inner, call->module->name_throw);
    if (method == NULL)
        return NULL;
    call->state = RUNNING;
    result = PyObject_CallObject(method, args);
    call->state = DELEGATED;
    Py_DECREF(method);
    if (result == NULL)
        call_end(call);
    return result;
}

static PyObject *
call_close(PyObject *self, PyObject *Py_UNUSED(unused))
{
    Call *call = (Call *)self;
    PyObject *closed;
    if (call->state == RUNNING) {
        refuse(call);
        return NULL;
    }
    if (call->state == DELEGATED) {
        call->state = RUNNING;
        closed = PyObject_CallMethodNoArgs(call->inner, call->module->name_close);
        call->state = DELEGATED;
        if (closed == NULL)
            return NULL;
        Py_DECREF(closed);
    }
    call_end(call);
    Py_RETURN_NONE;
}

static PyObject *
get_name(PyObject *self, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(call_name((Call *)self));
}

static PyObject *
get_inner(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *inner = ((Call *)self)->inner;
    return Py_NewRef(inner == NULL ? Py_None : inner);
}

static PyObject *
call_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<coroutine object %s at %p>", call_name((Call *)self), self);
}

/* --- making and unmaking ------------------------------------------------------------------- */

PyObject *
call_new(Module *module, enum operation operation, PyObject *target, PyObject *id,
         PyObject *message, PyObject *timeout)
{
    Call *call;
    if (module->spares) {
        call = module->spare[--module->spares];
        (void)PyObject_Init((PyObject *)call, module->call);
    }
    else {
        call = PyObject_GC_New(Call, module->call);
        if (call == NULL)
            return NULL;
    }
    call->module = module;
    Py_INCREF(module->self);
    call->operation = operation;
    call->state = NEW;
    call->target = Py_NewRef(target);
    call->id = Py_XNewRef(id);
    call->message = Py_XNewRef(message);
    call->timeout = Py_NewRef(timeout);
    call->inner = NULL;
    PyObject_GC_Track(call);
    return (PyObject *)call;
}

void
call_free_spares(Module *module)
{
    while (module->spares)
        PyObject_GC_Del(module->spare[--module->spares]);
}

static int
call_traverse(PyObject *self, visitproc visit, void *arg)
{
    Call *call = (Call *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(call->module->self);
    Py_VISIT(call->target);
    Py_VISIT(call->id);
    Py_VISIT(call->message);
    Py_VISIT(call->timeout);
    Py_VISIT(call->inner);
    return 0;
}

static int
call_clear(PyObject *self)
{
    call_end((Call *)self);
    return 0;
}

static void
warn_never_awaited(Call *call)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *error = PyErr_GetRaisedException();
#else
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
#endif
    if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%s' was never awaited",
                         call_name(call)))
        PyErr_WriteUnraisable((PyObject *)call);
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(error);
#else
    PyErr_Restore(kind, value, trace);
#endif
}

/* As tp_finalize: it is whole, and may be revived. */
static void
call_finalize(PyObject *self)
{
    Call *call = (Call *)self;
    if (call->state == NEW && call->target != NULL)
        warn_never_awaited(call);
}

static void
call_dealloc(PyObject *self)
{
    Call *call = (Call *)self;
    PyTypeObject *type = Py_TYPE(self);
    Module *module = call->module;
    if (call->state == NEW) {
        if (PyObject_CallFinalizerFromDealloc(self) < 0)
            return;
    }
    PyObject_GC_UnTrack(self);
    if (call->target != NULL)
        call_end(call);
    /* one that was finalized would not be again */
    if (module->spares < SPARE && !PyObject_GC_IsFinalized(self))
        module->spare[module->spares++] = call;
    else
        PyObject_GC_Del(self);
    Py_DECREF(type);
    Py_DECREF(module->self);  /* last: it may free the module's state */
}

static PyMethodDef call_type_methods[] = {
    {"send", call_send, METH_O, "send(value): go on, as a coroutine does."},
    {"throw", call_throw, METH_VARARGS, "throw(exception): raise it where the call waits."},
    {"close", call_close, METH_NOARGS, "close(): end the call where it waits."},
    {NULL},
};

static PyGetSetDef call_getset[] = {
    {"__name__", get_name, NULL, NULL, NULL},
    {"__qualname__", get_name, NULL, NULL, NULL},
    {"cr_await", get_inner, NULL, "What the call waits for, or None.", NULL},
    {NULL},
};

static PyType_Slot call_slots[] = {
    {Py_tp_doc, (void *)"One call of send, receive or request: a coroutine."},
    {Py_tp_dealloc, call_dealloc},
    {Py_tp_traverse, call_traverse},
    {Py_tp_clear, call_clear},
    {Py_tp_finalize, call_finalize},
    {Py_tp_repr, call_repr},
    {Py_tp_iternext, call_next},
    {Py_tp_methods, call_type_methods},
    {Py_tp_getset, call_getset},
    {Py_am_await, call_await},
    {Py_am_send, call_step},
    {0, NULL},
};

PyType_Spec call_spec = {
    .name = "pydotcompute.accel._fastpath.Call",
    .basicsize = sizeof(Call),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE
        | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = call_slots,
};
