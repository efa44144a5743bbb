/* Messages whose fields are scalars, as records.  Input: a message or the bytes of a record.
   Output: the other.

   The rules are those of `codec_pack`/`codec_unpack`; a value that needs more than a cheap
   conversion is FALLBACK, and the Python codec decides about it. */

#include "_fastpath.h"

#include <math.h>

static int
signed_range(char code, long long *low, long long *high)
{
    switch (code) {
    case 'b': *low = INT8_MIN; *high = INT8_MAX; return 1;
    case 'h': *low = INT16_MIN; *high = INT16_MAX; return 1;
    case 'i': *low = INT32_MIN; *high = INT32_MAX; return 1;
    case 'q': *low = INT64_MIN; *high = INT64_MAX; return 1;
    case 'B': *low = 0; *high = UINT8_MAX; return 1;
    case 'H': *low = 0; *high = UINT16_MAX; return 1;
    case 'I': *low = 0; *high = UINT32_MAX; return 1;
    default: return 0;
    }
}

/* Little-endian and two's complement, as all machines this is built for. */
static enum outcome
pack_integer(const Field *field, PyObject *value, char *to)
{
    int overflow;
    long long number, low, high;
    if (!signed_range(field->code, &low, &high)) {  /* 'Q' */
        unsigned long long wide = PyLong_AsUnsignedLongLong(value);
        if (wide == (unsigned long long)-1 && PyErr_Occurred()) {
            PyErr_Clear();
            return FALLBACK;
        }
        memcpy(to, &wide, sizeof(wide));
        return YES;
    }
    number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow || number < low || number > high)
        return FALLBACK;
    memcpy(to, &number, field->bytes);
    return YES;
}

static enum outcome
pack_float(const Field *field, double number, char *to)
{
    float narrow;
    switch (field->code) {
    case 'd':
        memcpy(to, &number, sizeof(number));
        return YES;
    case 'f':
        narrow = (float)number;
        if (isinf(narrow) && !isinf(number))
            return FALLBACK;
        memcpy(to, &narrow, sizeof(narrow));
        return YES;
    default:  /* 'e': rounding to half a float is the codec's */
        return FALLBACK;
    }
}

static enum outcome
pack_number(const Field *field, PyObject *value, char *to)
{
    if (field->code == 'd' || field->code == 'f' || field->code == 'e') {
        double number;
        if (PyFloat_CheckExact(value))
            return pack_float(field, PyFloat_AS_DOUBLE(value), to);
        if (!PyLong_CheckExact(value))
            return FALLBACK;
        number = PyLong_AsDouble(value);
        if (number == -1.0 && PyErr_Occurred()) {
            PyErr_Clear();
            return FALLBACK;
        }
        return pack_float(field, number, to);
    }
    if (field->code == '?') {
        if (value != Py_True && value != Py_False)
            return FALLBACK;
        *to = value == Py_True;
        return YES;
    }
    return PyLong_CheckExact(value) ? pack_integer(field, value, to) : FALLBACK;
}

static enum outcome
pack_value(const Field *field, PyObject *value, char *to)
{
    uint32_t index;
    uint64_t id;
    PyObject *known;
    if (field->code == 's') {
        if (!PyUnicode_CheckExact(value))
            return FALLBACK;
        known = PyDict_GetItemWithError(field->first, value);
        if (known == NULL) {
            PyErr_Clear();
            return FALLBACK;  /* a new string: the table is the codec's to fill */
        }
        id = PyLong_AsUnsignedLongLong(known);
        memcpy(to, &id, sizeof(id));
        return YES;
    }
    if (field->code == 'm') {
        for (index = 0; index < (uint32_t)PyTuple_GET_SIZE(field->first); index++)
            if (PyTuple_GET_ITEM(field->first, index) == value) {
                memcpy(to, &index, sizeof(index));
                return YES;
            }
        return FALLBACK;
    }
    /* np.float64 is what a `float` field's `scalar` is, too */
    if (field->scalar != NULL && Py_IS_TYPE(value, field->scalar)) {
        memcpy(to, scalar_value(value), field->bytes);
        return YES;
    }
    return pack_number(field, value, to);
}

/* The value of a field: a new reference; or NULL, and the outcome says why. */
static PyObject *
read_field(const Field *field, PyObject *message, enum outcome *outcome)
{
    PyObject *value;
    if (field->member) {
        value = member(message, field->member);
        if (value == NULL)
            *outcome = FALLBACK;
        return Py_XNewRef(value);
    }
    value = PyObject_GetAttr(message, field->name);
    if (value == NULL) {
        *outcome = PyErr_ExceptionMatches(PyExc_Exception) ? FALLBACK : FAILED;
        if (*outcome == FALLBACK)
            PyErr_Clear();
    }
    return value;
}

enum outcome
layout_pack(const Layout *layout, PyObject *message, char *record)
{
    /* All values first: reading an attribute may run any code, which may free the strings whose ids
       have been looked up.  Looking them up runs none. */
    PyObject *values[MOST_FIELDS];
    enum outcome outcome = YES;
    Py_ssize_t count = 0;
    memset(record, 0, layout->size);
    for (; outcome == YES && count < layout->count; count++) {
        values[count] = read_field(&layout->fields[count], message, &outcome);
        if (values[count] == NULL)
            break;
    }
    for (Py_ssize_t n = 0; outcome == YES && n < count; n++)
        outcome = pack_value(&layout->fields[n], values[n], record + layout->fields[n].offset);
    while (count > 0)
        Py_DECREF(values[--count]);
    return outcome;
}

