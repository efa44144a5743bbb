/* The self-test of a device: a kernel that waits for a word the host writes after the launch, and
   answers.  Its entry points are those of every actor, so it is launched like one. */
struct pdc_echo { u64 question; u64 answer; };

#if PDC_ON_DEVICE
extern "C" __global__ void pdc_resident(pdc_echo *const *echoes, u64 count, u64 limit_ns) {
    if (threadIdx.x != 0 || blockIdx.x >= count) return; /* loading launches it with zeros */
    u64 start, now, question;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(start));
    do {
        question = pdc_load_acquire_u64(&echoes[0]->question);
        asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    } while (!question && now - start < limit_ns);
    pdc_store_release_u64(&echoes[0]->answer, question);
}
extern "C" __global__ void pdc_debug_step(pdc_echo *const *, u64, u64) {}
#else
extern "C" {
extern u64 pdc_residency_size;
__attribute__((visibility("default"))) u64 pdc_residency_size = 1;
__attribute__((visibility("default"))) void
pdc_resident(pdc_echo *const *echoes, u64, u64, void *, void *) {
    u64 question;
    while (!(question = pdc_load_acquire_u64(&echoes[0]->question))) pdc_pause();
    pdc_store_release_u64(&echoes[0]->answer, question);
}
__attribute__((visibility("default"))) void
pdc_debug_step(pdc_echo *const *, u64, u64, void *, void *) {}
}
#endif
