/* The journal's last segment: memory to which groups of one message are appended.

   `Tape` is the storage of durability/segments.SegmentWriter, which does everything unusual: room,
   files, batches.  The bytes of a group are those of durability/groups.py. */

#include "_fastpath.h"

enum { GROUP = 40, KIND_MESSAGES = 2 };
#define MARK (0x5044ull << 48)

/* CRC-32 as zlib has it, of up to a few dozen bytes: eight at a time. */

void
tape_begin(Module *module)
{
    uint32_t (*table)[256] = module->crc_table;
    for (uint32_t n = 0; n < 256; n++) {
        uint32_t crc = n;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
        table[0][n] = crc;
    }
    for (int row = 1; row < 8; row++)
        for (int n = 0; n < 256; n++)
            table[row][n] = table[row - 1][n] >> 8 ^ table[0][table[row - 1][n] & 255];
}

static uint32_t
crc32_of(const Module *module, const unsigned char *data, size_t size)
{
    const uint32_t (*table)[256] = (const uint32_t (*)[256])module->crc_table;
    uint32_t crc = ~0u;
    for (; size >= 8; size -= 8, data += 8) {
        uint32_t low, high;
        memcpy(&low, data, 4);
        memcpy(&high, data + 4, 4);
        low ^= crc;
        crc = table[7][low & 255] ^ table[6][low >> 8 & 255] ^ table[5][low >> 16 & 255]
            ^ table[4][low >> 24] ^ table[3][high & 255] ^ table[2][high >> 8 & 255]
            ^ table[1][high >> 16 & 255] ^ table[0][high >> 24];
    }
    for (; size; size--, data++)
        crc = crc >> 8 ^ table[0][(crc ^ *data) & 255];
    return ~crc;
}

/* As durability.groups.group_header, of one message of the first class from a client. */
static void
write_header(const Module *module, unsigned char *head, uint64_t word, uint16_t actor,
             const char *record, uint32_t size)
{
    const uint32_t one = 1, crc = crc32_of(module, (const unsigned char *)record, size);
    uint32_t own;
    memset(head, 0, GROUP);
    memcpy(head, &word, 8);
    memcpy(head + 8, &size, 4);
    memcpy(head + 12, &actor, 2);
    head[14] = KIND_MESSAGES;
    memcpy(head + 20, &one, 4);
    memcpy(head + 28, &crc, 4);
    own = crc32_of(module, head, GROUP - 4);
    memcpy(head + GROUP - 4, &own, 4);
}

enum outcome
tape_append(Tape *tape, unsigned long long actor, const char *record, Py_ssize_t size)
{
    unsigned long long padded = ((unsigned long long)size + 7) & ~7ull, length = GROUP + padded;
    unsigned char head[GROUP], *at;
    if (!tape->open || tape->view.buf == NULL || tape->end >= tape->limit || tape->end % 8
        || tape->end + length > (unsigned long long)tape->view.len)
        return FALLBACK;
    write_header(tape->module, head, MARK | tape->sequence, (uint16_t)actor, record,
                 (uint32_t)size);
    at = (unsigned char *)tape->view.buf + tape->end;
    memcpy(at + 8, head + 8, GROUP - 8);
    memcpy(at + GROUP, record, size);
    memset(at + GROUP + size, 0, padded - size);
    __atomic_store_n((uint64_t *)at, MARK | tape->sequence, __ATOMIC_RELEASE);  /* it counts now */
    tape->end += length;
    tape->sequence++;
    return YES;
}

/* Take the last group back: its message was not taken. */
static void
tape_undo(Tape *tape, unsigned long long end)
{
    tape->end = end;
    tape->sequence--;
    memset((char *)tape->view.buf + end, 0, GROUP);
}

enum outcome
ring_put_journaled(Ring *ring, PyObject *message)
{
    char record[MOST_BYTES];
    enum outcome outcome = ring_pack(ring, message, record);
    unsigned long long end, head = ring->head;
    Tape *tape = (Tape *)ring->tape;
    if (outcome != YES)
        return outcome;
    if (tape == NULL || !PyObject_TypeCheck(tape, ring->module->tape) || ring->drop_oldest
        || ring->put_slow_path != ABI_JOURNALED || ring->words.buf == NULL)
        return FALLBACK;
    if (head - ring->cached_remote_cursor >= ring->bound) {
        ring->cached_remote_cursor = acquire(ring, ABI_PORT_WORD_TAIL);
        if (head - ring->cached_remote_cursor >= ring->bound)
            return NO;
    }
    end = tape->end;
    outcome = tape_append(tape, ring->tape_actor, record, ((Layout *)ring->layout)->size);
    if (outcome != YES)
        return outcome;
    Py_INCREF(tape);
    outcome = ring_publish(ring, record, 0);
    if (ring->head == head)
        tape_undo(tape, end);
    Py_DECREF(tape);
    return outcome;
}

/* --- storage ------------------------------------------------------------------------------- */

static PyObject *
get_tape_view(PyObject *tape, void *Py_UNUSED(closure))
{
    return get_view(&((Tape *)tape)->view, "view");
}

static int
set_tape_view(PyObject *tape, PyObject *value, void *Py_UNUSED(closure))
{
    return set_view(&((Tape *)tape)->view, value, 0);
}

static PyGetSetDef tape_getset[] = {
    {"view", get_tape_view, set_tape_view, "The bytes of the segment.", NULL},
    {NULL},
};

#define NUMBER(name) {#name, T_ULONGLONG, offsetof(Tape, name), 0, NULL}
static PyMemberDef tape_members[] = {
    NUMBER(end), NUMBER(limit), NUMBER(sequence),
    {"open", T_BOOL, offsetof(Tape, open), 0, NULL},
    {NULL},
};

static PyObject *
tape_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return object_new(type);
}

static int
tape_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((Tape *)object)->module->self);
    return 0;
}

static void
tape_dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    drop_view(&((Tape *)object)->view);
    object_free(object);
}

static PyType_Slot tape_slots[] = {
    {Py_tp_doc, (void *)"The storage of a SegmentWriter: what is in __slots__ without the extension."},
    {Py_tp_new, tape_new},
    {Py_tp_dealloc, tape_dealloc},
    {Py_tp_traverse, tape_traverse},
    {Py_tp_members, tape_members},
    {Py_tp_getset, tape_getset},
    {0, NULL},
};

PyType_Spec tape_spec = {
    .name = "pydotcompute.accel._fastpath.Tape",
    .basicsize = sizeof(Tape),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE
        | Py_TPFLAGS_BASETYPE,
    .slots = tape_slots,
};
