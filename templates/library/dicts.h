/* dicts.h: dicts of bounded size, as parts of the state. */

/* A dict in the order of insertion: entries, and an index of them by hash (0: free, else 1 + entry;
   entries that were deleted stay until the next rebuild). */
template <class K, class V> struct pdc_entry {
    K key;
    V value;
    u32 present;
};

template <class K, class V, u32 N> struct pdc_dict {
    u32 used;
    u32 live;
    u32 indexed;
    u32 unused;
    pdc_entry<K, V> entries[N];
    u16 index[2 * N];
};

template <class K> PDC_FN u32 pdc_hash(K key) {
    u64 h = (u64)key * 0x9e3779b97f4a7c15ULL;
    return (u32)(h >> 32);
}

PDC_FN u32 pdc_hash(f64 key) { return pdc_hash(pdc_bits_f64(key == 0.0 ? 0.0 : key)); }

/* The index of the first ``count`` entries, made anew; nothing is noted. */
template <class K, class V, u32 N> PDC_FN void pdc_index_entries(pdc_dict<K, V, N> &d, u32 count) {
    pdc_memset(d.index, 0, sizeof(d.index));
    for (u32 n = 0; n < count; ++n) {
        u32 at = pdc_hash(d.entries[n].key) & (2 * N - 1);
        while (d.index[at] != 0) at = (at + 1) & (2 * N - 1);
        d.index[at] = (u16)(n + 1);
    }
}

/* In the midst of a turn: leaves deleted entries out and makes the index anew. */
template <class K, class V, u32 N> PDC_SLOW void pdc_rebuild(pdc_context *t, pdc_dict<K, V, N> &d) {
    u32 to = 0;
    for (u32 from = 0; from < d.used; ++from) {
        if (!d.entries[from].present) continue;
        if (from != to) pdc_put(t, d.entries[to], d.entries[from]);
        ++to;
    }
    pdc_note(t, (void *)d.index, sizeof(d.index));
    if (t->error.code != 0) return;
    pdc_index_entries(d, to);
    pdc_put(t, d.used, to);
    pdc_put(t, d.indexed, 1u);
}

/* Between turns, where nothing needs to be noted and no loop goes through the entries: the same,
   before deleted entries outnumber the others and slow the loops down. */
template <class K, class V, u32 N> PDC_SLOW void pdc_compact(pdc_dict<K, V, N> &d) {
    u32 to = 0;
    for (u32 from = 0; from < d.used; ++from)
        if (d.entries[from].present) d.entries[to++] = d.entries[from];
    pdc_index_entries(d, to);
    d.used = to;
    d.indexed = 1;
}

template <class K, class V, u32 N> PDC_FN void pdc_tidy(pdc_dict<K, V, N> &d) {
    if (PDC_UNLIKELY(!d.indexed || d.used > 2 * d.live + 16)) pdc_compact(d);
}

template <class T> PDC_FN void pdc_tidy(T &) {}

/* The entry of a key, or N; *at is where the index has or would have it. */
template <class K, class V, u32 N>
PDC_FN u32 pdc_find(const pdc_dict<K, V, N> &d, pdc_same<K> key, u32 *at) {
    if (PDC_UNLIKELY(!d.indexed)) {
        for (u32 n = 0; n < d.used; ++n)
            if (d.entries[n].present && d.entries[n].key == key) return n;
        return N;
    }
    u32 place = pdc_hash(key) & (2 * N - 1);
    for (; d.index[place] != 0; place = (place + 1) & (2 * N - 1)) {
        const u32 n = d.index[place] - 1u;
        if (d.entries[n].present && d.entries[n].key == key) {
            *at = place;
            return n;
        }
    }
    *at = place;
    return N;
}

template <class K, class V, u32 N> PDC_FN i64 pdc_len(const pdc_dict<K, V, N> &d) { return d.live; }

template <class K, class V, u32 N> PDC_FN bool pdc_contains(const pdc_dict<K, V, N> &d, pdc_same<K> key) {
    u32 at = 0;
    return pdc_find(d, key, &at) != N;
}

template <class K, class V, u32 N>
PDC_FN V pdc_get(pdc_error *e, const pdc_dict<K, V, N> &d, pdc_same<K> key) {
    u32 at = 0;
    const u32 n = pdc_find(d, key, &at);
    if (PDC_UNLIKELY(n == N)) {
        pdc_raise(e, PDC_KEY_ERROR);
        return V{};
    }
    return d.entries[n].value;
}

template <class K, class V, u32 N> PDC_FN V pdc_value_or(const pdc_dict<K, V, N> &d, pdc_same<K> key) {
    u32 at = 0;
    const u32 n = pdc_find(d, key, &at);
    return n == N ? V{} : d.entries[n].value;
}

