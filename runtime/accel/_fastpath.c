/* The module: its classes, and what they know of the Python code (`bind`). */

#include "_fastpath.h"

World world;

PyObject *name_put_gate, *name_get_gate, *name_try_put, *name_try_get, *name_pull, *name_spent;
PyObject *name_send_slow, *name_receive_slow;
PyObject *name_get, *name_after, *name_idle, *name_took, *name_append, *name_popleft;
PyObject *name_settle, *name_handled, *name_timeout, *name_throw, *name_close;
/* The offset of a member that a class keeps in __slots__; -1 and an error if it has none. */
static Py_ssize_t
slot_offset(PyTypeObject *type, const char *name)
{
    PyObject *found = PyObject_GetAttrString((PyObject *)type, name);
    Py_ssize_t offset = -1;
    if (found == NULL)
        return -1;
    if (Py_IS_TYPE(found, &PyMemberDescr_Type)
        && ((PyMemberDescrObject *)found)->d_member->type == T_OBJECT_EX)
        offset = ((PyMemberDescrObject *)found)->d_member->offset;
    else
        PyErr_Format(PyExc_TypeError, "%s.%s is not kept in __slots__", type->tp_name, name);
    Py_DECREF(found);
    return offset;
}

/* Take classes and numbers out of the arguments of `bind`; 0 or -1. */
static int
read_world(PyObject *args, PyObject *kwargs, World *w)
{
    static char *names[] = {
        "channel", "inring", "outring", "pace", "object_port", "values", "empty", "foreign",
        "clock", "correlate", "calls", "fuel", "inline_seconds", "overhead", "dense", "sparse",
        NULL,
    };
    static const char *const port_slots[PORT_SLOTS] = {
        "armed", "bound", "get_gate", "head", "items", "peak", "put_gate", "sample_at",
        "sample_time", "tail", "values", "wake",
    };
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "$O!O!O!O!O!O!OOOOlLddKK:bind", names, &PyType_Type, &w->channel,
            &PyType_Type, &w->inring, &PyType_Type, &w->outring, &PyType_Type, &w->pace,
            &PyType_Type, &w->object_port, &PyType_Type, &w->values, &w->empty, &w->foreign,
            &w->clock, &w->correlate, &w->calls, &w->fuel, &w->inline_seconds, &w->overhead,
            &w->dense, &w->sparse))
        return -1;
    if (!PyType_IsSubtype(w->inring, &RingType) || !PyType_IsSubtype(w->outring, &RingType)) {
        PyErr_SetString(PyExc_TypeError, "the rings do not inherit from Ring");
        return -1;
    }
    if ((w->port = slot_offset(w->channel, "port")) < 0
        || (w->spill = slot_offset(w->outring, "spill")) < 0
        || (w->cost = slot_offset(w->pace, "cost")) < 0
        || (w->limit = slot_offset(w->pace, "limit")) < 0
        || (w->too_long = slot_offset(w->pace, "long")) < 0
        || (w->copiers = slot_offset(w->values, "_copiers")) < 0)
        return -1;
    for (int n = 0; n < PORT_SLOTS; n++)
        if ((w->objects[n] = slot_offset(w->object_port, port_slots[n])) < 0)
            return -1;
    return 0;
}

static PyObject *
bind(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    World w = world;
    if (world.channel != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the extension knows the Python code already");
        return NULL;
    }
    if (read_world(args, kwargs, &w))
        return NULL;
    for (int n = RING_PUT; n < FUNCTIONS; n++)
        if (w.functions[n] == NULL) {
            PyErr_SetString(PyExc_RuntimeError, "a port has no Method");
            return NULL;
        }
    w.on = 1;
    world = w;
    Py_INCREF(w.channel);
    Py_INCREF(w.inring);
    Py_INCREF(w.outring);
    Py_INCREF(w.pace);
    Py_INCREF(w.object_port);
    Py_INCREF(w.values);
    Py_INCREF(w.empty);
    Py_INCREF(w.foreign);
    Py_INCREF(w.clock);
    Py_INCREF(w.correlate);
    Py_RETURN_NONE;
}

