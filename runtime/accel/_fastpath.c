/* The module: its classes, and what they know of the Python code (`bind`). */

#include "_fastpath.h"

static struct PyModuleDef definition;

static Module *
state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

Module *
module_of(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &definition);
    return module == NULL ? NULL : state_of(module);
}

/* How objects that have a module begin. */
typedef struct {
    PyObject_HEAD
    Module *module;
} Object;

PyObject *
object_new(PyTypeObject *type)
{
    Module *module = module_of(type);
    PyObject *object = module == NULL ? NULL : type->tp_alloc(type, 0);
    if (object == NULL)
        return NULL;
    ((Object *)object)->module = module;
    Py_INCREF(module->self);
    return object;
}

void
object_free(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject *module = ((Object *)object)->module->self;
    type->tp_free(object);
    Py_DECREF(type);
    Py_DECREF(module);  /* last: it may free the module's state */
}

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
read_bindings(PyObject *args, PyObject *kwargs, Module *m)
{
    static char *names[] = {
        "channel", "inring", "outring", "sizing", "object_port", "values", "empty", "foreign",
        "clock", "correlate", "calls", "fuel", "inline_seconds", "overhead", "dense", "sparse",
        NULL,
    };
    static const char *const port_slots[PORT_SLOTS] = {
        "wake_suppressed", "bound", "get_slow_path", "head", "items", "peak", "put_slow_path", "sample_at",
        "sample_time", "tail", "values", "wake",
    };
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "$O!O!O!O!O!O!OOOOlLddKK:bind", names, &PyType_Type, &m->channel,
            &PyType_Type, &m->inring, &PyType_Type, &m->outring, &PyType_Type, &m->sizing,
            &PyType_Type, &m->object_port, &PyType_Type, &m->values, &m->empty, &m->foreign,
            &m->clock, &m->correlate, &m->calls, &m->fuel, &m->inline_seconds, &m->overhead,
            &m->dense, &m->sparse))
        return -1;
    if (!PyType_IsSubtype(m->inring, m->ring) || !PyType_IsSubtype(m->outring, m->ring)) {
        PyErr_SetString(PyExc_TypeError, "the rings do not inherit from Ring");
        return -1;
    }
    if ((m->port = slot_offset(m->channel, "port")) < 0
        || (m->overflow = slot_offset(m->outring, "overflow")) < 0
        || (m->cost = slot_offset(m->sizing, "cost")) < 0
        || (m->limit = slot_offset(m->sizing, "limit")) < 0
        || (m->too_long = slot_offset(m->sizing, "long")) < 0
        || (m->copiers = slot_offset(m->values, "_copiers")) < 0)
        return -1;
    for (int n = 0; n < PORT_SLOTS; n++)
        if ((m->objects[n] = slot_offset(m->object_port, port_slots[n])) < 0)
            return -1;
    return 0;
}

/* Apply a macro to every reference that `bind` sets. */
#define BOUND(X)                                                                              \
    X(channel) X(inring) X(outring) X(sizing) X(object_port) X(values) X(empty) X(foreign)      \
    X(clock) X(correlate)

static PyObject *
bind(PyObject *self, PyObject *args, PyObject *kwargs)
{
    Module *module = state_of(self), bound = *module;
    if (module->channel != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the extension knows the Python code already");
        return NULL;
    }
    if (read_bindings(args, kwargs, &bound))
        return NULL;
    for (int n = RING_PUT; n < FUNCTIONS; n++)
        if (bound.functions[n] == NULL) {
            PyErr_SetString(PyExc_RuntimeError, "a port has no Method");
            return NULL;
        }
    bound.on = 1;
    *module = bound;
#define OWN(name) Py_INCREF(module->name);
    BOUND(OWN)
#undef OWN
    Py_RETURN_NONE;
}

static PyObject *
use(PyObject *self, PyObject *fast)
{
    Module *module = state_of(self);
    int on = PyObject_IsTrue(fast);
    if (on < 0)
        return NULL;
    module->on = on && module->channel != NULL;
    return PyBool_FromLong(module->on);
}

