/* arrays.h: numpy arrays of fixed shape, as parts of the state or locals, and what numpy's methods
   of whole arrays give. */

template <class T, u64 N> struct pdc_array {
    T items[N];
};

template <class T, u64 N> PDC_FN i64 pdc_len(const pdc_array<T, N> &) { return (i64)N; }

template <class T, u64 N> PDC_FN T pdc_item(const pdc_array<T, N> &xs, i64 at) { return xs.items[at]; }

/* One axis of an index: its place among ``size`` rows. */
PDC_FN i64 pdc_axis(pdc_error *e, i64 index, i64 size) {
    return pdc_index(e, index, size, PDC_INDEX_ARRAY);
}

template <class T, u64 N> PDC_FN void pdc_set_item(pdc_context *t, pdc_array<T, N> &xs, i64 at, pdc_same<T> value) {
    if (t->error.code == 0) pdc_put(t, xs.items[at], value);
}

template <class T, u64 N> PDC_FN void pdc_fill(pdc_context *t, pdc_array<T, N> &xs, pdc_same<T> value) {
    for (u64 n = 0; n < N; ++n) pdc_put(t, xs.items[n], value);
}

template <class T, u64 N> PDC_FN void pdc_fresh(pdc_array<T, N> &) {}

template <class T, u64 N>
PDC_FN void pdc_assign(pdc_context *t, pdc_array<T, N> &xs, const pdc_array<T, N> &ys) {
    for (u64 n = 0; n < N; ++n) pdc_put(t, xs.items[n], ys.items[n]);
}

template <class T, u64 N>
PDC_FN void pdc_exchange(pdc_context *t, pdc_array<T, N> &xs, pdc_array<T, N> &ys) {
    pdc_exchange_places(t, xs.items, ys.items, sizeof(xs.items));
}

/* numpy's pairwise sum of contiguous floats: eight partial sums in blocks of up to 128. */
template <class T> PDC_SLOW T pdc_pairwise(const T *items, u64 n) {
    if (n < 8) {
        T sum = items[0];
        for (u64 k = 1; k < n; ++k) sum += items[k];
        return sum;
    }
    if (n <= 128) {
        T r[8];
        for (u32 k = 0; k < 8; ++k) r[k] = items[k];
        u64 k = 8;
        for (; k < n - n % 8; k += 8)
            for (u32 lane = 0; lane < 8; ++lane) r[lane] += items[k + lane];
        T sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
        for (; k < n; ++k) sum += items[k];
        return sum;
    }
    u64 half = n / 2;
    half -= half % 8;
    return pdc_pairwise(items, half) + pdc_pairwise(items + half, n - half);
}

template <class T, u64 N> PDC_FN T pdc_np_sum(const pdc_array<T, N> &xs) {
    return pdc_pairwise(xs.items, N);
}

/* What numpy's methods of whole arrays give. */
template <class R, class T, u64 N> PDC_FN R pdc_np_total(const pdc_array<T, N> &xs) {
    u64 sum = 0;
    for (u64 n = 0; n < N; ++n) sum += (u64)(R)xs.items[n];
    return (R)sum;
}
template <class T, u64 N> PDC_FN void pdc_np_cumsum(pdc_context *t, pdc_array<T, N> &xs) {
    for (u64 n = 1; n < N; ++n) xs.items[n] = (T)(xs.items[n - 1] + xs.items[n]);
}
template <class T, u64 N> PDC_FN bool pdc_np_any(const pdc_array<T, N> &xs) {
    for (u64 n = 0; n < N; ++n)
        if (xs.items[n] != T(0)) return true;
    return false;
}
template <class T, u64 N> PDC_FN bool pdc_np_all(const pdc_array<T, N> &xs) {
    for (u64 n = 0; n < N; ++n)
        if (xs.items[n] == T(0)) return false;
    return true;
}
/* The first of the largest or smallest items, or of the NaNs. */
template <class T> PDC_FN u64 pdc_np_best(const T *items, u64 count, bool largest) {
    u64 best = 0;
    for (u64 n = 0; n < count; ++n) {
        if (items[n] != items[n]) return n;
        if (largest ? items[n] > items[best] : items[n] < items[best]) best = n;
    }
    return best;
}
/* The largest or smallest item; if that is a zero, and there are two kinds, the processor's choice. */
template <class T> PDC_FN T pdc_np_extreme(pdc_error *e, const T *items, u64 count, bool largest) {
    const T best = items[pdc_np_best(items, count, largest)];
    if ((T)1.5 != (T)1 && best == T(0))
        for (u64 n = 0; n < count; ++n)
            if (items[n] == T(0) && pdc_signbit((f64)items[n]) != pdc_signbit((f64)best))
                pdc_raise(e, PDC_DEOPT_TYPE);
    return best;
}
template <class T, u64 N> PDC_FN i64 pdc_np_argmax(pdc_error *, const pdc_array<T, N> &xs) {
    return (i64)pdc_np_best(xs.items, N, true);
}
template <class T, u64 N> PDC_FN i64 pdc_np_argmin(pdc_error *, const pdc_array<T, N> &xs) {
    return (i64)pdc_np_best(xs.items, N, false);
}
template <class T, u64 N> PDC_FN T pdc_np_max(pdc_error *e, const pdc_array<T, N> &xs) {
    return pdc_np_extreme(e, xs.items, N, true);
}
template <class T, u64 N> PDC_FN T pdc_np_min(pdc_error *e, const pdc_array<T, N> &xs) {
    return pdc_np_extreme(e, xs.items, N, false);
}

/* The items of a list or deque as the f64 array that numpy makes of it. */
template <class L> struct pdc_floats {
    u64 size;
    f64 items[sizeof(((L *)0)->items) / sizeof(((L *)0)->items[0])];
};
template <class L> PDC_FN void pdc_floats_of(pdc_floats<L> &v, const L &xs) {
    v.size = (u64)pdc_len(xs);
    for (u64 n = 0; n < v.size; ++n) v.items[n] = (f64)pdc_item(xs, (i64)n);
}
template <class L> PDC_SLOW f64 pdc_list_sum(pdc_error *, const L &xs) {
    pdc_floats<L> v;
    pdc_floats_of(v, xs);
    return v.size ? pdc_pairwise(v.items, v.size) : 0.0;
}
PDC_FN f64 pdc_list_mean(f64 sum, i64 count) { return count ? sum / (f64)count : PDC_NAN; }
template <class L> PDC_SLOW f64 pdc_list_extreme(pdc_error *e, const L &xs, bool largest) {
    pdc_floats<L> v;
    pdc_floats_of(v, xs);
    if (v.size) return pdc_np_extreme(e, v.items, v.size, largest);
    pdc_raise(e, largest ? PDC_VALUE_MAX_EMPTY : PDC_VALUE_MIN_EMPTY);
    return 0.0;
}
template <class L> PDC_FN f64 pdc_list_max(pdc_error *e, const L &xs) {
    return pdc_list_extreme(e, xs, true);
}
template <class L> PDC_FN f64 pdc_list_min(pdc_error *e, const L &xs) {
    return pdc_list_extreme(e, xs, false);
}

template <class T, u64 N> PDC_SLOW u64 pdc_log_items(pdc_context *t, const pdc_array<T, N> &xs) {
    T *const room = pdc_log_room<T>(t, N);
    if (room == 0) return 0;
    for (u64 n = 0; n < N; ++n) room[n] = xs.items[n];
    return pdc_log_end(t, room);
}
