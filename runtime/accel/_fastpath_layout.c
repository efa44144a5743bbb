/* Messages whose fields are scalars, as records.  Input: a message or the bytes of a record.
   Output: the other.

   The rules are those of `codec_pack`/`codec_unpack`; a value that needs more than a cheap
   conversion is UNUSUAL, and the Python codec decides about it. */

#include "_fastpath.h"

#include <math.h>

static PyObject *empty_tuple;

/* numpy's scalars keep their value right behind the object header; `layout_new` makes sure. */
static inline char *
scalar_value(PyObject *scalar)
{
    return (char *)scalar + sizeof(PyObject);
}

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
            return UNUSUAL;
        }
        memcpy(to, &wide, sizeof(wide));
        return YES;
    }
    number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow || number < low || number > high)
        return UNUSUAL;
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
            return UNUSUAL;
        memcpy(to, &narrow, sizeof(narrow));
        return YES;
    default:  /* 'e': rounding to half a float is the codec's */
        return UNUSUAL;
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
            return UNUSUAL;
        number = PyLong_AsDouble(value);
        if (number == -1.0 && PyErr_Occurred()) {
            PyErr_Clear();
            return UNUSUAL;
        }
        return pack_float(field, number, to);
    }
    if (field->code == '?') {
        if (value != Py_True && value != Py_False)
            return UNUSUAL;
        *to = value == Py_True;
        return YES;
    }
    return PyLong_CheckExact(value) ? pack_integer(field, value, to) : UNUSUAL;
}

static enum outcome
pack_value(const Field *field, PyObject *value, char *to)
{
    uint32_t index;
    uint64_t id;
    PyObject *known;
    if (field->code == 's') {
        if (!PyUnicode_CheckExact(value))
            return UNUSUAL;
        known = PyDict_GetItemWithError(field->first, value);
        if (known == NULL) {
            PyErr_Clear();
            return UNUSUAL;  /* a new string: the table is the codec's to fill */
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
        return UNUSUAL;
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
            *outcome = UNUSUAL;
        return Py_XNewRef(value);
    }
    value = PyObject_GetAttr(message, field->name);
    if (value == NULL) {
        *outcome = PyErr_ExceptionMatches(PyExc_Exception) ? UNUSUAL : FAILED;
        if (*outcome == UNUSUAL)
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

/* compiler/types/shared_nan.py: the one object for all NaNs with the same bits. */
static PyObject *shared_nan;

int
share_nan(void)
{
    PyObject *module = PyImport_ImportModule("pydotcompute.compiler.types.shared_nan");
    if (module == NULL)
        return -1;
    Py_XSETREF(shared_nan, PyObject_GetAttrString(module, "shared_nan"));
    Py_DECREF(module);
    return shared_nan == NULL ? -1 : 0;
}

static PyObject *
unpack_float(double value)
{
    PyObject *number = PyFloat_FromDouble(value), *shared;
    if (number == NULL || value == value)
        return number;
    shared = PyObject_CallOneArg(shared_nan, number);
    Py_DECREF(number);
    return shared;
}

static PyObject *
unpack_number(char code, const char *from)
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
        return unpack_float(f8);
    }
#undef READ
}

static PyObject *
unpack_value(const Field *field, const char *from)
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
        return unpack_number(field->code, from);
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
        values[made] = unpack_value(&layout->fields[made], record + layout->fields[made].offset);
        if (values[made] == NULL)
            goto done;
    }
    /* what object.__new__ does; it also makes the instance's dictionary cheap on 3.11 */
    message = PyBaseObject_Type.tp_new(layout->cls, empty_tuple, NULL);
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

static Py_ssize_t
bytes_of(char code)
{
    switch (code) {
    case '?': case 'b': case 'B': return 1;
    case 'h': case 'H': case 'e': return 2;
    case 'i': case 'I': case 'f': case 'm': return 4;
    case 'q': case 'Q': case 'd': case 's': return 8;
    default: return 0;
    }
}

/* The offset of a __slots__ member of this class's instances, else 0. */
static Py_ssize_t
member_offset(PyTypeObject *cls, PyObject *name)
{
    PyObject *found;
    Py_ssize_t offset = 0;
    if (cls->tp_getattro != PyObject_GenericGetAttr)
        return 0;
    found = PyObject_GetAttr((PyObject *)cls, name);
    if (found == NULL) {
        PyErr_Clear();
        return 0;
    }
    if (Py_IS_TYPE(found, &PyMemberDescr_Type)) {
        PyMemberDef *definition = ((PyMemberDescrObject *)found)->d_member;
        if (definition->type == T_OBJECT_EX && !definition->flags
            && PyType_IsSubtype(cls, ((PyDescrObject *)found)->d_type))
            offset = definition->offset;
    }
    Py_DECREF(found);
    return offset;
}

/* Fill a field from (name, offset, code, extra); 0 or -1.  extra is None, or
     's': (ids, texts); 'm': the members;
     numpy's scalars: (a scalar, its bytes, plain): plain is true where unpacking gives a float */
