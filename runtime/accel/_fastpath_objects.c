/* The queues of an interpreted actor: try_put and try_get of port.ObjectPort.

   Its attributes stay Python objects in __slots__; what this saves is the interpreting. */

#include "_fastpath.h"

static PyObject **
place(const Module *module, PyObject *port, enum port_slot slot)
{
    return (PyObject **)((char *)port + module->objects[slot]);
}

/* The value of a slot that holds an int: 0, or -1 with or without an error. */
static int
number(const Module *module, PyObject *port, enum port_slot slot, unsigned long long *value)
{
    PyObject *held = *place(module, port, slot);
    if (held == NULL || !PyLong_CheckExact(held))
        return -1;
    *value = PyLong_AsUnsignedLongLong(held);
    return *value == (unsigned long long)-1 && PyErr_Occurred() ? -1 : 0;
}

static int
set_number(const Module *module, PyObject *port, enum port_slot slot, unsigned long long value)
{
    PyObject *fresh = PyLong_FromUnsignedLongLong(value);
    if (fresh == NULL)
        return -1;
    Py_XSETREF(*place(module, port, slot), fresh);
    return 0;
}

/* The copy of a message that values.accept would give; NULL with or without an error. */
static PyObject *
accepted(const Module *module, PyObject *port, PyObject *message)
{
    PyObject *values = *place(module, port, PORT_VALUES), *copiers, *copier, *copy;
    if (values == NULL || !Py_IS_TYPE(values, module->values))
        return NULL;
    copiers = member(values, module->copiers);
    if (copiers == NULL || !PyDict_CheckExact(copiers))
        return NULL;
    Py_INCREF(copiers);  /* the __eq__ of a metaclass may run any code */
    copier = PyDict_GetItemWithError(copiers, (PyObject *)Py_TYPE(message));
    Py_XINCREF(copier);
    Py_DECREF(copiers);
    if (copier == NULL)
        return NULL;
    copy = PyObject_CallOneArg(copier, message);
    Py_DECREF(copier);
    return copy;
}

/* Note when the message numbered `head` was put, if it is one that is timed. */
static int
sample(const Module *module, PyObject *port, unsigned long long head)
{
    PyObject **time = place(module, port, PORT_SAMPLE_TIME), *now;
    unsigned long long at;
    if (number(module, port, PORT_SAMPLE_AT, &at))
        return -1;
    if (head < at || *time == NULL || !PyFloat_CheckExact(*time) || PyFloat_AS_DOUBLE(*time) != 0.0)
        return 0;
    now = PyObject_CallNoArgs(module->clock);
    if (now == NULL)
        return -1;
    Py_SETREF(*time, now);
    return set_number(module, port, PORT_SAMPLE_AT, head);
}

static enum outcome
object_put(const Module *module, PyObject *port, PyObject *message)
{
    PyObject *items, *copy, *done;
    unsigned long long bound, head;
    int armed;
    if (number(module, port, PORT_BOUND, &bound) || number(module, port, PORT_HEAD, &head)
        || *place(module, port, PORT_SAMPLE_TIME) == NULL || *place(module, port, PORT_ARMED) == NULL
        || *place(module, port, PORT_WAKE) == NULL)
        goto unusual;
    copy = accepted(module, port, message);
    if (copy == NULL) {
        if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_Exception))
            return FAILED;
        goto unusual;
    }
    items = *place(module, port, PORT_ITEMS);
    /* copying may have run any code: what counts is how things are now */
    if (items == NULL || number(module, port, PORT_HEAD, &head)
        || (unsigned long long)PyObject_Size(items) >= bound || sample(module, port, head)) {
        Py_DECREF(copy);
        goto unusual;
    }
    Py_INCREF(items);
    done = PyObject_CallMethodOneArg(items, module->name_append, copy);
    Py_DECREF(items);
    Py_DECREF(copy);
    if (done == NULL)
        return FAILED;
    Py_DECREF(done);
    armed = PyObject_IsTrue(*place(module, port, PORT_ARMED));
    if (set_number(module, port, PORT_HEAD, head + 1) || armed < 0)
        return FAILED;
    if (armed)
        return YES;
    done = PyObject_CallNoArgs(*place(module, port, PORT_WAKE));
    Py_XDECREF(done);
    return done == NULL ? FAILED : YES;
unusual:
    PyErr_Clear();
    return FALLBACK;
}

PyObject *
object_try_put(const Module *module, PyObject *port, PyObject *message)
{
    switch (object_put(module, port, message)) {
    case YES: Py_RETURN_TRUE;
    case FAILED: return NULL;
    default: return PyObject_CallFunctionObjArgs(module->functions[OBJECT_PUT], port, message, NULL);
    }
}

PyObject *
object_try_get(const Module *module, PyObject *port)
{
    PyObject *items = *place(module, port, PORT_ITEMS);
    unsigned long long peak, tail;
    Py_ssize_t held;
    if (items == NULL || number(module, port, PORT_PEAK, &peak) || number(module, port, PORT_TAIL, &tail)) {
        PyErr_Clear();
        return PyObject_CallOneArg(module->functions[OBJECT_GET], port);
    }
    held = PyObject_Size(items);
    if (held < 0)
        return NULL;
    if (held == 0)
        return Py_NewRef(module->empty);
    if ((unsigned long long)held > peak && set_number(module, port, PORT_PEAK, held))
        return NULL;
    if (set_number(module, port, PORT_TAIL, tail + 1))
        return NULL;
    return PyObject_CallMethodNoArgs(items, module->name_popleft);
}