template <class K, class V, u32 N>
PDC_FN void pdc_set(pdc_context *t, pdc_dict<K, V, N> &d, pdc_same<K> key, pdc_same<V> value) {
    u32 at = 0;
    if (PDC_UNLIKELY(!(key == key))) { /* a NaN is found by identity */
        pdc_raise(&t->error, PDC_DEOPT_NAN);
        return;
    }
    if (PDC_UNLIKELY(!d.indexed || d.used == N)) pdc_rebuild(t, d);
    if (t->error.code != 0) return;
    const u32 n = pdc_find(d, key, &at);
    if (n != N) {
        pdc_put(t, d.entries[n].value, value);
        return;
    }
    if (PDC_UNLIKELY(d.used == N)) {
        pdc_raise(&t->error, PDC_DEOPT_CAPACITY);
        return;
    }
    pdc_entry<K, V> entry = {key, value, 1};
    pdc_put(t, d.entries[d.used], entry);
    pdc_put(t, d.index[at], (u16)(d.used + 1));
    pdc_put(t, d.used, d.used + 1);
    pdc_put(t, d.live, d.live + 1);
}

template <class K, class V, u32 N> PDC_FN V pdc_take(pdc_context *t, pdc_dict<K, V, N> &d, pdc_same<K> key) {
    u32 at = 0;
    const u32 n = pdc_find(d, key, &at);
    if (PDC_UNLIKELY(n == N)) {
        pdc_raise(&t->error, PDC_KEY_ERROR);
        return V{};
    }
    pdc_put(t, d.entries[n].present, 0u);
    pdc_put(t, d.live, d.live - 1);
    return d.entries[n].value;
}

/* The value of a key, which is inserted with this one if it is missing. */
template <class K, class V, u32 N>
PDC_FN V pdc_obtain(pdc_context *t, pdc_dict<K, V, N> &d, pdc_same<K> key, pdc_same<V> value) {
    u32 at = 0;
    const u32 n = pdc_find(d, key, &at);
    if (n != N) return d.entries[n].value;
    pdc_set(t, d, key, value);
    return value;
}

/* --- a set is a dict without values --- */

template <class K, class V, u32 N>
PDC_FN void pdc_include(pdc_context *t, pdc_dict<K, V, N> &d, pdc_same<K> key) {
    pdc_obtain(t, d, key, V{});
}

template <class K, class V, u32 N>
PDC_FN void pdc_discard(pdc_context *t, pdc_dict<K, V, N> &d, pdc_same<K> key) {
    if (pdc_contains(d, key)) pdc_take(t, d, key);
}

template <class K, class V, u32 N> PDC_FN void pdc_clear(pdc_context *t, pdc_dict<K, V, N> &d) {
    pdc_put(t, d.used, 0u);
    pdc_put(t, d.live, 0u);
    pdc_put(t, d.indexed, 0u);
}

template <class K, class V, u32 N>
PDC_FN void pdc_exchange(pdc_context *t, pdc_dict<K, V, N> &a, pdc_dict<K, V, N> &b) {
    const u32 used = pdc_more(a.used, b.used);
    pdc_exchange_places(t, a.entries, b.entries, used * (u64)sizeof(pdc_entry<K, V>));
    if (a.indexed | b.indexed) pdc_exchange_places(t, a.index, b.index, sizeof(a.index));
    pdc_exchange_places(t, &a, &b, 4 * sizeof(u32));
}

template <class K, class V, u32 N> PDC_FN i64 pdc_slots(const pdc_dict<K, V, N> &d) { return d.used; }
/* The place of the newest entry. */
template <class K, class V, u32 N> PDC_FN i64 pdc_last(pdc_error *e, const pdc_dict<K, V, N> &d) {
    if (PDC_UNLIKELY(d.live == 0)) {
        pdc_raise(e, PDC_KEY_ERROR);
        return 0;
    }
    i64 n = d.used - 1;
    while (!d.entries[n].present) --n;
    return n;
}
template <class K, class V, u32 N> PDC_FN bool pdc_present(const pdc_dict<K, V, N> &d, i64 n) {
    return d.entries[n].present != 0;
}
template <class K, class V, u32 N> PDC_FN K pdc_key(const pdc_dict<K, V, N> &d, i64 n) {
    return d.entries[n].key;
}
template <class K, class V, u32 N> PDC_FN V pdc_value(const pdc_dict<K, V, N> &d, i64 n) {
    return d.entries[n].value;
}

/* --- for the host to show: the items that a container has now -------------------------------- */

template <class K, class V> struct pdc_shown {
    K key;
    V value;
};

template <class K, class V, u32 N> PDC_SLOW u64 pdc_log_items(pdc_context *t, const pdc_dict<K, V, N> &d) {
    typedef pdc_shown<K, V> Shown;
    Shown *const room = pdc_log_room<Shown>(t, d.live);
    if (room == 0) return 0;
    u32 count = 0;
    for (u32 n = 0; n < d.used; ++n) {
        if (!d.entries[n].present) continue;
        room[count].key = d.entries[n].key;
        room[count].value = d.entries[n].value;
        ++count;
    }
    return pdc_log_end(t, room);
}