static int
field_from(Field *field, PyObject *description, PyTypeObject *cls, Py_ssize_t size)
{
    PyObject *name, *extra, *probe, *bytes, *first, *second;
    int code, plain;
    if (!PyArg_ParseTuple(description, "UnCO", &name, &field->offset, &code, &extra))
        return -1;
    field->name = Py_NewRef(name);
    PyUnicode_InternInPlace(&field->name);  /* it replaces the reference that it is given */
    field->code = (char)code;
    field->bytes = bytes_of(field->code);
    field->member = member_offset(cls, name);
    if (!field->bytes || field->offset < 0 || field->offset > size - field->bytes) {
        PyErr_Format(PyExc_ValueError, "field %R does not lie in the record", name);
        return -1;
    }
    if (field->code == 'm' && PyTuple_Check(extra)) {
        field->first = Py_NewRef(extra);
        return 0;
    }
    if (field->code == 's') {
        if (!PyArg_ParseTuple(extra, "O!O!", &PyDict_Type, &first, &PyList_Type, &second))
            return -1;
        field->first = Py_NewRef(first);
        field->second = Py_NewRef(second);
        return 0;
    }
    if (extra == Py_None)
        return 0;
    if (!PyArg_ParseTuple(extra, "OSp", &probe, &bytes, &plain))
        return -1;
    if (PyBytes_GET_SIZE(bytes) != field->bytes
        || Py_TYPE(probe)->tp_basicsize < (Py_ssize_t)sizeof(PyObject) + field->bytes
        || memcmp(scalar_value(probe), PyBytes_AS_STRING(bytes), field->bytes)) {
        PyErr_SetString(PyExc_ValueError, "numpy keeps the values of scalars in another place");
        return -1;
    }
    field->scalar = (PyTypeObject *)Py_NewRef(Py_TYPE(probe));
    if (plain)
        field->first = Py_NewRef(Py_None);
    else if (field->code == '?') {
        field->first = PyObject_CallOneArg((PyObject *)field->scalar, Py_False);
        field->second = PyObject_CallOneArg((PyObject *)field->scalar, Py_True);
        return field->first == NULL || field->second == NULL ? -1 : 0;
    }
    return 0;
}

static PyObject *
layout_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    PyTypeObject *cls;
    PyObject *fields;
    Py_ssize_t size;
    Layout *self;
    if (empty_tuple == NULL && (empty_tuple = PyTuple_New(0)) == NULL)
        return NULL;
    if (!PyArg_ParseTuple(args, "O!nO!:Layout", &PyType_Type, &cls, &size, &PyTuple_Type, &fields))
        return NULL;
    if (PyTuple_GET_SIZE(fields) > MOST_FIELDS || size < 1 || size > MOST_BYTES) {
        PyErr_SetString(PyExc_ValueError, "the record is too large");
        return NULL;
    }
    /* layout_unpack makes the messages: no instance is made here to find out whether it can */
    if (cls->tp_new != PyBaseObject_Type.tp_new || PyType_HasFeature(cls, Py_TPFLAGS_IS_ABSTRACT)) {
        PyErr_Format(PyExc_TypeError, "object.__new__ does not make the instances of %R", cls);
        return NULL;
    }
    self = (Layout *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->cls = (PyTypeObject *)Py_NewRef(cls);
    self->size = size;
    for (Py_ssize_t n = 0; n < PyTuple_GET_SIZE(fields); n++) {
        self->count = n + 1;
        if (field_from(&self->fields[n], PyTuple_GET_ITEM(fields, n), cls, size)) {
            Py_DECREF(self);
            return NULL;
        }
    }
    return (PyObject *)self;
}

static int
layout_traverse(PyObject *object, visitproc visit, void *arg)
{
    Layout *self = (Layout *)object;
    Py_VISIT(self->cls);
    for (Py_ssize_t n = 0; n < self->count; n++) {
        Py_VISIT(self->fields[n].scalar);
        Py_VISIT(self->fields[n].first);
        Py_VISIT(self->fields[n].second);
    }
    return 0;
}

static void
layout_dealloc(PyObject *object)
{
    Layout *self = (Layout *)object;
    PyObject_GC_UnTrack(object);
    for (Py_ssize_t n = 0; n < self->count; n++) {
        Py_CLEAR(self->fields[n].name);
        Py_CLEAR(self->fields[n].scalar);
        Py_CLEAR(self->fields[n].first);
        Py_CLEAR(self->fields[n].second);
    }
    Py_CLEAR(self->cls);
    Py_TYPE(object)->tp_free(object);
}

static PyObject *
layout_record(PyObject *object, PyObject *message)
{
    Layout *self = (Layout *)object;
    char record[MOST_BYTES];
    if (!Py_IS_TYPE(message, self->cls))
        Py_RETURN_NONE;
    switch (layout_pack(self, message, record)) {
    case YES: return PyBytes_FromStringAndSize(record, self->size);
    case FAILED: return NULL;
    default: Py_RETURN_NONE;
    }
}

static PyObject *
layout_message(PyObject *object, PyObject *record)
{
    Layout *self = (Layout *)object;
    Py_buffer view;
    PyObject *message = NULL;
    if (PyObject_GetBuffer(record, &view, PyBUF_SIMPLE))
        return NULL;
    if (view.len != self->size)
        PyErr_SetString(PyExc_ValueError, "the record has another size");
    else
        message = layout_unpack(self, view.buf);
    PyBuffer_Release(&view);
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

static PyMethodDef layout_methods[] = {
    {"record", layout_record, METH_O, "The bytes of a message, or None if the codec must do it."},
    {"message", layout_message, METH_O, "The message of the bytes of a record."},
    {NULL},
};

PyTypeObject LayoutType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "pydotcompute.accel._fastpath.Layout",
    .tp_doc = "Where the scalar fields of a message class lie in its record.",
    .tp_basicsize = sizeof(Layout),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = layout_new,
    .tp_dealloc = layout_dealloc,
    .tp_traverse = layout_traverse,
    .tp_free = PyObject_GC_Del,
    .tp_methods = layout_methods,
};
