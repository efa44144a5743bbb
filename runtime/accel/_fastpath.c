/* The module: puts the C operations in place of the Python ones, and takes them out again.

   Input: the classes and constants of the Python code.  Output: the same classes, with `send`,
   `receive` and `request` of kernels and runtimes, `try_put` and `try_get` of ports replaced. */

#include "_fastpath.h"

World world;

PyObject *name_put_gate, *name_get_gate, *name_try_put, *name_try_get, *name_pull;
PyObject *name_send_slow, *name_receive_slow;
PyObject *name_get, *name_after, *name_idle, *name_took, *name_append, *name_popleft;
PyObject *name_settle, *name_handled, *name_timeout, *name_throw, *name_close;
static PyObject *name_send, *name_receive, *name_request;

enum { PORT_METHODS = 4 };
static PyMethodDef port_methods[PORT_METHODS] = {
    {"try_put", ring_try_put, METH_O, NULL},
    {"try_get", ring_try_get, METH_NOARGS, NULL},
    {"try_put", object_try_put, METH_O, NULL},
    {"try_get", object_try_get, METH_NOARGS, NULL},
};

/* Everything `install` replaces, in one order. */
enum { PLACES = CALL_METHODS + PORT_METHODS };
static PyTypeObject *place_type[PLACES];
static PyMethodDef *place_method[PLACES];
static PyObject **place_name[PLACES];
static PyObject *place_original[PLACES];
static int installed;

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

/* The documentation of a method, with the signature its original has.  It lives for ever. */
static const char *
documentation(PyMethodDef *method, const char *signature, PyObject *original)
{
    PyObject *doc = PyObject_GetAttrString(original, "__doc__"), *text;
    if (doc == NULL)
        return NULL;
    text = PyUnicode_FromFormat("%s%s\n--\n\n%V", method->ml_name, signature,
                                doc == Py_None ? NULL : doc, "");
    Py_DECREF(doc);
    return text == NULL ? NULL : PyUnicode_AsUTF8(text);  /* `text` is kept on purpose */
}

static int
set_places(void)
{
    PyTypeObject *types[PLACES] = {
        world.kernel, world.kernel, world.kernel, world.runtime, world.runtime, world.runtime,
        world.inring, world.outring, world.object_port, world.object_port,
    };
    PyObject **names[PLACES] = {
        &name_send, &name_receive, &name_request, &name_send, &name_receive, &name_request,
        &name_try_put, &name_try_get, &name_try_put, &name_try_get,
    };
    static const char *const signatures[PLACES] = {
        "($self, message, *, timeout=None)", "($self, *, timeout=None)",
        "($self, message, *, timeout=None)", "($self, kernel_id, message, *, timeout=None)",
        "($self, kernel_id, *, timeout=None)", "($self, kernel_id, message, *, timeout=None)",
        "($self, message)", "($self)", "($self, message)", "($self)",
    };
    for (int n = 0; n < PLACES; n++) {
        PyMethodDef *method = n < CALL_METHODS ? &call_methods[n]
            : &port_methods[n - CALL_METHODS];
        PyObject *original = PyObject_GetAttr((PyObject *)types[n], *names[n]);
        if (original == NULL)
            return -1;
        place_type[n] = types[n];
        place_name[n] = names[n];
        place_method[n] = method;
        Py_XSETREF(place_original[n], original);
        if (method->ml_doc == NULL
            && (method->ml_doc = documentation(method, signatures[n], original)) == NULL)
            return -1;
    }
    for (int n = 0; n < CALL_METHODS; n++)
        world.originals[n] = place_original[n];
    world.put = place_original[CALL_METHODS];
    world.get = place_original[CALL_METHODS + 1];
    world.object_put = place_original[CALL_METHODS + 2];
    world.object_get = place_original[CALL_METHODS + 3];
    return 0;
}

