/* The methods of the Python classes whose common case runs in C.

   Input: a Python function, from the body of its class (`accel.storage.accelerated`).  Output: a
   `Method`, which is called in its place and gives it whatever is unusual.  All its attributes are
   the function's, so that `inspect`, `pickle` and `unittest.mock` find a function: a coroutine
   function, where it is one. */

#include "_fastpath.h"

#include <string.h>

static PyObject *
as_python(PyObject *method, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    return PyObject_Vectorcall(((Method *)method)->function, args, nargsf, kwnames);
}

/* --- send, receive, request ---------------------------------------------------------------- */

/* Whether a timeout is None or a plain number of seconds. */
static int
is_usual(PyObject *timeout)
{
    int overflow;
    if (timeout == Py_None)
        return 1;
    if (PyFloat_CheckExact(timeout))
        return PyFloat_AS_DOUBLE(timeout) == PyFloat_AS_DOUBLE(timeout);
    if (!PyLong_CheckExact(timeout))
        return 0;
    (void)PyLong_AsLongAndOverflow(timeout, &overflow);
    return overflow == 0;
}

/* The timeout, if the arguments are `wanted` by position, the first of them a `type`, and at most
   `timeout` by name; or NULL. */
static PyObject *
usual_timeout(PyObject *const *args, size_t nargsf, Py_ssize_t wanted, PyTypeObject *type,
              PyObject *kwnames)
{
    if (!world.on || PyVectorcall_NARGS(nargsf) != wanted || !PyObject_TypeCheck(args[0], type))
        return NULL;
    if (kwnames == NULL || PyTuple_GET_SIZE(kwnames) == 0)
        return Py_None;
    if (PyTuple_GET_SIZE(kwnames) > 1 || PyTuple_GET_ITEM(kwnames, 0) != name_timeout)
        return NULL;
    return is_usual(args[wanted]) ? args[wanted] : NULL;
}

#define CALL(name, operation, wanted, type, id, message)                                      \
    static PyObject *                                                                         \
    name(PyObject *method, PyObject *const *args, size_t nargsf, PyObject *kwnames)           \
    {                                                                                         \
        PyObject *timeout = usual_timeout(args, nargsf, wanted, type, kwnames);               \
        if (timeout == NULL)                                                                  \
            return as_python(method, args, nargsf, kwnames);                                  \
        return call_new(operation, args[0], id, message, timeout);                            \
    }

CALL(kernel_send, SEND, 2, &KernelType, NULL, args[1])
CALL(kernel_receive, RECEIVE, 1, &KernelType, NULL, NULL)
CALL(runtime_send, SEND, 3, &KernelsType, args[1], args[2])
CALL(runtime_receive, RECEIVE, 2, &KernelsType, args[1], NULL)

/* Whether compiled code takes a kernel's messages. */
static int
is_native(PyObject *kernel)
{
    PyObject *channel = ((Kernel *)kernel)->inbox, *port = NULL;
    if (channel != NULL && PyObject_TypeCheck(channel, world.channel))
        port = member(channel, world.port);
    return port != NULL && Py_IS_TYPE(port, world.inring);
}

/* A request to an interpreted actor waits in any case: another layer would be in its way. */

static PyObject *
kernel_request(PyObject *method, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *timeout = usual_timeout(args, nargsf, 2, &KernelType, kwnames);
    if (timeout == NULL || !is_native(args[0]))
        return as_python(method, args, nargsf, kwnames);
    return call_new(REQUEST, args[0], NULL, args[1], timeout);
}

static PyObject *
runtime_request(PyObject *method, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *timeout = usual_timeout(args, nargsf, 3, &KernelsType, kwnames);
    PyObject *kernels, *kernel = NULL;
    int native = 0;
    if (timeout != NULL && (kernels = ((Kernels *)args[0])->kernels) != NULL
        && PyDict_CheckExact(kernels)) {
        Py_INCREF(kernels);  /* an __eq__ of the id may run any code */
        kernel = PyDict_GetItemWithError(kernels, args[1]);
        native = kernel != NULL && PyObject_TypeCheck(kernel, &KernelType) && is_native(kernel);
        Py_DECREF(kernels);
        PyErr_Clear();
    }
    if (!native)
        return as_python(method, args, nargsf, kwnames);
    return call_new(REQUEST, args[0], args[1], args[2], timeout);
}

/* --- try_put, try_get ---------------------------------------------------------------------- */

#define PORT(name, wanted, fits, function)                                                    \
    static PyObject *                                                                         \
    name(PyObject *method, PyObject *const *args, size_t nargsf, PyObject *kwnames)           \
    {                                                                                         \
        if (!world.on || PyVectorcall_NARGS(nargsf) != wanted || !(fits)                      \
            || (kwnames != NULL && PyTuple_GET_SIZE(kwnames)))                                \
            return as_python(method, args, nargsf, kwnames);                                  \
        return function;                                                                      \
    }

