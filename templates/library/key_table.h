/* key_table.h: the instances of a population, found by their keys.  Open addressing with linear
   probing; the hash has two secrets of the population, so keys cannot be chosen that collide.
   An instance is a record of key, flags and state that never moves; a bucket has the upper half of
   its hash, and its number plus 1.  Plain C++: the host allocates. */

struct pdc_instance_key {
    u64 words[PDC_KEY_WORDS];
};

enum pdc_instance_flags {
    PDC_VACANT = 0,  /* the record is free */
    PDC_NEW = 1,     /* it has a state, and has had no message */
    PDC_BEGUN = 2,
    PDC_BY_HOST = 4, /* its messages are the host's: it has failed or ended, or is interpreted */
    PDC_RESERVED = 8, /* its first message has been sent, and it has no state yet */
};

struct pdc_instance {
    pdc_instance_key key;
    u32 flags;
    u32 born; /* the order in which instances begin */
    pdc_state state;
};
#define PDC_STATE_OFFSET __builtin_offsetof(pdc_instance, state)
static_assert(alignof(pdc_state) <= 8, "the host lays instances out in words");

#define PDC_NO_INSTANCE PDC_U64_MAX

PDC_FN pdc_instance *pdc_instance_at(const pdc_population *p, u64 number) {
    return (pdc_instance *)p->instances + number;
}

PDC_FN u64 pdc_number_of(const pdc_population *p, const pdc_instance *instance) {
    return (u64)(instance - (pdc_instance *)p->instances);
}

PDC_FN u64 pdc_hash_key(const pdc_population *p, const pdc_instance_key &key) {
    u64 hash = p->secret;
    for (u32 n = 0; n < PDC_KEY_WORDS; ++n) {
        const u64 mixed = hash ^ key.words[n];
        hash = mixed * p->factor ^ pdc_mulhi_u64(mixed, p->factor);
    }
    hash = (hash ^ hash >> 32) * p->factor; /* keys in steps would go into buckets in steps */
    return hash ^ hash >> 32;
}

PDC_FN bool pdc_same_key(const pdc_instance_key &a, const pdc_instance_key &b) {
    u64 different = 0;
    for (u32 n = 0; n < PDC_KEY_WORDS; ++n) different |= a.words[n] ^ b.words[n];
    return different == 0;
}

/* The number of the instance with a key, or PDC_NO_INSTANCE. */
PDC_FN u64 pdc_find_key(const pdc_population *p, const pdc_instance_key &key, u64 hash) {
    const u64 *const buckets = (const u64 *)p->buckets;
    for (u64 at = hash & p->mask;; at = (at + 1) & p->mask) {
        const u64 bucket = buckets[at];
        if (bucket == 0) return PDC_NO_INSTANCE;
        const u64 number = (u32)bucket - 1;
        if (((bucket ^ hash) >> 32) == 0 && pdc_same_key(pdc_instance_at(p, number)->key, key))
            return number;
    }
}

/* The first instance whose hash agrees in its upper half, or PDC_NO_INSTANCE: records are not looked
   at. */
PDC_FN u64 pdc_guess(const pdc_population *p, u64 hash) {
    const u64 *const buckets = (const u64 *)p->buckets;
    for (u64 at = hash & p->mask;; at = (at + 1) & p->mask) {
        if (buckets[at] == 0) return PDC_NO_INSTANCE;
        if (((buckets[at] ^ hash) >> 32) == 0) return (u32)buckets[at] - 1;
    }
}

PDC_FN void pdc_put_bucket(const pdc_population *p, u64 hash, u64 number) {
    u64 *const buckets = (u64 *)p->buckets;
    u64 at = hash & p->mask;
    while (buckets[at] != 0) at = (at + 1) & p->mask;
    buckets[at] = (hash & 0xffffffff00000000ULL) | (number + 1);
}

/* A record for a key that has none; there must be room. */
PDC_SLOW u64 pdc_add_key(pdc_population *p, const pdc_instance_key &key, u64 hash) {
    const u64 number = p->vacant != 0 ? p->vacant - 1 : p->used++;
    pdc_instance *const instance = pdc_instance_at(p, number);
    if (p->vacant != 0) p->vacant = instance->key.words[0];
    instance->key = key;
    instance->flags = PDC_RESERVED;
    instance->born = (u32)p->born++;
    p->count += 1;
    pdc_put_bucket(p, hash, number);
    return number;
}

/* Frees a record; the buckets behind its own move up to where they would have been without it. */
PDC_SLOW void pdc_remove_key(pdc_population *p, u64 number) {
    pdc_instance *const instance = pdc_instance_at(p, number);
    u64 *const buckets = (u64 *)p->buckets;
    u64 hole = pdc_hash_key(p, instance->key) & p->mask;
    while ((u32)buckets[hole] != number + 1) hole = (hole + 1) & p->mask;
    for (u64 at = (hole + 1) & p->mask; buckets[at] != 0; at = (at + 1) & p->mask) {
        const u64 home = pdc_hash_key(p, pdc_instance_at(p, (u32)buckets[at] - 1)->key) & p->mask;
        if (((at - home) & p->mask) < ((at - hole) & p->mask)) continue;
        buckets[hole] = buckets[at];
        hole = at;
    }
    buckets[hole] = 0;
    p->count -= 1;
    if (instance->flags & PDC_BEGUN) p->begun -= 1;
    *instance = pdc_instance{};
    instance->key.words[0] = p->vacant;
    p->vacant = number + 1;
}
