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

/* Whether a method is called of an instance of its class. */
static inline int
fits(const Method *method, PyObject *self)
{
    return method->owner != NULL && PyObject_TypeCheck(self, method->owner);
}

/* The timeout, if the arguments are `wanted` by position, the first of them of the method's class,
   and at most `timeout` by name; or NULL. */
static PyObject *
usual_timeout(const Method *method, PyObject *const *args, size_t nargsf, Py_ssize_t wanted,
              PyObject *kwnames)
{
    const Module *module = method->module;
    if (!module->on || PyVectorcall_NARGS(nargsf) != wanted || !fits(method, args[0]))
        return NULL;
    if (kwnames == NULL || PyTuple_GET_SIZE(kwnames) == 0)
        return Py_None;
    if (PyTuple_GET_SIZE(kwnames) > 1 || PyTuple_GET_ITEM(kwnames, 0) != module->name_timeout)
        return NULL;
    return is_usual(args[wanted]) ? args[wanted] : NULL;
}

#define CALL(name, operation, wanted, id, message)                                            \
    static PyObject *                                                                         \
    name(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)             \
    {                                                                                         \
        Method *method = (Method *)self;                                                      \
        PyObject *timeout = usual_timeout(method, args, nargsf, wanted, kwnames);             \
        if (timeout == NULL)                                                                  \
            return as_python(self, args, nargsf, kwnames);                                    \
        return call_new(method->module, operation, args[0], id, message, timeout);            \
    }

CALL(kernel_send, SEND, 2, NULL, args[1])
CALL(kernel_receive, RECEIVE, 1, NULL, NULL)
CALL(runtime_send, SEND, 3, args[1], args[2])
CALL(runtime_receive, RECEIVE, 2, args[1], NULL)

/* Whether compiled code takes a kernel's messages. */
static int
is_native(const Module *module, PyObject *kernel)
{
    PyObject *channel = ((Kernel *)kernel)->inbox, *port = NULL;
    if (channel != NULL && PyObject_TypeCheck(channel, module->channel))
        port = member(channel, module->port);
    return port != NULL && Py_IS_TYPE(port, module->inring);
}

/* A request to an interpreted actor waits in any case: another layer would be in its way. */

static PyObject *
kernel_request(PyObject *method, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Module *module = ((Method *)method)->module;
    PyObject *timeout = usual_timeout((Method *)method, args, nargsf, 2, kwnames);
    if (timeout == NULL || !is_native(module, args[0]))
        return as_python(method, args, nargsf, kwnames);
    return call_new(module, REQUEST, args[0], NULL, args[1], timeout);
}

static PyObject *
runtime_request(PyObject *method, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Module *module = ((Method *)method)->module;
    PyObject *timeout = usual_timeout((Method *)method, args, nargsf, 3, kwnames);
    PyObject *kernels, *kernel = NULL;
    int native = 0;
    if (timeout != NULL && (kernels = ((Kernels *)args[0])->kernels) != NULL
        && PyDict_CheckExact(kernels)) {
        Py_INCREF(kernels);  /* an __eq__ of the id may run any code */
        kernel = PyDict_GetItemWithError(kernels, args[1]);
        native = kernel != NULL && module->ring_kernel != NULL
            && PyObject_TypeCheck(kernel, module->ring_kernel) && is_native(module, kernel);
        Py_DECREF(kernels);
        PyErr_Clear();
    }
    if (!native)
        return as_python(method, args, nargsf, kwnames);
    return call_new(module, REQUEST, args[0], args[1], args[2], timeout);
}

/* --- try_put, try_get ---------------------------------------------------------------------- */

#define PORT(name, wanted, type, function)                                                    \
    static PyObject *                                                                         \
    name(PyObject *method, PyObject *const *args, size_t nargsf, PyObject *kwnames)           \
    {                                                                                         \
        const Module *module = ((Method *)method)->module;                                    \
        if (!module->on || PyVectorcall_NARGS(nargsf) != wanted                               \
            || !PyObject_TypeCheck(args[0], module->type)                                     \
            || (kwnames != NULL && PyTuple_GET_SIZE(kwnames)))                                \
            return as_python(method, args, nargsf, kwnames);                                  \
        return function;                                                                      \
    }

PORT(ring_put_method, 2, inring, ring_try_put(args[0], args[1]))
PORT(ring_get_method, 1, outring, ring_try_get(args[0]))
PORT(object_put_method, 2, object_port, object_try_put(module, args[0], args[1]))
PORT(object_get_method, 1, object_port, object_try_get(module, args[0]))

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
    self = (Method *)object_new(type);
    if (self == NULL)
        return NULL;
    self->function = Py_NewRef(function);
    self->call = twins[n].call;
    self->which = (enum function)n;
    Py_XSETREF(self->module->functions[n], Py_NewRef(function));
    return (PyObject *)self;
}

/* The class in whose body the method is says so; its instances have the storage that C expects if
   it inherits from the right class. */
static PyObject *
method_set_name(PyObject *object, PyObject *args)
{
    Method *self = (Method *)object;
    Module *module = self->module;
    PyTypeObject *base = self->which < RUNTIME_SEND ? module->kernel : module->kernels, *owner;
    PyObject *name;
    if (!PyArg_ParseTuple(args, "O!U:__set_name__", &PyType_Type, &owner, &name))
        return NULL;
    if (self->which > RUNTIME_REQUEST || base == NULL || !PyType_IsSubtype(owner, base))
        Py_RETURN_NONE;
    Py_XSETREF(self->owner, (PyTypeObject *)Py_NewRef(owner));
    if (self->which == KERNEL_SEND)
        Py_XSETREF(module->ring_kernel, (PyTypeObject *)Py_NewRef(owner));
    Py_RETURN_NONE;
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

/* It has no tp_clear, as a tuple has none: a cycle goes through the function or the class, which
   have one, and without its function a method would be nothing. */
static int
method_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((Method *)self)->module->self);
    Py_VISIT(((Method *)self)->function);
    Py_VISIT(((Method *)self)->owner);
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
    Py_CLEAR(self->owner);
    object_free(object);
}

static PyMethodDef method_methods[] = {
    {"__set_name__", method_set_name, METH_VARARGS, "Learn whose method it is."},
    {"__reduce__", method_reduce, METH_NOARGS, "The name, by which pickle finds it."},
    {NULL},
};

static PyMemberDef method_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Method, call), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Method, weakrefs), READONLY, NULL},
    {NULL},
};

static PyType_Slot method_slots[] = {
    {Py_tp_new, method_new},
    {Py_tp_dealloc, method_dealloc},
    {Py_tp_traverse, method_traverse},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_descr_get, method_get},
    {Py_tp_getattro, method_getattro},
    {Py_tp_setattro, method_setattro},
    {Py_tp_repr, method_repr},
    {Py_tp_methods, method_methods},
    {Py_tp_members, method_members},
    {0, NULL},
};

PyType_Spec method_spec = {
    .name = "pydotcompute.accel._fastpath.Method",
    .basicsize = sizeof(Method),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE
        | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
    .slots = method_slots,
};