static PyObject *
share_nan(PyObject *self, PyObject *function)
{
    Py_XSETREF(state_of(self)->shared_nan, Py_NewRef(function));
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
    {"bind", (PyCFunction)(void (*)(void))bind, METH_VARARGS | METH_KEYWORDS,
     "Tell the extension the classes and constants of the Python code, once."},
    {"use", use, METH_O, "Whether Methods run the common case in C; otherwise all is Python."},
    {"share_nan", share_nan, METH_O, "Tell the extension shared_nan.shared_nan."},
    {"fence", fence, METH_NOARGS, "Order the memory accesses before it and after it."},
    {"all_known", (PyCFunction)(void (*)(void))all_known, METH_FASTCALL,
     "Whether each of some ids is that of a string: StringTable.all_valid."},
    {NULL},
};

/* --- the module's state -------------------------------------------------------------------- */

static int
add_types(PyObject *self, Module *module)
{
    struct { PyTypeObject **type; PyType_Spec *spec; } all[] = {
        {&module->layout, &layout_spec}, {&module->ring, &ring_spec},
        {&module->engine, &engine_spec}, {&module->call, &call_spec},
        {&module->kernel, &kernel_spec}, {&module->kernels, &kernels_spec},
        {&module->method, &method_spec}, {&module->tape, &tape_spec},
    };
    for (size_t n = 0; n < Py_ARRAY_LENGTH(all); n++) {
        *all[n].type = (PyTypeObject *)PyType_FromModuleAndSpec(self, all[n].spec, NULL);
        if (*all[n].type == NULL || PyModule_AddType(self, *all[n].type))
            return -1;
    }
    return 0;
}

static int
intern_names(Module *module)
{
#define INTERN(name)                                                                          \
    if ((module->name_##name = PyUnicode_InternFromString(#name)) == NULL)                    \
        return -1;
    NAMES(INTERN)
#undef INTERN
    return 0;
}

/* Let isinstance(call, Coroutine) hold, which create_task and others ask. */
static int
register_coroutine(Module *module)
{
    PyObject *abc = PyImport_ImportModule("collections.abc"), *coroutine, *done;
    if (abc == NULL)
        return -1;
    coroutine = PyObject_GetAttrString(abc, "Coroutine");
    Py_DECREF(abc);
    if (coroutine == NULL)
        return -1;
    done = PyObject_CallMethod(coroutine, "register", "O", module->call);
    Py_DECREF(coroutine);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int
execute(PyObject *self)
{
    Module *module = state_of(self);
    module->self = self;
    tape_begin(module);
    module->empty_tuple = PyTuple_New(0);
    if (module->empty_tuple == NULL || intern_names(module)
        || add_types(self, module) || register_coroutine(module))
        return -1;
    return PyModule_AddIntConstant(self, "VERSION", ABI_VERSION);
}

/* Apply a macro to every reference that may be part of a cycle. */
#define CYCLIC(X)                                                                             \
    BOUND(X) X(layout) X(ring) X(engine) X(call) X(kernel) X(kernels) X(method) X(tape) \
    X(ring_kernel) X(shared_nan)

static int
traverse(PyObject *self, visitproc visit, void *arg)
{
    Module *module = state_of(self);
#define VISIT(name) Py_VISIT(module->name);
    CYCLIC(VISIT)
#undef VISIT
    for (int n = 0; n < FUNCTIONS; n++)
        Py_VISIT(module->functions[n]);
    return 0;
}

/* Objects of the module may live on: their methods call the Python code from now on, or raise. */
static int
clear(PyObject *self)
{
    Module *module = state_of(self);
    module->on = 0;
#define CLEAR(name) Py_CLEAR(module->name);
    CYCLIC(CLEAR)
    for (int n = 0; n < FUNCTIONS; n++)
        Py_CLEAR(module->functions[n]);
    return 0;
}

static void
free_module(void *self)
{
    Module *module = state_of(self);
    (void)clear(self);
    call_free_spares(module);
    CLEAR(empty_tuple)
#define CLEAR_NAME(name) Py_CLEAR(module->name_##name);
    NAMES(CLEAR_NAME)
#undef CLEAR_NAME
#undef CLEAR
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    /* A free-threaded build takes its lock back when it imports this: rings, counts of calls and the spare
       calls are read and written without one of their own. */
    {Py_mod_gil, Py_MOD_GIL_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pydotcompute.accel._fastpath",
    .m_doc = "The hot operations of a native kernel, in C; see kernels/accelerate.py.",
    .m_size = sizeof(Module),
    .m_methods = module_methods,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = free_module,
};

PyMODINIT_FUNC
PyInit__fastpath(void)
{
    return PyModuleDef_Init(&definition);
}