PORT(ring_put_method, 2, PyObject_TypeCheck(args[0], world.inring),
     ring_try_put(args[0], args[1]))
PORT(ring_get_method, 1, PyObject_TypeCheck(args[0], world.outring), ring_try_get(args[0]))
PORT(object_put_method, 2, PyObject_TypeCheck(args[0], world.object_port),
     object_try_put(args[0], args[1]))
PORT(object_get_method, 1, PyObject_TypeCheck(args[0], world.object_port),
     object_try_get(args[0]))

/* --- the class ----------------------------------------------------------------------------- */

/* In the order of enum function. */
static const struct {
    const char *name;
    vectorcallfunc call;
} twins[FUNCTIONS] = {
    {"RingKernel.send", kernel_send},
    {"RingKernel.receive", kernel_receive},
    {"RingKernel.request", kernel_request},
    {"RingKernelRuntime.send", runtime_send},
    {"RingKernelRuntime.receive", runtime_receive},
    {"RingKernelRuntime.request", runtime_request},
    {"HostProducer.try_put", ring_put_method},
    {"HostConsumer.try_get", ring_get_method},
    {"ObjectPort.try_put", object_put_method},
    {"ObjectPort.try_get", object_get_method},
};

static PyObject *
method_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    PyObject *function;
    const char *name;
    Method *self;
    int n = 0;
    if (!PyArg_ParseTuple(args, "O!:Method", &PyFunction_Type, &function))
        return NULL;
    name = PyUnicode_AsUTF8(((PyFunctionObject *)function)->func_qualname);
    if (name == NULL)
        return NULL;
    while (n < FUNCTIONS && strcmp(name, twins[n].name))
        n++;
    if (n == FUNCTIONS) {
        PyErr_Format(PyExc_ValueError, "the extension has no %s", name);
        return NULL;
    }
    self = (Method *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->function = Py_NewRef(function);
    self->call = twins[n].call;
    Py_XSETREF(world.functions[n], Py_NewRef(function));
    return (PyObject *)self;
}

static PyObject *
method_get(PyObject *self, PyObject *instance, PyObject *Py_UNUSED(type))
{
    if (instance == NULL || instance == Py_None)
        return Py_NewRef(self);
    return PyMethod_New(self, instance);
}

/* Whether an attribute is the method's own, not the function's. */
static int
is_own(PyObject *name)
{
    const char *text = PyUnicode_AsUTF8(name);
    if (text == NULL)
        PyErr_Clear();
    return text != NULL && (!strcmp(text, "__get__") || !strcmp(text, "__call__")
                            || !strcmp(text, "__reduce__") || !strcmp(text, "__reduce_ex__"));
}

static PyObject *
method_getattro(PyObject *self, PyObject *name)
{
    if (is_own(name))
        return PyObject_GenericGetAttr(self, name);
    return PyObject_GetAttr(((Method *)self)->function, name);
}

static int
method_setattro(PyObject *self, PyObject *name, PyObject *value)
{
    return PyObject_SetAttr(((Method *)self)->function, name, value);
}

static PyObject *
method_repr(PyObject *self)
{
    return PyObject_Repr(((Method *)self)->function);
}

/* As a function: by its name. */
static PyObject *
method_reduce(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return Py_NewRef(((PyFunctionObject *)((Method *)self)->function)->func_qualname);
}

static int
method_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((Method *)self)->function);
    return 0;
}

static void
method_dealloc(PyObject *object)
{
    Method *self = (Method *)object;
    PyObject_GC_UnTrack(object);
    if (self->weakrefs != NULL)
        PyObject_ClearWeakRefs(object);
    Py_CLEAR(self->function);
    Py_TYPE(object)->tp_free(object);
}

static PyMethodDef method_methods[] = {
    {"__reduce__", method_reduce, METH_NOARGS, "The name, by which pickle finds it."},
    {NULL},
};

PyTypeObject MethodType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "pydotcompute.accel._fastpath.Method",
    .tp_basicsize = sizeof(Method),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL
        | Py_TPFLAGS_METHOD_DESCRIPTOR,
    .tp_new = method_new,
    .tp_dealloc = method_dealloc,
    .tp_traverse = method_traverse,
    .tp_free = PyObject_GC_Del,
    .tp_call = PyVectorcall_Call,
    .tp_vectorcall_offset = offsetof(Method, call),
    .tp_weaklistoffset = offsetof(Method, weakrefs),
    .tp_descr_get = method_get,
    .tp_getattro = method_getattro,
    .tp_setattro = method_setattro,
    .tp_repr = method_repr,
    .tp_methods = method_methods,
};
