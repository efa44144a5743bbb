/* Where the scalar fields of a message class lie in its record: the class `Layout`.

   Input: a message class and its fields, from `accel.storage.layout_of`. */

#include "_fastpath.h"

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
    self = (Layout *)object_new(type);
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
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->module->self);
    Py_VISIT(self->cls);
    for (Py_ssize_t n = 0; n < self->count; n++) {
        Py_VISIT(self->fields[n].scalar);
        Py_VISIT(self->fields[n].first);
        Py_VISIT(self->fields[n].second);
    }
    return 0;
}

/* A layout without its class fits no message. */
static int
layout_clear(PyObject *object)
{
    Layout *self = (Layout *)object;
    Py_ssize_t count = self->count;
    self->count = 0;
    Py_CLEAR(self->cls);
    for (Py_ssize_t n = 0; n < count; n++) {
        Py_CLEAR(self->fields[n].name);
        Py_CLEAR(self->fields[n].scalar);
        Py_CLEAR(self->fields[n].first);
        Py_CLEAR(self->fields[n].second);
    }
    return 0;
}

static void
layout_dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    layout_clear(object);
    object_free(object);
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
    if (view.len != self->size || self->cls == NULL)
        PyErr_SetString(PyExc_ValueError, "the record has another size");
    else
        message = layout_unpack(self, view.buf);
    PyBuffer_Release(&view);
    return message;
}

static PyMethodDef layout_methods[] = {
    {"record", layout_record, METH_O, "The bytes of a message, or None if the codec must do it."},
    {"message", layout_message, METH_O, "The message of the bytes of a record."},
    {NULL},
};

static PyType_Slot layout_slots[] = {
    {Py_tp_doc, (void *)"Where the scalar fields of a message class lie in its record."},
    {Py_tp_new, layout_new},
    {Py_tp_dealloc, layout_dealloc},
    {Py_tp_traverse, layout_traverse},
    {Py_tp_clear, layout_clear},
    {Py_tp_methods, layout_methods},
    {0, NULL},
};

PyType_Spec layout_spec = {
    .name = "pydotcompute.accel._fastpath.Layout",
    .basicsize = sizeof(Layout),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = layout_slots,
};