/* Take names and numbers out of the arguments of `install`; 0 or -1. */
static int
read_world(PyObject *args, PyObject *kwargs)
{
    static char *names[] = {
        "kernel", "runtime", "channel", "inring", "outring", "pace", "object_port",
        "values", "empty", "foreign",
        "clock", "correlate", "begun", "calls", "fuel", "inline_seconds", "overhead", "dense",
        "sparse", NULL,
    };
    static const char *const port_slots[PORT_SLOTS] = {
        "armed", "bound", "get_gate", "head", "items", "peak", "put_gate", "sample_at",
        "sample_time", "tail", "values", "wake",
    };
    World w;
    memset(&w, 0, sizeof(w));
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "$O!O!O!O!O!O!O!O!OOOOOlLddKK:install", names, &PyType_Type, &w.kernel,
            &PyType_Type, &w.runtime, &PyType_Type, &w.channel, &PyType_Type, &w.inring,
            &PyType_Type, &w.outring, &PyType_Type, &w.pace, &PyType_Type,
            &w.object_port, &PyType_Type, &w.values, &w.empty, &w.foreign, &w.clock,
            &w.correlate, &w.begun, &w.calls, &w.fuel, &w.inline_seconds, &w.overhead, &w.dense, &w.sparse))
        return -1;
    if (!PyType_IsSubtype(w.inring, &RingType) || !PyType_IsSubtype(w.outring, &RingType)) {
        PyErr_SetString(PyExc_TypeError, "the rings do not inherit from Ring");
        return -1;
    }
    if ((w.inbox = slot_offset(w.kernel, "_inbox")) < 0
        || (w.outbox = slot_offset(w.kernel, "_outbox")) < 0
        || (w.credit = slot_offset(w.kernel, "_credit")) < 0
        || (w.home = slot_offset(w.kernel, "_home")) < 0
        || (w.port = slot_offset(w.channel, "port")) < 0
        || (w.kernels = slot_offset(w.runtime, "_kernels")) < 0
        || (w.spill = slot_offset(w.outring, "spill")) < 0
        || (w.cost = slot_offset(w.pace, "cost")) < 0
        || (w.limit = slot_offset(w.pace, "limit")) < 0
        || (w.too_long = slot_offset(w.pace, "long")) < 0
        || (w.copiers = slot_offset(w.values, "_copiers")) < 0)
        return -1;
    for (int n = 0; n < PORT_SLOTS; n++)
        if ((w.objects[n] = slot_offset(w.object_port, port_slots[n])) < 0)
            return -1;
    /* for ever: the methods that use them may be called at any time */
    Py_INCREF(w.kernel);
    Py_INCREF(w.runtime);
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
    Py_INCREF(w.begun);
    world = w;
    return 0;
}

static int
put_back(int count)
{
    for (int n = 0; n < count; n++)
        if (PyObject_SetAttr((PyObject *)place_type[n], *place_name[n], place_original[n]))
            return -1;
    return 0;
}

static PyObject *
install(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    if (installed)
        Py_RETURN_NONE;
    if (read_world(args, kwargs) || set_places())
        return NULL;
    for (int n = 0; n < PLACES; n++) {
        PyObject *method = PyDescr_NewMethod(place_type[n], place_method[n]);
        int bad = method == NULL
            || PyObject_SetAttr((PyObject *)place_type[n], *place_name[n], method);
        Py_XDECREF(method);
        if (bad) {  /* one of our own classes refuses an attribute: nothing can be put back */
            return NULL;
        }
    }
    installed = 1;
    Py_RETURN_NONE;
}

static PyObject *
uninstall(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    if (installed && put_back(PLACES))
        return NULL;
    installed = 0;
    Py_RETURN_NONE;
}

/* For the Python code of rings, which has no atomic accesses: see queues/memory_order.py. */
static PyObject *
fence(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"install", (PyCFunction)(void (*)(void))install, METH_VARARGS | METH_KEYWORDS,
     "Put the C operations in place of the Python ones."},
    {"fence", fence, METH_NOARGS, "Order the memory accesses before it and after it."},
    {"uninstall", uninstall, METH_NOARGS, "Put the Python operations back."},
    {"all_known", (PyCFunction)(void (*)(void))all_known, METH_FASTCALL,
     "Whether each of some ids is that of a string: StringTable.all_valid."},
    {NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pydotcompute.accel._fastpath",
    .m_doc = "The hot operations of a native kernel, in C; see fastpath.py.",
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
        {&name_throw, "throw"}, {&name_close, "close"}, {&name_send, "send"},
        {&name_receive, "receive"}, {&name_request, "request"},
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
