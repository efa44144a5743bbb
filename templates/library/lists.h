/* lists.h: lists and deques of bounded size, as parts of the state or locals. */

template <class T, class U> PDC_FN void pdc_copy_item(T &to, const U &from) { to = (T)from; }

template <class T, u32 N> struct pdc_list {
    u32 size;
    T items[N];
};

template <class T, u32 N> PDC_FN i64 pdc_len(const pdc_list<T, N> &xs) { return xs.size; }

template <class T, u32 N> PDC_FN T pdc_get(pdc_error *e, const pdc_list<T, N> &xs, i64 index) {
    const i64 at = pdc_index(e, index, xs.size, PDC_INDEX_LIST);
    return xs.size ? xs.items[at] : T{};
}

template <class T, u32 N> PDC_FN T pdc_item(const pdc_list<T, N> &xs, i64 at) { return xs.items[at]; }

template <class T, u32 N> PDC_FN void pdc_set(pdc_context *t, pdc_list<T, N> &xs, i64 index, pdc_same<T> value) {
    const i64 at = pdc_index(&t->error, index, xs.size, PDC_INDEX_LIST_ASSIGN);
    if (t->error.code == 0) pdc_put(t, xs.items[at], value);
}

template <class T, u32 N> PDC_FN void pdc_append(pdc_context *t, pdc_list<T, N> &xs, pdc_same<T> value) {
    if (PDC_UNLIKELY(xs.size == N)) {
        pdc_raise(&t->error, PDC_DEOPT_CAPACITY);
        return;
    }
    pdc_put(t, xs.items[xs.size], value);
    pdc_put(t, xs.size, xs.size + 1);
}

template <class T, u32 N> PDC_FN T pdc_pop(pdc_context *t, pdc_list<T, N> &xs) {
    if (PDC_UNLIKELY(xs.size == 0)) {
        pdc_raise(&t->error, PDC_INDEX_POP_LIST);
        return T{};
    }
    pdc_put(t, xs.size, xs.size - 1);
    return xs.items[xs.size];
}

template <class T, u32 N> PDC_FN void pdc_clear(pdc_context *t, pdc_list<T, N> &xs) {
    pdc_put(t, xs.size, 0u);
}

template <class T, u32 N> PDC_FN void pdc_fresh(pdc_list<T, N> &xs) { xs.size = 0; }

template <class T, u32 N> PDC_FN void pdc_exchange(pdc_context *t, pdc_list<T, N> &xs, pdc_list<T, N> &ys) {
    const u32 used = pdc_more(xs.size, ys.size);
    pdc_exchange_places(t, xs.items, ys.items, used * (u64)sizeof(T));
    pdc_exchange_places(t, &xs.size, &ys.size, sizeof(u32));
}

/* xs = ys, of another capacity or item type; too many items deoptimise. */
template <class T, u32 N, class U, u32 M>
PDC_FN void pdc_assign(pdc_context *t, pdc_list<T, N> &xs, const pdc_list<U, M> &ys) {
    if (PDC_UNLIKELY(ys.size > N)) {
        pdc_raise(&t->error, PDC_DEOPT_CAPACITY);
        return;
    }
    for (u32 n = 0; n < ys.size; ++n) {
        T item;
        pdc_copy_item(item, ys.items[n]);
        pdc_put(t, xs.items[n], item);
    }
    pdc_put(t, xs.size, ys.size);
}

template <class L, class U, u32 M> PDC_FN L pdc_list_of(pdc_error *e, const pdc_list<U, M> &ys) {
    L xs = {};
    if (PDC_UNLIKELY(ys.size > sizeof(xs.items) / sizeof(xs.items[0]))) {
        pdc_raise(e, PDC_DEOPT_CAPACITY);
        return xs;
    }
    xs.size = ys.size;
    for (u32 n = 0; n < ys.size; ++n) pdc_copy_item(xs.items[n], ys.items[n]);
    return xs;
}

template <class T> PDC_FN bool pdc_before(const T &a, const T &b, bool reverse) {
    return reverse ? b < a : a < b;
}

template <class T> PDC_FN void pdc_swap(T *x, u32 i, u32 j) {
    const T kept = x[i];
    x[i] = x[j];
    x[j] = kept;
}