static PyObject *
unpack_float(const Module *module, double value)
{
    PyObject *number = PyFloat_FromDouble(value), *shared;
    if (number == NULL || value == value || module->shared_nan == NULL)
        return number;
    shared = PyObject_CallOneArg(module->shared_nan, number);
    Py_DECREF(number);
    return shared;
}

static PyObject *
unpack_number(const Module *module, char code, const char *from)
{
    int8_t i1; int16_t i2; int32_t i4; int64_t i8;
    uint8_t u1; uint16_t u2; uint32_t u4; uint64_t u8;
    double f8;
#define READ(variable) memcpy(&variable, from, sizeof(variable))
    switch (code) {
    case '?': return PyBool_FromLong(*from != 0);
    case 'b': READ(i1); return PyLong_FromLong(i1);
    case 'h': READ(i2); return PyLong_FromLong(i2);
    case 'i': READ(i4); return PyLong_FromLong(i4);
    case 'q': READ(i8); return PyLong_FromLongLong(i8);
    case 'B': READ(u1); return PyLong_FromUnsignedLong(u1);
    case 'H': READ(u2); return PyLong_FromUnsignedLong(u2);
    case 'I': READ(u4); return PyLong_FromUnsignedLong(u4);
    case 'Q': READ(u8); return PyLong_FromUnsignedLongLong(u8);
    default:
        READ(f8);
        return unpack_float(module, f8);
    }
#undef READ
}

static PyObject *
unpack_value(const Module *module, const Field *field, const char *from)
{
    uint32_t index;
    PyObject *value;
    memcpy(&index, from, field->bytes < 4 ? (size_t)field->bytes : sizeof(index));
    if (field->code == 's') {
        /* the lower half of an id: the slot of the text, None if it has none */
        if ((Py_ssize_t)index < PyList_GET_SIZE(field->second)
            && PyList_GET_ITEM(field->second, index) != Py_None)
            return Py_NewRef(PyList_GET_ITEM(field->second, index));
    }
    else if (field->code == 'm') {
        if ((Py_ssize_t)index < PyTuple_GET_SIZE(field->first))
            return Py_NewRef(PyTuple_GET_ITEM(field->first, index));
    }
    else if (field->scalar == NULL || field->first == Py_None)  /* None: a plain float */
        return unpack_number(module, field->code, from);
    else if (field->code == '?')
        return Py_NewRef(*from ? field->second : field->first);
    else {
        value = field->scalar->tp_alloc(field->scalar, 0);
        if (value != NULL)
            memcpy(scalar_value(value), from, field->bytes);
        return value;
    }
    PyErr_SetString(PyExc_IndexError, "a record of compiled code holds an index out of range");
    return NULL;
}

PyObject *
layout_unpack(const Layout *layout, const char *record)
{
    PyObject *values[MOST_FIELDS], *message = NULL;
    Py_ssize_t made = 0, used = 0;
    /* all values first: a message that lacks some of them must not come to its __del__ */
    for (; made < layout->count; made++) {
        const Field *field = &layout->fields[made];
        values[made] = unpack_value(layout->module, field, record + field->offset);
        if (values[made] == NULL)
            goto done;
    }
    /* what object.__new__ does; it also makes the instance's dictionary cheap on 3.11 */
    message = PyBaseObject_Type.tp_new(layout->cls, layout->module->empty_tuple, NULL);
    if (message == NULL)
        goto done;
    for (; used < made; used++) {
        const Field *field = &layout->fields[used];
        if (field->member)
            Py_XSETREF(*(PyObject **)((char *)message + field->member), values[used]);
        else {
            int bad = PyObject_GenericSetAttr(message, field->name, values[used]);
            Py_DECREF(values[used]);
            if (bad) {
                used++;
                Py_CLEAR(message);
                break;
            }
        }
    }
done:
    for (; used < made; used++)
        Py_DECREF(values[used]);
    return message;
}

/* all_known(ids, current): whether each of `ids` (64 bits, one axis, any stride) stands in `current`
   (64 bits) at the place that its lower half says. */
PyObject *
all_known(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    Py_buffer ids, current;
    int known = 1;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "all_known takes two buffers");
        return NULL;
    }
    if (PyObject_GetBuffer(args[0], &ids, PyBUF_STRIDED_RO))
        return NULL;
    if (PyObject_GetBuffer(args[1], &current, PyBUF_SIMPLE)) {
        PyBuffer_Release(&ids);
        return NULL;
    }
    if (ids.ndim == 1 && ids.itemsize == 8) {
        const uint64_t slots = (uint64_t)current.len / 8;
        const char *at = ids.buf;
        for (Py_ssize_t n = 0; known && n < ids.shape[0]; n++, at += ids.strides[0]) {
            uint64_t id, found;
            memcpy(&id, at, 8);
            if ((uint32_t)id < slots)
                memcpy(&found, (const char *)current.buf + 8 * (size_t)(uint32_t)id, 8);
            else
                found = ~id;
            known = found == id;
        }
    }
    else {
        known = -1;
        PyErr_SetString(PyExc_ValueError, "ids have 64 bits and one axis");
    }
    PyBuffer_Release(&current);
    PyBuffer_Release(&ids);
    return known < 0 ? NULL : PyBool_FromLong(known);
}
