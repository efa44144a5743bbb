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

/* Put an int into a slot; takes the reference. */
static void
set_number(const Module *module, PyObject *port, enum port_slot slot, PyObject *number)
{
    Py_XSETREF(*place(module, port, slot), number);
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

/* Append an accepted message, the one numbered `head`.  What can fail is done before that. */
static enum outcome
append(const Module *module, PyObject *port, PyObject *items, PyObject *message,
       unsigned long long head)
{
    PyObject **time = place(module, port, PORT_SAMPLE_TIME), *now = NULL, *at = NULL, *next, *done;
    unsigned long long sample_at;
    if (number(module, port, PORT_SAMPLE_AT, &sample_at) || *time == NULL)
        return FALLBACK;
    next = PyLong_FromUnsignedLongLong(head + 1);
    if (next == NULL)
        return FAILED;
    if (head >= sample_at && PyFloat_CheckExact(*time) && PyFloat_AS_DOUBLE(*time) == 0.0
        && ((now = PyObject_CallNoArgs(module->clock)) == NULL
            || (at = PyLong_FromUnsignedLongLong(head)) == NULL))
        goto failed;
    done = PyObject_CallMethodOneArg(items, module->name_append, message);
    if (done == NULL)
        goto failed;
    Py_DECREF(done);
    set_number(module, port, PORT_HEAD, next);
    if (now != NULL) {
        Py_XSETREF(*place(module, port, PORT_SAMPLE_TIME), now);
        set_number(module, port, PORT_SAMPLE_AT, at);
    }
    return YES;
failed:
    Py_DECREF(next);
    Py_XDECREF(now);
    return FAILED;
}

static enum outcome
object_put(const Module *module, PyObject *port, PyObject *message)
{
    PyObject *items, *copy, *done, *wake;
    unsigned long long bound, head;
    enum outcome outcome = FALLBACK;
    int wake_suppressed;
    if (number(module, port, PORT_BOUND, &bound))
        goto unusual;
    copy = accepted(module, port, message);
    if (copy == NULL) {
        if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_Exception))
            return FAILED;
        goto unusual;
    }
    items = Py_XNewRef(*place(module, port, PORT_ITEMS));
    /* copying may have run any code: what counts is how things are now */
    if (items != NULL && *place(module, port, PORT_WAKE_SUPPRESSED) != NULL
        && *place(module, port, PORT_WAKE) != NULL && !number(module, port, PORT_HEAD, &head)
        && (unsigned long long)PyObject_Size(items) < bound)
        outcome = append(module, port, items, copy, head);
    Py_XDECREF(items);
    Py_DECREF(copy);
    if (outcome == FALLBACK)
        goto unusual;
    if (outcome == FAILED)
        return FAILED;
    wake_suppressed = PyObject_IsTrue(*place(module, port, PORT_WAKE_SUPPRESSED));
    if (wake_suppressed)
        return wake_suppressed < 0 ? FAILED : YES;
    wake = Py_NewRef(*place(module, port, PORT_WAKE));
    done = PyObject_CallNoArgs(wake);
    Py_DECREF(wake);
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
    PyObject *items = *place(module, port, PORT_ITEMS), *next, *most, *message = NULL;
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
    next = PyLong_FromUnsignedLongLong(tail + 1);
    most = (unsigned long long)held > peak ? PyLong_FromSsize_t(held) : NULL;
    if (next != NULL && (most != NULL || (unsigned long long)held <= peak))
        message = PyObject_CallMethodNoArgs(items, module->name_popleft);
    if (message == NULL) {
        Py_XDECREF(next);
        Py_XDECREF(most);
        return NULL;
    }
    set_number(module, port, PORT_TAIL, next);
    if (most != NULL)
        set_number(module, port, PORT_PEAK, most);
    return message;
}