static PyObject *
use(PyObject *Py_UNUSED(module), PyObject *fast)
{
    int on = PyObject_IsTrue(fast);
    if (on < 0)
        return NULL;
    world.on = on && world.channel != NULL;
    return PyBool_FromLong(world.on);
}

/* For the Python code of rings, which has no atomic accesses: see queues/memory_order.py. */
static PyObject *
fence(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"bind", (PyCFunction)(void (*)(void))bind, METH_VARARGS | METH_KEYWORDS,
     "Tell the extension the classes and constants of the Python code, once."},
    {"use", use, METH_O, "Whether Methods run the common case in C; otherwise all is Python."},
    {"fence", fence, METH_NOARGS, "Order the memory accesses before it and after it."},
    {"all_known", (PyCFunction)(void (*)(void))all_known, METH_FASTCALL,
     "Whether each of some ids is that of a string: StringTable.all_valid."},
    {NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pydotcompute.accel._fastpath",
    .m_doc = "The hot operations of a native kernel, in C; see kernels/accelerate.py.",
    .m_size = -1,
    .m_methods = module_methods,
};

static int
intern_names(void)
{
    struct { PyObject **name; const char *text; } all[] = {
        {&name_put_gate, "put_gate"}, {&name_get_gate, "get_gate"}, {&name_try_put, "try_put"},
        {&name_try_get, "try_get"}, {&name_pull, "pull"}, {&name_send_slow, "_send_slow"},
        {&name_receive_slow, "_receive_slow"}, {&name_took, "took"},
        {&name_append, "append"}, {&name_popleft, "popleft"}, {&name_get, "get"}, {&name_after, "after"},
        {&name_idle, "_idle"}, {&name_settle, "settle"}, {&name_handled, "handled"}, {&name_timeout, "timeout"},
        {&name_throw, "throw"}, {&name_close, "close"}, {&name_spent, "spent"},
    };
    for (size_t n = 0; n < Py_ARRAY_LENGTH(all); n++)
        if (*all[n].name == NULL && (*all[n].name = PyUnicode_InternFromString(all[n].text)) == NULL)
            return -1;
    return 0;
}

/* Let isinstance(call, Coroutine) hold, which create_task and others ask. */
static int
register_coroutine(void)
{
    PyObject *abc = PyImport_ImportModule("collections.abc"), *coroutine, *done;
    if (abc == NULL)
        return -1;
    coroutine = PyObject_GetAttrString(abc, "Coroutine");
    Py_DECREF(abc);
    if (coroutine == NULL)
        return -1;
    done = PyObject_CallMethod(coroutine, "register", "O", &CallType);
    Py_DECREF(coroutine);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

PyMODINIT_FUNC
PyInit__fastpath(void)
{
    struct { const char *name; PyTypeObject *type; } types[] = {
        {"Layout", &LayoutType}, {"Ring", &RingType}, {"Engine", &EngineType}, {"Call", &CallType},
        {"Kernel", &KernelType}, {"Kernels", &KernelsType}, {"Method", &MethodType},
    };
    PyObject *self;
    for (size_t n = 0; n < Py_ARRAY_LENGTH(types); n++)
        if (PyType_Ready(types[n].type) < 0)
            return NULL;
    if (intern_names() || register_coroutine() || share_nan())
        return NULL;
    self = PyModule_Create(&module);
    if (self == NULL)
        return NULL;
    for (size_t n = 0; n < Py_ARRAY_LENGTH(types); n++)
        if (PyModule_AddObjectRef(self, types[n].name, (PyObject *)types[n].type) < 0)
            goto failed;
    if (PyModule_AddIntConstant(self, "VERSION", ABI_VERSION) < 0)
        goto failed;
    return self;
failed:
    Py_DECREF(self);
    return NULL;
}