template <class T> PDC_FN void pdc_reverse(T *x, u32 first, u32 last) {
    for (; first + 1 < last; ++first, --last) pdc_swap(x, first, last - 1);
}

/* Merges x[a, m) and x[m, b) in place and stably: SymMerge of Kim and Kutzner, "Stable Minimum
   Storage Merging by Symmetric Comparisons", ESA 2004. */
template <class T> PDC_SLOW void pdc_merge(T *x, u32 a, u32 m, u32 b, bool reverse) {
    if (b - m == 1 || m - a == 1) {
        if (b - m == 1)
            for (; m > a && pdc_before(x[m], x[m - 1], reverse); --m) pdc_swap(x, m, m - 1);
        else
            for (; a + 1 < b && pdc_before(x[a + 1], x[a], reverse); ++a) pdc_swap(x, a, a + 1);
        return;
    }
    const u32 middle = a + (b - a) / 2, sum = middle + m;
    u32 start = m > middle ? sum - b : a, end = m > middle ? middle : m;
    while (start < end) {
        const u32 at = start + (end - start) / 2;
        if (pdc_before(x[sum - 1 - at], x[at], reverse)) end = at;
        else start = at + 1;
    }
    end = sum - start;
    if (start < m && m < end) {
        pdc_reverse(x, start, m);
        pdc_reverse(x, m, end);
        pdc_reverse(x, start, end);
    }
    if (a < start && start < middle) pdc_merge(x, a, start, middle, reverse);
    if (middle < end && end < b) pdc_merge(x, middle, end, b, reverse);
}

/* Stable, like Python's; NaN, which has no order, is the interpreter's. */
template <class T, u32 N> PDC_SLOW void pdc_sort(pdc_context *t, pdc_list<T, N> &xs, bool reverse) {
    T *const x = xs.items;
    const u32 size = xs.size;
    for (u32 n = 0; n < size; ++n)
        if (x[n] != x[n]) {
            pdc_raise(&t->error, PDC_DEOPT_TYPE);
            return;
        }
    if (pdc_is_state(t, x)) pdc_note(t, (void *)x, size * sizeof(T));
    if (t->error.code != 0) return;
    const u32 run = 16;
    for (u32 n = 1; n < size; ++n)
        for (u32 at = n; at % run != 0 && pdc_before(x[at], x[at - 1], reverse); --at)
            pdc_swap(x, at, at - 1);
    for (u32 width = run; width < size; width *= 2)
        for (u32 a = 0; a + width < size; a += 2 * width)
            pdc_merge(x, a, a + width, size - a < 2 * width ? size : a + 2 * width, reverse);
}

template <class T, u32 N> struct pdc_deque {
    u32 start;
    u32 size;
    T items[N];
};

template <class T, u32 N> PDC_FN i64 pdc_len(const pdc_deque<T, N> &xs) { return xs.size; }

template <class T, u32 N> PDC_FN u32 pdc_at(const pdc_deque<T, N> &xs, u64 at) {
    const u64 place = xs.start + at;
    return (u32)(place < N ? place : place - N);
}

template <class T, u32 N> PDC_FN T pdc_item(const pdc_deque<T, N> &xs, i64 at) {
    return xs.items[pdc_at(xs, (u64)at)];
}

template <class T, u32 N> PDC_FN T pdc_get(pdc_error *e, const pdc_deque<T, N> &xs, i64 index) {
    return xs.items[pdc_at(xs, (u64)pdc_index(e, index, xs.size, PDC_INDEX_DEQUE))];
}

template <class T, u32 N> PDC_FN void pdc_set(pdc_context *t, pdc_deque<T, N> &xs, i64 index, pdc_same<T> value) {
    const i64 at = pdc_index(&t->error, index, xs.size, PDC_INDEX_DEQUE);
    if (t->error.code == 0) pdc_put(t, xs.items[pdc_at(xs, (u64)at)], value);
}

template <class T, u32 N> PDC_FN void pdc_append(pdc_context *t, pdc_deque<T, N> &xs, pdc_same<T> value) {
    if (xs.size == N) {
        pdc_put(t, xs.items[xs.start], value);
        pdc_put(t, xs.start, xs.start + 1 == N ? 0u : xs.start + 1);
    } else {
        pdc_put(t, xs.items[pdc_at(xs, xs.size)], value);
        pdc_put(t, xs.size, xs.size + 1);
    }
}

