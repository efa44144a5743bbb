/* journal.h: what a turn changes in place, in containers of the state, is noted here, and undone if
   the turn is rolled back. */

/* Notes the bytes of a place in the state before they change; places elsewhere are no state. */
PDC_SLOW void pdc_note(pdc_context *t, void *place, u32 size) {
    u64 *const journal = (u64 *)t->actor->heap;
    const u64 need = 16 + ((size + 7) & ~7u);
    if (t->journal_used + need > journal[0]) {
        pdc_raise(&t->error, PDC_DEOPT_CAPACITY);
        return;
    }
    u8 *const entry = (u8 *)(journal + 1) + t->journal_used;
    pdc_memcpy(entry, place, size);
    ((u64 *)(entry + need - 16))[0] = (u64)place;
    ((u64 *)(entry + need - 16))[1] = size;
    t->journal_used += need;
}

/* An entry of this size is an exchange of two places, which is undone by another: in it are the
   address of the second place and the size of each. */
#define PDC_EXCHANGE (~0ull)

PDC_SLOW void pdc_exchange_bytes(void *one, void *other, u64 size) {
    u8 *const x = (u8 *)one, *const y = (u8 *)other;
    u64 word, n = 0;
    for (; n + 8 <= size; n += 8) {
        pdc_memcpy(&word, x + n, 8);
        pdc_memcpy(x + n, y + n, 8);
        pdc_memcpy(y + n, &word, 8);
    }
    for (; n < size; ++n) {
        const u8 byte = x[n];
        x[n] = y[n];
        y[n] = byte;
    }
}

/* Two places of the state change their bytes. */
PDC_SLOW void pdc_exchange_places(pdc_context *t, void *one, void *other, u64 size) {
    if (size == 0 || t->error.code != 0) return;
    u64 *const journal = (u64 *)t->actor->heap;
    if (t->journal_used + 32 > journal[0]) {
        pdc_raise(&t->error, PDC_DEOPT_CAPACITY);
        return;
    }
    u64 *const entry = (u64 *)((u8 *)(journal + 1) + t->journal_used);
    entry[0] = (u64)other;
    entry[1] = size;
    entry[2] = (u64)one;
    entry[3] = PDC_EXCHANGE;
    t->journal_used += 32;
    pdc_exchange_bytes(one, other, size);
}

template <class T> PDC_FN u32 pdc_more(const T &a, const T &b) { return a > b ? a : b; }

PDC_SLOW void pdc_undo(pdc_context *t) {
    u8 *const entries = (u8 *)((u64 *)t->actor->heap + 1);
    while (t->journal_used != 0) {
        const u64 *const tail = (const u64 *)(entries + t->journal_used - 16);
        const u64 size = tail[1];
        if (size == PDC_EXCHANGE) {
            t->journal_used -= 32;
            pdc_exchange_bytes((void *)tail[0], (void *)tail[-2], tail[-1]);
            continue;
        }
        t->journal_used -= 16 + ((size + 7) & ~7ull);
        pdc_memcpy((void *)tail[0], entries + t->journal_used, size);
    }
}

/* Places elsewhere, in lists that live in the turn, need no note. */
PDC_FN bool pdc_is_state(const pdc_context *t, const void *place) {
    return (u64)((const u8 *)place - (const u8 *)t->actor->state) < t->state_size;
}

/* place = value, noted if the place is state. */
template <class T, class V> PDC_FN void pdc_put(pdc_context *t, T &place, const V &value) {
    if (pdc_is_state(t, &place)) pdc_note(t, (void *)&place, sizeof(T));
    place = (T)value;
}

/* T where it is not to be deduced: a literal 0 goes into a list of i64. */
template <class T> struct pdc_named { typedef T type; };
template <class T> using pdc_same = typename pdc_named<T>::type;

/* An index as Python counts, from the end if negative; out of range raises. */
PDC_FN i64 pdc_index(pdc_error *e, i64 index, i64 size, i32 code) {
    const i64 at = index < 0 ? index + size : index;
    if (PDC_UNLIKELY((u64)at >= (u64)size)) {
        pdc_raise(e, code);
        return 0;
    }
    return at;
}
