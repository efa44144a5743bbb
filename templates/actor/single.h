/* single.h: turns of one actor in a row, from ring to ring. */

PDC_ENTRY i32 pdc_burst(void *block, u64 limit) {
    pdc_actor *const actor = (pdc_actor *)block;
    pdc_state *const state = (pdc_state *)actor->state;
    pdc_context context = {};
    context.actor = actor;
    context.fuel = actor->fuel;
    context.state_size = sizeof(pdc_state);
    context.log_used = actor->log_used;
    pdc_source in = pdc_source_of(actor->input);
    pdc_sink out = pdc_sink_of(actor->output, actor->produced);
    const u64 first = in.tail, skipped = actor->skipped;
    actor->code = 0;
    if (PDC_UNLIKELY(actor->event) && in.head != in.tail && !actor->terminating)
        actor->event = 0; /* a message came in time after all */
    pdc_variables variables = pdc_load(*state);
    pdc_tidy_all(variables);
    pdc_input_slot copy;
    i32 status = PDC_MORE;

    for (u64 done = 0; status == PDC_MORE; ++done) {
        if (!pdc_may_begin(out)) {
            status = PDC_FULL;
            break;
        }
        if (done == limit) break;
        const pdc_input_slot *const message = pdc_peek(in, &copy, &actor->skipped);
        const u64 before = out.produced, logged = context.log_used;
        out.input = in.tail;
        out.taken = out.token = 0;
        context.refused = context.timed_out = 0;
        status = pdc_turn(variables, message, out, &context);
        if (PDC_UNLIKELY(!pdc_is_whole(status))) {
            status = pdc_rollback(&context, status, out.produced - before);
            out.produced = before;
            context.log_used = logged;
            break;
        }
        pdc_settle(&context, variables);
        in.tail += out.taken;
    }

    pdc_store(*state, variables);
    actor->processed += in.tail - first - (actor->skipped - skipped);
    actor->log_used = context.log_used;
    return pdc_end_burst(actor, in, out, status);
}