template <class T, u32 N> PDC_FN void pdc_appendleft(pdc_context *t, pdc_deque<T, N> &xs, pdc_same<T> value) {
    const u32 start = xs.start == 0 ? N - 1 : xs.start - 1;
    pdc_put(t, xs.items[start], value);
    pdc_put(t, xs.start, start);
    if (xs.size != N) pdc_put(t, xs.size, xs.size + 1);
}

template <class T, u32 N> PDC_FN T pdc_pop(pdc_context *t, pdc_deque<T, N> &xs) {
    if (PDC_UNLIKELY(xs.size == 0)) {
        pdc_raise(&t->error, PDC_INDEX_POP_DEQUE);
        return T{};
    }
    pdc_put(t, xs.size, xs.size - 1);
    return xs.items[pdc_at(xs, xs.size)];
}

template <class T, u32 N> PDC_FN T pdc_popleft(pdc_context *t, pdc_deque<T, N> &xs) {
    if (PDC_UNLIKELY(xs.size == 0)) {
        pdc_raise(&t->error, PDC_INDEX_POP_DEQUE);
        return T{};
    }
    const T value = xs.items[xs.start];
    pdc_put(t, xs.start, xs.start + 1 == N ? 0u : xs.start + 1);
    pdc_put(t, xs.size, xs.size - 1);
    return value;
}

template <class T, u32 N> PDC_FN void pdc_clear(pdc_context *t, pdc_deque<T, N> &xs) {
    pdc_put(t, xs.size, 0u);
}

template <class T, u32 N> PDC_FN void pdc_exchange(pdc_context *t, pdc_deque<T, N> &xs, pdc_deque<T, N> &ys) {
    u32 used = pdc_more(xs.start + xs.size, ys.start + ys.size);
    if (used > N) used = N; /* one of them goes round its end */
    pdc_exchange_places(t, xs.items, ys.items, used * (u64)sizeof(T));
    pdc_exchange_places(t, &xs, &ys, 2 * sizeof(u32));
}

/* A deque without a bound: one that is full hands over, where another drops an item. */
template <class T, u32 N> struct pdc_queue : pdc_deque<T, N> {};

template <class T, u32 N> PDC_FN bool pdc_is_full(pdc_context *t, const pdc_queue<T, N> &xs) {
    if (PDC_LIKELY(xs.size != N)) return false;
    pdc_raise(&t->error, PDC_DEOPT_CAPACITY);
    return true;
}

template <class T, u32 N> PDC_FN void pdc_append(pdc_context *t, pdc_queue<T, N> &xs, pdc_same<T> value) {
    if (!pdc_is_full(t, xs)) pdc_append(t, (pdc_deque<T, N> &)xs, value);
}

template <class T, u32 N> PDC_FN void pdc_appendleft(pdc_context *t, pdc_queue<T, N> &xs, pdc_same<T> value) {
    if (!pdc_is_full(t, xs)) pdc_appendleft(t, (pdc_deque<T, N> &)xs, value);
}

/* --- for the host to show: the items that a container has now -------------------------------- */

#define PDC_ITEMS 0xffffffffu

template <class T> PDC_SLOW T *pdc_log_room(pdc_context *t, u64 count) {
    u8 *const place = pdc_log_record(t, PDC_ITEMS, 8 + count * sizeof(T));
    if (place == 0) return 0;
    ((u32 *)place)[0] = (u32)count;
    return (T *)(place + 8);
}

template <class T> PDC_FN u64 pdc_log_end(pdc_context *t, const T *items) {
    return pdc_log_place(t, (const u8 *)items - 8);
}

template <class T, u32 N> PDC_SLOW u64 pdc_log_items(pdc_context *t, const pdc_list<T, N> &xs) {
    T *const room = pdc_log_room<T>(t, xs.size);
    if (room == 0) return 0;
    for (u32 n = 0; n < xs.size; ++n) room[n] = xs.items[n];
    return pdc_log_end(t, room);
}

template <class T, u32 N> PDC_SLOW u64 pdc_log_items(pdc_context *t, const pdc_deque<T, N> &xs) {
    T *const room = pdc_log_room<T>(t, xs.size);
    if (room == 0) return 0;
    for (u32 n = 0; n < xs.size; ++n) room[n] = pdc_item(xs, n);
    return pdc_log_end(t, room);
}
